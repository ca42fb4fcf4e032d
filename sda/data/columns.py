"""One column of a table: its kind, and how its cells become components of an input and come back.

A missing cell is NaN in all components of its column, in both directions.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pandas.api import types

from sda.common import checks
from sda.common.errors import DataFormatError
from sda.data.formats.cells import written

KINDS = ("numeric", "binary", "categorical", "date", "ignored")
SCALINGS = ("standard", "unit", "quantiles", "none")
OTHER = "(other)"  # the value of rare categories together
DAY = 86400.0
EPOCH = np.datetime64(0, "s")
KNOTS = 101  # of the quantiles that are kept
_LARGEST = float(np.finfo(np.float32).max)

Value = str | int | float | bool


@dataclass(frozen=True)
class Column:
    """A column by name and kind, with what was learned of it on training rows.

    ``numeric`` and ``date`` (as days since 1970) have one component: (value − shift) / scale, or
    with ``quantiles`` their share of training rows below. ``binary`` has one component: 0 and 1 are
    the two ``categories``. ``categorical`` has one for each category, of which one is 1; with
    ``together`` a last one stands for all values that are rare or were never seen. ``ignored`` has
    none. With ``indicated`` one more component is 1 where the cell is missing, and never NaN.
    """

    name: str
    kind: str
    scaling: str = "none"  # standard: mean 0, deviation 1; unit: [0, 1], clipped; quantiles; none
    shift: float = 0.0
    scale: float = 1.0
    quantiles: tuple[float, ...] = ()  # evenly spaced, from the least value to the greatest
    categories: tuple[Value, ...] = ()
    together: bool = False
    indicated: bool = False
    whole: bool = False  # of a date: all are whole days, and so is a reconstructed one

    def __post_init__(self) -> None:
        checks.text("the name of a column", self.name)
        checks.one_of(f"kind of column {self.name!r}", self.kind, KINDS)
        checks.one_of(f"scaling of column {self.name!r}", self.scaling, SCALINGS)
        checks.number("shift", self.shift)
        checks.positive("scale", self.scale)
        if self.kind == "binary" and len(self.categories) != 2:
            raise ValueError(
                f"binary column {self.name!r} needs 2 categories, got {self.categories}"
            )

    @property
    def is_number(self) -> bool:
        """Whether its component is a scaled number."""
        return self.kind in ("numeric", "date")

    @property
    def size(self) -> int:
        """Components of its value, not counting the one that says that a cell is missing."""
        if self.kind == "categorical":
            return len(self.categories) + self.together
        return int(self.kind != "ignored")

    @property
    def width(self) -> int:
        """All its components."""
        return self.size + self.indicated

    @property
    def components(self) -> list[str]:
        """Their names."""
        names = [self.name]
        if self.kind == "categorical":
            values = [*self.categories, *[OTHER] * self.together]
            names = [f"{self.name}={text_of(value)}" for value in values]
        return names[: self.size] + [f"{self.name} is missing"] * self.indicated

    def write(self, cells: pd.Series, out: NDArray[np.float32]) -> str:
        """Write cells (n,) as components into ``out`` (n, width).

        Returns:
            What is strange about them: values that no training row has, which count as missing, or
            as rare ones do; or numbers most of which are far from those. Empty: nothing.

        Raises:
            DataFormatError: a cell of a number is none; the message names line and column.
        """
        if self.is_number:
            values = numbers(self.name, cells, self.kind)
            out[:, 0], remark = self._scaled(values), self._elsewhere(values)
        else:
            places, remark = self._places(cells)
            one_hot = np.arange(self.size) == places[:, None]
            out[:, : self.size] = places[:, None] if self.kind == "binary" else one_hot
            out[places < 0, : self.size] = np.nan
        if self.indicated:
            out[:, -1] = np.isnan(out[:, 0])
        return remark

    def read(self, x: NDArray[Any]) -> pd.Series:
        """Bring components (n, width), means of a reconstruction too, back to cells (n,)."""
        x = np.asarray(x, np.float64)
        missing = np.isnan(x[:, 0])
        if self.kind == "date":
            values = self._unscaled(x[:, 0])
            days = np.where(missing, 0, np.round(values) if self.whole else values)
            dates = EPOCH + np.round(days * DAY).astype("timedelta64[s]")
            return pd.Series(dates, name=self.name).mask(missing)
        if self.is_number:
            return pd.Series(self._unscaled(x[:, 0]), name=self.name, dtype=np.float32)
        if self.kind == "binary":
            places = (x[:, 0] >= 0.5).astype(int)
        else:
            places = np.where(missing[:, None], 0, x[:, : self.size]).argmax(axis=1)
        cells = pd.Series(self._values.take(places), name=self.name)
        return cells.mask(missing) if missing.any() else cells

    @property
    def _values(self) -> pd.Index:
        """The categories, of their own type where they all have one."""
        return pd.Index([*self.categories, *[OTHER] * self.together])

    def _scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.scaling == "quantiles":
            knots = np.array(self.quantiles)
            grid = np.linspace(0, 1, len(knots))
            # Of equal knots the middle: a value that many rows have is at the centre of them.
            above = np.interp(values, knots, grid)
            below = 1 - np.interp(-values, -knots[::-1], grid)
            return (above + below) / 2
        scaled = (values - self.shift) / self.scale
        return np.clip(scaled, 0, 1) if self.scaling == "unit" else scaled

    def _elsewhere(self, values: NDArray[np.float64]) -> str:
        """A word where most of some values are far from those of training rows: other units."""
        known, low, high = values[~np.isnan(values)], self.shift, self.shift + self.scale
        if self.scaling == "standard":
            low, high = self.shift - 3 * self.scale, self.shift + 3 * self.scale
        elif self.scaling == "quantiles":
            low, high = self.quantiles[0], self.quantiles[-1]
        if self.scaling == "none" or len(known) < 10:
            return ""
        middle, span = float(np.median(known)), high - low
        if low - span <= middle <= high + span:
            return ""
        return f"its middle is {middle:g}, training rows had {low:g} to {high:g}: other units?"

    def _unscaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.scaling == "quantiles":
            return np.interp(values, np.linspace(0, 1, len(self.quantiles)), self.quantiles)
        return values * self.scale + self.shift

    def _places(self, cells: pd.Series) -> tuple[NDArray[np.int64], str]:
        """The place of each cell's value among the categories, −1 if it has none, and a remark."""
        codes, found = pd.factorize(cells)
        known = {text_of(value): place for place, value in enumerate(self.categories)}
        aside = len(self.categories) if self.together else -1
        places = np.array([known.get(text_of(value), aside) for value in found] + [-1])
        unseen = [value for value in found if text_of(value) not in known and value != OTHER]
        if not unseen:
            return places[codes], ""
        return places[codes], (
            f"{len(unseen)} value{'s' * (len(unseen) > 1)} that no training row has, such as "
            f"{unseen[0]!r}: as {'rare ones' if self.together else 'missing'}"
        )


