"""What an earlier search came to, read from its table, to be repeated without a search."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sda.common import checks
from sda.runs.settings import key_of
from sda.sweeps.campaign import search

RATE = "finetune.learning_rate"
NEEDED = ("data_set", "arm", "seeds", "tried", "setting")  # columns
REFUSED = (*search.PLACE, *(key for key in search.OWN if key != RATE))


@dataclass(frozen=True)
class Choice:
    """The setting with the best validation error of a cell.

    Raises:
        ValueError: a word sets what a campaign sets itself, or a number is none.
    """

    words: tuple[str, ...]  # overrides, without those that have no effect on the arm
    rate: float  # of fine-tuning
    tried: int  # runs that it is the best of
    edge: str = ""  # values of it beyond which nothing was tried

    def __post_init__(self) -> None:
        search.refuse(self.words, REFUSED, "which it sets itself in every run")
        checks.positive(RATE, self.rate)
        checks.whole("tried", self.tried, 1)

    def named(self, settings: list[list[str]], init: str) -> list[str]:
        """Its words as they stand in a list of settings, which name its folder; else its own."""
        same = (words for words in settings if search.effective(words, init) == set(self.words))
        return next(same, list(self.words))


def lines(file: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read the lines of a campaign's file, each with a field for each of its columns.

    Raises:
        ValueError: it is not there, or no such file, in one line.
    """
    try:
        with file.open(newline="", encoding="utf-8") as text:
            reader = csv.DictReader(text)
            heads, rows = reader.fieldnames or (), list(reader)
    except (OSError, ValueError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"the table {file} cannot be read: {why}") from None
    if not set(columns) <= set(heads):
        raise ValueError(f"{file} must be a campaign's table, with columns {', '.join(columns)}")
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise ValueError(f"{file}, line {number}: must have a field for each of its columns")
    return rows


def table(file: Path, columns: Sequence[str] = NEEDED) -> dict[str, dict[str, str]]:
    """Read the lines of a campaign's table that were run, by the name of their cell.

    Raises:
        ValueError: it is not there, or no such table, in one line.
    """
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(lines(file, columns), 2):
        cell = cell_of(row)
        if cell in found:
            raise ValueError(f"{file}, line {number}: {cell} is there twice")
        found[cell] = row
    return {cell: row for cell, row in found.items() if row["seeds"] != "0"}


def cell_of(row: Mapping[str, str]) -> str:
    """The name of a row's cell."""
    return f"{row['data_set'].replace('-', '_')}_{row['arm']}"


def read(file: Path) -> dict[str, Choice]:
    """The choices of a campaign's table by cell, but for support vector machines.

    Raises:
        ValueError: it is not there, or a line of it is damaged, in one line.
    """
    return {
        cell: _choice(row, f"{file}, {cell}")
        for cell, row in table(file).items()
        if not row["arm"].startswith("svm")
    }


def _choice(row: Mapping[str, str], where: str) -> Choice:
    words = row["setting"].split()
    rates = [word.partition("=")[2] for word in words if key_of(word) == RATE]
    others = [word for word in words if key_of(word) != RATE]
    try:
        values = {"rate": float(rates[-1]), "tried": int(row["tried"])}
    except (IndexError, ValueError):
        raise ValueError(
            f"{where}: setting must have {RATE}=, and tried a number; "
            f"got {row['setting']!r}, {row['tried']!r}"
        ) from None
    return made({"words": others, "edge": row.get("edge", ""), **values}, where)


def made(values: Any, where: str) -> Choice:
    """A choice of plain values, as ``dataclasses.asdict`` makes them.

    Raises:
        ValueError: they are none, in one line that says where.
    """
    try:
        words = values["words"]
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"words must be a list of overrides, got {words!r}")
        return Choice(**(values | {"words": tuple(words)}))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{where}: {error}") from None
