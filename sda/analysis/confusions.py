"""Which classes an arm confuses: of the rows of each class, how many it takes for which."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sda.analysis.comparison import Arm
from sda.analysis.page import Grid, Part, Row
from sda.analysis.tables import Block

MOST = 12  # classes of a matrix that a page has room for


def parts(arms: Sequence[Arm]) -> list[Part]:
    """The error of each class, a column for each arm; of few classes, the matrix of each arm too.

    [] if no arm has predictions.
    """
    counted = [(arm.label, found) for arm in arms if (found := matrix(arm)) is not None]
    if not counted:
        return []
    names = _names(arms, max(len(counts) for _, counts in counted))
    rows = [[name, *(_error(counts, k) for _, counts in counted)] for k, name in enumerate(names)]
    note = "percent of the test rows of a class that are taken for another, over all runs of an arm"
    heads = ["class", *(label for label, _ in counted)]
    errors = Block(heads, rows, "l" + "r" * len(counted), [note])
    if len(names) > MOST:
        return [errors]
    what = "percent of the rows of a class (down) taken for each class (across)"
    return [errors, Row([Grid(names, shares(own), f"{label}: {what}") for label, own in counted])]


def matrix(arm: Arm) -> NDArray[np.int64] | None:
    """Test rows by true class and by predicted class, (k, k), added up over the arm's runs.

    None where predictions are missing, or are no classes.
    """
    told = [run.predictions() for run in arm.runs]
    found = [one for one in told if one is not None and one[0].dtype.kind in "iu"]
    if not found or len(found) < len(told):
        return None
    y, predicted = (np.concatenate(part).astype(np.int64) for part in zip(*found, strict=True))
    k = 1 + int(max(y.max(), predicted.max()))
    return np.bincount(y * k + predicted, minlength=k * k).reshape(k, k)


def shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of the rows of each class, the share that is taken for each, (k, k); rows sum to 1 or 0."""
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def _names(arms: Sequence[Arm], n: int) -> list[str]:
    """The names of n classes, of a record that has them, else their numbers."""
    told = [own for arm in arms if isinstance(own := arm.runs[0].result.get("classes"), list)]
    known = told[0] if told else []
    return [str(known[k]) if k < len(known) else str(k) for k in range(n)]


def _error(counts: NDArray[np.int64], k: int) -> str:
    if k >= len(counts) or not counts[k].sum():
        return "-"
    return f"{100 * (1 - shares(counts)[k, k]):.2f}"
