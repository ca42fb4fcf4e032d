"""Corruptions of sequences of categories, words for example: replaced, deleted, out of order.

A row x (n, L · V) is L positions, one of V categories each: V components of which one is 1, or none
where the sequence has ended. Masking of whole columns masks positions: all V are 0. Devlin et al.
(2019) mask and replace, Lewis et al. (2020) delete and shuffle. What reconstructs them is
``Categorical`` or ``Mixed``. V is that of the data when a run begins; in Python it is given.
"""

from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from sda.common import checks
from sda.common.layout import Layout
from sda.nn.corruption import Corrupted, Corruption, choose


@dataclass(frozen=True)
class SequenceCorruption(Corruption):
    """What corruptions of sequences share: they need to know where a position ends."""

    categories: int = field(default=0, kw_only=True)  # V of each position; 0: the data's

    def on(self, layout: Layout) -> Self:
        """The same for sequences of so many categories."""
        if self.categories:
            return self
        alike = {(block.kind, block.size, block.categories) for block in layout.blocks}
        kind, size, _ = alike.pop() if len(alike) == 1 else ("", 0, ())
        if kind != "categorical" or size < 2:
            raise ValueError(
                f"{type(self).__name__} needs sequences, columns that have the same categories "
                "each, and these inputs are none; noise of another kind for the layers above: "
                "corruption.above"
            )
        return replace(self, categories=size)

    def positions(self, x: Tensor) -> Tensor:
        """Rows x (n, L · V) as (n, L, V)."""
        if not self.categories or x.shape[-1] % self.categories:
            raise ValueError(
                f"{type(self).__name__} needs categories, the components of each position, got "
                f"{self.categories} of {x.shape[-1]}"
            )
        return x.reshape(*x.shape[:-1], -1, self.categories)


@dataclass(frozen=True)
class Replacement(SequenceCorruption):
    """Gives a share of the positions of each row another category, all others equally likely.

    Exactly round(fraction · positions), chosen at random; or each by itself.
    """

    fraction: float = 0.15  # share of the positions, in [0, 1]
    exact: bool = True

    def __post_init__(self) -> None:
        checks.number("fraction", self.fraction, 0, 1)
        checks.flag("exact", self.exact)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        words = self.positions(x)
        hit = choose(words[..., 0], self.fraction, self.exact, generator)
        further = torch.randint(
            1, self.categories, hit.shape, generator=generator, device=generator.device
        )
        before = words.argmax(-1)
        if (empty := ~words.bool().any(-1)).any():  # there all of them are others
            any_one = torch.randint(
                self.categories, hit.shape, generator=generator, device=generator.device
            )
            before = torch.where(empty, any_one.to(x.device), before)
        other = (before + further.to(x.device)) % self.categories
        new = torch.zeros_like(words).scatter_(-1, other.unsqueeze(-1), 1.0)
        return _put(words, torch.where(hit.unsqueeze(-1), new, words))


@dataclass(frozen=True)
class Deletion(SequenceCorruption):
    """Takes a share of the positions of each row out; what follows moves up, the end is empty.

    Exactly round(fraction · positions), chosen at random. A position counts as hit where it holds
    something else than before.
    """

    fraction: float = 0.15  # share of the positions, in [0, 1]

    def __post_init__(self) -> None:
        checks.number("fraction", self.fraction, 0, 1)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        words = self.positions(x)
        gone = choose(words[..., 0], self.fraction, True, generator)
        order = gone.to(torch.int8).argsort(dim=1, stable=True)  # those that stay first, in order
        kept = words * ~gone.unsqueeze(-1)
        return _put(words, kept.gather(1, order.unsqueeze(-1).expand_as(words)))


@dataclass(frozen=True)
class LocalShuffling(SequenceCorruption):
    """Lets positions change their order, each by at most ``window`` places.

    They are sorted by place + U(0, window + 1), as in Lample et al. (2018). A position counts as
    hit where it holds something else than before.
    """

    window: int = 3  # places, at least 0

    def __post_init__(self) -> None:
        checks.whole("window", self.window)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        words = self.positions(x)
        chance = torch.rand(words.shape[:2], generator=generator, device=generator.device)
        places = torch.arange(words.shape[1], device=generator.device)
        order = (places + (self.window + 1) * chance).argsort(1).to(x.device)
        return _put(words, words.gather(1, order.unsqueeze(-1).expand_as(words)))


def _put(before: Tensor, after: Tensor) -> Corrupted:
    """Positions (n, L, V) as rows, and which of them differ."""
    hit = (before != after).any(-1, keepdim=True).expand_as(after)
    return Corrupted(after.flatten(1), hit.flatten(1))
