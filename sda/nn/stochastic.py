"""A denoising autoencoder whose units draw their codes: p(h | x) beside p(x | h).

The convention of all layers with such units: they draw while their own layer is trained and in
chains of samples (``draw``). Codes for the next layer, fine-tuning and features are free of noise
(``encode``): the activation of the logits, which for Bernoulli units is E[h | x].
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from sda.common import checks
from sda.nn.autoencoder import DerivedAutoencoder, Layer
from sda.nn.corruption import Corrupted
from sda.nn.distributions import coin, normal
from sda.nn.encoder import Activation

GRADIENTS = ("straight_through", "score")


class Units(ABC):
    """p(h | a) for logits a of the units. A kind is a frozen dataclass."""

    @abstractmethod
    def draw(self, logits: Tensor, activation: Activation, generator: torch.Generator) -> Tensor:
        """Draw codes (n, h) for logits (n, h)."""

    def expected(
        self,
        logits: Tensor,
        activation: Activation,
        generator: torch.Generator,
        losses: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """Estimate E[loss(h)] of each row, (n,), with its gradient.

        Args:
            logits: a (n, h).
            activation: of the layer.
            generator: of the draws.
            losses: from codes (n, h) to the loss of each row (n,).
        """
        return losses(self.draw(logits, activation, generator))

    def check(self, activation: Activation) -> None:  # noqa: B027
        """Raise ValueError if units of this activation cannot be drawn."""


@dataclass(frozen=True)
class GaussianUnits(Units):
    """h = s(a + before · ε) + after · ε′ with ε, ε′ ~ N(0, 1): noise into the units or on them.

    The gradient goes through s. Both noises at once: Bengio et al. (2014), §5.2.
    """

    before: float = 0.0  # standard deviation, of logits
    after: float = 0.0  # standard deviation, of codes

    def __post_init__(self) -> None:
        checks.number("before", self.before, 0)
        checks.number("after", self.after, 0)

    def draw(self, logits: Tensor, activation: Activation, generator: torch.Generator) -> Tensor:
        """Draw codes (n, h) for logits (n, h)."""
        if self.before:
            logits = logits + self.before * normal(logits, generator)
        codes = activation(logits)
        return codes + self.after * normal(codes, generator) if self.after else codes


@dataclass(frozen=True)
class BernoulliUnits(Units):
    """h is 1 with probability p = s(a), else 0.

    ``straight_through`` takes ∂h/∂p for 1, so that ∂h/∂a is p (1 − p): biased, of low variance
    (Bengio, Léonard & Courville, 2013, §4). ``score`` draws two codes h, h′ for each row and takes
    ½ (L(h) − L(h′)) (∇ log p(h) − ∇ log p(h′)) beside ∇L: each is the other's baseline, and the
    gradient of E[L] is unbiased (Williams, 1992; Kool, van Hoof & Welling, 2019).
    """

    gradient: str = "straight_through"  # or score

    def __post_init__(self) -> None:
        checks.one_of("gradient", self.gradient, GRADIENTS)

    def draw(self, logits: Tensor, activation: Activation, generator: torch.Generator) -> Tensor:
        """Draw codes (n, h), 0 or 1; ∂h/∂p is 1 with ``straight_through``, else 0."""
        p = torch.sigmoid(logits)
        drawn = coin(p, generator)
        return drawn + (p - p.detach()) if self.gradient == "straight_through" else drawn

    def expected(
        self,
        logits: Tensor,
        activation: Activation,
        generator: torch.Generator,
        losses: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """Estimate E[loss(h)] of each row, (n,), with the gradient that was asked for."""
        if self.gradient == "straight_through":
            return super().expected(logits, activation, generator, losses)
        pair = [self.draw(logits, activation, generator) for _ in range(2)]
        first, second = map(losses, pair)
        log_p = [-F.binary_cross_entropy_with_logits(logits, h, reduction="none") for h in pair]
        score = (log_p[0] - log_p[1]).sum(-1)
        surrogate = (first - second).detach() * (score - score.detach())  # 0, but for its gradient
        return 0.5 * (first + second + surrogate)

    def check(self, activation: Activation) -> None:
        """Raise ValueError unless codes are probabilities."""
        if activation is not Activation.sigmoid:
            raise ValueError(f"Bernoulli units need activation=sigmoid, got {activation}")


@dataclass(frozen=True)
class Stochastic(Layer):
    """The plan of a dense denoising autoencoder with units that draw."""

    units: Units = field(default_factory=BernoulliUnits)

    def without_noise(self) -> Self:
        """The plan as init=saa trains it: no corruption, no emphasis, units that draw nothing."""
        return super().without_noise()._with(units=GaussianUnits())

    def build(self, n_visible: int, generator: torch.Generator) -> "StochasticAutoencoder":
        """Make the layer for inputs of n_visible components, with weights from ``generator``."""
        return StochasticAutoencoder(self, n_visible, generator)


class StochasticAutoencoder(DerivedAutoencoder):
    """h ~ p(h | x̃ W + b), z = s'(h Wᵀ + c): a dA trained on the expected loss over its codes.

    ``encode`` is free of noise, as is ``cost``; ``drawn_cost``, which training descends, and
    ``draw``, of which chains of samples are made, are not.
    """

    _plan: Stochastic

    @property
    def units(self) -> Units:
        """p(h | a)."""
        return self._plan.units

    @property
    def noise(self) -> str:  # type: ignore[override]
        """What its units draw."""
        return str(self.units)

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Draw codes (n, h) from p(h | x) for inputs x (n, d)."""
        return self.units.draw(self._given(x), self.activation, generator)

    def drawn_cost(
        self, x: Tensor, corrupted: Corrupted, draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Mean over rows of the expected loss over codes, estimated by a draw."""
        return self.units.expected(
            self._given(corrupted.x),
            self.activation,
            draws[0],
            lambda h: self.losses(h, x, corrupted.hit),
        ).mean(-1)

    def _given(self, x: Tensor) -> Tensor:
        """What the units are given: x W + b."""
        return self.filled(x) @ self.weight + self.hidden_bias

    def _check(self) -> None:
        super()._check()
        self.units.check(self.activation)
