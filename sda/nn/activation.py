"""The encoder's nonlinearities, with their derivatives."""

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
