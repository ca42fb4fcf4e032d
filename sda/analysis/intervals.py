"""How sure a result is: binomial intervals, paired differences, McNemar's test."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Not scipy.stats, which gives the same numbers: it takes most of a second to import.
from scipy import special

Z = 1.96  # of a 95 % normal interval, as the papers round it
ROUNDING = 1e-12  # a spread below it is none
FEW = 5  # errors or hits below which the normal interval is too narrow to be shown


class Estimate(NamedTuple):
    """A mean, mostly of differences, and how sure it is: by Student's t."""

    mean: float
    error: float  # standard error; 0 where no value differs from another
    freedom: float  # of its t
    n: int  # values, seeds or test rows
    bound: float = math.inf  # half-width where no value differs: they say nothing of their spread

    @property
    def half_width(self) -> float:
        """Of the 95 % interval."""
        return self._half(0.975)

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval."""
        return abs(self.mean) > self.half_width

    @property
    def p(self) -> float:
        """Two-sided p that the mean is 0."""
        if not self.error:
            return 1.0
        return float(2 * special.stdtr(self.freedom, -abs(self.mean) / self.error))

    def is_within(self, margin: float) -> bool:
        """Whether the mean is surely between -margin and margin: two one-sided tests of 5 %."""
        return abs(self.mean) + self._half(0.95) < margin

    def _half(self, quantile: float) -> float:
        t = float(special.stdtrit(self.freedom, quantile))
        return t * self.error if self.error else self.bound


class Interval(NamedTuple):
    """A 95 % interval of an error rate, as fractions; ``method`` is ``normal`` or ``wilson``."""

    low: float
    high: float
    method: str


def binomial(error: float, n: int) -> float:
    """Half-width of the papers' 95 % interval of an error rate over n rows: 1.96 √(p(1 − p)/n).

    It says how sure the test set makes one network's error, not how much seeds differ. At 0 and 1
    it is 0, which is too sure; ``wilson`` is not.
    """
    _check(error, n)
    return Z * math.sqrt(error * (1 - error) / n)


def wilson(error: float, n: int) -> tuple[float, float]:
    """Wilson's (1927) 95 % interval of an error rate over n rows: sound at 0 and 1 as well."""
    _check(error, n)
    shrink = 1 / (1 + Z**2 / n)
    centre = (error + Z**2 / (2 * n)) * shrink
    half = Z * math.sqrt(error * (1 - error) / n + Z**2 / (4 * n**2)) * shrink
    return max(0.0, centre - half), min(1.0, centre + half)


def of_error(error: float, n: int) -> Interval:
    """The papers' interval; Wilson's where fewer than five rows are wrong, or right."""
    half = binomial(error, n)
    if round(min(error, 1 - error) * n) < FEW:
        return Interval(*wilson(error, n), "wilson")
    return Interval(error - half, error + half, "normal")


