"""Corruptions: the stochastic maps x̃ ~ q(x̃ | x) that a denoising autoencoder learns to undo."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sda.common import checks


class Corrupted(NamedTuple):
    """A corrupted batch x (n, d) and which of its components were hit (n, d), bool.

    A masked 0 stays 0, so ``hit`` cannot be read off x. None means that every component was hit.
    """

    x: Tensor
    hit: Tensor | None


class Corruption(ABC):
    """What a corruption is: called on clean rows x (n, d), it returns fresh corrupted rows.

    Every row gets its own draw from ``generator``, on the generator's device; x is left alone. A
    kind is a frozen dataclass.
    """

    @abstractmethod
    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x."""


@dataclass(frozen=True)
class Masking(Corruption):
    """Sets a share of the components of each row to ``value``; the others stay exactly as they are.

    Exactly round(fraction · d) components of each row, chosen at random, as in Vincent et al.
    (2008), §2.3; with ``exact=False`` each component by itself with that probability. Survivors are
    never rescaled: this is not dropout.
    """

    fraction: float  # share of the components that are hit, in [0, 1]
    exact: bool = True
    value: float = (
        0.0  # what a hit component becomes; 0 is black on MNIST, nothing special elsewhere
    )

    def __post_init__(self) -> None:
        _check_share(self.fraction, self.exact)
        checks.number("value of masking", self.value, -checks.LARGEST, checks.LARGEST)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        hit = _choose(x, self.fraction, self.exact, generator)
        # Exact at weights 0 and 1, and faster than masked_fill or where on a CPU.
        return Corrupted(torch.lerp(x, x.new_full((), self.value), hit.to(x.dtype)), hit)


@dataclass(frozen=True)
class SaltAndPepper(Corruption):
    """Sets a share of the components of each row to ``low`` or ``high``, with even odds.

    Vincent et al. (2010), §3.3. Which components: as in Masking. A component whose coin falls on
    its own value counts as hit.
    """

    fraction: float  # share of the components that are hit, in [0, 1]
    exact: bool = True
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        _check_share(self.fraction, self.exact)
        if not checks.number("low", self.low) < checks.number("high", self.high):
            raise ValueError(f"low must be below high, got low={self.low!r}, high={self.high!r}")

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        hit = _choose(x, self.fraction, self.exact, generator)
        salt = torch.rand(x.shape, generator=generator, device=generator.device) < 0.5
        grain = torch.where(salt, self.high, self.low).to(x)
        return Corrupted(torch.where(hit, grain, x), hit)


@dataclass(frozen=True)
class Gaussian(Corruption):
    """Adds independent N(0, std²) noise to every component; every component counts as hit."""

    std: float  # in the units of x, at least 0

    def __post_init__(self) -> None:
        checks.number("std", self.std, 0)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        noise = torch.randn(x.shape, generator=generator, device=generator.device).to(x)
        return Corrupted(torch.add(x, noise, alpha=self.std), None)


def _check_share(fraction: object, exact: object) -> None:
    checks.number("fraction", fraction, 0, 1)
    checks.flag("exact", exact)


def _choose(x: Tensor, fraction: float, exact: bool, generator: torch.Generator) -> Tensor:
    """Choose the components to hit: bool (n, d), where x is."""
    n, d = x.shape
    k = round(fraction * d)
    if not exact:
        chance = torch.rand(n, d, generator=generator, device=generator.device)
        return (chance < fraction).to(x.device)
    if generator.device.type == "cpu":
        return _select(n, d, k, generator).to(x.device)
    chance = torch.rand(n, d, generator=generator, device=generator.device)
    hit = torch.zeros_like(chance, dtype=torch.bool)
    return hit.scatter_(1, chance.topk(k, sorted=False).indices, True).to(x.device)


def _select(n: int, d: int, k: int, generator: torch.Generator) -> Tensor:
    """Choose k of d components for each of n rows, all subsets equally likely: bool (n, d).

    Selection sampling (Knuth, TAOCP 2, algorithm 3.4.2 S), one component of all rows at a time: of
    those not yet seen, take this one with probability (still needed) / (still to come). Uniform
    numbers lie in [0, 1 - 2⁻²⁴], so that the last ones needed are always taken. Twice as fast as
    choosing the largest k of d random numbers, but of many small steps: not for a GPU.
    """
    chance = torch.rand(d, n, generator=generator)
    chance.mul_(torch.arange(d, 0, -1).unsqueeze(1))
    needed = torch.full((n,), float(k))
    for taken in chance:
        needed.sub_(taken.lt_(needed))  # from here on 1 or 0
    return chance.T.bool().contiguous()
