"""Corruptions: the stochastic maps x̃ ~ q(x̃ | x) that a denoising autoencoder learns to undo."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sda.common import checks
from sda.common.subsets import subsets


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
        return Corrupted(torch.lerp(x, x.new_full((), self.value), _weights(hit, x)), hit)


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
    if exact:
        return subsets(n, d, round(fraction * d), generator).to(x.device)
    chance = torch.rand(n, d, generator=generator, device=generator.device)
    return (chance < fraction).to(x.device)


def _weights(hit: Tensor, x: Tensor) -> Tensor:
    """1 where hit, else 0, in the type of x; on a CPU by NumPy, which is five times as fast."""
    if hit.device.type != "cpu":
        return hit.to(x.dtype)
    return torch.from_numpy(hit.numpy().astype(np.float32)).to(x.dtype)
