"""The eight problems of Larochelle et al. (2007): as published, where it is at hand, or by rule.

An example is a line of text there, inputs then the label: the .amat format.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sda.common.errors import DataError, DataFormatError, MissingDataError
from sda.common.program import program
from sda.data.cache import cached, downloads_folder, first_file, identity, opened, places
from sda.data.formats import archives
from sda.data.formats.arrays import read_npz
from sda.data.splits import Rows, Splits, as_labels, checked

SOURCES = ("auto", "original", "regenerated")
BASE_URL = "http://www.iro.umontreal.ca/~lisa/icml2007data/"
MAX_BYTES = 1 << 31  # of text; the largest file has about half of that
_SIDE = 28


@dataclass(frozen=True)
class Problem:
    """One of the eight, as skdata has it; validation rows end the first file."""

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


_TURNED = "mnist_all_rotation_normalized_float"
_TURNED_ON_IMAGES = "mnist_all_background_images_rotation_normalized"  # turned, as both its parts
PROBLEMS = {problem.name: problem for problem in (
    Problem("basic", "mnist.zip", "14ac2e9135705499b80bf7efac981377940150c8",
            "mnist_train.amat", "mnist_test.amat"),
    Problem("rot", "mnist_rotation_new.zip", "e67f72fa42029f62fd8eb92b0638c1b9761c9a63",
            f"{_TURNED}_train_valid.amat", f"{_TURNED}_test.amat", sideways=True),
    Problem("bg-rand", "mnist_background_random.zip", "75e11ec966459c1162979e78ab4e21f9ab7fb5cd",
            "mnist_background_random_train.amat", "mnist_background_random_test.amat",
            sideways=True),
    Problem("bg-img", "mnist_background_images.zip", "fb6fce9ed6372e0068ff7cb3e7b9e78dbda7ceae",
            "mnist_background_images_train.amat", "mnist_background_images_test.amat",
            sideways=True),
    Problem("rot-bg-img", "mnist_rotation_back_image_new.zip",
            "902bb7e96136dd76e9f2924d7fdb9eb832f7bc33",
            f"{_TURNED_ON_IMAGES}_train_valid.amat", f"{_TURNED_ON_IMAGES}_test.amat",
            sideways=True),  # no document says so; both sets that it combines are
    Problem("rect", "rectangles.zip", "b8d456b1f83bea5efebe76a47a9535adc4b72586",
            "rectangles_train.amat", "rectangles_test.amat", 2, 1000, 200, converted=(
                "rectangles.npz",
                "38e111726266f2ed9707debb2f16e63f44de3f0a7d4ba8d1e0082f62a71886b2")),
    Problem("rect-img", "rectangles_images.zip", "2700ba92129ae195e93070d8b27f830323573a57",
            "rectangles_im_train.amat", "rectangles_im_test.amat", 2),
    Problem("convex", "convex.zip", "61eab3c60e0e1caeaa0b82abf827f1809cfd2ef9",
            "convex_train.amat", "50k/convex_test.amat", 2, 6000, converted=(
                "convex.npz",
                "1d2435d63a835291cc6f53dd6b502b2121f020fa5507ad0bc74ac9ff2caa9f6c")),
)}  # fmt: skip


class Made(NamedTuple):
    """What a generator draws, and a line on what it was drawn from, where that can differ."""

    pixels: NDArray[np.uint8]  # 0..255, (n, 28, 28)
    labels: NDArray[np.int64]  # (n,)
    drawn_from: str | None = None


def choose(
    name: str,
    folder: str | None,
    source: str,
    rule: Callable[[], Mapping[str, Any]],
    make: Callable[[], Made],
    made_as: str = "regenerated",
    cut: tuple[int, int] | None = None,
) -> Splits:
    """Return the published data, or what ``make`` draws; either is read or made just once.

    ``source`` is ``auto`` (published if found), ``original`` (published or an error) or
    ``regenerated``. ``rule()`` has all that the drawn arrays depend on. ``cut`` gives the numbers
    of training and validation rows where they are not the problem's own.
    """
    if source not in SOURCES:
        raise DataError(f"data.source must be one of {', '.join(SOURCES)}, got {source}")
    problem = PROBLEMS[name]
    if cut is not None:
        problem = replace(problem, n_train=cut[0], n_valid=cut[1])
    cuts = [problem.n_train, problem.n_valid]
    published = None if source == "regenerated" else _published(problem, folder, cuts)
    if published is not None:
        return published
    if source == "original":
        raise MissingDataError(
            f"{name}: no original data: {problem.archive} is neither in the data folder (SDA_DATA "
            f"or data_folder) nor in {downloads_folder()}; run: {program()} data fetch {name}"
        )

    def drawn() -> Splits:
        made, n = make(), sum(cuts)
        x = made.pixels.reshape(len(made.pixels), -1).astype(np.float32)
        x /= 255
        first, test = Rows(x[:n], made.labels[:n]), Rows(x[n:], made.labels[n:])
        return replace(_cut(problem, made_as, first, test), drawn_from=made.drawn_from)

    return cached(name, {"rule": dict(rule()), "cut": cuts}, drawn)


def _cut(problem: Problem, source: str, first: Rows, test: Rows) -> Splits:
    n, shape = problem.n_train, (_SIDE, _SIDE)
    train, valid = Rows(first.x[:n], first.y[:n]), Rows(first.x[n:], first.y[n:])
    return checked(Splits(problem.name, train, valid, test, problem.n_classes, source, shape))


def _published(problem: Problem, folder: str | None, cuts: list[int]) -> Splits | None:
    """Read the published files, or what was read of them before, whether or not they still exist.

    What has a published checksum is cached under it, extracted text under its path, size and date.
    """
    found = find_original(problem, folder)
    if found is not None:
        key = {"original": problem.checksum(found.form) or identity(found.files), "cut": cuts}
        return cached(problem.name, key, lambda: _read(problem, found))
    for form in ("archive", "converted"):
        kept = opened(problem.name, {"original": problem.checksum(form), "cut": cuts})
        if kept is not None:
            return kept
    return None


class Original(NamedTuple):
    """Where a problem's published data were found, and in which form."""

    form: str  # archive | text | converted
    files: tuple[Path, ...]

    @property
    def source(self) -> str:
        """What a data set from it says of itself."""
        return "original, converted" if self.form == "converted" else "original"


