"""How the learning rate falls while epochs pass."""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol


class Schedule(StrEnum):
    """The factor of the learning rate in each epoch."""

    constant = "constant"
    inverse_time = "inverse_time"  # 1 / (1 + t / T): half after T epochs
    cosine = "cosine"  # half a wave, from 1 towards 0 at the most epochs that there may be

    def factor(self, epoch: int, epochs: int, halved_after: float) -> float:
        """The factor of an epoch, 1 in the first one.

        Args:
            epoch: 1, 2, ...; t epochs are behind it.
            epochs: at most.
            halved_after: T.
        """
        t = epoch - 1
        if self is Schedule.inverse_time:
            return 1 / (1 + t / halved_after)
        if self is Schedule.cosine:
            return 0.5 * (1 + math.cos(math.pi * min(t / epochs, 1)))
        return 1.0


class Plan(Protocol):
    """The settings of a schedule."""

    @property
    def epochs(self) -> int:
        """At most."""

    @property
    def schedule(self) -> Schedule | str:
        """Its name."""

    @property
    def halved_after(self) -> float:
        """T."""


def factors(plans: Sequence[Plan], epoch: int) -> list[float]:
    """The factor of each run in an epoch; none where all rates stay as they are."""
    if all(plan.schedule == Schedule.constant for plan in plans):
        return []
    return [Schedule(p.schedule).factor(epoch, p.epochs, p.halved_after) for p in plans]
