"""`text`: windows of letters of a text, a column of categories for each place."""

from pathlib import Path

import numpy as np

from sda.common import checks
from sda.common.errors import DataFormatError, MissingDataError
from sda.data.columns import Column
from sda.data.encoding import Encoding
from sda.data.splits import Rows, Splits, checked

SPACE = "_"
_SHARES = (0.7, 0.15, 0.15)  # of the text, from its start: training, validation, test


def text(path: str | None, length: int, step: int) -> Splits:
    """Windows of ``length`` letters, one every ``step`` letters, without labels.

    Every column, named 1, 2, ... from the left, is a category: one of the letters that the text
    has, or "_" between words. Capitals become small; all that is no letter parts words. The first
    70 % of the text train, the next 15 % validate, the rest tests: no letter is in two of them.

    Args:
        path: a text in UTF-8; None: 687 English words about noise that come with the program.
        length: letters of a window, 2 or more.
        step: letters from the start of one window to the next, 1 or more.
    """
    checks.whole("data.length", length, 2)
    checks.whole("data.step", step, 1)
    file = Path(__file__).with_name("about_noise.txt") if path is None else Path(path).expanduser()
    letters = _letters(file)
    cuts = np.cumsum([round(share * len(letters)) for share in _SHARES[:-1]])
    parts = np.split(letters, cuts)
    if min(map(len, parts)) < length + step:
        raise DataFormatError(
            f"{file}: the text needs at least {round((length + step) / min(_SHARES)) + 1} letters "
            f"for windows of {length}, got {len(letters)}"
        )
    alphabet = tuple(str(letter) for letter in np.unique(letters))
    columns = [Column(str(k + 1), "categorical", categories=alphabet) for k in range(length)]
    train, valid, test = (
        _rows(np.searchsorted(alphabet, part), length, step, len(alphabet)) for part in parts
    )
    source = "embedded" if path is None else "user"
    return checked(
        Splits(file.stem, train, valid, test, 0, source, encoding=Encoding(tuple(columns)))
    )


def _letters(file: Path) -> np.ndarray:
    """The letters of a text (n,), small, one SPACE between words."""
    try:
        read = file.read_text("utf-8").lower()
    except OSError:
        raise MissingDataError(f"data.path must be a text file, got {file}") from None
    except UnicodeDecodeError:
        raise DataFormatError(f"{file}: a text in UTF-8 is wanted, this is none") from None
    words = "".join(c if c.isalpha() else " " for c in read).split()
    return np.array(list(SPACE.join(words)), dtype="<U1")


def _rows(places: np.ndarray, length: int, step: int, n: int) -> Rows:
    """Windows (m, length · n) as rows of ones."""
    windows = np.lib.stride_tricks.sliding_window_view(places, length)[::step]
    x = np.eye(n, dtype=np.float32)[windows].reshape(len(windows), -1)
    return Rows(x, np.full(len(x), -1))
