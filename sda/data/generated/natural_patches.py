"""`patches`: whitened patches of photographs, the natural images of Vincent et al. (2010)."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sda.common.errors import DataError
from sda.data.cache import cached
from sda.data.checks import checked
from sda.data.folders import identity
from sda.data.generated.photographs import (
    Photographs,
    draw_patches,
    load_photographs,
    picture_files,
)
from sda.data.splits import Rows, Splits

_SHARES = {"train": (0.0, 0.7), "valid": (0.7, 0.85), "test": (0.85, 1.0)}  # of a picture's width


def patches(
    photographs: str | None,
    side: int,
    n_train: int,
    n_valid: int,
    n_test: int,
    regularisation: float,
    deviation: float,
    seed: int,
) -> Splits:
    """Whitened grey patches of side x side pixels, every column of mean 0.

    Out of the pictures in a folder, or scikit-learn's two if it is None; training, validation and
    test patches come from different parts of each. ZCA-whitened by the training patches. There is
    nothing to classify: a patch's label is its photograph. Use squared error, the values have no
    bounds. Vincent et al. (2010), section 5, have 12 x 12 patches; how theirs were whitened is not
    known.

    ``regularisation``, at least 0, is the part of the mean variance that is added to every variance
    before dividing by its root: it keeps the noise of the finest scale from becoming as strong as
    the picture, and the larger, the smoother the patches. ``deviation``, above 0, is the root mean
    square of all training values; the whitened pictures of Olshausen have √0.1.
    """
    sizes = {"train": n_train, "valid": n_valid, "test": n_test}
    _check(side, sizes, regularisation, deviation)
    files = [] if photographs is None else picture_files(photographs)
    key = {
        "rule": "patches 2",
        "photographs": identity(files),
        "side": side,
        "sizes": list(sizes.values()),
        "regularisation": regularisation,
        "deviation": deviation,
        "seed": seed,
    }
    return cached(
        "patches",
        key,
        lambda: _make(load_photographs(photographs), side, sizes, regularisation, deviation, seed),
    )


def _check(side: int, sizes: dict[str, int], regularisation: float, deviation: float) -> None:
    if side < 2 or min(sizes.values()) < 2:
        raise DataError(f"patches need a side and sizes of 2 or more, got {side} and {sizes}")
    if not (0 <= regularisation < math.inf and 0 < deviation < math.inf):
        raise DataError(
            "patches need a regularisation of 0 or more and a deviation above 0, "
            f"got {regularisation} and {deviation}"
        )


def _make(
    found: Photographs,
    side: int,
    sizes: Mapping[str, int],
    regularisation: float,
    deviation: float,
    seed: int,
) -> Splits:
    rng = np.random.default_rng(seed)
    drawn = {
        part: draw_patches([_strip(i, part) for i in found.images], sizes[part], side, 0.0, rng)
        for part in _SHARES
    }
    raw = {part: x.reshape(len(x), -1) / 255.0 for part, (x, _) in drawn.items()}
    mean, whiten = whitening(raw["train"], regularisation)
    whiten *= deviation / np.sqrt(np.square((raw["train"] - mean) @ whiten).mean())
    train, valid, test = (
        Rows(((raw[part] - mean) @ whiten).astype(np.float32), drawn[part][1]) for part in _SHARES
    )
    return checked(
        Splits(
            "patches",
            train,
            valid,
            test,
            len(found.images),
            "regenerated",
            (side, side),
            drawn_from=found.told(),
        )
    )


def whitening(
    x: NDArray[np.float64], regularisation: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (d,) and the symmetric (d, d) matrix W with cov((x - mean) W) close to the identity."""
    mean = x.mean(axis=0)
    centred = x - mean
    variance, axes = np.linalg.eigh(centred.T @ centred / len(x))
    scale = 1 / np.sqrt(np.maximum(variance, 0) + regularisation * variance.mean())
    return mean, (axes * scale) @ axes.T


def _strip(image: NDArray[np.uint8], part: str) -> NDArray[np.uint8]:
    start, end = (round(share * image.shape[1]) for share in _SHARES[part])
    return np.ascontiguousarray(image[:, start:end])
