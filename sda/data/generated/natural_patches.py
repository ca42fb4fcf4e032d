"""`patches` and `colour_patches` of photographs; and photographs as the material of backgrounds."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sda.common.errors import DataError, DataFormatError, MissingDataError, readable
from sda.data.cache import cached, identity
from sda.data.splits import Rows, Splits, checked

_SHARES = {"train": (0.0, 0.7), "valid": (0.7, 0.85), "test": (0.85, 1.0)}  # of a picture's width
_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".pgm")
_MAX_PIXELS = 1 << 27  # of one photograph; more is a mistake or a decompression bomb
# Standard deviation, in grey levels of 0..255, below which a patch is drawn again. The original
# threshold is unknown; the flattest background among 20 original images has 34 outside its digit,
# and with 36 the patches of the Kodak set vary as much as the originals do (0.25 of the range).
LEAST_DEVIATION = 36.0


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
    nothing to classify: a patch's label is its photograph. Use squared error, since the values
    have no bounds. Vincent et al. (2010), section 5, have 12 x 12 patches; how theirs were whitened
    is not known.

    ``regularisation``, at least 0, is the part of the mean variance that is added to every variance
    before dividing by its root: it keeps the noise of the finest scale from becoming as strong as
    the picture, and the larger, the smoother the patches. ``deviation``, above 0, is the root mean
    square of all training values; the whitened pictures of Olshausen have √0.1.
    """
    sizes = _sizes(side, n_train, n_valid, n_test)
    if not (0 <= regularisation < math.inf and 0 < deviation < math.inf):
        raise DataError(
            "patches need a regularisation of 0 or more and a deviation above 0, "
            f"got {regularisation} and {deviation}"
        )

    def make() -> Splits:
        found = load_photographs(photographs)
        rows = _white(_draw(found, side, sizes, seed), regularisation, deviation)
        return _splits("patches", rows, found, (side, side))

    key = {
        "rule": "patches 2", "photographs": _known(photographs), "side": side, "sizes": sizes,
        "regularisation": regularisation, "deviation": deviation, "seed": seed,
    }  # fmt: skip
    return cached("patches", key, make)


def colour_patches(
    photographs: str | None, side: int, n_train: int, n_valid: int, n_test: int, seed: int
) -> Splits:
    """Patches (3, side, side) of photographs in colour, as they are, uint8; else as ``patches``."""
    sizes = _sizes(side, n_train, n_valid, n_test)

    def make() -> Splits:
        found = load_photographs(photographs, "RGB")
        return _splits("colour_patches", _draw(found, side, sizes, seed), found, (3, side, side))

    known = {"photographs": _known(photographs), "side": side, "sizes": sizes, "seed": seed}
    return cached("colour_patches", {"rule": "colour patches 1", **known}, make)


def _sizes(side: int, *sizes: int) -> list[int]:
    if side < 2 or min(sizes) < 2:
        told = dict(zip(_SHARES, sizes, strict=True))
        raise DataError(f"patches need a side and sizes of 2 or more, got {side} and {told}")
    return list(sizes)


def _draw(found: "Photographs", side: int, sizes: list[int], seed: int) -> list[Rows]:
    """Patches of each part, and whose photograph each is."""
    rng, drawn = np.random.default_rng(seed), []
    for part, n in zip(_SHARES, sizes, strict=True):
        strips = [strip(image, part) for image in found.images]
        x, whose = draw_patches(strips, n, side, 0.0, rng)
        drawn.append(Rows(x.reshape(n, -1), whose))
    return drawn


def _white(drawn: list[Rows], regularisation: float, deviation: float) -> list[Rows]:
    raw = [part.x / 255.0 for part in drawn]
    mean, whiten = whitening(raw[0], regularisation)
    whiten *= deviation / np.sqrt(np.square((raw[0] - mean) @ whiten).mean())
    white = [((x - mean) @ whiten).astype(np.float32) for x in raw]
    return [Rows(x, part.y) for x, part in zip(white, drawn, strict=True)]


def _splits(name: str, rows: list[Rows], found: "Photographs", shape: tuple[int, ...]) -> Splits:
    train, valid, test = rows
    about: dict[str, Any] = {"image_shape": shape, "drawn_from": found.told()}
    return checked(Splits(name, train, valid, test, len(found.images), "regenerated", **about))


