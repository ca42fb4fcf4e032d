"""Cells as they are written: which are numbers, which are missing."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api import types

MISSING = ("", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "NaN", "nan", "NAN", "-nan", "-NaN",
           "NULL", "null", "None")  # fmt: skip


def is_number(cell: str) -> bool:
    """Whether a cell looks like a number: float() takes 1_2 for 12, which is a name."""
    try:
        return "_" not in cell and bool(np.isfinite(float(cell)))
    except ValueError:
        return False


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
        is_counted = types.is_numeric_dtype(column.dtype) and not types.is_bool_dtype(column.dtype)
        hit = column.isin(values) if is_counted else column.astype(str).isin(words)
        made[name] = column.mask(hit) if hit.any() else column
    return pd.DataFrame(made, cells.index)
