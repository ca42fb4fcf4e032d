"""What the columns of a table are: kinds of inputs, and classes or numbers to predict.

They are told from their cells, or set by the person. Classes are the values that occur.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from sda.common.errors import DataFormatError
from sda.data.columns import KINDS, Column, Value, as_numbers, numbers, sorted_values, spot, text_of
from sda.data.formats.cells import hole, is_counted, is_number, written

TASKS = ("auto", "classes", "numbers")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?")
_IDENTIFIER = re.compile(r"(?i:(.*[_ ])?id|index|unnamed(: | column )\d+)|.*[a-z]I[dD]")
_PLAIN = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")  # how a number looks that is no name: not 01 or 1_2
_COUNTED = 10  # rows of which a column that counts them is no chance
_NAMES = 0.5  # share of different values from which a column of text is names, not categories
_MOST = 100  # whole numbers that are classes unasked
_EACH = 2  # rows that each of them then has on average


def kind_of(name: str, cells: pd.Series) -> tuple[str, str | None]:
    """What a column is by its cells, raw, and why it would be left out."""
    try:
        return _kind(name, typed(name, cells)[0])
    except DataFormatError:  # numbers but for a few cells
        return "categorical", None


def settle(frame: pd.DataFrame, given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Decide the kind of each column; text that is numbers or dates becomes these, in place.

    Numbers are numeric, 0 and 1 alone are binary, as are two words; more words are categorical.
    Left out are columns that count the rows, or have a different word in most rows, or no value.

    Args:
        frame: raw rows, columns of text as ``read_text`` gives them or typed ones.
        given: the kind of columns by name, where the person has set it.

    Returns:
        The kind of each column, and remarks on what may be meant otherwise, such as a word for a
        missing cell.

    Raises:
        DataFormatError: a kind for a column that is not there, or that its cells do not have; a
            column that is numbers but for a few cells.
    """
    for name, kind in given.items():
        if kind not in KINDS:
            raise DataFormatError(
                f"data.kinds: {name} must be one of {', '.join(KINDS)}, got {kind!r}"
            )
        if name not in frame:
            there = ", ".join(map(str, frame.columns[:12]))
            raise DataFormatError(f"data.kinds: there is no column {name!r}; there are {there}")
    kinds, remarks = {}, []
    for name in list(frame.columns):
        asked, cells = given.get(name), frame[name]
        if asked != "ignored":
            cells, doubt = typed(name, cells, asked)
            remarks += [f"column {name!r} {doubt}"] if doubt else []
        frame[name] = cells
        kinds[name], remark = (asked, None) if asked else _kind(name, cells)
        if remark:
            remarks.append(f"column {name!r} is left out: {remark}")
        elif kinds[name] != "ignored" and (missed := hole(cells)):
            remarks.append(f"column {name!r}: {missed}")
    return kinds, remarks


def typed(name: str, cells: pd.Series, kind: str | None = None) -> tuple[pd.Series, str]:
    """Text as what it says: numbers, dates or categories; other cells as they are; and a remark.

    The remark is of numbers that are not written as Python writes them; empty: there are none.

    Raises:
        DataFormatError: most cells are numbers and a few are not, or ``kind`` wants numbers; or
            cells are none that a table has.
    """
    if not (types.is_string_dtype(cells.dtype) or types.is_object_dtype(cells.dtype)):
        if kind in ("numeric", "date") and not types.is_bool_dtype(cells.dtype):
            numbers(name, cells, kind)
        return _known(name, cells), ""
    found = as_numbers(cells)
    if found is not None and kind not in ("categorical", "date"):
        return found, ""
    try:
        words = cells.astype("category")
    except TypeError:  # lists and the like
        return _known(name, cells), ""
    different = list(map(str, words.cat.categories))
    if kind == "date" or (kind is None and different and all(map(_DATE.fullmatch, different))):
        numbers(name, cells, "date")
        return pd.to_datetime(cells, utc=True).dt.tz_localize(None), ""
    read = [written(word) for word in different]
    if kind not in (None, "numeric") or not any(read):
        return words if kind != "numeric" else pd.Series(numbers(name, cells), cells.index), ""
    if not all(read):
        _refuse_strays(name, cells, words, np.array([one is not None for one in read]), kind)
        return words, ""
    known = [one for one in read if one is not None]
    signs = {sign for _, sign in known}
    if len(signs) > 1 and kind is None:
        told = " and ".join(sign or "none" for sign in sorted(signs))
        return words, f"has numbers with different signs ({told}): it stays a category"
    told = f"is read as numbers, such as {different[0]!r} as {known[0][0]:g}"
    return pd.Series(numbers(name, cells), cells.index), told


