"""Corruptions made of others: one after the other, or from one strength to another over epochs."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import Any, cast

import torch
from torch import Tensor

from sda.common import checks
from sda.common.layout import Layout
from sda.nn.corruption import Corrupted, Corruption


@dataclass(frozen=True)
class Compose(Corruption):
    """One corruption after the other; what any of them hit is hit."""

    corruptions: tuple[Corruption, ...]

    def __post_init__(self) -> None:
        if not self.corruptions:
            raise ValueError("corruptions must name at least one, got none")

    @property
    def leaves_intact(self) -> bool:  # type: ignore[override]
        """Whether all of them do."""
        return all(corruption.leaves_intact for corruption in self.corruptions)

    @property
    def mixes_rows(self) -> bool:  # type: ignore[override]
        """Whether any of them does."""
        return any(corruption.mixes_rows for corruption in self.corruptions)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        hit: Tensor | None = torch.zeros_like(x, dtype=torch.bool)
        for corruption in self.corruptions:
            x, own = corruption(x, generator)
            hit = None if hit is None or own is None else hit | own
        return Corrupted(x, hit)

    def on(self, layout: Layout) -> "Compose":
        """All of them with what the data know."""
        return Compose(tuple(corruption.on(layout) for corruption in self.corruptions))

    def at(self, epoch: int) -> "Compose":
        """All of them as they are in an epoch."""
        return Compose(tuple(corruption.at(epoch) for corruption in self.corruptions))

    def reach(self, low: float, high: float) -> tuple[float, float]:
        """The range of values after all of them, for clean ones in [low, high]."""
        return reduce(lambda ends, one: one.reach(*ends), self.corruptions, (low, high))


@dataclass(frozen=True)
class Scheduled(Corruption):
    """A corruption whose numbers go evenly from ``start`` to ``end`` over the epochs of a layer.

    Geras & Sutton (2015) go from much noise to little: coarse features first. Epoch 1 has
    ``start``; epoch ``epochs`` and all later ones have ``end``, and so have validation rows.
    """

    start: Corruption
    end: Corruption  # of the same kind; it differs in numbers with a fraction alone
    epochs: int  # at least 2

    def __post_init__(self) -> None:
        checks.whole("epochs", self.epochs, 2)
        differing = [name for name, *_ in self._numbers()]
        if type(self.start) is not type(self.end) or (
            replace(cast(Any, self.start), **{n: getattr(self.end, n) for n in differing})
            != self.end
        ):
            raise ValueError(
                "start and end must be of one kind and differ in numbers such as fraction or std "
                f"alone, got {self.start} and {self.end}"
            )

    @property
    def leaves_intact(self) -> bool:  # type: ignore[override]
        """Whether the corruption does."""
        return self.end.leaves_intact

    @property
    def mixes_rows(self) -> bool:  # type: ignore[override]
        """Whether the corruption does."""
        return self.end.mixes_rows

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d) as at the end."""
        return self.end(x, generator)

    def at(self, epoch: int) -> Corruption:
        """The corruption of an epoch, 1 the first."""
        done = min(1.0, max(0, epoch - 1) / (self.epochs - 1))
        values = {name: (1 - done) * first + done * last for name, first, last in self._numbers()}
        return self.end if done == 1 else replace(cast(Any, self.start), **values)

    def on(self, layout: Layout) -> "Scheduled":
        """Both with what the data know."""
        return Scheduled(self.start.on(layout), self.end.on(layout), self.epochs)

    def reach(self, low: float, high: float) -> tuple[float, float]:
        """The range of corrupted values over all epochs."""
        lows, highs = zip(self.start.reach(low, high), self.end.reach(low, high), strict=True)
        return min(lows), max(highs)

    def _numbers(self) -> Iterator[tuple[str, float, float]]:
        """Fields that are numbers with a fraction, and their two values."""
        for field in fields(cast(Any, self.start)):
            first, last = (getattr(one, field.name, None) for one in (self.start, self.end))
            if field.type in (float, "float") and last is not None and first != last:
                yield field.name, float(cast(float, first)), float(last)
