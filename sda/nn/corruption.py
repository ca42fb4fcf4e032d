"""Corruptions: the stochastic maps x̃ ~ q(x̃ | x) that a denoising autoencoder learns to undo."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sda.common import checks
from sda.common.layout import Layout, spread
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

    leaves_intact: ClassVar[bool] = True  # whether some components stay as they are; ``hit`` tells
    mixes_rows: ClassVar[bool] = False  # whether a row's values may come from other rows

    @abstractmethod
    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x."""

    def reach(self, low: float, high: float) -> tuple[float, float]:
        """The range of corrupted values, for clean ones in [low, high]: the same, for most."""
        return low, high

    def at(self, epoch: int) -> "Corruption":
        """The corruption of an epoch of training, 1 the first; most are the same in all."""
        return self

    def on(self, layout: Layout) -> "Corruption":
        """The same, given what only the data know, such as columns; most need nothing."""
        return self


@dataclass(frozen=True)
class Emphasis:
    """Weights of the loss on corrupted (α) and on intact (β) components; (1, 1) is the plain loss.

    Vincent et al. (2010), §4: (1, ½) is their double, (1, 0) their full emphasis.
    """

    corrupted: float = 1.0
    intact: float = 1.0

    def __post_init__(self) -> None:
        checks.number("emphasis.corrupted", self.corrupted, 0)
        checks.number("emphasis.intact", self.intact, 0)
        if self.corrupted == self.intact == 0:
            raise ValueError("emphasis must weigh something: corrupted and intact are both 0")

    @property
    def is_plain(self) -> bool:
        """Whether this is the loss without emphasis."""
        return self.corrupted == self.intact == 1

    def weigh(self, losses: Tensor, hit: Tensor | None) -> Tensor:
        """Losses (..., n, d) times α where ``hit``, β elsewhere; as they are if it is None."""
        if hit is None or self.is_plain:
            return losses
        return losses * torch.where(hit, self.corrupted, self.intact)

    def check(self, corruption: Corruption) -> None:
        """Raise ValueError for a corruption that leaves nothing intact."""
        if not (corruption.leaves_intact or self.is_plain):
            raise ValueError(
                "emphasis needs a corruption that leaves components intact "
                f"(masking, salt_and_pepper), got {corruption}"
            )


@dataclass(frozen=True)
class Masking(Corruption):
    """Sets a share of the components of each row to ``value``; the others stay exactly as they are.

    Exactly round(fraction · d) components of each row, chosen at random, as in Vincent et al.
    (2008), §2.3; with ``exact=False`` each component by itself with that probability. Survivors are
    never rescaled: this is not dropout.

    Of a table with ``columns`` of several components whole columns are hit, a share of those: a
    one-hot column has all its components masked or none. A missing cell, NaN, stays one.
    """

    fraction: float  # share of the components that are hit, in [0, 1]
    exact: bool = True
    value: float = 0.0  # what a hit component becomes; 0 is black on MNIST, elsewhere nothing
    columns: tuple[int, ...] = ()  # components of each; none: every component is one, or the data's

    def __post_init__(self) -> None:
        _check_share(self.fraction, self.exact, self.columns)
        checks.number("value of masking", self.value, -checks.LARGEST, checks.LARGEST)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        shown = x[:, : len(self.columns) or None]
        hit = spread(choose(shown, self.fraction, self.exact, generator), self.columns)
        # Exact at weights 0 and 1, and faster than masked_fill or where on a CPU.
        return Corrupted(torch.lerp(x, x.new_full((), self.value), _weights(hit, x)), hit)

    def reach(self, low: float, high: float) -> tuple[float, float]:
        """The range of corrupted values, for clean ones in [low, high]."""
        return (min(low, self.value), max(high, self.value)) if self.fraction else (low, high)

    def on(self, layout: Layout) -> Corruption:
        """Mask the columns of a table as a whole."""
        return _with_columns(self, layout)


@dataclass(frozen=True)
class Swap(Corruption):
    """Gives a share of the cells of each row the value that the same column has in another row.

    Swap noise, for tables: every value that a network sees is one that its column has, as often as
    there. Exactly round(fraction · columns) of each row, chosen at random, each with another row of
    its own, all equally likely among the rows that are shown together: up to 2048 in training. The
    value may be the same, and counts as hit; a missing cell, NaN, is swapped like any other. A row
    that is alone stays as it is.
    """

    mixes_rows: ClassVar[bool] = True

    fraction: float  # share of the columns that are hit, in [0, 1]
    exact: bool = True
    columns: tuple[int, ...] = ()  # components of each; none: every component is one, or the data's

    def __post_init__(self) -> None:
        _check_share(self.fraction, self.exact, self.columns)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        if len(x) == 1:
            return Corrupted(x.clone(), torch.zeros_like(x, dtype=torch.bool))
        chosen = choose(x[:, : len(self.columns) or None], self.fraction, self.exact, generator)
        further = torch.randint(
            1, len(x), chosen.shape, generator=generator, device=generator.device
        )
        other = (further.to(x.device) + torch.arange(len(x), device=x.device)[:, None]) % len(x)
        hit = spread(chosen, self.columns)
        return Corrupted(torch.where(hit, x.gather(0, spread(other, self.columns)), x), hit)

    def on(self, layout: Layout) -> Corruption:
        """Swap the columns of a table as a whole."""
        return _with_columns(self, layout)


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
        hit = choose(x, self.fraction, self.exact, generator)
        salt = torch.rand(x.shape, generator=generator, device=generator.device) < 0.5
        grain = torch.where(salt, self.high, self.low).to(x)
        return Corrupted(torch.where(hit, grain, x), hit)

    def reach(self, low: float, high: float) -> tuple[float, float]:
        """The range of corrupted values, for clean ones in [low, high]."""
        return (min(low, self.low), max(high, self.high)) if self.fraction else (low, high)


@dataclass(frozen=True)
class Gaussian(Corruption):
    """Adds independent N(0, std²) noise to every component; every component counts as hit."""

    leaves_intact: ClassVar[bool] = False

    std: float  # in the units of x, at least 0

    def __post_init__(self) -> None:
        checks.number("std", self.std, 0)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        noise = torch.randn(x.shape, generator=generator, device=generator.device).to(x)
        return Corrupted(torch.add(x, noise, alpha=self.std), None)

    def reach(self, low: float, high: float) -> tuple[float, float]:
        """The range of corrupted values: all numbers."""
        return (-math.inf, math.inf) if self.std else (low, high)


def _check_share(fraction: object, exact: object, columns: tuple[int, ...] = ()) -> None:
    checks.number("fraction", fraction, 0, 1)
    checks.flag("exact", exact)
    for size in columns:
        checks.whole("columns: components of a column", size, 1)


def _with_columns(corruption: "Masking | Swap", layout: Layout) -> Corruption:
    """The same for the columns of a table that has any of several components."""
    if corruption.columns or max(layout.columns, default=1) == 1:
        return corruption
    return replace(corruption, columns=layout.columns)


def choose(x: Tensor, fraction: float, exact: bool, generator: torch.Generator) -> Tensor:
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
