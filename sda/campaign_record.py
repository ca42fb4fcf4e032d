"""A table outlives the folders that it was made from: what they lack is kept as it is there."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sda import campaign_table, checkpoint, choices


def read(file: Path) -> dict[str, dict[str, Any]]:
    """The rows of an earlier table by the name of their cell; {}: there is no such file.

    Raises:
        ValueError: it is no such table, in one line.
    """
    if not file.exists():
        return {}
    return {
        cell: dict.fromkeys(campaign_table.COLUMNS, "") | row | {"seeds": int(row["seeds"])}
        for cell, row in choices.table(file).items()
    }


def write(file: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write a table, at once or not at all: it may be all that is left of its runs."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    checkpoint.replace(file, lines.getvalue().encode())


def errors(row: Mapping[str, Any]) -> dict[int, tuple[float, float]]:
    """On validation and on test rows, by seed, as fractions; {} where the table does not say."""
    valid, test = (
        {int(seed): float(error) / 100 for seed, _, error in parts}
        for parts in (
            [word.partition(":") for word in str(row[column]).split()]
            for column in ("valid_errors", "test_errors")
        )
    )
    return {seed: (valid[seed], test[seed]) for seed in test}


def joined(row: dict[str, Any], kept: dict[str, Any] | None) -> dict[str, Any]:
    """A row of the folders that are here, with the seeds that its row of an earlier table has.

    Where together they are fewer than the earlier row rests on, that stays.

    Raises:
        ValueError: the two are of other data.
    """
    if kept is None:
        return row
    if not row["seeds"]:
        return kept
    if kept["data_hash"] not in ("", row["data_hash"]):
        cell = choices.cell_of(row)
        there, here = (f"{one['source']}, {one['data_hash']}" for one in (kept, row))
        raise ValueError(f"{cell}: the table is of other data ({there}) than the runs ({here})")
    same = row["setting"] == kept["setting"]
    known = (errors(kept) if same else {}) | errors(row)
    if len(known) < kept["seeds"]:
        return kept
    further = kept if same and int(kept["tried"]) >= int(row["tried"]) else row
    searched = {part: further[part] for part in ("tried", "edge")}
    return row | campaign_table.figures(row, known) | searched
