"""Helper: a corruption and a data set of a user's own, in a module of their own."""

from dataclasses import dataclass

import numpy as np

from sda import Corrupted, Corruption
from sda.data.splits import Rows, Splits


@dataclass(frozen=True)
class Halving(Corruption):
    """Every component loses a share of its value."""

    share: float

    def __call__(self, x, generator):
        """Corrupt the rows of x."""
        return Corrupted(x * (1 - self.share), None)


def dice(rows: int, seed: int = 0) -> Splits:
    """Rows that say nothing of their class."""
    rng = np.random.default_rng(seed)
    parts = [Rows(rng.random((rows, 4), np.float32), np.arange(rows) % 2) for _ in range(3)]
    return Splits("dice", *parts, 2, "user")


def noise(n: int) -> int:
    """Neither a corruption nor a data set."""
    return n