def fitted(
    name: str, kind: str, cells: pd.Series, scaling: str, rare: float = 0, indicated: bool = False
) -> Column:
    """Learn a column from the cells (n,) of training rows.

    Args:
        name: of the column.
        kind: one of KINDS.
        cells: raw; missing ones are left out of all that is learned.
        scaling: of numbers; one of SCALINGS. A constant is shifted and not stretched.
        rare: categories of a smaller share of the rows than this are put together.
        indicated: whether a component says that a cell is missing.
    """
    if kind == "ignored":
        return Column(name, kind)
    if kind in ("numeric", "date"):
        values = numbers(name, cells, kind)
        made = Column(name, kind, indicated=indicated)
        return _fitted_number(made, values[~np.isnan(values)], scaling)
    counts = cells.value_counts()
    counts = counts[counts > 0]
    kept = counts[counts >= rare * len(cells)] if kind == "categorical" else counts
    categories = sorted_values(kept.index)
    if kind == "binary" and len(categories) == 1:  # the other value is in no training row
        categories = (*categories, OTHER)
    together = len(kept) < len(counts)
    return Column(name, kind, categories=categories, together=together, indicated=indicated)


def _fitted_number(made: Column, values: NDArray[np.float64], scaling: str) -> Column:
    whole = made.kind == "date" and bool((values == np.floor(values)).all())
    if scaling == "none" or not len(values):
        return replace(made, whole=whole)
    if scaling == "quantiles":
        knots = np.quantile(values, np.linspace(0, 1, KNOTS)).tolist()
        return replace(made, whole=whole, scaling=scaling, quantiles=tuple(knots))
    low, high = float(values.min()), float(values.max())
    shift = low if scaling == "unit" else float(values.mean())
    scale = high - low if scaling == "unit" else float(values.std())
    scale = 1.0 if low == high else scale or 1.0
    return replace(made, whole=whole, scaling=scaling, shift=shift, scale=scale)


