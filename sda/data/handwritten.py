"""MNIST from its four idx files, and `basic`, which is the same images cut in another way."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sda.data.checks import checked
from sda.data.errors import DataFormatError
from sda.data.folders import find
from sda.data.idx import read_idx
from sda.data.splits import Rows, Splits

# Labels of single rows of the original mnist_train.amat and mnist_test.amat, counted through both
# files: they tell the order that was used from every other. Source: the test suite of skdata.
BASIC_LABELS = {0: 5, 9999: 7, 10000: 3, 11999: 3, 12000: 7, 50000: 3, 61989: 4}
_FILES = {
    "train images": "train-images-idx3-ubyte",
    "train labels": "train-labels-idx1-ubyte",
    "test images": "t10k-images-idx3-ubyte",
    "test labels": "t10k-labels-idx1-ubyte",
}


def mnist(folder: str | None) -> Splits:
    """MNIST as the papers cut it, 50000 / 10000 / 10000; the validation rows end the training file.

    ``folder`` or ``folder/mnist`` has the four idx files, plain or gzipped; None means SDA_DATA.
    """
    images, labels = pooled(folder)
    return _cut("mnist", images, labels, (50000, 60000, 70000), "original")


def basic(folder: str | None) -> Splits:
    """Rebuild the papers' `basic` exactly, 10000 / 2000 / 50000: rows 0..61999 of train, then t10k.

    ``folder`` as in `mnist`. Labels at seven known positions are
    checked. Larochelle et al. (2007).
    """
    images, labels = pooled(folder)
    for position, label in BASIC_LABELS.items():
        if labels[position] != label:
            raise DataFormatError(
                f"basic: row {position} of MNIST must be a {label}, got a {labels[position]}: "
                "these files are not in the published order"
            )
    return _cut("basic", images, labels, (10000, 12000, 62000), "reconstructed")


def pooled(folder: str | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """All MNIST digits in published order, train then t10k: (70000, 28, 28) and labels (70000,)."""
    names = {what: (name, f"{name}.gz") for what, name in _FILES.items()}
    found = find(names, folder, below=("mnist",))
    arrays = {what: read_idx(path) for what, path in found.items()}
    for part, n in (("train", 60000), ("test", 10000)):
        _expect(str(found[f"{part} images"]), arrays[f"{part} images"], (n, 28, 28))
        _expect(str(found[f"{part} labels"]), arrays[f"{part} labels"], (n,))
    return (
        np.concatenate([arrays["train images"], arrays["test images"]]),
        np.concatenate([arrays["train labels"], arrays["test labels"]]),
    )


def _expect(path: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != np.uint8:
        raise DataFormatError(
            f"{path}: MNIST has shape {shape} of uint8 here, got {array.shape} of {array.dtype}"
        )


def _cut(
    name: str,
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    ends: tuple[int, int, int],
    source: str,
) -> Splits:
    def rows(start: int, end: int) -> Rows:
        x = images[start:end].reshape(end - start, -1).astype(np.float32)
        x /= 255
        return Rows(x, labels[start:end].astype(np.int64))

    train, valid, test = rows(0, ends[0]), rows(ends[0], ends[1]), rows(ends[1], ends[2])
    return checked(Splits(name, train, valid, test, 10, source, (28, 28)))
