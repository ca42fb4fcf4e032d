"""A table outlives the folders that it was made from: what they lack is kept as it is there."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sda.common import checks, files
from sda.sweeps.campaign import choices, table

PERCENT = ("valid_error_mean", "test_error_mean", "test_error_chosen", "ci95")
HASHES = ("data_hash", "settings_hash")  # empty: not known
MAYBE = ("test_error_sd", "published")  # empty: of one run, in no paper


def read(file: Path) -> dict[str, dict[str, Any]]:
    """The rows of an earlier table by the name of their cell; {}: there is no such file.

    Raises:
        ValueError: it is no such table, or a line of it is damaged, in one line.
    """
    if not file.exists():
        return {}
    found = choices.table(file, table.COLUMNS)
    return {cell: _checked(row, f"{file}, {cell}") for cell, row in found.items()}


def _checked(row: Mapping[str, str], where: str) -> dict[str, Any]:
    whole: dict[str, Any] = {part: row[part] for part in table.COLUMNS}
    try:
        for part in ("seeds", "tried", "test_rows"):
            whole[part] = checks.whole(part, int(row[part]), 1)
        if row["minutes"]:
            checks.number("minutes", float(row["minutes"]), 0)
        for part in (*PERCENT, *(part for part in MAYBE if row[part])):
            checks.number(part, float(row[part]), 0, 100)
        if whole["seeds"] > 1 and not row["test_error_sd"]:
            raise ValueError("test_error_sd must be there for more than one seed")
        known = errors(whole)
        _by_seed(whole, "seed_minutes", math.inf)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if known and len(known) != whole["seeds"]:
        raise ValueError(f"{where}: {whole['seeds']} seeds, but the errors of {len(known)}")
    return whole


def write(file: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write a table, at once or not at all: it may be all that is left of its runs."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.replace(file, lines.getvalue().encode())


def errors(row: Mapping[str, Any]) -> dict[int, tuple[float, float]]:
    """On validation and on test rows, by seed, as fractions; {} where the table does not say.

    Raises:
        ValueError: they are no errors, or not those of the same seeds.
    """
    valid, test = (_by_seed(row, column, 100) for column in ("valid_errors", "test_errors"))
    if valid.keys() != test.keys():
        raise ValueError(f"valid_errors are of seeds {[*valid]}, test_errors of {[*test]}")
    return {seed: (valid[seed] / 100, test[seed] / 100) for seed in test}


def _by_seed(row: Mapping[str, Any], column: str, most: float) -> dict[int, float]:
    """What a row says of its single runs; {}: nothing."""
    found: dict[int, float] = {}
    for word in str(row[column]).split():
        seed, _, figure = word.partition(":")
        if not seed.isdecimal() or int(seed) in found:
            raise ValueError(f"{column} must have seed:figure once for each seed, got {word!r}")
        found[int(seed)] = checks.number(f"{column} of seed {seed}", float(figure), 0, most)
    return found


def joined(row: dict[str, Any], kept: dict[str, Any] | None, searched: int) -> dict[str, Any]:
    """A row of the folders that are here, with the seeds that its row of an earlier table has.

    Seeds of the same data and settings come together. Where they are fewer than the earlier row
    rests on, or the settings are others and not as many were tried, that stays.

    Args:
        row: of the folders; where it repeats the choice of an earlier search, its tried is that's.
        kept: the earlier row.
        searched: how many runs of a search are in the folders.
    """
    if kept is None:
        return row
    if not row["seeds"]:
        return _stays(kept, row)
    alike = all(row[part] and row[part] == kept[part] for part in HASHES)
    other = any(row[part] and kept[part] not in ("", row[part]) for part in HASHES)
    tried = searched if other else row["tried"]  # no search of other data or settings counts
    known = (errors(kept) if alike else {}) | errors(row)
    if len(known) < kept["seeds"] or (not alike and tried < kept["tried"]):
        return _stays(kept, row)
    return row | table.figures(row, known) | _costs(row, kept if alike else None)


def _stays(kept: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The earlier row, against what is published as it is known today."""
    if kept["published"] == row["published"]:
        return kept
    again = kept | {"published": row["published"]}
    mean = float(kept["test_error_mean"]) / 100
    return again | {"reached": table.reached(again, mean)}


def _costs(row: Mapping[str, Any], kept: Mapping[str, Any] | None) -> dict[str, Any]:
    """How much was tried for a row, and what one of its runs took."""
    if kept is None:
        return {}
    searched = max(row, kept, key=lambda one: int(one["tried"]))
    mean = kept["minutes"]  # where nothing else is known
    known = dict.fromkeys(errors(kept), float(mean)) if mean else {}
    for one in (kept, row):
        known |= _by_seed(one, "seed_minutes", math.inf)
    costs = table.costs(known) if known else {}
    return {"tried": searched["tried"], "edge": searched["edge"], **costs}
