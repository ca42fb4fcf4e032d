"""Grey photographs, and patches out of them: the material of the backgrounds."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sda.common.errors import DataFormatError, MissingDataError
from sda.data.folders import identity

_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".pgm")
_MAX_PIXELS = 1 << 27  # of one photograph; more is a mistake or a decompression bomb
# Standard deviation, in grey levels of 0..255, below which a patch is drawn again. The original
# threshold is unknown; the flattest background among 20 original images has 34 outside its digit,
# and with 36 the patches of the Kodak set vary as much as the originals do (0.25 of the range).
LEAST_DEVIATION = 36.0


class Photographs(NamedTuple):
    """Grey images (h, w) uint8, and the SHA-256 of what decoding gave: JPEG decoders differ."""

    images: list[NDArray[np.uint8]]
    digest: str

    def told(self) -> str:
        """One line that says which photographs these are."""
        return f"{len(self.images)} photographs, sha256 of their pixels {self.digest}"


def load_photographs(folder: str | None) -> Photographs:
    """All pictures of a folder in the order of their names, or scikit-learn's two if it is None.

    Colours become grey by the luma of ITU-R 601, as Pillow has it.
    """
    if folder is None:
        from sklearn.datasets import load_sample_images  # here: it takes a second to import

        images = [_grey(Image.fromarray(colour)) for colour in load_sample_images().images]
    else:
        images = [_read(file) for file in picture_files(folder)]
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
    """Patches (n, side, side) and the photographs that they are from (n,).

    The photograph is uniform, the place uniform in it. A patch whose grey levels (0..255) have a
    standard deviation below ``least_deviation`` is drawn again.
    """
    windows = [_windows(image, side) for image in photographs]
    patches = np.empty((n, side, side), np.uint8)
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
        missing = missing[patches[missing].std(axis=(1, 2)) < least_deviation]
        if not len(missing):
            return patches, whose
    raise DataFormatError(
        f"photographs have too few {side} x {side} patches with a deviation of {least_deviation} "
        "grey levels or more"
    )


def _windows(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if min(image.shape) < side:
        raise DataFormatError(f"a photograph of {image.shape} is smaller than {side} x {side}")
    return np.lib.stride_tricks.sliding_window_view(image, (side, side))


def _read(file: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(file) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise DataFormatError(f"{file}: {image.width} x {image.height} is too large")
            return _grey(image)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise DataFormatError(f"{file}: not a readable picture ({error})") from None


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("L"), dtype=np.uint8)


def photograph_rule(name: str, seed: int, photographs: str | None) -> dict[str, object]:
    """Tell what a set made from photographs depends on, without decoding a picture."""
    files = [] if photographs is None else picture_files(photographs)
    return {
        "rule": name,
        "seed": seed,
        "least deviation": LEAST_DEVIATION,
        "photographs": identity(files),
    }
