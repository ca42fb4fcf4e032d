"""What a baseline sees of the rows: which of them, with noise or as codes."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sda.common.rows import floats, shared
from sda.common.seeding import stream
from sda.config.baseline import Baseline
from sda.data.splits import Rows, Splits
from sda.training.minibatches import labelled_rows

BLOCK = 1000  # rows that are encoded at once
Labelled = tuple[NDArray[Any], NDArray[Any]]  # x (n, d) and classes (n,) or numbers (n, ...)


def learned(plan: Baseline, splits: Splits) -> NDArray[np.int64]:
    """The training rows it learns from: those whose labels a network of the same seed uses."""
    known = np.flatnonzero(splits.train.labelled)
    rows: NDArray[np.int64] = labelled_rows(len(known), plan.labelled, plan.seed).numpy()
    return np.asarray(known[rows])


def compared(plan: Baseline, y: NDArray[Any]) -> NDArray[np.int64]:
    """The rows that settings are compared on, in their order: spread over the (first) values of y.

    So every class has its share.

    Args:
        plan: says how many.
        y: classes or numbers of all rows (n, ...).
    """
    n, count = len(y), plan.search_rows or len(y)
    order = np.argsort(y.reshape(n, -1)[:, 0], kind="stable")
    return np.sort(order[np.arange(count) * n // count])


def training(plan: Baseline, splits: Splits) -> Labelled:
    """The rows that it learns from, with their noise."""
    rows = learned(plan, splits)
    return _seen(plan, splits.train.x[rows], "training"), splits.train.y[rows]


def labelled(plan: Baseline, rows: Rows, noise: str | None = None) -> Labelled:
    """What it sees of the rows that have a label; ``noise`` is for rows that it learns from."""
    known = rows.labelled
    x, y = rows if known.all() else (rows.x[known], rows.y[known])
    return _seen(plan, x, noise), y


@torch.no_grad()
def _seen(plan: Baseline, rows: NDArray[Any], noise: str | None = None) -> NDArray[Any]:
    """Rows (n, d) or their codes, float32; ``noise`` names the stream of their corruption."""
    x = shared(rows)
    if noise is not None and plan.corruption is not None:
        x = plan.corruption(floats(x), stream(plan.seed, "noisy rows", noise)).x
    if plan.encoder is None:
        return floats(x).numpy()
    stack, layer = plan.encoder.stack, plan.encoder.layer
    return torch.cat([stack.encode(floats(b), layer) for b in x.split(BLOCK)]).numpy()
