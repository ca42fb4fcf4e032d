"""How sure a result is: binomial intervals, paired differences, McNemar's test."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats


class Difference(NamedTuple):
    """A mean paired difference with the half-width of its 95 % t interval, over n pairs.

    ``half_width`` is infinite for a single pair: one pair says nothing of its spread.
    """

    mean: float
    half_width: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval."""
        return abs(self.mean) > self.half_width


def binomial(error: float, n: int) -> float:
    """Half-width of the papers' 95 % interval of an error rate: 1.96 √(p(1 − p)/n).

    It says how sure the test set makes one network's error, not how much seeds differ. At 0 and 1
    it is 0, which is too sure.

    Args:
        error: a fraction in [0, 1].
        n: test rows.
    """
    if n < 1 or not 0 <= error <= 1:
        raise ValueError(f"error must be in [0, 1] and n at least 1, got {error!r}, {n!r}")
    return 1.96 * math.sqrt(error * (1 - error) / n)


def paired(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Mean of first − second over pairs, with its 95 % t interval.

    Args:
        first: a value for each pair.
        second: likewise.
    """
    differences = np.subtract(first, second)
    n = len(differences)
    if n < 1:
        raise ValueError("a paired difference needs at least one pair, got none")
    if n == 1:
        return Difference(float(differences[0]), math.inf, 1)
    error = float(differences.std(ddof=1)) / math.sqrt(n)
    return Difference(float(differences.mean()), float(stats.t.ppf(0.975, n - 1)) * error, n)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation; the latter is NaN for a single value."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def mcnemar(y: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Two-sided p of the exact McNemar test that two classifiers err equally often on y (n,).

    Only rows that one of them gets right and the other wrong count: under the null hypothesis each
    is as likely to be one as the other.
    """
    only_first = int(np.sum((first == y) & (second != y)))
    only_second = int(np.sum((first != y) & (second == y)))
    if only_first + only_second == 0:
        return 1.0
    return float(stats.binomtest(only_first, only_first + only_second).pvalue)
