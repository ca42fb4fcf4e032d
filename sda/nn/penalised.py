"""Relatives of the denoising autoencoder, whose costs add a penalty to the reconstruction loss.

Sparse autoencoders want units that are mostly silent, contractive ones codes that hardly move with
the input. Without corruption (``init=saa``) they are the sources' own; with it, both act together.
Codes y are those of the inputs x̃ that a layer is given, J = ∂y/∂x̃.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import torch
from torch import Tensor

from sda.common import checks
from sda.nn.autoencoder import DerivedAutoencoder, Layer
from sda.nn.corruption import Corrupted
from sda.nn.encoder import Activation


class Penalty(ABC):
    """What is added to the cost of a minibatch; a frozen dataclass."""

    is_mean_over_rows: ClassVar[bool] = True  # of what each row adds alone

    @abstractmethod
    def __call__(self, y: Tensor, weight: Tensor, activation: Activation) -> Tensor:
        """The penalty, a number, of codes y (n, h) = s(x̃ W + b) with W (d, h)."""

    def check(self, activation: Activation) -> None:  # noqa: B027  most suit all of them
        """Raise ValueError for a nonlinearity whose codes it has no meaning for."""


@dataclass(frozen=True)
class Sparsity(Penalty):
    """β Σ_j KL(ρ ‖ ρ̂_j): each unit's mean code ρ̂_j over a minibatch is drawn to a target rate ρ.

    KL(ρ ‖ q) = ρ log(ρ/q) + (1 − ρ) log((1 − ρ)/(1 − q)), in nats. Ng (2011), "Sparse autoencoder",
    CS294A lecture notes; small minibatches estimate ρ̂ badly. For sigmoid units.
    """

    is_mean_over_rows: ClassVar[bool] = False  # but of a mean of theirs

    target: float = 0.05  # ρ
    strength: float = 1.0  # β

    def __post_init__(self) -> None:
        checks.number("target", self.target, 1e-4, 1 - 1e-4)
        checks.number("strength", self.strength, 0)

    def __call__(self, y: Tensor, weight: Tensor, activation: Activation) -> Tensor:
        """The penalty, in nats."""
        rate = y.mean(-2).clamp(1e-6, 1 - 1e-6)  # a unit that is never on has no finite logarithm
        wanted = torch.full_like(rate, self.target)
        silent = torch.xlogy(1 - wanted, (1 - wanted) / (1 - rate))
        return self.strength * (torch.xlogy(wanted, wanted / rate) + silent).sum(-1)

    def check(self, activation: Activation) -> None:
        """Raise ValueError for units whose codes are no rates."""
        if activation is not Activation.sigmoid:
            raise ValueError(
                f"Sparsity needs activation=sigmoid, whose codes are rates, got {activation}"
            )


@dataclass(frozen=True)
class L1(Penalty):
    """λ Σ_j |y_j|, the mean over rows. With rectified units most codes become 0."""

    strength: float = 0.1  # λ

    def __post_init__(self) -> None:
        checks.number("strength", self.strength, 0)

    def __call__(self, y: Tensor, weight: Tensor, activation: Activation) -> Tensor:
        """The penalty."""
        return self.strength * y.abs().sum(-1).mean(-1)


@dataclass(frozen=True)
class Contractive(Penalty):
    """λ ‖J‖², the squared Frobenius norm, its mean over rows. Rifai et al. (2011), eq. 5 to 7.

    ‖J‖² = Σ_j s′(a_j)² Σ_i W_ij²: for sigmoid units s′ is y (1 − y). No Jacobian is in memory.
    """

    strength: float = 0.1  # λ

    def __post_init__(self) -> None:
        checks.number("strength", self.strength, 0)

    def __call__(self, y: Tensor, weight: Tensor, activation: Activation) -> Tensor:
        """The penalty."""
        return self.strength * jacobian_norm(y, weight, activation).mean(-1)


def jacobian_norm(y: Tensor, weight: Tensor, activation: Activation) -> Tensor:
    """‖J‖² of each row (n,) of codes y (n, h) = s(x W + b)."""
    return activation.slope(y).square() @ weight.square().sum(-2)


@dataclass(frozen=True)
class Penalised(Layer):
    """The plan of a dense autoencoder, denoising or not, whose cost has a penalty."""

    penalty: Penalty = field(default_factory=lambda: L1(0.0))

    def unpretrained(self) -> Self:
        """The plan of an encoder alone: only pretraining reads the penalty."""
        return super().unpretrained()._with(penalty=L1(0.0))

    def build(self, n_visible: int, generator: torch.Generator) -> "PenalisedAutoencoder":
        """Make the layer for inputs of n_visible components, with weights from ``generator``."""
        return PenalisedAutoencoder(self, n_visible, generator)


class PenalisedAutoencoder(DerivedAutoencoder):
    """A dA with a penalty added to its reconstruction loss; trained down the gradient of both."""

    _plan: Penalised

    @property
    def penalty(self) -> Penalty:
        """What is added to the cost."""
        return self._plan.penalty

    @property
    def is_mean_over_rows(self) -> bool:
        """Where the penalty is one, too."""
        return super().is_mean_over_rows and self.penalty.is_mean_over_rows

    def cost(self, x: Tensor, corrupted: Corrupted) -> Tensor:
        """Cost of reconstructing the clean x (n, d) from its corruption, and the penalty."""
        y = self.encode(corrupted.x)
        loss = self.losses(y, x, corrupted.hit).mean(-1)
        return loss + self.penalty(y, self.weight, self.activation)

    @torch.no_grad()
    def measures(self, x: Tensor, draws: Sequence[torch.Generator]) -> dict[str, Tensor]:
        """``mean_code``: |y| over units and rows; ``jacobian``: ‖J‖² over rows."""
        y = self.encode(x)
        norm = jacobian_norm(y, self.weight, self.activation)
        return {"mean_code": y.abs().mean((-2, -1)), "jacobian": norm.mean(-1)}

    def _check(self) -> None:
        super()._check()
        self.penalty.check(self.activation)
