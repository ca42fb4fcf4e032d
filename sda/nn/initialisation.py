"""Initial weights: the papers' scale and the tutorial's."""

import math
from enum import StrEnum

import torch
from torch import Tensor


class Initialisation(StrEnum):
    """Where initial weights are drawn from; biases start at 0 in both.

    ``papers``: uniform on ±1/√max(fan_in, fan_out), every layer ("uniform_sqrt", the default of the
    authors' library PLearn). ``tutorial``: uniform on ±4√(6/(fan_in + fan_out)) for hidden layers
    and 0 for the output layer (the Theano deep-learning tutorial).
    """

    papers = "papers"
    tutorial = "tutorial"

    def hidden(self, fan_in: int, fan_out: int, generator: torch.Generator) -> Tensor:
        """Draw the weights of a hidden layer, (fan_in, fan_out)."""
        if self is Initialisation.papers:
            return _uniform(fan_in, fan_out, 1 / math.sqrt(max(fan_in, fan_out)), generator)
        return _uniform(fan_in, fan_out, 4 * math.sqrt(6 / (fan_in + fan_out)), generator)

    def output(self, fan_in: int, fan_out: int, generator: torch.Generator) -> Tensor:
        """Draw the weights of a softmax layer, (fan_in, fan_out)."""
        if self is Initialisation.papers:
            return self.hidden(fan_in, fan_out, generator)
        return torch.zeros(fan_in, fan_out)


def _uniform(fan_in: int, fan_out: int, bound: float, generator: torch.Generator) -> Tensor:
    return torch.empty(fan_in, fan_out).uniform_(-bound, bound, generator=generator)