def paired(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """The mean of first − second over pairs; each has a value for every pair."""
    n = len(first)
    if n != len(second) or n < 1:
        raise ValueError(f"pairs need two sequences of one length >= 1, got {n} and {len(second)}")
    return of_mean(np.subtract(first, second))


def of_mean(values: Sequence[float] | NDArray[Any]) -> Estimate:
    """Mean of values, of one seed each; the interval of one value, or of equal ones, is infinite.

    An interval of no width would claim to be sure.
    """
    mean, deviation = spread(values)
    n = len(values)
    if n == 1 or deviation < ROUNDING:
        return Estimate(mean, 0.0, 1.0, n)
    return Estimate(mean, deviation / math.sqrt(n), n - 1, n)


def crossed(values: NDArray[Any]) -> Estimate:
    """Mean of a table of values over seeds and rows, both of which vary.

    All seeds are tested on the same rows. The variance of the mean is
    S²_seed/n_seeds + S²_row/n_rows − S²_rest/(n_seeds n_rows), S² the sample variances of the
    seeds' means, of the rows' means, and of what both leave; its degrees of freedom are
    Satterthwaite's (1946). No component of variance counts as less than none. Where no row differs,
    the half-width is 3/n_rows, the bound of what was never seen.

    Args:
        values: (seeds, rows), two of each at least: 1 where a run errs, or the difference of two.
    """
    seeds, rows = values.shape
    if min(seeds, rows) < 2:
        raise ValueError(f"an interval over seeds and rows needs two of each, got {values.shape}")
    by_seed, by_row = (values.mean(axis=axis, dtype=np.float64) for axis in (1, 0))
    mean = float(by_seed.mean())
    total = float(np.square(values, dtype=np.float64).sum())
    left = total - rows * np.sum(by_seed**2) - seeds * np.sum(by_row**2) + seeds * rows * mean**2
    freedoms = seeds - 1, rows - 1, (seeds - 1) * (rows - 1)
    one, other = (float(np.var(means, ddof=1)) / len(means) for means in (by_seed, by_row))
    rest = max(float(left), 0.0) / freedoms[2] / (seeds * rows)
    variance = one + other - min(rest, one, other)
    if not variance:
        return Estimate(mean, 0.0, 1.0, rows, 3 / rows)
    spent = sum(part**2 / n for part, n in zip((one, other, rest), freedoms, strict=True))
    return Estimate(mean, math.sqrt(variance), max(1.0, variance**2 / spent), rows, 3 / rows)


def resampled(values: Sequence[NDArray[Any]], train_rows: float) -> Estimate:
    """Mean over several cuts of the same rows into those that train and those that test.

    The cuts share rows, so that their means are no independent values: the variance of the mean is
    (1/J + n_test/n_train) S² over the means of J cuts, t with J − 1 degrees of freedom (Nadeau and
    Bengio 2003, section 3.2). It is never less than that of the rows, S²_row/n_rows, which few cuts
    may hide.

    Args:
        values: of each cut, (seeds, rows): 1 where a run errs, or the difference of two.
        train_rows: how many rows of a cut are learned from, in the mean; those that stop the
            training are among them.
    """
    if len(values) < 2:
        raise ValueError(f"an interval over cuts needs two of them, got {len(values)}")
    by_row = [cut.mean(axis=0, dtype=np.float64) for cut in values]
    mean, deviation = spread([rows.mean() for rows in by_row])
    share = float(np.mean([len(rows) for rows in by_row])) / train_rows
    each = np.concatenate(by_row)
    of_rows = float(np.var(each, ddof=1)) / len(each) if len(each) > 1 else 0.0
    variance = max((1 / len(values) + share) * deviation**2, of_rows)
    return Estimate(mean, math.sqrt(variance), len(values) - 1.0, len(each), 3 / len(each))


def holm(values: Sequence[float]) -> list[float]:
    """Holm's (1979) correction of the p of several claims: each as if it were the only one."""
    order, n = np.argsort(values, kind="stable"), len(values)
    found = np.empty(n)
    found[order] = np.maximum.accumulate(np.asarray(values)[order] * np.arange(n, 0, -1))
    return [float(p) for p in np.minimum(found, 1)]


def unpaired(first: tuple[float, float, int], second: tuple[float, float, int]) -> Estimate:
    """First − second of two means of unrelated values: Welch's (1947) t; n is all their number.

    Args:
        first: mean, sample standard deviation and number (>= 2) of its values.
        second: likewise.
    """
    if min(first[2], second[2]) < 2:
        raise ValueError(f"Welch's interval needs two values of each, got {first}, {second}")
    parts = [deviation**2 / n for _, deviation, n in (first, second)]
    mean, n, variance = first[0] - second[0], first[2] + second[2], sum(parts)
    spent = parts[0] ** 2 / (first[2] - 1) + parts[1] ** 2 / (second[2] - 1)
    freedom = variance**2 / spent if variance else 1.0
    return Estimate(mean, math.sqrt(variance), freedom, n, 0.0)


def spread(values: Sequence[float] | NDArray[Any]) -> tuple[float, float]:
    """Mean and sample standard deviation; the latter is NaN for a single value."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def mcnemar(y: NDArray[Any], first: NDArray[Any], second: NDArray[Any]) -> float:
    """Two-sided p of the exact McNemar test that two classifiers err equally often on y (n,).

    Only rows that one of them gets right and the other wrong count: under the null hypothesis each
    is as likely to be one as the other. No such row: 1.
    """
    if not y.shape == first.shape == second.shape:
        raise ValueError(
            f"labels and predictions need one shape, got {y.shape}, {first.shape}, {second.shape}"
        )
    only_first = int(np.sum((first == y) & (second != y)))
    only_second = int(np.sum((first != y) & (second == y)))
    fewer, n = min(only_first, only_second), only_first + only_second
    return min(1.0, 2 * float(special.bdtr(fewer, n, 0.5))) if n else 1.0


def _check(error: float, n: int) -> None:
    if n < 1 or not 0 <= error <= 1:
        raise ValueError(f"error must be in [0, 1] and n at least 1, got {error!r}, {n!r}")
