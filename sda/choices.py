"""What an earlier search came to, read from its table, to be repeated without a search."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sda import ranges, search

RATE = "finetune.learning_rate"
NEEDED = ("data_set", "arm", "seeds", "tried", "setting")  # columns


@dataclass(frozen=True)
class Choice:
    """The setting with the best validation error of a cell."""

    words: tuple[str, ...]  # overrides, without those that have no effect on the arm
    rate: float  # of fine-tuning
    tried: int  # runs that it is the best of

    def named(self, settings: list[list[str]], init: str) -> list[str]:
        """Its words as they stand in a list of settings, which name its folder; else its own."""
        same = (words for words in settings if search.effective(words, init) == set(self.words))
        return next(same, list(self.words))


def table(file: Path) -> dict[str, dict[str, str]]:
    """Read the rows of a campaign's table that were run, by the name of their cell.

    Raises:
        ValueError: it is not there, or no such table, in one line.
    """
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(f"the table {file} cannot be read: {error}") from None
    if not rows or not set(NEEDED) <= set(rows[0]):
        raise ValueError(f"{file} must be a campaign's table, with columns {', '.join(NEEDED)}")
    return {cell_of(row): row for row in rows if row["seeds"] != "0"}


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
    rates = [word.partition("=")[2] for word in words if search.key_of(word) == RATE]
    try:
        rate, tried = float(rates[-1]), int(row["tried"])
    except (IndexError, ValueError):
        raise ValueError(
            f"{where}: setting must have {RATE}=, and tried a number; "
            f"got {row['setting']!r}, {row['tried']!r}"
        ) from None
    others = tuple(word for word in words if search.key_of(word) != RATE)
    return Choice(others, ranges.positive(f"{where}: {RATE}", rate), tried)
