"""The idx format of MNIST: a magic number, the dimensions, then the raw values, big-endian."""

import math
import struct
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sda.common.errors import DataFormatError
from sda.data.formats.archives import is_gzip, opened

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_BYTES = 1 << 31  # more than thirty times MNIST
_DEFLATE_LIMIT = 1032  # no deflate stream expands by more (zlib's technical details)


def read_idx(path: Path) -> NDArray[Any]:
    """Read an idx file, plain or gzipped (told by content), in the file's own shape and type.

    Raises DataFormatError that names the file and the offset. Nothing larger than the file can hold
    is ever allocated.
    """
    at_most = path.stat().st_size * (_DEFLATE_LIMIT if is_gzip(path) else 1)
    with opened(path) as stream:
        return _read(path, stream, at_most)


def _read(path: Path, stream: IO[bytes], at_most: int) -> NDArray[Any]:
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not head[3]:
        raise DataFormatError(f"{path}: offset 0: not an idx file, it starts with {head.hex(' ')}")
    dtype, n_dims = np.dtype(_TYPES[head[2]]), head[3]
    sizes = stream.read(4 * n_dims)
    if len(sizes) < 4 * n_dims:
        raise DataFormatError(
            f"{path}: offset {4 + len(sizes)}: the file ends within its {n_dims} dimensions"
        )
    shape = struct.unpack(f">{n_dims}I", sizes)
    expected = math.prod(shape) * dtype.itemsize
    told = f"{path}: offset 4: dimensions {' x '.join(map(str, shape))}, {expected} bytes,"
    if expected > min(at_most, _MAX_BYTES):
        raise DataFormatError(f"{told} are more than the file can hold")
    data = stream.read(expected)
    start = 4 + 4 * n_dims
    if len(data) < expected:
        raise DataFormatError(f"{told} but the file ends at offset {start + len(data)}")
    if stream.read(1):  # at the end of a gzip stream this also checks its CRC
        raise DataFormatError(f"{told} but the file goes on after offset {start + expected}")
    return np.frombuffer(data, dtype).reshape(shape)