def find_original(problem: Problem, folder: str | None) -> Original | None:
    """Look for a problem's published files: archive, extracted text, conversion, in this order."""
    folders = places(folder, below="icml2007")
    for place in folders:
        if archive := first_file(place, [problem.archive]):
            return Original("archive", (archive,))
        texts = [
            first_file(place, (name, f"{name}.gz", Path(name).name, f"{Path(name).name}.gz"))
            for name in (problem.train_file, problem.test_file)
        ]
        if texts[0] and texts[1]:
            return Original("text", (texts[0], texts[1]))
    for place in folders:
        if problem.converted and (npz := first_file(place, problem.converted[:1])):
            return Original("converted", (npz,))
    return None


def _read(problem: Problem, found: Original) -> Splits:
    """Read, check and cut the published data: upright, row-major, in the published order.

    Raises DataFormatError if a checksum is not the published one or the sizes are others. For text
    extracted from an archive no checksum was published.
    """
    file, members = found.files[0], (problem.train_file, problem.test_file)
    if expected := problem.checksum(found.form):
        archives.verify(file, "sha1" if found.form == "archive" else "sha256", expected)
    if found.form == "converted":
        held = read_npz(file, ("x_train", "y_train", "x_test", "y_test"))
        parts = [Rows(held[f"x_{p}"].astype(np.float32), held[f"y_{p}"]) for p in ("train", "test")]
    elif found.form == "archive":
        parts = [_read_text(problem, file, member) for member in members]
    else:
        parts = [_read_text(problem, text) for text in found.files]
    expected_rows = (problem.n_train + problem.n_valid, problem.n_test)
    for which, part, expected_n in zip(("first", "second"), parts, expected_rows, strict=True):
        if len(part.y) != expected_n:
            raise DataFormatError(
                f"{problem.name}: {expected_n} rows expected in the {which} file, got {len(part.y)}"
            )
        low, high = float(part.x.min()), float(part.x.max())
        if low < 0 or high > 1:
            raise DataFormatError(
                f"{problem.name}: pixels must be in [0, 1], got {low:g}..{high:g}"
            )
    return _cut(problem, found.source, *parts)


def _read_text(problem: Problem, path: Path, member: str | None = None) -> Rows:
    with archives.opened(path, member) as stream:
        x, y = read_amat(stream, f"{path}:{member}" if member else str(path), _SIDE**2)
    if problem.sideways:
        x = x.reshape(-1, _SIDE, _SIDE).swapaxes(1, 2).reshape(-1, _SIDE**2)
    return Rows(np.ascontiguousarray(x), y)


def read_amat(stream: IO[bytes], name: str, columns: int) -> Rows:
    """Features (n, columns) and labels (n,) of the text in ``stream``, which ``name`` stands for.

    Lines that begin with ``#`` head the file; ``#size: rows columns`` is held against the rest. The
    text is read line by line and never held. Raises DataFormatError with the line of a fault.
    """
    lines = _Lines(stream, name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about an empty file, which is refused below
            table = np.loadtxt(iter(lines), dtype=np.float32, comments=None, ndmin=2)
    except DataFormatError:
        raise
    except ValueError as error:
        told = re.sub(r" at row \d+", "", str(error).splitlines()[0].split(";")[0]).rstrip(".")
        raise DataFormatError(f"{name}: line {lines.number}: {told}") from None
    if not table.size:
        raise DataFormatError(f"{name}: no rows")
    rows, width = lines.declared or (len(table), columns + 1)
    if width != columns + 1:
        raise DataFormatError(f"{name}: #size: has {width} columns, expected {columns + 1}")
    if table.shape[1] != columns + 1:
        raise DataFormatError(
            f"{name}: line {lines.first}: {columns} inputs and a label expected, got "
            f"{table.shape[1]} numbers"
        )
    if rows != len(table):
        raise DataFormatError(f"{name}: #size: has {rows} rows, the file {len(table)}")
    return Rows(table[:, :-1], as_labels(name, table[:, -1], len(table)))


class _Lines:
    """The lines of a stream below its header, counted, up to MAX_BYTES of text."""

    def __init__(self, stream: IO[bytes], name: str):
        self._stream, self._name = stream, name
        self.number = self.first = 0  # of the line that was read last, and of the first row
        self.declared: tuple[int, int] | None = None  # rows and columns, by the header

    def __iter__(self) -> Iterator[str]:
        total = 0
        # latin-1 maps any byte to some character, so that a foreign one is a non-numeric cell
        with io.TextIOWrapper(self._stream, encoding="latin-1") as text:
            for line in text:
                self.number += 1
                total += len(line)
                if total > MAX_BYTES:
                    raise DataFormatError(f"{self._name}: more than {MAX_BYTES} bytes of text")
                if self.first or not line.startswith("#"):
                    self.first = self.first or self.number
                    yield line
                elif found := re.match(r"#size:\s*(-?\d+)\s+(-?\d+)\s*$", line):
                    self.declared = int(found[1]), int(found[2])
