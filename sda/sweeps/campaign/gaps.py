"""How far the arms of a table are from SdA-3 on each data set, and their order."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sda.analysis import intervals
from sda.analysis.tables import Block
from sda.runs import ledger
from sda.sweeps.campaign import table
from sda.sweeps.campaign.protocol import Line
from sda.sweeps.campaign.table import Row

OURS = "sda3"
OTHERS = ("random3", "saa3", "dbn3")
Gaps = dict[tuple[str, str], "Gap | str"]  # by data set and arm: or why there is none


class Gap(NamedTuple):
    """A method's test error less that of SdA-3, in percentage points."""

    points: float
    half_width: float  # of the 95 % interval
    over: str  # what the interval is over: "5 seeds and rows", "seeds, unpaired", "rows"

    def __str__(self) -> str:
        said = f"{self.points:+.2f} ± {self.half_width:.2f} over {self.over}"
        # An interval over rows leaves out how seeds differ.
        sure = abs(self.points) > self.half_width and not self.over.startswith("rows")
        return f"**{said}**" if sure else said


def of(rows: Sequence[Row], lines: Sequence[Line], folder: Path) -> Gaps:
    """The gap of every other arm, by data set and arm, or why there is none.

    Args:
        rows: of the table.
        lines: of its ledger: what was converted has its gaps there.
        folder: where the ledger is, with the predictions.
    """
    converted = {tuple(line["gap"][:2]): Gap(*line["gap"][2:]) for line in lines if "gap" in line}
    ours = {row.data_set: row for row in rows if row.arm == OURS}
    found: Gaps = {}
    for row in rows:
        if row.arm in OTHERS and (own := ours.get(row.data_set)):
            place = row.data_set, row.arm
            try:
                is_known = row.is_converted and own.is_converted and place in converted
                found[place] = converted[place] if is_known else difference(row, own, folder)
            except ValueError as error:
                found[place] = str(error)
    return found


def difference(first: Row, second: Row, folder: Path) -> Gap:
    """First − second: crossed over seeds and rows where predictions are there, else over seeds.

    Raises:
        ValueError: they are of other data, or too little is known of them.
    """
    if first.data_hash[:8] != second.data_hash[:8]:
        raise ValueError("not of the same data")
    seeds, over = sorted(first.lines.keys() & second.lines.keys()), "seeds, unpaired"
    if len(seeds) > 1:
        over = f"{len(seeds)} seeds and rows"
        apart = np.subtract(*(_wrong(row, seeds, folder) for row in (first, second)))
        gap = intervals.crossed(apart)
    elif min(first.seeds, second.seeds) < 2:
        raise ValueError("one seed")
    else:  # with at least what rounding may have taken from the spread of a converted row
        parts = [(row.mean, max(row.sd, 0.5e-4), row.seeds) for row in (first, second)]
        gap = intervals.unpaired(*parts)
    return Gap(100 * gap.mean, 100 * gap.half_width, over)


def _wrong(row: Row, seeds: Sequence[int], folder: Path) -> NDArray[np.float32]:
    """Which test rows the runs of some seeds get wrong, (seeds, rows)."""
    pairs = [ledger.predictions(folder, row.lines[seed]["predictions"]) for seed in seeds]
    return np.stack([(y != predicted).astype(np.float32) for y, predicted in pairs])


def block(rows: Sequence[Row], gaps: Gaps, *notes: str) -> Block:
    """A line for each data set that has SdA-3: its name, a gap for each other method, the order.

    In brackets the paper's gap.
    """
    heads = ["data set", *(f"{table.HEADINGS[arm]} − SdA-3" for arm in OTHERS), "in order"]
    said = []
    for data_set in dict.fromkeys(row.data_set for row in rows):
        arms = {row.arm: row for row in rows if row.data_set == data_set}
        if OURS in arms:
            compared = {arm: row for arm, row in arms.items() if arm in (OURS, *OTHERS)}
            apart = [_said(arms.get(arm), arms[OURS], gaps) for arm in OTHERS]
            said.append([data_set, *apart, _order(compared)])
    return table.named(heads, said, *notes)


def _said(other: Row | None, ours: Row, gaps: Gaps) -> str:
    if other is None:
        return "not run"
    paper = ""
    if other.published is not None and ours.published is not None:
        paper = f" ({100 * (other.published - ours.published):+.2f})"
    return f"{gaps[other.data_set, other.arm]}{paper}"


def _order(arms: Mapping[str, Row]) -> str:
    means = {arm: table.percent(row.mean) for arm, row in arms.items()}
    first, *others = sorted(means, key=lambda arm: arms[arm].mean)
    said, last = table.HEADINGS[first], means[first]
    for arm in others:
        said += f" {'=' if means[arm] == last else '<'} {table.HEADINGS[arm]}"
        last = means[arm]
    return said
