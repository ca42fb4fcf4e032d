"""MNIST from its four idx files."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sda.common import checks
from sda.common.errors import DataFormatError, MissingDataError
from sda.data.cache import find
from sda.data.formats.idx import read_idx
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
