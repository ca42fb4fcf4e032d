"""Initial weights: the papers' scale and the tutorial's."""

import math
from enum import StrEnum

import torch
from torch import Tensor


class Initialisation(StrEnum):
    """Where initial weights are drawn from; biases start at 0 in both.

    ``papers``: uniform on ±1/√max(fan_in, fan_out), every layer ("uniform_sqrt", the default of the
    authors' library PLearn). ``tutorial``: uniform on ±4√(6/(fan_in + fan_out)) for hidden layers
    and 0 for the output layer (the Theano deep-learning tutorial). The default: from the papers'
    small weights a network of three layers that is not pretrained learns nothing.
    """

    papers = "papers"
    tutorial = "tutorial"

    def hidden(self, fan_in: int, fan_out: int, generator: torch.Generator) -> Tensor:
        """Draw the weights of a hidden layer, (fan_in, fan_out)."""
        return _uniform((fan_in, fan_out), self._bound(fan_in, fan_out), generator)

    def kernels(self, shape: tuple[int, int, int, int], generator: torch.Generator) -> Tensor:
        """Draw kernels (codes, channels, height, width): a code sees a kernel's pixels.

        A pixel is seen by as many codes as kernels have pixels.
        """
        area = shape[2] * shape[3]
        return _uniform(shape, self._bound(shape[1] * area, shape[0] * area), generator)

    def output(self, fan_in: int, fan_out: int, generator: torch.Generator) -> Tensor:
        """Draw the weights of a softmax layer, (fan_in, fan_out)."""
        if self is Initialisation.papers:
            return self.hidden(fan_in, fan_out, generator)
        return torch.zeros(fan_in, fan_out)

    def _bound(self, fan_in: int, fan_out: int) -> float:
        if self is Initialisation.papers:
            return 1 / math.sqrt(max(fan_in, fan_out))
        return 4 * math.sqrt(6 / (fan_in + fan_out))


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
