"""What every data set must satisfy before anything is trained on it, told in one line if not."""

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sda.common.checks import is_sparse
from sda.common.errors import DataFormatError
from sda.data.labels import as_labels, shape_of
from sda.data.splits import Rows, Splits

_LARGEST = float(np.finfo(np.float32).max)
_BLOCK = 4096  # rows looked at together: memory stays flat for memory-mapped arrays
_log = logging.getLogger(__name__)


def checked(splits: Splits) -> Splits:
    """Check a data set; return it with every array in the dtype that `Rows` promises.

    Raises DataFormatError for what cannot be trained on; warns through `logging` of classes that no
    training row has and, where rows are no pictures, of constant features.
    """
    if splits.n_classes == 1 or (splits.n_classes < 1 and splits.encoding is None):
        bare = sum(int((~part.labelled).sum()) for part in splits.parts().values())
        without = f"; {bare} rows have no label (an empty cell, NA, null, None)" * bool(bare)
        raise DataFormatError(
            f"{splits.name}: at least 2 classes needed, got {splits.n_classes}{without}"
        )
    parts = {part: _rows(splits, part, own) for part, own in splits.parts().items()}
    _check_widths(splits, parts)
    if splits.kind == "classes":
        _check_classes(splits, parts)
    if splits.image_shape is None:
        _warn_of_constants(splits.name, parts["train"].x)
    return replace(splits, train=parts["train"], valid=parts["valid"], test=parts["test"])


def rows(
    name: str, part: str, x: NDArray[Any], y: NDArray[Any], n_classes: int, levels: bool = False
) -> Rows:
    """Features (n, d) and labels (n,) of one split as `Rows`, or a DataFormatError."""
    where = f"{name}, {part}"
    features = as_features(where, x, levels)
    return Rows(features, as_labels(where, y, len(features), n_classes))


def _rows(splits: Splits, part: str, own: Rows) -> Rows:
    """One split checked; cells of a table may be missing, and rows be without label."""
    where = f"{splits.name}, {part}"
    if is_sparse(own.x):
        x = own.x
        if not np.isfinite(x.data).all():
            raise DataFormatError(f"{where}: sparse rows must be finite, got NaN or infinity")
    else:
        x = as_features(where, own.x, levels=True, holes=splits.encoding is not None)
    if splits.kind == "numbers":
        return Rows(x, own.y.astype(np.float32, copy=False))
    return Rows(x, as_labels(where, own.y, x.shape[0], splits.n_classes, unlabelled=True))


def as_features(
    where: str, x: NDArray[Any], levels: bool = False, holes: bool = False
) -> NDArray[Any]:
    """Numbers (n, d), n and d at least 1, as float32; refuses NaN, infinite and too large ones.

    With ``levels``, uint8 stays what it is: grey levels that stand for k / 255. With ``holes`` NaN
    is a missing cell.
    """
    if x.dtype.kind not in "fiub":
        raise DataFormatError(f"{where}: features must be numbers, got dtype {x.dtype}")
    if x.ndim != 2:
        raise DataFormatError(
            f"{where}: features must have shape (rows, columns), got {shape_of(x.shape)}"
        )
    if 0 in x.shape:
        raise DataFormatError(
            f"{where}: at least 1 row and 1 column needed, got shape {shape_of(x.shape)}"
        )
    faulty = np.isinf if holes else lambda block: ~np.isfinite(block)
    _refuse(where, "not a number or infinite", x, faulty)
    if x.dtype.itemsize > 4:  # else all of them are within float32
        _refuse(where, "too large for float32", x, lambda block: np.abs(block) > _LARGEST)
    if levels and x.dtype == np.uint8:
        return x
    return x.astype(np.float32, copy=False)


def constants(x: NDArray[Any]) -> NDArray[np.bool_]:
    """Which columns of x (n, d) never change, (d,)."""
    return np.asarray(x.min(axis=0) == x.max(axis=0))


def same_columns(name: str, parts: Mapping[str, NDArray[Any]]) -> int:
    """Return the number of columns of all parts (n, d); DataFormatError where they differ."""
    widths = {part: x.shape[1] for part, x in parts.items()}
    if len(set(widths.values())) > 1:
        told = ", ".join(f"{part} {width}" for part, width in widths.items())
        raise DataFormatError(f"{name}: all splits must have the same columns, got {told}")
    return int(next(iter(widths.values())))


def _warn_of_constants(name: str, x: NDArray[Any]) -> None:
    """Log one warning with the number of columns that never change, if there are any."""
    if is_sparse(x):
        return
    constant = constants(x)
    if constant.any():
        _log.warning(
            "%s: %d of %d features are constant over the training rows, first column %d",
            name,
            int(constant.sum()),
            constant.size,
            int(np.argmax(constant)),
        )


def _refuse(where: str, fault: str, x: NDArray[Any], faulty: Any) -> None:
    found = list(_faults(x, faulty))
    if found:
        count = sum(n for n, _, _ in found)
        _, row, column = found[0]
        raise DataFormatError(
            f"{where}: {count} value{'s' * (count > 1)} {fault}, first in row {row}, "
            f"column {column}: {x[row, column].item()!r}"
        )


def _faults(x: NDArray[Any], faulty: Any) -> Iterator[tuple[int, int, int]]:
    if x.dtype.kind != "f":
        return
    for start in range(0, len(x), _BLOCK):
        wrong = faulty(x[start : start + _BLOCK])
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            yield int(wrong.sum()), start + int(row), int(column)


def _check_widths(splits: Splits, parts: dict[str, Rows]) -> None:
    width = same_columns(splits.name, {part: found.x for part, found in parts.items()})
    shape = splits.image_shape
    if shape is not None and math.prod(shape) != width:
        raise DataFormatError(
            f"{splits.name}: image_shape {shape} needs {math.prod(shape)} columns, got {width}"
        )


def _check_classes(splits: Splits, parts: dict[str, Rows]) -> None:
    names = splits.classes
    if names is not None and len(names) != splits.n_classes:
        raise DataFormatError(
            f"{splits.name}: {splits.n_classes} classes need as many names, got {len(names)}"
        )
    known = np.unique(parts["train"].y[parts["train"].y >= 0])
    if len(known) < 2:
        raise DataFormatError(
            f"{splits.name}: training rows of at least 2 classes needed, got only class "
            f"{', '.join(_named(splits, known)) or 'none: no training row has a label'}"
        )
    for part in ("valid", "test"):
        own = np.unique(parts[part].y[parts[part].y >= 0])
        unseen, absent = np.setdiff1d(own, known), np.setdiff1d(known, own)
        if len(absent) and splits.encoding is not None:
            _log.warning(
                "%s: %s has no row of class %s",
                splits.name, part, ", ".join(_named(splits, absent)),
            )  # fmt: skip
        if len(unseen):
            _log.warning(
                "%s: %s has rows of class %s that no training row has; they count as errors",
                splits.name,
                part,
                ", ".join(_named(splits, unseen)),
            )


def _named(splits: Splits, classes: NDArray[np.int64]) -> list[str]:
    names = splits.classes or tuple(map(str, range(splits.n_classes)))
    return [names[k] for k in classes[:10]]
