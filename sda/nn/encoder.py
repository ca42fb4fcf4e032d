"""What an encoder s(x W + b) is made of: its nonlinearity s, and the scale that W is drawn with."""

import math
from enum import StrEnum

import torch
from torch import Tensor


class Activation(StrEnum):
    """What turns logits into codes; the papers use the logistic sigmoid."""

    sigmoid = "sigmoid"
    tanh = "tanh"
    relu = "relu"

    def __call__(self, logits: Tensor) -> Tensor:
        """Apply it to every component."""
        return {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[self](logits)

    def apply_(self, logits: Tensor) -> Tensor:
        """Apply it in place."""
        return {"sigmoid": torch.sigmoid_, "tanh": torch.tanh_, "relu": torch.relu_}[self](logits)

    def backward_(self, gradient: Tensor, y: Tensor) -> Tensor:
        """Multiply ``gradient`` in place by the derivative where the value is y; both (..., h)."""
        aten = torch.ops.aten
        if self is Activation.sigmoid:
            aten.sigmoid_backward.grad_input(gradient, y, grad_input=gradient)
        elif self is Activation.tanh:
            aten.tanh_backward.grad_input(gradient, y, grad_input=gradient)
        else:
            aten.threshold_backward.grad_input(gradient, y, 0, grad_input=gradient)
        return gradient

    def slope(self, y: Tensor) -> Tensor:
        """The derivative where the value is y (..., h), itself differentiable."""
        if self is Activation.sigmoid:
            return y * (1 - y)
        return 1 - y.square() if self is Activation.tanh else (y > 0).to(y.dtype)

    @property
    def reach(self) -> tuple[float, float]:
        """The interval that codes lie in, known before any training."""
        reached = {Activation.tanh: (-1.0, 1.0), Activation.relu: (0.0, torch.inf)}
        return reached.get(self, (0.0, 1.0))


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