def whitening(
    x: NDArray[np.float64], regularisation: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (d,) and the symmetric (d, d) matrix W with cov((x - mean) W) close to the identity."""
    mean = x.mean(axis=0)
    centred = x - mean
    variance, axes = np.linalg.eigh(centred.T @ centred / len(x))
    scale = 1 / np.sqrt(np.maximum(variance, 0) + regularisation * variance.mean())
    return mean, (axes * scale) @ axes.T


def strip(image: NDArray[np.uint8], part: str) -> NDArray[np.uint8]:
    """What a part draws its patches from: of the width of a photograph its share."""
    start, end = (round(share * image.shape[1]) for share in _SHARES[part])
    return np.ascontiguousarray(image[:, start:end])


class Photographs(NamedTuple):
    """Images uint8, grey (h, w) or in colour (h, w, 3), and the SHA-256 of what decoding gave.

    Decoders of JPEG differ.
    """

    images: list[NDArray[np.uint8]]
    digest: str

    def told(self) -> str:
        """One line that says which photographs these are."""
        return f"{len(self.images)} photographs, sha256 of their pixels {self.digest}"


def load_photographs(folder: str | None, mode: str = "L") -> Photographs:
    """All pictures of a folder in the order of their names, or scikit-learn's two if it is None.

    ``mode`` is Pillow's: "RGB", or "L", where colours become grey by the luma of ITU-R 601.
    """
    if folder is None:
        from sklearn.datasets import load_sample_images  # here: it takes a second to import

        images = [_pixels(Image.fromarray(one), mode) for one in load_sample_images().images]
    else:
        images = [_read(file, mode) for file in picture_files(folder)]
    total = hashlib.sha256()
    for image in images:
        total.update(str(image.shape).encode())
        total.update(image.tobytes())
    return Photographs(images, total.hexdigest())


def picture_files(folder: str) -> list[Path]:
    """List the pictures in a folder, by name; a MissingDataError if there is none."""
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise MissingDataError(f"data.photographs must be a folder of pictures, got {folder}")
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in _SUFFIXES)
    if not files:
        raise MissingDataError(f"no pictures ({', '.join(_SUFFIXES)}) in {folder}")
    return files


def draw_patches(
    photographs: list[NDArray[np.uint8]],
    n: int,
    side: int,
    least_deviation: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Patches (n, side, side), in colour (n, 3, side, side), and whose photograph each is (n,).

    The photograph is uniform, the place uniform in it. A patch whose grey levels (0..255) have a
    standard deviation below ``least_deviation`` is drawn again.
    """
    windows = [_windows(image, side) for image in photographs]
    patches = np.empty((n, *windows[0].shape[2:]), np.uint8)
    whose = np.empty(n, np.int64)
    missing = np.arange(n)
    for _ in range(1000):
        which = rng.integers(len(windows), size=len(missing))
        corner = rng.random((len(missing), 2))
        for k, window in enumerate(windows):
            mine = which == k
            places = (corner[mine] * window.shape[:2]).astype(np.intp)
            patches[missing[mine]] = window[places[:, 0], places[:, 1]]
        whose[missing] = which
        axes = tuple(range(1, patches.ndim))
        missing = missing[patches[missing].std(axis=axes) < least_deviation]
        if not len(missing):
            return patches, whose
    raise DataFormatError(
        f"photographs have too few {side} x {side} patches with a deviation of {least_deviation} "
        "grey levels or more"
    )


def _windows(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if min(image.shape[:2]) < side:
        raise DataFormatError(f"a photograph of {image.shape} is smaller than {side} x {side}")
    return np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(0, 1))


def _read(file: Path, mode: str) -> NDArray[np.uint8]:
    fault, bomb = f"{file}: not a readable picture", Image.DecompressionBombError
    with readable(fault, UnidentifiedImageError, OSError, bomb), Image.open(file) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise DataFormatError(f"{file}: {image.width} x {image.height} is too large")
        return _pixels(image, mode)


def _pixels(image: Image.Image, mode: str) -> NDArray[np.uint8]:
    return np.asarray(image.convert(mode), dtype=np.uint8)


def draw_backgrounds(found: Photographs, n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Grey patches (n, 28, 28) that are not flat."""
    return draw_patches(found.images, n, 28, LEAST_DEVIATION, rng)[0]


def from_photographs(
    rule: str, seed: int, photographs: str | None, draw: Callable[[Photographs], Any]
) -> tuple[Callable[[], dict[str, object]], Callable[[], Any]]:
    """Tell what a set depends on, without decoding a picture; and draw it from the photographs."""
    known = {"rule": rule, "seed": seed, "least deviation": LEAST_DEVIATION}
    return (
        lambda: {**known, "photographs": _known(photographs)},
        lambda: draw(load_photographs(photographs)),
    )


def _known(photographs: str | None) -> list[Any]:
    return identity([] if photographs is None else picture_files(photographs))
