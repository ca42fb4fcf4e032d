"""Reconstruction: what the decoder's logits become, and what its error costs."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from sda.nn import exact


@runtime_checkable
class Reconstruction(Protocol):
    """A decoder's output function with the loss that belongs to it."""

    def activate(self, logits: Tensor) -> Tensor:
        """Turn logits (..., d) into the reconstruction z (..., d)."""
        ...

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """Loss of every component (..., d) of the reconstruction against the clean x (..., d)."""
        ...

    def check(self, low: float, high: float, what: str) -> None:
        """Raise ValueError if targets in [low, high] cannot be reconstructed."""
        ...


@dataclass(frozen=True)
class CrossEntropy:
    """Logistic output with cross-entropy, in nats: −x log z − (1 − x) log(1 − z), z = s(logits).

    Vincent et al. (2008), eq. 2; computed from logits, where it neither overflows nor needs a clip.
    Its least value is the entropy of x, which is not 0 where x lies strictly between 0 and 1.
    """

    def activate(self, logits: Tensor) -> Tensor:
        """z = s(logits), in [0, 1]."""
        return exact.apply(torch.sigmoid, logits)

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """Cross-entropy of every component, in nats."""
        return exact.apply(F.softplus, logits).sub_(logits * x)

    def check(self, low: float, high: float, what: str) -> None:
        """Raise ValueError unless 0 <= low and high <= 1: outside, the loss has no lower bound."""
        if low < 0 or high > 1:
            raise ValueError(
                f"cross-entropy needs values in [0, 1], but {what} lie in [{low:.4g}, {high:.4g}]; "
                "use reconstruction=squared_error, or rescale (sigmoid codes, data in [0, 1])"
            )


@dataclass(frozen=True)
class SquaredError:
    """Linear output with squared error ½(x − z)², z = logits; for real-valued input."""

    def activate(self, logits: Tensor) -> Tensor:
        """z = logits."""
        return logits

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """Half the squared difference of every component: its derivative is z − x."""
        return 0.5 * (logits - x).square()

    def check(self, low: float, high: float, what: str) -> None:
        """Any finite targets will do."""