def numbers(name: str, cells: pd.Series, kind: str = "numeric") -> NDArray[np.float64]:
    """Cells as numbers (n,), dates as days since 1970; NaN where they are missing.

    Raises:
        DataFormatError: one is no number, infinite, or too large for float32.
    """
    if kind == "date":
        if types.is_numeric_dtype(cells.dtype):
            raise DataFormatError(
                f"column {name!r} has numbers, such as {cells.iloc[0]:g}, and no dates (2024-05-17)"
            )
        dates = pd.to_datetime(cells, errors="coerce", utc=True).dt.tz_localize(None)
        values = ((dates.to_numpy("datetime64[ns]") - EPOCH) / np.timedelta64(1, "D")).astype(float)
        wrong = np.isnan(values) & cells.notna().to_numpy()
        told = "no date"
    else:
        plain = cells.astype(object) if isinstance(cells.dtype, pd.CategoricalDtype) else cells
        fast = as_numbers(plain) if types.is_string_dtype(plain.dtype) else None
        found = pd.to_numeric(plain, errors="coerce") if fast is None else fast
        values = found.to_numpy(np.float64, na_value=np.nan)
        wrong = np.isnan(values) & cells.notna().to_numpy()
        if wrong.any() and types.is_string_dtype(cells.dtype):
            read = [written(cell) if isinstance(cell, str) else None for cell in plain]
            values = np.where(wrong, [one[0] if one else math.nan for one in read], values)
            wrong &= np.isnan(values)
        told = "no number"
        if not wrong.any():
            wrong, told = np.abs(values) > _LARGEST, "infinite or too large for float32"
    if wrong.any():
        place = int(np.argmax(wrong))
        raise DataFormatError(
            f"{spot(cells, place)}, column {name!r}: {_plain(cells.iloc[place])!r} is {told}"
            f"{f' ({int(wrong.sum())} such)' if wrong.sum() > 1 else ''}"
        )
    return np.asarray(values)


def as_numbers(cells: pd.Series) -> pd.Series | None:
    """Text cells as float64, NaN where missing; None: they are no numbers, or there are none."""
    if cells.isna().all():
        return None
    try:
        plain = pa.array(cells, pa.string(), from_pandas=True).cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return None
    return pd.Series(plain.to_numpy(zero_copy_only=False), cells.index)


def spot(cells: pd.Series | pd.DataFrame, place: int) -> str:
    """Where a row stands, as its file counts: the index has its lines, or its rows."""
    *file, line = np.atleast_1d(np.asarray(cells.index[place], object))
    return ", ".join([*map(str, file), f"{cells.index.names[-1] or 'row'} {line}"])


def text_of(value: object) -> str:
    """A category as text, by which it is known again: 1 and 1.0 are the same."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def sorted_values(values: Iterable[object]) -> tuple[Value, ...]:
    """Different values as plain types, numbers by size and then text."""
    return tuple(sorted(map(_plain, values), key=_order))


def _plain(value: Any) -> Value:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and plain.is_integer() and abs(plain) < 2**53:
        return int(plain)
    return plain if isinstance(plain, (str, int, float, bool)) else str(plain)


def _order(value: Value) -> tuple[bool, float, str]:
    is_text = isinstance(value, str)
    return is_text, 0.0 if is_text or math.isnan(float(value)) else float(value), str(value)
