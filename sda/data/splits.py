"""What a data set is: training, validation and test rows with their labels, and what must hold."""

import hashlib
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sda.common.checks import is_sparse
from sda.common.errors import DataFormatError

if TYPE_CHECKING:  # it needs pandas, which a set of pictures does not
    from sda.data.encoding import Encoding

_LARGEST = float(np.finfo(np.float32).max)
_BLOCK = 4096  # rows looked at together: memory stays flat for memory-mapped arrays
_log = logging.getLogger(__name__)


class Rows(NamedTuple):
    """Examples and what they are: x (n, d) float32, y (n,) int64 classes, −1 without a label.

    x may be a memory-mapped file, and it may be uint8: grey levels that stand for k / 255. NaN in x
    is a missing cell. For regression y is float32, raw, (n,) or (n, k), NaN without a label.
    """

    x: NDArray[Any]
    y: NDArray[Any]

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a label (n,)."""
        if self.y.dtype.kind == "f":
            return np.asarray(np.isfinite(self.y.reshape(len(self.y), -1)).all(axis=1))
        return np.asarray(self.y >= 0)


class Cut(NamedTuple):
    """Which of several cuts of the same rows this is, where they are too few for one test part."""

    way: str  # "folds": each row is tested once; "repeats": every cut is drawn afresh
    number: int  # from 0
    total: int  # cuts
    rows: str  # SHA-256 of all rows, the same for every cut of them


@dataclass(frozen=True)
class Splits:
    """A data set cut in three; a data set is one function that returns this.

    ``source`` says where the arrays come from: ``original``, ``original, converted``,
    ``reconstructed``, ``regenerated``, ``embedded`` or ``user``. ``image_shape`` is (height, width)
    of a row read row-major and upright, (channels, height, width) of one in colour, whose channels
    follow each other, or None where a row is no picture. ``classes`` names class
    k at position k, or is None where the number is the name. ``drawn_from`` tells what a
    regenerated set was drawn from where that can differ: the photographs, by hash. ``cut`` is None
    where there is one only. ``encoding`` says what the components of x are, and the target, where
    the rows are a person's table.
    """

    name: str
    train: Rows
    valid: Rows
    test: Rows
    n_classes: int
    source: str
    image_shape: tuple[int, ...] | None = None
    classes: tuple[str, ...] | None = None
    drawn_from: str | None = None
    cut: Cut | None = None
    encoding: "Encoding | None" = None

    @property
    def kind(self) -> str:
        """What is predicted: ``classes``, ``numbers``, or ``nothing``: then there is no label."""
        if self.n_classes:
            return "classes"
        return "numbers" if self.train.y.dtype.kind == "f" else "nothing"

    @property
    def has_holes(self) -> bool:
        """Whether a cell is missing."""
        return any(np.isnan(part.x).any() for part in self.parts().values())

    def parts(self) -> dict[str, Rows]:
        """Return the three splits by name, in the order train, valid, test."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @property
    def input_shape(self) -> int | tuple[int, int, int]:
        """(channels, height, width) of a row that is a picture, else its number of components."""
        if self.image_shape is None:
            return int(self.train.x.shape[1])
        *channels, height, width = self.image_shape
        return (channels[0] if channels else 1, height, width)

    def digest(self) -> str:
        """SHA-256 over shapes and bytes of all six arrays, as 64 hexadecimal digits."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        total = hashlib.sha256()
        for rows in self.parts().values():
            for array in rows:
                total.update(str((array.shape, str(array.dtype))).encode())
                for content in contents(array):
                    total.update(content)
        if self.kind == "classes":  # one without rows has weights too
            seen = 1 + max(int(rows.y.max(initial=-1)) for rows in self.parts().values())
            total.update(str(self.n_classes).encode() * (self.n_classes != seen))
        return total.hexdigest()

    @property
    def n_targets(self) -> int:
        """Numbers that are predicted of a row; 0: a class, or nothing."""
        return int(np.atleast_2d(self.train.y.T).shape[0]) if self.kind == "numbers" else 0


def contents(array: Any) -> Iterator[memoryview]:
    """The bytes of an array; of sparse rows those of the three arrays that they consist of."""
    parts = (array.data, array.indices, array.indptr) if is_sparse(array) else (array,)
    for part in parts:
        yield np.ascontiguousarray(part).data


def checked(splits: Splits) -> Splits:
    """Check a data set; return it with every array in the dtype that `Rows` promises.

    Cells of a table may be missing, and rows without label. Raises DataFormatError for what cannot
    be trained on; warns through `logging` of classes that no training row has and, where rows are
    no pictures, of constant features.
    """
    if splits.n_classes == 1 or (splits.n_classes < 1 and splits.encoding is None):
        bare = sum(int((~part.labelled).sum()) for part in splits.parts().values())
        without = f"; {bare} rows have no label (an empty cell, NA, null, None)" * bool(bare)
        raise DataFormatError(
            f"{splits.name}: at least 2 classes needed, got {splits.n_classes}{without}"
        )
    parts: dict[str, Any] = {
        part: _checked_rows(splits, part, own) for part, own in splits.parts().items()
    }
    widths = {part: own.x.shape[1] for part, own in parts.items()}
    if len(set(widths.values())) > 1:
        told = ", ".join(f"{part} {width}" for part, width in widths.items())
        raise DataFormatError(f"{splits.name}: all splits must have the same columns, got {told}")
    shape, width = splits.image_shape, widths["train"]
    if shape is not None and math.prod(shape) != width:
        raise DataFormatError(
            f"{splits.name}: image_shape {shape} needs {math.prod(shape)} columns, got {width}"
        )
    if splits.kind == "classes":
        _check_classes(splits, parts)
    if shape is None and not is_sparse(parts["train"].x):
        _warn_of_constants(splits.name, parts["train"].x)
    return replace(splits, **parts)


def as_labels(
    where: str, y: NDArray[Any], n_rows: int, n_classes: int | None = None, bare: bool = False
) -> NDArray[np.int64]:
    """Whole numbers 0..n_classes-1, one per row, as int64. Floats must be whole numbers.

    With ``bare``, −1 is a row without label.
    """
    if y.dtype.kind not in "fiub":
        raise DataFormatError(f"{where}: labels must be whole numbers, got dtype {y.dtype}")
    if y.shape != (n_rows,):
        raise DataFormatError(
            f"{where}: labels must have shape ({n_rows},), one per row, got {y.shape}"
        )
    top = np.iinfo(np.int64).max if n_classes is None else n_classes
    wrong = ~((y >= -bare) & (y < top) & (y == np.floor(y)))
    if wrong.any():
        row = int(np.argmax(wrong))
        allowed = "from 0 up" if n_classes is None else f"0..{n_classes - 1}"
        raise DataFormatError(
            f"{where}: labels must be whole numbers {allowed}, got {y[row].item()!r} in row {row} "
            f"({int(wrong.sum())} such)"
        )
    return y.astype(np.int64, copy=False)


def _checked_rows(splits: Splits, part: str, own: Rows) -> Rows:
    where = f"{splits.name}, {part}"
    if not is_sparse(own.x):
        x = _features(where, own.x, holes=splits.encoding is not None)
    elif np.isfinite(own.x.data).all():
        x = own.x
    else:
        raise DataFormatError(f"{where}: sparse rows must be finite, got NaN or infinity")
    if splits.kind == "numbers":
        return Rows(x, own.y.astype(np.float32, copy=False))
    return Rows(x, as_labels(where, own.y, x.shape[0], splits.n_classes, bare=True))


def _features(where: str, x: NDArray[Any], holes: bool) -> NDArray[Any]:
    """Numbers (n, d), n and d at least 1, as float32, or uint8 as it is; NaN only as ``holes``."""
    if x.dtype.kind not in "fiub":
        raise DataFormatError(f"{where}: features must be numbers, got dtype {x.dtype}")
    if x.ndim != 2:
        raise DataFormatError(f"{where}: features must have shape (rows, columns), got {x.shape}")
    if 0 in x.shape:
        raise DataFormatError(f"{where}: at least 1 row and 1 column needed, got shape {x.shape}")
    if x.dtype.kind == "f":
        strange = np.isinf if holes else lambda block: ~np.isfinite(block)
        _refuse(where, "not a number or infinite", x, strange)
        if x.dtype.itemsize > 4:  # else all of them are within float32
            _refuse(where, "too large for float32", x, lambda block: np.abs(block) > _LARGEST)
    return x if x.dtype == np.uint8 else x.astype(np.float32, copy=False)


def _refuse(where: str, fault: str, x: NDArray[Any], faulty: Callable[..., Any]) -> None:
    """Raise DataFormatError with the number of faulty values and the place of the first."""
    starts = [np.array([start, 0]) for start in range(0, len(x), _BLOCK)]
    found = np.concatenate([np.argwhere(faulty(x[k[0] : k[0] + _BLOCK])) + k for k in starts])
    if len(found):
        row, column = found[0]
        raise DataFormatError(
            f"{where}: {len(found)} value{'s' * (len(found) > 1)} {fault}, first in row {row}, "
            f"column {column}: {x[row, column].item()!r}"
        )


def _warn_of_constants(name: str, x: NDArray[Any]) -> None:
    constant = np.asarray(x.min(axis=0) == x.max(axis=0))
    if constant.any():
        _log.warning(
            "%s: %d of %d features are constant over the training rows, first column %d",
            name, int(constant.sum()), constant.size, int(np.argmax(constant)),
        )  # fmt: skip


def _check_classes(splits: Splits, parts: dict[str, Rows]) -> None:
    names = splits.classes or tuple(map(str, range(splits.n_classes)))
    if len(names) != splits.n_classes:
        raise DataFormatError(
            f"{splits.name}: {splits.n_classes} classes need as many names, got {len(names)}"
        )

    def told(classes: NDArray[np.int64]) -> str:
        return ", ".join(names[k] for k in classes[:10])

    known, *others = (np.unique(own.y[own.y >= 0]) for own in parts.values())
    if len(known) < 2:
        raise DataFormatError(
            f"{splits.name}: training rows of at least 2 classes needed, got only class "
            f"{told(known) or 'none: no training row has a label'}"
        )
    for part, own in zip(("valid", "test"), others, strict=True):
        unseen, absent = np.setdiff1d(own, known), np.setdiff1d(known, own)
        if len(absent) and splits.encoding is not None:
            _log.warning("%s: %s has no row of class %s", splits.name, part, told(absent))
        if len(unseen):
            _log.warning(
                "%s: %s has rows of class %s that no training row has; they count as errors",
                splits.name, part, told(unseen),
            )  # fmt: skip
