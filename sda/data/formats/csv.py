"""Numbers and one label column out of a .csv file, with or without a header line."""

import csv
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sda.common.errors import DataFormatError


def read_csv(
    path: Path, label: str
) -> tuple[NDArray[np.float64], NDArray[Any], tuple[str, ...] | None]:
    """Features (n, d), labels (n,), and the class names if the labels are no numbers.

    ``label`` names the label column or is ``last``. The first line is a header if one of its
    feature cells is no number, or its label cell is none where all below it are, or names no class
    below where its feature cells count up from 0 or 1. Class names are sorted, and class k is the
    k-th of them.
    """
    first = _first_line(path)
    column = _label_column(path, first, label)
    skip = int(_is_header(first, column) or (label != "last" and label in first))
    cells: list[str] = []

    def note_label(cell: str) -> float:
        cells.append(cell.strip())
        return 0.0

    table = _load(path, skip, column, note_label)
    if not skip and _names_labels(cells, np.delete(table, column, axis=1)[0]):
        table, cells = table[1:], cells[1:]
    y, classes = _labels(path, cells)
    return np.delete(table, column, axis=1), y, classes


def _first_line(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return [cell.strip() for cell in next(csv.reader(stream), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataFormatError(f"{path}: not a text file ({error})") from None


def _label_column(path: Path, first: list[str], label: str) -> int:
    if len(first) < 2:
        raise DataFormatError(
            f"{path}: line 1: features and a label, separated by commas, needed; got {first}"
        )
    if label == "last":
        return len(first) - 1
    if label not in first:
        raise DataFormatError(
            f"{path}: no column {label!r} (data.label); the first line has {', '.join(first[:12])}"
        )
    return first.index(label)


def _is_header(first: list[str], column: int) -> bool:
    return any(not _is_number(cell) for k, cell in enumerate(first) if k != column)


def _names_labels(cells: list[str], features: NDArray[np.float64]) -> bool:
    """Whether a first line of numbers and a label is a header: pandas names features so."""
    above, below = cells[0], cells[1:]
    if not below or _is_number(above):
        return False
    counted = len(features) > 1 and bool(np.all(np.diff(features) == 1)) and features[0] in (0, 1)
    return all(map(_is_number, below)) or (counted and above not in below)


def _load(path: Path, skip: int, column: int, note_label: Any) -> NDArray[np.float64]:
    try:
        with path.open(encoding="utf-8-sig") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about an empty table, which is refused below
            table = np.loadtxt(
                stream,
                delimiter=",",
                quotechar='"',
                comments=None,
                skiprows=skip,
                ndmin=2,
                converters={column: note_label},
            )
    except ValueError as error:
        told = str(error).splitlines()[0].rstrip(".")
        if ragged := re.search(r"number of columns changed from (\d+) to (\d+) at row (\d+)", told):
            before, now, row = map(int, ragged.groups())  # NumPy counts this row from 1
            told = f"{before} columns, then {now} at row {row - 1}"
        raise DataFormatError(f"{path}: {told} (rows counted from {_origin(skip)})") from None
    if not len(table):
        raise DataFormatError(f"{path}: no rows below the header")
    return table


def _origin(skip: int) -> str:
    return "0 below the header" if skip else "0 at the first line"


def _labels(path: Path, cells: list[str]) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    if "" in cells:
        raise DataFormatError(f"{path}: no label in row {cells.index('')}, counted without header")
    if all(_is_number(cell) for cell in cells):
        return np.array([float(cell) for cell in cells]), None
    names, y = np.unique(np.array(cells), return_inverse=True)
    return y.astype(np.int64), tuple(map(str, names))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
