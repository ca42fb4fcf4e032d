"""The distributions p(x | h) that a decoder gives: loss, mean and samples.

A loss is −log p of each component, up to a constant that each class states. Where its derivative
by the logits is mean − x, over the variance if that is fixed, the closed form serves it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from sda.common import checks
from sda.common.layout import Layout

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
FOLDED = 16  # 2^16 is far from what a float32 overflows at


class Distribution(ABC):
    """p(x | h) of d components, given by the decoder's logits: d of them, or more."""

    # Whether ``residual`` is ∂loss/∂logits; counts where a class says it itself.
    canonical: ClassVar[bool] = False
    hopeless: ClassVar[float] = math.inf  # a loss per component that no layer has that still learns
    linear: ClassVar[bool] = False  # the logits are the mean: data may stand in their place
    missing: ClassVar[bool] = False  # x may be NaN: a missing cell, read as 0 and no target
    independent: ClassVar[bool] = True  # components given h: then each may have its own weight
    left_out: ClassVar[float] = 0.0  # nats by which −log p of a component exceeds its loss
    width: ClassVar[int | None] = None  # components that an input must have; None: any number

    @abstractmethod
    def mean(self, logits: Tensor) -> Tensor:
        """The reconstruction z (..., d): E[x | h], of logits (..., m)."""

    @abstractmethod
    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """Loss of every component (..., d) against the clean x (..., d)."""

    def total(self, logits: Tensor, x: Tensor) -> Tensor:
        """The loss of all rows (R, n, d) together: (R,)."""
        return self.loss(logits, x).sum(-1).sum(-1)

    @abstractmethod
    def sample(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Draw x (..., d), on the generator's device and brought to that of the logits."""

    def check(self, low: float, high: float, what: str) -> None:  # noqa: B027
        """Raise ValueError if targets in [low, high] cannot be reconstructed; most finite can."""

    def logits_of(self, mean: Tensor) -> Tensor:
        """Logits (..., m) whose mean is ``mean`` (..., d), or as near as numbers allow."""
        return mean

    def on(self, layout: Layout) -> "Distribution":
        """The same, given what only the data know, such as columns; most need nothing."""
        return self

    def check_columns(self, low: Tensor, high: Tensor, what: str) -> None:
        """Raise ValueError if components in [low, high], each (d,), cannot be reconstructed."""
        self.check(float(low.min()), float(high.max()), what)

    def n_logits(self, d: int) -> int:
        """Logits m of an input of d components: the decoder's width."""
        return d

    def logits_for(self, d: int) -> int:
        """As ``n_logits``; raise ValueError if this distribution is of other components."""
        if self.width not in (None, d):
            kind = type(self).__name__
            raise ValueError(f"{kind} is of {self.width} components, the input has {d}")
        return self.n_logits(d)

    def residual(self, logits: Tensor, x: Tensor, out: Tensor) -> Tensor:
        """Write mean − x into ``out`` (..., d): what the closed form passes down."""
        return torch.sub(self.mean(logits), x, out=out)

    @property
    def in_closed_form(self) -> bool:
        """Whether this very class is canonical; a derived one may have another loss."""
        return bool(vars(type(self)).get("canonical", False))


@dataclass(frozen=True)
class CrossEntropy(Distribution):
    """Bernoulli: logistic output z = s(a), cross-entropy −x log z − (1 − x) log(1 − z), in nats.

    Vincent et al. (2008), eq. 2; computed from logits, where it neither overflows nor needs a clip.
    For x of 0 and 1 it is −log p; between them its least value, the entropy of x, is not 0.
    """

    canonical: ClassVar[bool] = True
    hopeless: ClassVar[float] = 1e3  # nats; guessing costs log 2

    def mean(self, logits: Tensor) -> Tensor:
        """z = s(logits), in [0, 1]."""
        return torch.sigmoid(logits)

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """Cross-entropy of every component, in nats."""
        return F.softplus(logits).sub_(logits * x)

    def total(self, logits: Tensor, x: Tensor) -> Tensor:
        """The same summed, in half the time: one logarithm for FOLDED rows.

        softplus(a) = max(a, 0) + log(1 + exp(−|a|)); products of numbers in [1, 2] lose no digits.
        """
        large = logits.clamp_min(0).addcmul_(logits, x, value=-1).sum(-1).sum(-1)
        small = logits.abs().neg_().exp_().add_(1)
        even = small.shape[1] // FOLDED * FOLDED
        folded: Tensor = small[:, :even].unflatten(1, (FOLDED, -1)).prod(1)
        rest = small[:, even:].log_().sum(-1).sum(-1)
        return large + folded.log_().sum(-1).sum(-1) + rest

    def sample(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Draw 0 or 1."""
        return coin(self.mean(logits), generator)

    def check(self, low: float, high: float, what: str) -> None:
        """Raise ValueError unless 0 <= low and high <= 1: outside, the loss has no lower bound."""
        if low < 0 or high > 1:
            raise ValueError(
                f"cross-entropy needs values in [0, 1], but {what} lie in [{low:.4g}, {high:.4g}]; "
                "use reconstruction=squared_error, or rescale (sigmoid codes, data in [0, 1])"
            )

    def logits_of(self, mean: Tensor) -> Tensor:
        """Its log-odds, of probabilities kept a millionth from 0 and 1."""
        return torch.logit(mean, eps=1e-6)

    def residual(self, logits: Tensor, x: Tensor, out: Tensor) -> Tensor:
        """Write z − x into ``out`` (..., d)."""
        return torch.sigmoid(logits, out=out).sub_(x)


@dataclass(frozen=True)
class SquaredError(Distribution):
    """Gaussian of a fixed variance: linear output z = logits, squared error ½(x − z)² / std².

    −log p less its constant log std + ½ log 2π. For real-valued input.
    """

    std: float = 1.0  # of x around z, in the units of x, above 0: draws spread by it

    canonical: ClassVar[bool] = True
    linear: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.positive("std", self.std)

    @property
    def left_out(self) -> float:  # type: ignore[override]
        """log std + ½ log 2π."""
        return math.log(self.std) + HALF_LOG_2PI

    def mean(self, logits: Tensor) -> Tensor:
        """z = logits."""
        return logits

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """Half the squared difference of every component, in units of the variance."""
        return (0.5 / self.std**2) * (logits - x).square()

    def sample(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Draw from N(z, std²)."""
        return torch.add(logits, normal(logits, generator), alpha=self.std)

    def residual(self, logits: Tensor, x: Tensor, out: Tensor) -> Tensor:
        """Write (z − x) / std² into ``out`` (..., d)."""
        torch.sub(logits, x, out=out)
        return out if self.std == 1 else out.div_(self.std**2)


@dataclass(frozen=True)
class Categorical(Distribution):
    """Blocks of components of which one each is 1: softmax over each block, −x log z in nats.

    Summed over a block the loss is −log p of its category. With emphasis a block's components have
    weights of their own, and the derivative is another one: then it is left to autograd.
    """

    sizes: tuple[int, ...]  # components of each block, in order; together d

    canonical: ClassVar[bool] = True
    independent: ClassVar[bool] = False
    hopeless: ClassVar[float] = 1e3  # nats; guessing costs log(size)

    def __post_init__(self) -> None:
        if not self.sizes:
            raise ValueError("sizes must name the components of each block, got none")
        sizes = tuple(checks.whole("a size of a categorical block", n, 2) for n in self.sizes)
        object.__setattr__(self, "sizes", sizes)

    def mean(self, logits: Tensor) -> Tensor:
        """z: probabilities that sum to 1 in each block."""
        return self._by_block(lambda block: F.softmax(block, -1), logits)

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """−x log z of every component, in nats; of a block without a category 0."""
        return self._by_block(lambda block: F.log_softmax(block, -1), logits).mul(x).neg_()

    def sample(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one category for each block."""
        drawn = []
        for chances in self.mean(logits).split(self.sizes, -1):
            rows = chances.reshape(-1, chances.shape[-1]).to(generator.device)
            chosen = torch.multinomial(rows, 1, generator=generator).to(logits.device)
            one = torch.zeros_like(chances).reshape(rows.shape).scatter_(-1, chosen, 1.0)
            drawn.append(one.reshape(chances.shape))
        return torch.cat(drawn, -1)

    def check(self, low: float, high: float, what: str) -> None:
        """Raise ValueError unless 0 <= low and high <= 1."""
        if low < 0 or high > 1:
            raise ValueError(
                f"categorical blocks need values in [0, 1], 1 for the category and 0 for the "
                f"others, but {what} lie in [{low:.4g}, {high:.4g}]"
            )

    @property
    def width(self) -> int | None:  # type: ignore[override]
        """All components of its blocks."""
        return sum(self.sizes)

    def logits_of(self, mean: Tensor) -> Tensor:
        """Logarithms, of probabilities of at least a millionth."""
        return mean.clamp(min=1e-6).log()

    def _by_block(self, function: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
        """Apply a function to each block (..., size) of values; one call if all are alike."""
        if len(self.sizes) == 1:
            return function(values)
        if len({*self.sizes}) == 1:
            return function(values.unflatten(-1, (-1, self.sizes[0]))).flatten(-2)
        return torch.cat([function(block) for block in values.split(self.sizes, -1)], -1)


def coin(p: Tensor, generator: torch.Generator) -> Tensor:
    """Draw 1 with probability p, else 0, in the shape of p, where it is."""
    chance = torch.rand(p.shape, generator=generator, device=generator.device)
    return (chance.to(p.device) < p).to(p.dtype)


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw N(0, 1) in the shape of ``like``, where it is."""
    return torch.randn(like.shape, generator=generator, device=generator.device).to(like)
