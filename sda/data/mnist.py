"""MNIST from its four idx files."""

import hashlib
from pathlib import Path
from typing import Any

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
    "train images": "train-images-idx3-ubyte",
    "train labels": "train-labels-idx1-ubyte",
    "test images": "t10k-images-idx3-ubyte",
    "test labels": "t10k-labels-idx1-ubyte",
}


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
    found = _found(folder)
    arrays = {what: read_idx(path) for what, path in found.items()}
    for part, n in (("train", 60000), ("test", 10000)):
        _expect(str(found[f"{part} images"]), arrays[f"{part} images"], (n, 28, 28))
        _expect(str(found[f"{part} labels"]), arrays[f"{part} labels"], (n,))
    images = np.concatenate([arrays["train images"], arrays["test images"]])
    labels = np.concatenate([arrays["train labels"], arrays["test labels"]])
    got = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    if got != _SHA256:
        raise DataFormatError(
            f"{found['train images'].parent}: the four files are not MNIST as published: sha256 of "
            f"images and labels expected {_SHA256}, got {got}"
        )
    return images, labels


def _found(folder: str | None) -> dict[str, Path]:
    names: dict[str, tuple[str, ...]] = {w: (f, f"{f}.gz") for w, f in FILES.items()}
    return find(names, folder, below="mnist")


def _expect(path: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.uint8:
        raise DataFormatError(
            f"{path}: MNIST has shape {shape} of uint8 here, got {array.shape} of {array.dtype}"
        )
