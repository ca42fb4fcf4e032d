"""What is to be predicted: classes, which are the values that occur, or numbers."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from sda.common.errors import DataFormatError
from sda.data.columns import Column, Value, as_numbers, numbers, sorted_values, text_of
from sda.data.formats.cells import hole, is_number, written

TASKS = ("auto", "classes", "numbers")
_PLAIN = re.compile(
    r"-?(0|[1-9]\d*)(\.\d+)?"
)  # how a number looks that is no name: not 01, not 1_2
_MOST = 100  # whole numbers that are classes unasked
_EACH = 2  # rows that each of them then has on average


class Target(NamedTuple):
    """The column of the classes and y (n,), −1: unlabelled; or numbers (n,) or (n, k), float32."""

    columns: tuple[Column, ...]
    y: NDArray[Any]
    remarks: tuple[str, ...] = ()  # what a label was taken for that may be meant otherwise

    @property
    def is_numeric(self) -> bool:
        """Whether numbers are predicted."""
        return self.y.dtype.kind == "f"


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
    if task == "numbers" or len(frame.columns) > 1:
        return _numbers(frame)
    name = str(frame.columns[0])
    cells = _typed(frame[name])
    is_number = types.is_numeric_dtype(cells.dtype) and not types.is_bool_dtype(cells.dtype)
    if n_classes is not None:
        return _numbered(name, cells, n_classes)
    if task == "auto" and are_numbers(cells):
        return _numbers(frame)
    return _classes(name, cells, is_number)


def are_numbers(cells: pd.Series) -> bool:
    """Whether the cells of a target, raw, are numbers to predict: not whole, or many of them."""
    cells = _typed(cells).dropna()
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


def _numbers(frame: pd.DataFrame) -> Target:
    read = {str(name): _typed(frame[name]) for name in frame}
    y = np.stack([numbers(*one) for one in read.items()], axis=1)
    remarks = [
        f'"{name}" is read as numbers, such as {cells.iloc[0]!r} as {y[0, k]:g}'
        for k, (name, cells) in enumerate(read.items())
        if not types.is_numeric_dtype(cells.dtype) and cells.notna().iloc[0]
    ]
    y = y.astype(np.float32)
    y[np.isnan(y).any(axis=1)] = np.nan  # a row has all of its targets, or none
    columns = tuple(Column(name, "numeric") for name in read)
    return Target(columns, y[:, 0] if len(columns) == 1 else y, tuple(remarks))


def _typed(cells: pd.Series) -> pd.Series:
    """Text that is numbers throughout as numbers; any other text is names, kept as they are."""
    if types.is_numeric_dtype(cells.dtype) or types.is_bool_dtype(cells.dtype):
        return cells
    found = as_numbers(cells)
    texts = cells.dropna().astype(str).unique()
    plain = all(map(_PLAIN.fullmatch, texts)) or any("." in t or "e" in t.lower() for t in texts)
    leading = any(re.match(r"-?0\d", text) for text in texts)
    if found is None or leading or not plain:
        return cells
    known = found.dropna()
    # 1e3 and 1000 would be one class.
    one_of_two = known.nunique() < len(texts) and any("e" in t.lower() for t in texts)
    return cells if one_of_two and (known == np.floor(known)).all() else found


def _numbered(name: str, cells: pd.Series, n_classes: int) -> Target:
    values = numbers(name, cells)
    labelled = ~(np.isnan(values) | (values == -1))
    wrong = labelled & ~((values >= 0) & (values < n_classes) & (values == np.floor(values)))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataFormatError(
            f"labels must be whole numbers 0..{n_classes - 1} (data.n_classes={n_classes}), got "
            f"{values[row]:g} in {cells.index.name or 'row'} {cells.index[row]}"
        )
    y = np.where(labelled, values, -1).astype(np.int64)
    return Target((Column(name, "categorical", categories=tuple(range(n_classes))),), y)


def _classes(name: str, cells: pd.Series, is_number: bool) -> Target:
    codes, found = pd.factorize(cells)
    values = sorted_values(list(found))
    remarks = [] if is_number else _doubts(name, cells, values)
    if "-1" in map(text_of, values):
        if len(values) > 2:
            values = tuple(value for value in values if text_of(value) != "-1")
            remarks.append("-1 is no class but a row without label")
        else:
            remarks.append("-1 is a class")
    place = {text_of(value): k for k, value in enumerate(values)}
    places = np.array([place.get(text_of(value), -1) for value in found] + [-1])
    column = Column(name, "categorical", categories=values)
    return Target((column,), places[codes].astype(np.int64), tuple(remarks))


def _doubts(name: str, cells: pd.Series, values: Sequence[Value]) -> list[str]:
    """Classes that may be a mistake: a word for none, one beside numbers, two that look alike."""
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