def _known(name: str, cells: pd.Series) -> pd.Series:
    """Cells as they are; DataFormatError where they are durations, complex, lists and so on."""
    kind = cells.dtype
    known = (types.is_bool_dtype, types.is_numeric_dtype, types.is_datetime64_any_dtype)
    is_plain = any(is_of(kind) for is_of in known) and not types.is_complex_dtype(kind)
    if not is_plain and not isinstance(kind, pd.CategoricalDtype):
        raise DataFormatError(
            f"column {name!r} must have numbers, words, dates, true or false, got {kind}, such as "
            f"{str(cells.iloc[0])[:30]}"
        )
    return cells


def _refuse_strays(
    name: str, cells: pd.Series, words: pd.Series, decimals: NDArray[np.bool_], kind: str | None
) -> None:
    """Raise DataFormatError where more than half of the cells are numbers."""
    codes = words.cat.codes.to_numpy()
    good = decimals[codes] & (codes >= 0)
    stray = ~good & (codes >= 0)
    if kind is None and good.sum() <= stray.sum():
        return
    place = int(np.argmax(stray))
    word = str(cells.iloc[place])
    raise DataFormatError(
        f"{spot(cells, place)}, column {name!r}: {word!r} is no number, {int(good.sum())} others "
        f"are; say data.missing=['{word}'] if it means that there is none, or "
        f"data.kinds={{{name}: categorical}}"
    )


def _kind(name: str, cells: pd.Series) -> tuple[str, str | None]:
    """The kind of typed cells, and a remark where it is ``ignored``."""
    there = cells.dropna()
    if there.empty:
        return "ignored", "it has no value"
    if types.is_datetime64_any_dtype(cells.dtype):
        return "date", None
    if types.is_bool_dtype(cells.dtype):
        return "binary", None
    if types.is_numeric_dtype(cells.dtype):
        return _kind_of_numbers(name, cells, there)
    n = there.nunique()
    if n == 1:
        return "ignored", f"it is {there.iloc[0]!r} in every row"
    if n > _NAMES * len(there) and len(there) >= 2 * _COUNTED:
        such = f"such as {str(there.iloc[0])[:30]!r}"
        return "ignored", f"{n} different words in {len(there)} rows, {such}: names or free text"
    return ("binary" if n == 2 else "categorical"), None


def _kind_of_numbers(name: str, cells: pd.Series, there: pd.Series) -> tuple[str, str | None]:
    values = there.to_numpy(np.float64, na_value=np.nan)
    steps = np.diff(values)
    if len(there) == len(cells) >= _COUNTED and steps[0] and (steps == steps[0]).all():
        return "ignored", f"it counts the rows, {values[0]:g} to {values[-1]:g}"
    is_whole = bool((values == np.floor(values)).all())
    if is_whole and _IDENTIFIER.fullmatch(str(name)) and there.is_unique:
        return "ignored", "a different number in every row, by its name an identifier"
    is_flag = bool(((values == 0) | (values == 1)).all() and values.min() != values.max())
    return ("binary" if is_flag else "numeric"), None


class Target(NamedTuple):
    """The column of the classes and y (n,), −1: unlabelled; or numbers (n,) or (n, k), float32."""

    columns: tuple[Column, ...]
    y: NDArray[Any]
    remarks: Sequence[str] = ()  # what a label was taken for that may be meant otherwise


def target(frame: pd.DataFrame, task: str, n_classes: int | None) -> Target:
    """Read the columns of a target; a missing cell is a row without label, and so is −1 of a class.

    Text, true and false are classes, and whole numbers where they are few; others are predicted as
    numbers, as are several columns.

    Args:
        frame: the columns, raw.
        task: classes, numbers or auto.
        n_classes: how many there are, where labels are their numbers from 0; None: those that
            occur.
    """
    name = str(frame.columns[0])
    if task == "numbers" or len(frame.columns) > 1:
        return _numbers(frame)
    cells = _labels(frame[name])
    if n_classes is not None:
        return _numbered(name, cells, n_classes)
    return _numbers(frame) if task == "auto" and are_numbers(cells) else _classes(name, cells)


