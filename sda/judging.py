"""How well a layer reconstructs validation rows, and what that can be read against."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sda import exact
from sda.autoencoder import DenoisingAutoencoder
from sda.corruption import Corruption
from sda.presentation import corrupt
from sda.reconstruction import SquaredError
from sda.seeding import stream

BLOCK = 4096  # rows that are reconstructed at once


class Judge:
    """Measures one layer on validation rows: corrupted by one fixed draw, and as they are.

    Args:
        layer: the layer, with runs or not.
        clean: its input on validation rows, (m, d) or (R, m, d).
        depth: of the layer; names the draw.
        seeds: of the runs.
        trial: what corrupts the rows, for each run; often what the layer trains with.
    """

    def __init__(
        self,
        layer: DenoisingAutoencoder,
        clean: Tensor,
        depth: int,
        seeds: Sequence[int],
        trial: Sequence[Corruption],
    ) -> None:
        self._layer = layer
        self._clean = clean
        noise = [stream(seed, "validation corruption", depth) for seed in seeds]
        self._corrupted = corrupt(clean, trial, noise, layer.runs).x
        own = [a == b for a, b in zip(trial, layer.corruptions, strict=True)]
        self._own = torch.tensor(own, device=clean.device).reshape(layer.runs)

    def errors(self) -> tuple[Tensor, Tensor]:
        """Mean reconstruction error from the corrupted rows and from the clean ones, each (runs).

        Summed over components, without emphasis, so that layers with and without it compare.
        """
        return self._error(self._corrupted), self._error(self._clean)

    def criterion(self, errors: tuple[Tensor, Tensor]) -> Tensor:
        """The error that a layer is stopped by: the one from the input that it trains with.

        A layer tried with another corruption than its own (an ordinary autoencoder beside a
        denoising one) is judged on clean rows.
        """
        return torch.where(self._own, *errors)

    @torch.no_grad()
    def baselines(self, codes: Tensor) -> dict[str, Tensor]:
        """Errors (runs) of answers that need no training, given the training inputs ``codes``.

        ``mean``: the mean training input, whatever the input is. ``input``, for squared error: the
        corrupted input itself.
        """
        loss = self._layer.reconstruction.loss
        mean = codes.mean(-2, keepdim=True)
        if not isinstance(self._layer.reconstruction, SquaredError):
            mean = torch.logit(mean, eps=1e-6)
        answers = {"mean": loss(mean.expand_as(self._clean).contiguous(), self._clean)}
        if isinstance(self._layer.reconstruction, SquaredError):
            answers["input"] = loss(self._corrupted, self._clean)
        return {
            name: losses.to(exact.wide(losses.device)).sum(-1).mean(-1).expand(self._layer.runs)
            for name, losses in answers.items()
        }

    @torch.no_grad()
    def _error(self, inputs: Tensor) -> Tensor:
        layer = self._layer
        total = torch.zeros(layer.runs, dtype=exact.wide(inputs.device), device=inputs.device)
        blocks = zip(inputs.split(BLOCK, -2), self._clean.split(BLOCK, -2), strict=True)
        for given, clean in blocks:
            logits = layer.decode(layer.encode(given))
            total += layer.reconstruction.loss(logits, clean).sum((-2, -1))
        return total / inputs.shape[-2]
