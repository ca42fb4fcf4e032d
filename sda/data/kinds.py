"""What the columns of a table are: told from their cells, or set by the person."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from sda.common.errors import DataFormatError
from sda.data.columns import KINDS, as_numbers, numbers, spot
from sda.data.formats.cells import hole, written

_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?")
_IDENTIFIER = re.compile(r"(?i:(.*[_ ])?id|index|unnamed(: | column )\d+)|.*[a-z]I[dD]")
_COUNTED = 10  # rows of which a column that counts them is no chance
_NAMES = 0.5  # share of different values from which a column of text is names, not categories


class Kinds(NamedTuple):
    """The kind of each column, and remarks on what may be meant otherwise."""

    kinds: dict[str, str]
    remarks: list[str]


def kind_of(name: str, cells: pd.Series) -> tuple[str, str | None]:
    """What a column is by its cells, raw, and why it would be left out."""
    try:
        return _kind(name, typed(name, cells)[0])
    except DataFormatError:  # numbers but for a few cells
        return "categorical", None


def settle(frame: pd.DataFrame, given: Mapping[str, str]) -> Kinds:
    """Decide the kind of each column; text that is numbers or dates becomes these, in place.

    Numbers are numeric, 0 and 1 alone are binary, as are two words; more words are categorical.
    Left out are columns that count the rows, or have a different word in most rows, or no value.
    What looks like a word for a missing cell is remarked on.

    Args:
        frame: raw rows, columns of text as ``read_text`` gives them or typed ones.
        given: the kind of columns by name, where the person has set it.

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
    return Kinds(kinds, remarks)


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
        return _plain(name, cells), ""
    found = as_numbers(cells)
    if found is not None and kind not in ("categorical", "date"):
        return found, ""
    try:
        words = cells.astype("category")
    except TypeError:  # lists and the like
        return _plain(name, cells), ""
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


def _plain(name: str, cells: pd.Series) -> pd.Series:
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
