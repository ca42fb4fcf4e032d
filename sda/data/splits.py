"""What a data set is: training, validation and test rows with their labels."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # it needs pandas, which a set of pictures does not
    from sda.data.encoding import Encoding


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
                # Of sparse rows what they hold; compressed rows have it in three arrays.
                held = [getattr(array, name, None) for name in ("data", "indices", "indptr")]
                for own in held if held[2] is not None else [array]:
                    total.update(np.ascontiguousarray(own).data)
        if self.kind == "classes" and self.n_classes != self._seen:
            # A class without rows has weights too.
            total.update(str(self.n_classes).encode())
        return total.hexdigest()

    @property
    def n_targets(self) -> int:
        """Numbers that are predicted of a row; 0: a class, or nothing."""
        return int(np.atleast_2d(self.train.y.T).shape[0]) if self.kind == "numbers" else 0

    @property
    def _seen(self) -> int:
        return 1 + max(int(rows.y.max(initial=-1)) for rows in self.parts().values())
