"""What a decoder says of its input: p(x | h), with its loss, its mean and samples.

A loss is −log p of each component, up to a constant that each class states. Where the derivative of
the loss of an example by its logits is mean − x, the distribution is canonical, and the closed form
serves it.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from sda.common import checks


class Distribution(ABC):
    """p(x | h) by its logits; x and logits have d components each."""

    canonical: ClassVar[bool] = (
        False  # ∂loss/∂logits = mean − x; counts where a class says it itself
    )
    hopeless: ClassVar[float] = math.inf  # a loss per component that no layer has that still learns
    linear: ClassVar[bool] = False  # the logits are the mean: data may stand in their place

    @abstractmethod
    def mean(self, logits: Tensor) -> Tensor:
        """The reconstruction z (..., d): E[x | h]."""

    @abstractmethod
    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """Loss of every component (..., d) against the clean x (..., d)."""

    @abstractmethod
    def sample(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Draw x (..., d), on the generator's device and brought to that of the logits."""

    @abstractmethod
    def check(self, low: float, high: float, what: str) -> None:
        """Raise ValueError if targets in [low, high] cannot be reconstructed."""

    @abstractmethod
    def logits_of(self, mean: Tensor) -> Tensor:
        """Logits whose mean is ``mean`` (..., d), or as near as numbers allow."""

    @property
    def width(self) -> int | None:
        """Components that an input must have; None: any number."""
        return None

    def residual(self, logits: Tensor, x: Tensor, out: Tensor) -> Tensor:
        """Write mean − x into ``out`` (..., d)."""
        return torch.sub(self.mean(logits), x, out=out)

    @property
    def in_closed_form(self) -> bool:
        """Whether it is canonical by its own word: a derived class may have another loss."""
        return bool(vars(type(self)).get("canonical", False))


@dataclass(frozen=True)
class CrossEntropy(Distribution):
    """Bernoulli: logistic output z = s(a), cross-entropy −x log z − (1 − x) log(1 − z), in nats.

    Vincent et al. (2008), eq. 2; computed from logits, where it neither overflows nor needs a clip.
    For x of 0 and 1 it is −log p. Between them its least value is the entropy of x, which is not 0.
    """

    canonical: ClassVar[bool] = True
    hopeless: ClassVar[float] = 1e3  # nats; guessing costs log 2

    def mean(self, logits: Tensor) -> Tensor:
        """z = s(logits), in [0, 1]."""
        return torch.sigmoid(logits)

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """Cross-entropy of every component, in nats."""
        return F.softplus(logits).sub_(logits * x)

    def sample(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Draw 0 or 1."""
        chance = torch.rand(logits.shape, generator=generator, device=generator.device)
        return (chance.to(logits.device) < self.mean(logits)).to(logits.dtype)

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
    """Gaussian of variance 1: linear output z = logits, squared error ½(x − z)².

    −log p less its constant ½ log 2π. For real-valued input.
    """

    canonical: ClassVar[bool] = True
    linear: ClassVar[bool] = True

    def mean(self, logits: Tensor) -> Tensor:
        """z = logits."""
        return logits

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """Half the squared difference of every component: its derivative is z − x."""
        return 0.5 * (logits - x).square()

    def sample(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Draw from N(z, 1)."""
        noise = torch.randn(logits.shape, generator=generator, device=generator.device)
        return logits + noise.to(logits)

    def check(self, low: float, high: float, what: str) -> None:
        """Any finite targets will do."""

    def logits_of(self, mean: Tensor) -> Tensor:
        """Itself."""
        return mean


@dataclass(frozen=True)
class Categorical(Distribution):
    """Blocks of components of which one each is 1: softmax over each block, −x log z in nats.

    Summed over a block the loss is −log p of its category. With emphasis a block's components have
    weights of their own, and the derivative is another one: then it is left to autograd.
    """

    sizes: tuple[int, ...]  # components of each block, in order; together d

    canonical: ClassVar[bool] = True
    hopeless: ClassVar[float] = 1e3  # nats; guessing costs log(size)

    def __post_init__(self) -> None:
        if not self.sizes:
            raise ValueError("sizes must name the components of each block, got none")
        sizes = tuple(checks.whole("a size of a categorical block", n, 2) for n in self.sizes)
        object.__setattr__(self, "sizes", sizes)

    def mean(self, logits: Tensor) -> Tensor:
        """z: probabilities that sum to 1 in each block."""
        return torch.cat([F.softmax(block, -1) for block in logits.split(self.sizes, -1)], -1)

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """−x log z of every component, in nats."""
        logs = [F.log_softmax(block, -1) for block in logits.split(self.sizes, -1)]
        return torch.cat(logs, -1).mul(x).neg()

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
    def width(self) -> int | None:
        """All components of its blocks."""
        return sum(self.sizes)

    def logits_of(self, mean: Tensor) -> Tensor:
        """Logarithms, of probabilities of at least a millionth."""
        return mean.clamp(min=1e-6).log()
