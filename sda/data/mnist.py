"""MNIST from its four files, and their format, idx.

A magic number, the dimensions, then the raw values, big-endian.
"""

import hashlib
import math
import struct
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sda.common import checks
from sda.common.errors import DataFormatError, MissingDataError
from sda.data.cache import find
from sda.data.formats.archives import is_gzip, opened
from sda.data.splits import Rows, Splits, checked

# SHA-256 of all images, then all labels
_SHA256 = "c2069063c1105f2bf96266aef1ff68c6e13bdda7a54e37bf19c16f1db24efc83"
MOST_ROWS = 50000  # for training
FILES = {
    "train-images-idx3-ubyte": (60000, 28, 28),
    "train-labels-idx1-ubyte": (60000,),
    "t10k-images-idx3-ubyte": (10000, 28, 28),
    "t10k-labels-idx1-ubyte": (10000,),
}  # the shape of each
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_BYTES = 1 << 31  # more than thirty times MNIST
_DEFLATE_LIMIT = 1032  # no deflate stream expands by more (zlib's technical details)


def mnist(folder: str | None, n_train: int = MOST_ROWS, threshold: float | None = None) -> Splits:
    """MNIST as the papers cut it, 50000 / 10000 / 10000; the validation rows end the training file.

    ``folder`` or ``folder/mnist`` has the four idx files, plain or gzipped; None means SDA_DATA.
    ``n_train`` keeps the first so many training rows alone.
    ``threshold`` makes pixels binary: 1 above that grey in [0, 1], else 0; None leaves them grey.
    """
    images, labels = pooled(folder)
    x = images.reshape(len(images), -1).astype(np.float32)
    x /= 255
    if threshold is not None:
        x = (x > checks.number("threshold", threshold, 0, 1)).astype(np.float32)
    cuts = [MOST_ROWS, 60000]
    train, valid, test = map(Rows, np.split(x, cuts), np.split(labels.astype(np.int64), cuts))
    kept = checks.whole("n_train", n_train, 1, MOST_ROWS)
    train = Rows(train.x[:kept], train.y[:kept])
    return checked(Splits("mnist", train, valid, test, 10, "original", (28, 28)))


def at_hand(folder: str | None) -> bool:
    """Whether the four idx files are where `mnist` looks for them."""
    try:
        return bool(_found(folder))
    except MissingDataError:
        return False


def pick(
    folder: str | None, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """``n`` different digits of all 70000 and their classes, in random order.

    Train and test rows of a set made from them share no digit, since none is drawn twice.
    """
    images, labels = pooled(folder)
    chosen = rng.permutation(len(images))[:n]
    return images[chosen], labels[chosen].astype(np.int64)


def pooled(folder: str | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """All MNIST digits in published order, train then t10k: (70000, 28, 28) and labels (70000,).

    Held against a checksum: what is made from them is cached under a name that promises MNIST.
    """
    found, arrays = _found(folder), []
    for name, path in found.items():
        array = read_idx(path)
        if array.shape != FILES[name] or array.dtype != np.uint8:
            raise DataFormatError(
                f"{path}: MNIST has shape {FILES[name]} of uint8 here, got {array.shape} of "
                f"{array.dtype}"
            )
        arrays.append(array)
    images, labels = np.concatenate(arrays[::2]), np.concatenate(arrays[1::2])
    got = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    if got != _SHA256:
        raise DataFormatError(
            f"{path.parent}: the four files are not MNIST as published: sha256 of "
            f"images and labels expected {_SHA256}, got {got}"
        )
    return images, labels


def _found(folder: str | None) -> dict[str, Path]:
    return find({name: (name, f"{name}.gz") for name in FILES}, folder, below="mnist")


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
