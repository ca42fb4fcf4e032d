"""Units that draw their codes, p(h | x), and the gradient that goes through a draw.

The convention of all layers with such units: they draw while their own layer is trained and in
chains of samples (``draw``). Codes for the next layer, fine-tuning and features are free of noise
(``encode``): the activation of the logits, which for Bernoulli units is E[h | x].
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sda.common import checks
from sda.nn.activation import Activation

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
        chance = torch.rand(p.shape, generator=generator, device=generator.device).to(p.device)
        drawn = (chance < p).to(p.dtype)
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


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw N(0, 1) in the shape of ``like``, where it is."""
    return torch.randn(like.shape, generator=generator, device=generator.device).to(like)
