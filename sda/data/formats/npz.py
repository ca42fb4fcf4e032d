"""Arrays out of a .npz file: by name, without pickles, never more than the file can hold."""

import math
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from sda.common.errors import DataFormatError, first_line

MAX_BYTES = 1 << 36  # of one array; a larger one is taken for a mistake or an attack


def read_npz(path: Path, names: tuple[str, ...] | None = None) -> dict[str, NDArray[Any]]:
    """Those of the arrays ``names`` that the file has, others are not even looked at; None: all.

    Raises DataFormatError for damage, pickled objects, and sizes that do not fit the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            present = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
            wanted = present if names is None else [name for name in names if name in present]
            return {name: _read(path, archive, f"{name}.npy") for name in wanted}
    except (DataFormatError, MemoryError):
        raise
    except Exception as error:  # a damaged header is parsed as Python, which fails in many ways
        raise DataFormatError(f"{path}: not a readable .npz file ({first_line(error)})") from None


def _read(path: Path, archive: zipfile.ZipFile, member: str) -> NDArray[Any]:
    size = archive.getinfo(member).file_size
    with archive.open(member) as stream:
        shape, dtype = _header(stream)
    if dtype.hasobject:
        raise DataFormatError(f"{path}: {member} holds pickled objects, which are never loaded")
    expected = math.prod(shape) * dtype.itemsize
    if not 0 <= size - expected <= 1 << 16 or size > MAX_BYTES:
        raise DataFormatError(
            f"{path}: {member} has shape {shape} of {dtype}, {expected} bytes, in {size} bytes"
        )
    with archive.open(member) as stream:
        return np.asarray(npy.read_array(stream, allow_pickle=False))


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype
