"""Labels: whole numbers from 0 up, one for each row."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sda.common.errors import DataFormatError


def as_labels(
    where: str,
    y: NDArray[Any],
    n_rows: int,
    n_classes: int | None = None,
    unlabelled: bool = False,
) -> NDArray[np.int64]:
    """Whole numbers 0..n_classes-1, one per row, as int64. Floats must be whole numbers.

    With ``unlabelled``, −1 is a row without label.
    """
    if y.dtype.kind not in "fiub":
        raise DataFormatError(f"{where}: labels must be whole numbers, got dtype {y.dtype}")
    if y.shape != (n_rows,):
        raise DataFormatError(
            f"{where}: labels must have shape ({n_rows},), one per row, got {shape_of(y.shape)}"
        )
    top = np.iinfo(np.int64).max if n_classes is None else n_classes
    wrong = ~((y >= 0) & (y < top)) | (y != np.floor(y))
    if unlabelled:
        wrong &= y != -1
    if wrong.any():
        row = int(np.argmax(wrong))
        allowed = "from 0 up" if n_classes is None else f"0..{n_classes - 1}"
        raise DataFormatError(
            f"{where}: labels must be whole numbers {allowed}, got {y[row].item()!r} in row {row} "
            f"({int(wrong.sum())} such)"
        )
    return y.astype(np.int64, copy=False)


def shape_of(shape: tuple[int, ...]) -> str:
    """A shape in words, for messages."""
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
