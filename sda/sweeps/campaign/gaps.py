"""How far the methods of a campaign are from SdA-3 on each data set, and their order."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sda.analysis import intervals
from sda.analysis.intervals import Difference
from sda.common import checks
from sda.runs.results import Trained
from sda.sweeps.campaign import choices, record, table
from sda.sweeps.campaign.cell import Cell

OURS = "sda3"
OTHERS = ("random3", "saa3", "dbn3")
COLUMNS = ("data_set", "arm", "points", "half_width", "over")  # of their file
Row = Mapping[str, Any]  # of the table
CHOSEN = ("setting", "test_error_chosen")  # what tells the chosen run of a row
RESULTS = (*CHOSEN, "data_hash", "seeds", "test_error_mean", "test_error_sd", "test_errors")


class Gap(NamedTuple):
    """A method's test error less that of SdA-3, in percentage points."""

    points: float
    half_width: float  # of the 95 % interval
    over: str  # what the interval is over: "5 seeds", "seeds, unpaired", "rows", "rows, unpaired"

    def __str__(self) -> str:
        said = f"{self.points:+.2f} ± {self.half_width:.2f} over {self.over}"
        # An interval over rows leaves out how seeds differ.
        sure = abs(self.points) > self.half_width and not self.over.startswith("rows")
        return f"**{said}**" if sure else said


def read(file: Path) -> dict[str, Gap]:
    """The gaps of an earlier table by the name of their cell; {}: there is no such file.

    Raises:
        ValueError: it is damaged, in one line.
    """
    if not file.exists():
        return {}
    found: dict[str, Gap] = {}
    for number, line in enumerate(choices.lines(file, COLUMNS), 2):
        cell = choices.cell_of(line)
        try:
            if cell in found:
                raise ValueError(f"{cell} is there twice")
            found[cell] = _read(line)
        except ValueError as error:
            raise ValueError(f"{file}, line {number}: {error}") from None
    return found


def _read(line: Mapping[str, str]) -> Gap:
    points = checks.number("points", float(line["points"]), -100, 100)
    return Gap(points, checks.number("half_width", float(line["half_width"]), 0), line["over"])


def write(file: Path, gaps: Mapping[str, Gap | str], rows: Sequence[Row]) -> None:
    """Write those that could be told."""
    told = []
    for row in rows:
        gap = gaps.get(choices.cell_of(row))
        if isinstance(gap, Gap):
            figures = (f"{gap.points:.4f}", f"{gap.half_width:.4f}")
            values = (row["data_set"], row["arm"], *figures, gap.over)
            told.append(dict(zip(COLUMNS, values, strict=True)))
    record.write(file, told, COLUMNS)


def of(
    cells: Iterable[tuple[Cell, int]],
    rows: Sequence[Row],
    kept_rows: Mapping[str, Row] | None = None,
    kept: Mapping[str, Gap] | None = None,
) -> dict[str, Gap | str]:
    """The gap of every other method's cell that was run, or why there is none.

    Args:
        cells: whose folders are read, each with so many seeds.
        rows: of its table.
        kept_rows: those of an earlier table.
        kept: its gaps, which stay where both rows did.
    """
    kept_rows, kept = kept_rows or {}, kept or {}
    runs = {cell.name: cell.runs(seeds) for cell, seeds in cells}
    ours = {row["data_set"]: row for row in rows if row["arm"] == OURS and row["seeds"]}
    found: dict[str, Gap | str] = {}
    for row in rows:
        if row["arm"] not in OTHERS or row["data_set"] not in ours or not row["seeds"]:
            continue
        pair = row, ours[row["data_set"]]
        names = [choices.cell_of(one) for one in pair]
        here = [runs.get(name, []) for name in names]
        try:
            if all(_are_of(row, one) for row, one in zip(pair, here, strict=True)):
                gap = difference(*here)
                over = "rows" if gap.n == here[1][0].n_test else f"{gap.n} seeds"
                found[names[0]] = _gap(gap, over)
            else:
                before = [kept_rows.get(name) for name in names]
                found[names[0]] = _of_rows(*pair, kept.get(names[0]), before)
        except ValueError as error:
            found[names[0]] = str(error)
    return found


def _are_of(row: Row, runs: Sequence[Trained]) -> bool:
    """Whether a row is of these runs, all of them and no others."""
    errors = {run.seed: 100 * run.test_error for run in runs}
    return bool(runs) and row["test_errors"] == table.by_seed(errors)


