"""Cells as they are written: which are numbers, which are missing or may be."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pandas.api import types

MISSING = ("", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "NaN", "nan", "NAN", "-nan", "-NaN",
           "NULL", "null", "None")  # fmt: skip

_SIGN = r"([$€£¥%]?)\s?"
_NUMBER = re.compile(rf"{_SIGN}([+-]?){_SIGN}([\d.,]+)([eE][+-]?\d+)?\s?{_SIGN}", re.ASCII)
_DIGITS = re.compile(
    r"\d+[.,]?\d*|\.\d+"  # 5.3 and 5,3
    r"|\d{1,3}(,\d{3})+\.\d*|\d{1,3}(,\d{3}){2,}|\d{1,3}(\.\d{3})+,\d*",
    re.ASCII,
)

_HOLE = re.compile(r"\W+|unknown|missing|unlabell?ed|n\.?a\.?", re.IGNORECASE)
_FAR = 2  # ranges of the other numbers
_SEVERAL = 10  # other numbers, from which one can stand out


def is_number(cell: str) -> bool:
    """Whether a cell looks like a number: float() takes 1_2 for 12, which is a name."""
    try:
        return "_" not in cell and bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def is_counted(cells: pd.Series) -> bool:
    """Whether cells have numbers for a type: true and false are none."""
    return types.is_numeric_dtype(cells.dtype) and not types.is_bool_dtype(cells.dtype)


def written(cell: str) -> tuple[float, str] | None:
    """A number as people write it, and its sign: $ or %, say; None: it is no number.

    "$1,234.5" is 1234.5, "5.3%" is 5.3, "1.234,5" is 1234.5, and "0,5" is 0.5.
    """
    found = _NUMBER.fullmatch(cell)
    if found is None or not _DIGITS.fullmatch(found[4]):
        return None
    digits, sign = found[4], found[1] + found[3] + found[6]
    point = max(",.", key=digits.rfind)  # the last one, unless it is there again
    other = ",.".replace(point, "") if digits.count(point) == 1 else ",."
    for mark in other:
        digits = digits.replace(mark, "")
    value = found[2] + digits.replace(",", ".") + (found[5] or "")
    return (float(value), sign) if len(sign) < 2 else None


def words(missing: Sequence[str | float]) -> pa.Array:
    """How a missing cell may look: -999 as -999.0, too."""
    said = [str(word) for word in missing]
    return pa.array([*MISSING, *said, *(str(float(word)) for word in said if is_number(word))])


def blanked(cells: pd.DataFrame, missing: Sequence[str | float]) -> pd.DataFrame:
    """Cells that are one of these words, or these numbers, as missing ones."""
    if not missing:
        return cells
    words = [str(word) for word in missing]
    values = [float(word) for word in words if is_number(word)]
    made = {}
    for name, column in cells.items():
        hit = column.isin(values) if is_counted(column) else column.astype(str).isin(words)
        made[name] = column.mask(hit) if hit.any() else column
    return pd.DataFrame(made, cells.index)


def hole(cells: pd.Series) -> str | None:
    """What may stand for a missing cell: a word like ?, or a number far from all others."""
    found: list[object] = []
    if isinstance(cells.dtype, pd.CategoricalDtype):
        found = [word for word in cells.cat.categories if _HOLE.fullmatch(str(word))]
    elif is_counted(cells):
        values = cells.dropna().to_numpy(np.float64)
        found = [end for end in (values.min(), values.max()) if _is_far(end, values)]
    for word in found:
        if count := int((cells == word).sum()):
            said = str(int(word) if isinstance(word, float) and word.is_integer() else word)
            return (
                f"{said!r} stands in {count} rows; say data.missing=['{said}'] if "
                "it means that there is none"
            )
    return None


def _is_far(end: float, values: NDArray[np.float64]) -> bool:
    """Whether a number that is there more than once is the only one far from all the others."""
    others = values[values != end]
    if not len(values) > len(others) + 1 > 2:
        return False
    low, high = others.min(), others.max()
    is_far = min(abs(end - low), abs(end - high)) > _FAR * (high - low)
    return bool(is_far and len(np.unique(others)) >= _SEVERAL)
