"""A folder of .npy files, memory-mapped: rows are read when they are used, never all at once."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sda.common.errors import DataFormatError, MissingDataError, first_line

PARTS = ("train", "valid", "test")


def read_folder(folder: Path) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """x, mapped, and y, in memory, of each split, from x_train.npy, y_train.npy and so on.

    x (n, d), or pictures (n, h, w) or (n, c, h, w), is float32 or uint8 (grey levels that stand for
    k / 255), in C order: what training reads as it is. y may have any type; it is checked where all
    labels are.

    Raises:
        MissingDataError: not all six files are there. Rows of a folder are not cut: they would have
            to be copied.
        DataFormatError: a file is damaged, or not what training can read as it is.
    """
    names = [f"{kind}_{part}.npy" for part in PARTS for kind in "xy"]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise MissingDataError(
            f"{folder} (data.path) must hold {', '.join(names)}; missing: {', '.join(missing)}"
        )
    found = {}
    for part in PARTS:
        y = _mapped(folder / f"y_{part}.npy")
        native = np.array(y, y.dtype.newbyteorder("="))
        found[part] = (_features(folder / f"x_{part}.npy"), native)
    return found


def _features(file: Path) -> NDArray[Any]:
    x = _mapped(file)
    if x.dtype not in (np.float32, np.uint8):
        raise DataFormatError(f"{file}: must be float32 or uint8, got {x.dtype}")
    if not x.flags.c_contiguous:
        raise DataFormatError(
            f"{file}: must be in C order, row by row, got Fortran order: save np.ascontiguousarray"
        )
    return x


def _mapped(file: Path) -> NDArray[Any]:
    """Map a file for reading. Mapped to be written to, it would count as memory in use."""
    try:
        return np.asarray(npy.open_memmap(file, mode="r"))
    except Exception as error:  # a damaged header is parsed as Python, which fails in many ways
        told = first_line(error)
        raise DataFormatError(f"{file}: not a .npy file that can be mapped ({told})") from None