def lines(rows: Sequence[Row], gaps: Mapping[str, Gap | str]) -> list[list[str]]:
    """A line for each data set that has SdA-3: its name, a gap for each other method, the order.

    In brackets the paper's gap.
    """
    names = [table.HEADINGS[arm] for arm in OTHERS]
    lines = [["data set", *(f"{name} − SdA-3" for name in names), "in order"]]
    for data_set in dict.fromkeys(row["data_set"] for row in rows):
        arms = {row["arm"]: row for row in rows if row["data_set"] == data_set}
        if OURS in arms and arms[OURS]["seeds"]:
            said = [_said(arms.get(arm), arms[OURS], gaps) for arm in OTHERS]
            compared = {arm: row for arm, row in arms.items() if arm in (OURS, *OTHERS)}
            lines.append([data_set, *said, _order(compared)])
    return lines


def difference(first: list[Trained], second: list[Trained]) -> Difference:
    """First − second in test error, as a fraction: over the seeds of both, or over the test rows.

    With one common seed it is the paired difference over the rows of the test set; n says which.

    Raises:
        ValueError: they have other data, no seed in common, or test predictions are missing.
    """
    if len({run.result["data_hash"] for run in (*first, *second)}) > 1:
        raise ValueError("not of the same data")
    one, other = ({run.seed: run for run in runs} for runs in (first, second))
    seeds = sorted(one.keys() & other.keys())
    if len(seeds) > 1:
        return intervals.paired(*([runs[s].test_error for s in seeds] for runs in (one, other)))
    wrong = []
    for runs in (one, other):
        predictions = runs[seeds[0]].predictions() if seeds else None
        if predictions is None:
            raise ValueError("no seed in common, or no predictions")
        wrong.append((predictions[0] != predictions[1]).astype(np.float64))
    return intervals.paired(wrong[0].tolist(), wrong[1].tolist())


def _gap(gap: Difference, over: str) -> Gap:
    return Gap(100 * gap.mean, 100 * gap.half_width, over)


def _of_rows(
    other: Row, ours: Row, kept: Gap | None = None, before: Sequence[Row | None] = (None, None)
) -> Gap:
    """The gap of two rows whose runs are not all here, from what is known of their seeds.

    Args:
        other: a method's row.
        ours: that of SdA-3.
        kept: the gap of their earlier rows.
        before: these.

    Raises:
        ValueError: they are of other data.
    """
    if _differ(other, ours):
        raise ValueError("not of the same data")
    if kept is not None and _same(RESULTS, (other, ours), before):
        return kept
    first, second = record.errors(other), record.errors(ours)
    seeds = sorted(first.keys() & second.keys())
    if len(seeds) > 1:
        tests = ([errors[seed][1] for seed in seeds] for errors in (first, second))
        return _gap(intervals.paired(*tests), f"{len(seeds)} seeds")
    if min(other["seeds"], ours["seeds"]) > 1:
        parts = [_spread(row) for row in (other, ours)]
        return Gap(*intervals.unpaired(*parts)[:2], "seeds, unpaired")
    if kept is not None and kept.over == "rows" and _same(CHOSEN, (other, ours), before):
        return kept
    apart = float(other["test_error_chosen"]) - float(ours["test_error_chosen"])
    width = math.hypot(float(other["ci95"]), float(ours["ci95"]))
    return Gap(apart, width, "rows, unpaired")


def _differ(first: Row, second: Row) -> bool:
    """Whether two rows are known to be of different data."""
    part = "data_hash" if first["data_hash"] and second["data_hash"] else "source"
    return bool(first[part] != second[part])


def _same(parts: Sequence[str], rows: Sequence[Row], before: Sequence[Row | None]) -> bool:
    """Whether rows say of their runs what the earlier ones do."""
    return all(
        earlier is not None and all(row[part] == earlier[part] for part in parts)
        for row, earlier in zip(rows, before, strict=True)
    )


def _spread(row: Row) -> tuple[float, float, int]:
    """Mean, deviation and number; the deviation at least what rounding may have taken from it."""
    return float(row["test_error_mean"]), max(float(row["test_error_sd"]), 0.005), row["seeds"]


def _said(other: Row | None, ours: Row, gaps: Mapping[str, Gap | str]) -> str:
    paper = ""
    if other is not None and other["published"] and ours["published"]:
        paper = f" ({float(other['published']) - float(ours['published']):+.2f})"
    known = None if other is None else gaps.get(choices.cell_of(other))
    return f"{'not run' if known is None else known}{paper}"


def _order(arms: Mapping[str, Row]) -> str:
    means = {arm: float(row["test_error_mean"]) for arm, row in arms.items() if row["seeds"]}
    first, *others = sorted(means, key=lambda arm: means[arm])
    said, last = table.HEADINGS[first], means[first]
    for arm in others:
        said += f" {'=' if means[arm] == last else '<'} {table.HEADINGS[arm]}"
        last = means[arm]
    return said
