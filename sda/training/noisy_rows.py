"""Noise on the data themselves: pretraining takes noisy rows for clean ones.

What denoising is compared with in Vincent et al. (2010), figure 12: the same noise, put to an
ordinary autoencoder that has to reconstruct it too. As in the authors' code (PLearn's option
``noisy``) it is in the input alone: upper layers see the codes of rows with noise, and get none of
their own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sda.common.precision import Precision
from sda.common.seeding import stream
from sda.nn.corruption import Corruption
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.training.minibatches import corrupt


@dataclass(frozen=True)
class NoisyRows:
    """The rows of a stack as its layer ``depth`` sees them: other noise on them in every epoch."""

    x: Tensor  # (n, d), clean: floats or grey levels, wherever they lie
    stack: StackedDenoisingAutoencoder
    depth: int
    corruptions: Sequence[Corruption]  # of the rows, for each run

    def seen(self, seeds: Sequence[int], epoch: int) -> Callable[[Tensor], Tensor]:
        """Return what turns blocks of rows (*runs, b, d) into codes of them with noise.

        The codes (*runs, b, h) are of layer ``depth`` - 1. ``seeds``, one for each run, and
        ``epoch`` name what is drawn, block after block.
        """
        device = self.stack[0].like.device
        noise = [stream(seed, "noisy rows", self.depth, epoch, device=device) for seed in seeds]
        corruptions = [corruption.at(epoch) for corruption in self.corruptions]

        @torch.no_grad()
        def codes(rows: Tensor) -> Tensor:
            noisy = corrupt(rows, corruptions, noise, self.stack.runs).x
            with Precision.fp32.products():  # as clean codes are, whatever a step rounds
                codes: Tensor = self.stack(noisy, self.depth)
                return codes

        return codes
