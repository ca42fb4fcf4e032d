"""The files of the eight problems as they were published: names, sums, sizes, quirks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sda.common.errors import DataFormatError
from sda.data.checks import checked, rows
from sda.data.folders import downloads_folder, first_file, places
from sda.data.formats.amat import read_amat
from sda.data.formats.archives import opened, verify
from sda.data.formats.npz import read_npz
from sda.data.splits import Rows, Splits

BASE_URL = "http://www.iro.umontreal.ca/~lisa/icml2007data/"
_SIDE = 28
_PIXELS = _SIDE * _SIDE


@dataclass(frozen=True)
class Problem:
    """One of Larochelle et al. (2007), as skdata has it; validation rows end the first file."""

    name: str
    archive: str
    sha1: str
    train_file: str  # name of the archive's member, and of the file when extracted
    test_file: str
    n_classes: int = 10
    n_train: int = 10000
    n_valid: int = 2000
    sideways: bool = False  # images are stored transposed
    converted: tuple[str, str] | None = None  # a conversion to .npz: file, SHA-256
    n_test: int = 50000

    def checksum(self, form: str) -> str | None:
        """Return the published checksum of a form of the data; extracted text has none."""
        if form == "converted":
            return self.converted[1] if self.converted else None
        return self.sha1 if form == "archive" else None


_ROTATED = "mnist_all_rotation_normalized_float"
_ROTATED_IMAGES = "mnist_all_background_images_rotation_normalized"
PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem(
            "basic",
            "mnist.zip",
            "14ac2e9135705499b80bf7efac981377940150c8",
            "mnist_train.amat",
            "mnist_test.amat",
        ),
        Problem(
            "rot",
            "mnist_rotation_new.zip",
            "e67f72fa42029f62fd8eb92b0638c1b9761c9a63",
            f"{_ROTATED}_train_valid.amat",
            f"{_ROTATED}_test.amat",
            sideways=True,
        ),
        Problem(
            "bg-rand",
            "mnist_background_random.zip",
            "75e11ec966459c1162979e78ab4e21f9ab7fb5cd",
            "mnist_background_random_train.amat",
            "mnist_background_random_test.amat",
            sideways=True,
        ),
        Problem(
            "bg-img",
            "mnist_background_images.zip",
            "fb6fce9ed6372e0068ff7cb3e7b9e78dbda7ceae",
            "mnist_background_images_train.amat",
            "mnist_background_images_test.amat",
            sideways=True,
        ),
        Problem(
            "rot-bg-img",
            "mnist_rotation_back_image_new.zip",
            "902bb7e96136dd76e9f2924d7fdb9eb832f7bc33",
            f"{_ROTATED_IMAGES}_train_valid.amat",
            f"{_ROTATED_IMAGES}_test.amat",
            sideways=True,  # no document says so; both sets that it combines are
        ),
        Problem(
            "rect",
            "rectangles.zip",
            "b8d456b1f83bea5efebe76a47a9535adc4b72586",
            "rectangles_train.amat",
            "rectangles_test.amat",
            n_classes=2,
            n_train=1000,
            n_valid=200,
            converted=(
                "rectangles.npz",
                "38e111726266f2ed9707debb2f16e63f44de3f0a7d4ba8d1e0082f62a71886b2",
            ),
        ),
        Problem(
            "rect-img",
            "rectangles_images.zip",
            "2700ba92129ae195e93070d8b27f830323573a57",
            "rectangles_im_train.amat",
            "rectangles_im_test.amat",
            n_classes=2,
        ),
        Problem(
            "convex",
            "convex.zip",
            "61eab3c60e0e1caeaa0b82abf827f1809cfd2ef9",
            "convex_train.amat",
            "50k/convex_test.amat",
            n_classes=2,
            n_train=6000,
            converted=(
                "convex.npz",
                "1d2435d63a835291cc6f53dd6b502b2121f020fa5507ad0bc74ac9ff2caa9f6c",
            ),
        ),
    )
}


@dataclass(frozen=True)
class Original:
    """Where a problem's published data were found, and in which form."""

    source: str  # original | original, converted
    form: str  # archive | text | converted
    files: tuple[Path, ...]


def find_original(problem: Problem, folder: str | None) -> Original | None:
    """Look for a problem's published files: archive, extracted text, conversion, in this order."""
    folders = [*places(folder, below=("icml2007",)), downloads_folder()]
    for place in folders:
        archive = first_file(place, (problem.archive,))
        if archive:
            return Original("original", "archive", (archive,))
        texts = [
            first_file(place, _text_names(name)) for name in (problem.train_file, problem.test_file)
        ]
        if texts[0] and texts[1]:
            return Original("original", "text", (texts[0], texts[1]))
    for place in folders:
        npz = first_file(place, problem.converted[:1]) if problem.converted else None
        if npz:
            return Original("original, converted", "converted", (npz,))
    return None


def read_original(problem: Problem, found: Original) -> Splits:
    """Read, check and cut the published data: upright, row-major, in the published order.

    Raises DataFormatError if a checksum is not the published one or the sizes are others. For text
    extracted from an archive no checksum was published.
    """
    n_first = problem.n_train + problem.n_valid
    if found.form == "converted":
        first, test = _read_converted(problem, found.files[0])
    else:
        first, test = _read_texts(problem, found)
    for part, got, expected in (("first", first, n_first), ("second", test, problem.n_test)):
        if len(got.y) != expected:
            raise DataFormatError(
                f"{problem.name}: {expected} rows expected in the {part} file, got {len(got.y)}"
            )
    train = Rows(first.x[: problem.n_train], first.y[: problem.n_train])
    valid = Rows(first.x[problem.n_train :], first.y[problem.n_train :])
    _check_range(problem.name, (train, valid, test))
    shape = (_SIDE, _SIDE)
    return checked(Splits(problem.name, train, valid, test, problem.n_classes, found.source, shape))


def _text_names(name: str) -> tuple[str, ...]:
    bare = name.rpartition("/")[2]
    return (name, f"{name}.gz", bare, f"{bare}.gz")


def _read_texts(problem: Problem, found: Original) -> tuple[Rows, Rows]:
    if found.form == "archive":
        archive = found.files[0]
        verify(archive, "sha1", problem.sha1)
        members = (problem.train_file, problem.test_file)
        first, test = (_read_text(problem, archive, member) for member in members)
    else:
        first, test = (_read_text(problem, file, None) for file in found.files)
    return first, test


def _read_text(problem: Problem, path: Path, member: str | None) -> Rows:
    name = f"{path}:{member}" if member else str(path)
    with opened(path, member) as stream:
        x, y = read_amat(stream, name, _PIXELS)
    if problem.sideways:
        x = x.reshape(-1, _SIDE, _SIDE).swapaxes(1, 2).reshape(-1, _PIXELS)
    return Rows(np.ascontiguousarray(x), y)


def _read_converted(problem: Problem, path: Path) -> tuple[Rows, Rows]:
    assert problem.converted is not None
    verify(path, "sha256", problem.converted[1])
    held = read_npz(path, ("x_train", "y_train", "x_test", "y_test"))
    first, test = (
        rows(problem.name, part, held[f"x_{part}"], held[f"y_{part}"], problem.n_classes)
        for part in ("train", "test")
    )
    return first, test


def _check_range(name: str, parts: tuple[Rows, ...]) -> None:
    for part in parts:
        low, high = float(part.x.min()), float(part.x.max())
        if low < 0 or high > 1:
            raise DataFormatError(f"{name}: pixels must be in [0, 1], got {low:g}..{high:g}")
