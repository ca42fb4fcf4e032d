"""Which classes an arm confuses: of the rows of each class, how many it takes for which."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sda.analysis.comparison import Arm
from sda.analysis.tables import Block

MOST = 12  # classes of a matrix that a page has room for


def matrix(arm: Arm) -> NDArray[np.int64] | None:
    """Test rows by true class and by predicted class, (k, k), added up over the arm's runs.

    None where predictions are missing, or are no classes.
    """
    told = [run.predictions() for run in arm.runs]
    found = [one for one in told if one is not None and one[0].dtype.kind in "iu"]
    if not found or len(found) < len(told):
        return None
    k = 1 + max(int(part.max()) for one in found for part in one)
    counts = np.zeros((k, k), np.int64)
    for y, predicted in found:
        np.add.at(counts, (y, predicted), 1)
    return counts


def names(arms: Sequence[Arm], n: int) -> list[str]:
    """The names of n classes, of a record that has them, else their numbers."""
    told = [own for arm in arms if isinstance(own := arm.runs[0].result.get("classes"), list)]
    known = told[0] if told else []
    return [str(known[k]) if k < len(known) else str(k) for k in range(n)]


def errors(arms: Sequence[Arm]) -> Block | None:
    """The error of each class, a column for each arm; None if no arm has predictions."""
    counted = [(arm, counts) for arm in arms if (counts := matrix(arm)) is not None]
    if not counted:
        return None
    n = max(len(counts) for _, counts in counted)
    named = enumerate(names(arms, n))
    rows = [[name, *(_error(counts, k) for _, counts in counted)] for k, name in named]
    heads = ["class", *(arm.label for arm, _ in counted)]
    note = "percent of the test rows of a class that are taken for another, over all runs of an arm"
    return Block(heads, rows, "l" + "r" * len(counted), [note])


def shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of the rows of each class, the share that is taken for each, (k, k); rows sum to 1 or 0."""
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), 0.0)


def _error(counts: NDArray[np.int64], k: int) -> str:
    if k >= len(counts) or not counts[k].sum():
        return "-"
    return f"{100 * (1 - shares(counts)[k, k]):.2f}"
