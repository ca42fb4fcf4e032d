"""The error of a trained network on test rows, which only this module reads, and its units."""

from typing import Any

import numpy as np
from torch import Tensor

from sda.common.rows import shared
from sda.data.splits import Rows, Splits
from sda.nn.predictor import Predictor

Labelled = tuple[Tensor, Tensor]


def tested_on(network: Predictor, splits: Splits) -> tuple[dict[str, Any], Tensor]:
    """The one place where test rows are read: error, their number, and what is predicted (n, ...).

    Of the rows that have a label.
    """
    known = splits.test.labelled
    x, y = tensors(splits.test)
    predicted = network.predict(x).cpu()[known]
    error = float(network.error(predicted, y[known]))
    tested: dict[str, Any] = {"test_error": error, "n_test": int(known.sum())}
    if splits.kind == "numbers":
        tested["test_rmse"] = rmse(predicted, y[known], splits)
    return tested, predicted


def rmse(predicted: Tensor, y: Tensor, splits: Splits) -> list[float]:
    """Root mean squared error of each target (n, k), in the units of the table."""
    apart = (predicted.cpu() - y.cpu()).double().numpy()
    scales = [1.0] * splits.n_targets
    if splits.encoding is not None:
        scales = [column.scale for column in splits.encoding.target]
    each = np.sqrt(np.nanmean(np.square(apart), axis=0))
    return [float(one * scale) for one, scale in zip(each, scales, strict=True)]


def names_of(splits: Splits) -> list[str]:
    """The label of each test row."""
    if splits.kind == "numbers":
        return [" ".join(f"{number:.3g}" for number in np.atleast_1d(y)) for y in splits.test.y]
    names = splits.classes or tuple(map(str, range(splits.n_classes)))
    return [names[k] if k >= 0 else "no label" for k in splits.test.y]


def tensors(rows: Rows) -> Labelled:
    """x (n, d), and classes (n,) or numbers (n, k)."""
    y = shared(rows.y)
    return shared(rows.x), y.reshape(len(y), -1) if y.is_floating_point() else y
