"""Densities of numbers besides the plain squared error: rectified, of learned variance, mixtures.

With the last two a component of x has several logits. The first d of all say where each component
lies (they are what tied weights give), the next d are the second of each, and so on. Losses leave
out ½ log 2π.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from sda.common import checks
from sda.nn.distributions import HALF_LOG_2PI, Distribution, normal


@dataclass(frozen=True)
class RectifiedSquaredError(Distribution):
    """A rectified output z = max(0, logits) with squared error ½(x − z)².

    The decoder of many an implementation of stacked autoencoders with rectified codes. It is
    −log p of N(z, 1) less ½ log 2π. For input of at least 0. Where logits are negative nothing is
    learned, so that a component can fall silent for good.
    """

    left_out: ClassVar[float] = HALF_LOG_2PI

    def mean(self, logits: Tensor) -> Tensor:
        """z = max(0, logits)."""
        return torch.relu(logits)

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """Half the squared difference of every component."""
        return 0.5 * (torch.relu(logits) - x).square()

    def sample(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Draw from N(z, 1)."""
        return torch.relu(logits) + normal(logits, generator)

    def check(self, low: float, high: float, what: str) -> None:
        """Raise ValueError unless 0 <= low."""
        if low < 0:
            raise ValueError(
                f"a rectified output is at least 0, but {what} lie in [{low:.4g}, {high:.4g}]; "
                "use reconstruction=squared_error"
            )


@dataclass(frozen=True)
class LearnedVariance(Distribution):
    """Gaussian whose mean μ and variance σ² are both the decoder's, for each component.

    The loss is ½ log σ² + ½ (x − μ)² / σ². Logits (..., 2d) are μ and a, with the log-variance
    b tanh(a / b): it stays within ± ``bound``, or a component that never changes would have a
    density without bound and a gradient as large. Nix & Weigend (1994). With bound 4, σ lies in
    (0.14, 7.4), so inputs should be of about unit deviation.
    """

    left_out: ClassVar[float] = HALF_LOG_2PI

    bound: float = 4.0  # of the log-variance, above 0

    def __post_init__(self) -> None:
        checks.positive("bound", self.bound)

    def n_logits(self, d: int) -> int:
        """A mean and a log-variance of each component."""
        return 2 * d

    def mean(self, logits: Tensor) -> Tensor:
        """μ (..., d)."""
        return logits.chunk(2, -1)[0]

    def log_variance(self, logits: Tensor) -> Tensor:
        """log σ² (..., d)."""
        return _bounded(logits.chunk(2, -1)[1], self.bound)

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """−log p of every component less ½ log 2π; negative where a density is high."""
        return -_log_density(x, self.mean(logits), self.log_variance(logits))

    def sample(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Draw from N(μ, σ²)."""
        return _drawn(self.mean(logits), self.log_variance(logits), generator)

    def logits_of(self, mean: Tensor) -> Tensor:
        """That mean, with variance 1."""
        return torch.cat([mean, torch.zeros_like(mean)], -1)


@dataclass(frozen=True)
class MixtureDensity(Distribution):
    """A mixture of K Gaussians for each component of x: Σ π_k N(x; μ_k, σ_k²).

    Bishop (1994). Logits (..., 3Kd) are, each (K, d): the means without their places, a with
    π = softmax over k, and what the log-variances are bounded from, as in ``LearnedVariance``. The
    places are spread evenly over ± ``spread``: from one place all K would stay the same Gaussian.
    """

    left_out: ClassVar[float] = HALF_LOG_2PI

    components: int = 3  # K, at least 2
    bound: float = 4.0  # of the log-variances, above 0
    spread: float = 1.0  # of the places of the means, in the units of x

    def __post_init__(self) -> None:
        checks.whole("components", self.components, 2)
        checks.positive("bound", self.bound)
        checks.positive("spread", self.spread)

    def n_logits(self, d: int) -> int:
        """A mean, a weight and a log-variance of each Gaussian of each component."""
        return 3 * self.components * d

    def parts(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log π, μ and log σ², each (..., K, d)."""
        count = (self.components, logits.shape[-1] // (3 * self.components))
        means, chances, spreads = (t.unflatten(-1, count) for t in logits.chunk(3, -1))
        log_variances = _bounded(spreads, self.bound)
        return F.log_softmax(chances, -2), means + self._places(means), log_variances

    def mean(self, logits: Tensor) -> Tensor:
        """Σ π_k μ_k (..., d)."""
        log_chances, means, _ = self.parts(logits)
        return (log_chances.exp() * means).sum(-2)

    def loss(self, logits: Tensor, x: Tensor) -> Tensor:
        """−log p of every component less ½ log 2π; negative where a density is high."""
        log_chances, means, log_variances = self.parts(logits)
        log_densities = _log_density(x.unsqueeze(-2), means, log_variances)
        return -torch.logsumexp(log_chances + log_densities, -2)

    def sample(self, logits: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one of the Gaussians of each component, and from it."""
        log_chances, means, log_variances = self.parts(logits)
        chances = log_chances.exp().movedim(-2, -1)
        rows = chances.reshape(-1, self.components).to(generator.device)
        drawn = torch.multinomial(rows, 1, generator=generator).to(logits.device)
        chosen = drawn.reshape(chances.shape[:-1]).unsqueeze(-2)
        mean, log_variance = (t.gather(-2, chosen).squeeze(-2) for t in (means, log_variances))
        return _drawn(mean, log_variance, generator)

    def logits_of(self, mean: Tensor) -> Tensor:
        """All Gaussians at that mean, with equal weights and variance 1."""
        means = mean.unsqueeze(-2).expand(*mean.shape[:-1], self.components, -1)
        flat = (means - self._places(means)).flatten(-2)
        return torch.cat([flat, torch.zeros_like(flat), torch.zeros_like(flat)], -1)

    def _places(self, like: Tensor) -> Tensor:
        """Where the means start, (K, 1)."""
        ends = (-self.spread, self.spread)
        places = torch.linspace(*ends, self.components, dtype=like.dtype, device=like.device)
        return places.unsqueeze(-1)


def _bounded(a: Tensor, bound: float) -> Tensor:
    return bound * torch.tanh(a / bound)


def _log_density(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log N(x; mean, exp(log_variance)) + ½ log 2π."""
    return -0.5 * (log_variance + (x - mean).square() * torch.exp(-log_variance))


def _drawn(mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
    return mean + normal(mean, generator) * torch.exp(0.5 * log_variance)
