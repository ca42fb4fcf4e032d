"""Arrays from files: those of a .npz, or a folder of memory-mapped .npy; pictures become rows.

No pickle is ever loaded, and nothing is allocated that the file cannot hold.
"""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sda.common.errors import DataFormatError, MissingDataError, readable

MAX_BYTES = 1 << 36  # of one array; a larger one is taken for a mistake or an attack
CHANNELS = (1, 3, 4)  # by which a last axis of channels is known: they belong before the height
PARTS = ("train", "valid", "test")
_MANY = (Exception,)  # a damaged header is parsed as Python, which fails in many ways


def as_rows(where: str, x: NDArray[Any]) -> tuple[NDArray[Any], tuple[int, ...] | None]:
    """Pictures (n, h, w) or (n, c, h, w) as rows (n, d) in the same memory, and the shape of one.

    A row is channel after channel, line by line. Other arrays are returned as they are, with None.

    Raises:
        DataFormatError: channels are the last axis.
    """
    if x.ndim not in (3, 4) or 0 in x.shape:
        return x, None
    if x.ndim == 4 and x.shape[3] in CHANNELS and x.shape[1] not in CHANNELS:
        said = "x".join(map(str, x.shape))
        raise DataFormatError(
            f"{where}: pictures must be (rows, channels, height, width), got {said}: save "
            "np.moveaxis(x, 3, 1).copy()"
        )
    return np.reshape(x, (len(x), -1)), tuple(x.shape[1:])


def read_npz(path: Path, names: tuple[str, ...] | None = None) -> dict[str, NDArray[Any]]:
    """Those of the arrays ``names`` that the file has, others are not even looked at; None: all.

    Raises DataFormatError for damage, pickled objects, and sizes that do not fit the file.
    """
    fault = f"{path}: not a readable .npz file"
    with readable(fault, *_MANY), zipfile.ZipFile(path) as archive:
        present = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
        wanted = present if names is None else [name for name in names if name in present]
        return {name: _read(path, archive, f"{name}.npy") for name in wanted}


def _read(path: Path, archive: zipfile.ZipFile, member: str) -> NDArray[Any]:
    size = archive.getinfo(member).file_size
    with archive.open(member) as stream:
        first = npy.read_magic(stream) == (1, 0)
        read = npy.read_array_header_1_0 if first else npy.read_array_header_2_0
        shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise DataFormatError(f"{path}: {member} holds pickled objects, which are never loaded")
    expected = math.prod(shape) * dtype.itemsize
    if not 0 <= size - expected <= 1 << 16 or size > MAX_BYTES:
        raise DataFormatError(
            f"{path}: {member} has shape {shape} of {dtype}, {expected} bytes, in {size} bytes"
        )
    with archive.open(member) as stream:
        return np.asarray(npy.read_array(stream, allow_pickle=False))


def read_folder(folder: Path) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """x and y, mapped, of each split, from x_train.npy, y_train.npy and so on.

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
        file = folder / f"x_{part}.npy"
        x = _mapped(file)
        if x.dtype not in (np.float32, np.uint8):
            raise DataFormatError(f"{file}: must be float32 or uint8, got {x.dtype}")
        if not x.flags.c_contiguous:
            raise DataFormatError(
                f"{file}: must be in C order, row by row, got Fortran order: save "
                "np.ascontiguousarray"
            )
        found[part] = (x, _mapped(folder / f"y_{part}.npy"))
    return found


def _mapped(file: Path) -> NDArray[Any]:
    """Map a file for reading. Mapped to be written to, it would count as memory in use."""
    with readable(f"{file}: not a .npy file that can be mapped", *_MANY):
        return np.asarray(npy.open_memmap(file, mode="r"))