def are_numbers(cells: pd.Series) -> bool:
    """Whether the cells of a target, raw, are numbers to predict: not whole, or many of them."""
    cells = _labels(cells).dropna()
    if types.is_bool_dtype(cells.dtype):
        return False
    if types.is_numeric_dtype(cells.dtype):
        values = np.unique(cells.to_numpy(np.float64))
    else:
        read = [written(str(cell)) for cell in cells.unique()]
        if not all(read) or as_numbers(cells) is not None:  # names, or codes such as 007
            return False
        values = np.unique([one[0] for one in read if one])
    few = len(values) <= min(_MOST, max(len(cells) / _EACH, 2))
    return not (few and (values == np.floor(values)).all())


def _labels(cells: pd.Series) -> pd.Series:
    """Text that is plain numbers throughout as numbers; any other text is names, and stays."""
    if types.is_numeric_dtype(cells.dtype):  # true and false, too
        return cells
    found = as_numbers(cells)
    texts = cells.dropna().astype(str).unique()
    powers = any("e" in text.lower() for text in texts)
    plain = all(map(_PLAIN.fullmatch, texts)) or powers or any("." in text for text in texts)
    leading = any(re.match(r"-?0\d", text) for text in texts)
    if found is None or leading or not plain:
        return cells
    known = found.dropna()
    # 1e3 and 1000 would be one class.
    one_of_two = powers and known.nunique() < len(texts)
    return cells if one_of_two and (known == np.floor(known)).all() else found


def _numbers(frame: pd.DataFrame) -> Target:
    read = {str(name): _labels(frame[name]) for name in frame}
    y = np.stack([numbers(*one) for one in read.items()], axis=1)
    remarks = [
        f'"{name}" is read as numbers, such as {cells.iloc[0]!r} as {y[0, k]:g}'
        for k, (name, cells) in enumerate(read.items())
        if not types.is_numeric_dtype(cells.dtype) and cells.notna().iloc[0]
    ]
    y = y.astype(np.float32)
    y[np.isnan(y).any(axis=1)] = np.nan  # a row has all of its targets, or none
    columns = tuple(Column(name, "numeric") for name in read)
    return Target(columns, y[:, 0] if len(columns) == 1 else y, remarks)


def _numbered(name: str, cells: pd.Series, n_classes: int) -> Target:
    values = numbers(name, cells)
    labelled = ~(np.isnan(values) | (values == -1))
    wrong = labelled & ~np.isin(values, range(n_classes))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataFormatError(
            f"labels must be whole numbers 0..{n_classes - 1} (data.n_classes={n_classes}), got "
            f"{values[row]:g} in {cells.index.name or 'row'} {cells.index[row]}"
        )
    y = np.where(labelled, values, -1).astype(np.int64)
    return Target((Column(name, "categorical", categories=tuple(range(n_classes))),), y)


def _classes(name: str, cells: pd.Series) -> Target:
    codes, found = pd.factorize(cells)
    values = sorted_values(found)
    remarks = [] if is_counted(cells) else _doubts(name, cells, values)
    if "-1" in map(text_of, values):
        if len(values) > 2:
            values = tuple(value for value in values if text_of(value) != "-1")
            remarks.append("-1 is no class but a row without label")
        else:
            remarks.append("-1 is a class")
    place = {text_of(value): k for k, value in enumerate(values)}
    places = np.array([place.get(text_of(value), -1) for value in found] + [-1])
    column = Column(name, "categorical", categories=values)
    return Target((column,), places[codes].astype(np.int64), remarks)


def _doubts(name: str, cells: pd.Series, values: Sequence[Value]) -> list[str]:
    """Classes that may be a mistake: a word for none, one among numbers, two that look alike."""
    doubts = [f'"{name}": {doubt}' for doubt in [hole(cells.astype("category"))] if doubt]
    strange = [value for value in values if not is_number(text_of(value))]
    if not doubts and 0 < len(strange) < len(values) / 2:
        doubts.append(f'"{name}" has numbers, and {strange[0]!r}, which is a class, too')
    looks: dict[str, Value] = {}
    for value in values:
        look = unicodedata.normalize("NFKC", text_of(value)).casefold()
        if looks.setdefault(look, value) != value:
            doubts.append(f"the classes {looks[look]!r} and {value!r} look alike")
    return doubts
