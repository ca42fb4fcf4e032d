"""`bits`: rows of a few bits, as often as a distribution over all their states says."""

import itertools

import numpy as np
from numpy.typing import NDArray

from sda.common import checks
from sda.data.splits import Rows, Splits, checked

MOST_BITS = 12


def bits(n_bits: int, spread: float, n_train: int, n_valid: int, n_test: int, seed: int) -> Splits:
    """Rows of n_bits 0s and 1s whose shares of the states are the probabilities, rounded.

    So the rows' own distribution is known. ``probabilities`` are drawn by ``seed``; the larger
    ``spread``, at least 0, the further they are from even. Class 1 has more ones than zeros.
    """
    checks.whole("n_bits", n_bits, 1, MOST_BITS)
    checks.number("spread", spread, 0)
    p = probabilities(n_bits, spread, seed)
    rng = np.random.default_rng([seed, 1])
    parts: list[Rows] = []
    for n in (n_train, n_valid, n_test):
        x = np.repeat(states(n_bits), _counts(p, n), 0)[rng.permutation(n)]
        parts.append(Rows(x, (x.sum(1) > n_bits / 2).astype(np.int64)))
    train, valid, test = parts
    return checked(Splits("bits", train, valid, test, 2, "regenerated"))


def states(n_bits: int) -> NDArray[np.float32]:
    """All rows of 0s and 1s, (2ⁿ, n), counting upwards."""
    return np.array(list(itertools.product((0, 1), repeat=n_bits)), np.float32)


def probabilities(n_bits: int, spread: float, seed: int) -> NDArray[np.float64]:
    """p of each state, (2ⁿ,): a softmax of normal numbers times ``spread``."""
    logits = spread * np.random.default_rng([seed, 0]).standard_normal(2**n_bits)
    p = np.exp(logits - logits.max())
    return np.asarray(p / p.sum())


def _counts(p: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Whole numbers that sum to n and are within one of n p: the largest remainders go up."""
    counts = np.floor(n * p).astype(np.int64)
    counts[np.argsort(counts - n * p)[: n - counts.sum()]] += 1
    return counts
