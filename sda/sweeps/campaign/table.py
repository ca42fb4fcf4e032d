"""The papers' table, from a ledger: arms on data sets, beside the published figures."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from sda.analysis import intervals
from sda.analysis.tables import Block
from sda.config import catalogue
from sda.runs.identity import HARMLESS, comparable, relevant, word
from sda.sweeps.campaign import protocol
from sda.sweeps.campaign.protocol import SEARCHED, Line, Setting

HEADINGS = {
    "svm_rbf": "SVM rbf", "svm_poly": "SVM poly", "random1": "random, 1 layer", "dbn1": "DBN-1",
    "random3": "random, 3 layers", "saa3": "SAA-3", "dbn3": "DBN-3", "sda3": "SdA-3",
}  # fmt: skip
SETS = (
    "basic", "rect", "convex", "bg-rand", "bg-img", "rot-bg-img", "rect-img", "rot", "mnist",
)  # fmt: skip
ABSOLUTE = ("basic", "rect", "convex", "mnist")  # of which we have the papers' rows, or their rule
RATE = "finetune.learning_rate"
NO_SETTING = {*HARMLESS, "name", "published", "seed", "init", "data", "minutes"}


@dataclass(frozen=True)
class Row:
    """An arm on a data set: errors are fractions, of validation and test rows."""

    data_set: str
    arm: str
    source: str
    data_hash: str
    n_test: int
    seeds: int  # that the figure rests on
    mean: float  # test error over the seeds
    sd: float  # NaN of one seed
    valid: float  # mean validation error over the seeds
    tried: int  # runs of the search
    setting: str  # what was chosen
    edge: str = ""  # values of it beyond which nothing was tried
    valid_searched: float = math.nan  # validation error of the run that was chosen
    minutes: float = math.nan  # of a run
    lines: Mapping[int, Line] = field(default_factory=dict)  # by seed; {}: they are not known
    chosen: float = math.nan  # converted: test error of the run with the seed of the search
    is_converted: bool = False  # of a table from before there was a ledger

    @property
    def published(self) -> float | None:
        """The paper's test error."""
        return catalogue.published(self.data_set.partition(",")[0])[2].get(self.arm)

    @property
    def reached(self) -> bool | None:
        """Whether the mean is at most the upper end of the paper's interval; None: incomparable."""
        if self.published is None or self.data_set not in ABSOLUTE:
            return None
        return self.mean <= self.published + intervals.binomial(self.published, self.n_test)

    @property
    def is_certain(self) -> bool:
        """Whether nothing is random in it, as in a support vector machine."""
        return self.arm.startswith("svm")


def rows(lines: Sequence[Line], campaign: str = "table1") -> list[Row]:
    """A row for every arm and data set of a campaign whose figure is known.

    Lines converted from an earlier table count until new runs have as many seeds.
    """
    cells: dict[tuple[str, str, str], list[Line]] = {}
    for line in lines:
        name, arm = protocol.place_of(line)
        if name.partition("/")[0] == campaign and "gap" not in line:
            converted = line.get("row", {}).get("data_set", "")
            cells.setdefault((name, arm, converted or str(line.get("data_hash"))), []).append(line)
    found: dict[tuple[str, str], Row] = {}
    for own in cells.values():
        row = _row(own)
        before = found.get((row.data_set, row.arm)) if row else None
        if row and (before is None or _weight(before) <= _weight(row)):
            found[row.data_set, row.arm] = row
    order = {name: place for place, name in enumerate((*SETS, *HEADINGS))}
    last = len(order)
    return sorted(
        found.values(),
        key=lambda one: (
            order.get(one.data_set, last), one.data_set, order.get(one.arm, last), one.arm,
        ),
    )  # fmt: skip


def _weight(row: Row) -> tuple[int, bool]:
    """Which row of a cell counts: the one with most seeds, then one that is not converted."""
    return row.seeds, not row.is_converted


def _row(lines: Sequence[Line]) -> Row | None:
    converted = next((line["row"] for line in lines if "row" in line), None)
    if converted is not None:
        known: dict[str, Any] = {k: math.nan if v is None else v for k, v in converted.items()}
        known.pop("tests")  # by seed; the rows have their mean
        return Row(**known, is_converted=True)
    if "chosen" in lines[-1]:
        return _baseline(lines[-1])
    one = protocol.chosen(lines)
    return _network(lines, one) if one is not None and one.fresh else None


def _network(lines: Sequence[Line], one: Setting) -> Row:
    chosen, tried = _settings(one.one), protocol.tried(lines)
    searched = [_settings(other.one) for other in tried.values()]
    told = {
        key: value
        for key, value in chosen.items()
        if key == RATE or any(comparable(o.get(key)) != comparable(value) for o in searched)
    }
    return _figures(one.fresh, told, _edges(chosen, searched), len(tried), one.score([SEARCHED])[0])


def _baseline(line: Line) -> Row:
    chosen = line["chosen"]
    grid = {key.rpartition(".")[2]: value for key, value in line["settings"].items()}
    lists = {key: grid[key] for key in chosen if isinstance(grid.get(key), list)}
    searched = [{key: value} for key, values in lists.items() for value in values]
    edges, valid = _edges(chosen, searched), float(line["valid_error"])
    return _figures({SEARCHED: line}, chosen, edges, int(line["tried"]), valid)


def _figures(
    lines: Mapping[int, Line], chosen: Mapping[str, Any], edge: str, tried: int, valid: float
) -> Row:
    """A row from the lines with its runs; ``valid``: validation error of the run of the search."""
    line = next(iter(lines.values()))
    mean, sd = intervals.spread([float(one["test_error"]) for one in lines.values()])
    return Row(
        data_set=str(line["name"]).rpartition("/")[2],
        arm=protocol.arm_of(line),
        source=line["source"],
        data_hash=line["data_hash"],
        n_test=int(line["n_test"]),
        seeds=len(lines),
        mean=mean,
        sd=sd,
        valid=fmean(float(one["valid_error"]) for one in lines.values()),
        tried=tried,
        setting=" ".join(f"{key}={word(value)}" for key, value in chosen.items()),
        edge=edge,
        valid_searched=valid,
        minutes=fmean(sum(one["seconds"].values()) for one in lines.values()) / 60,
        lines=lines,
    )


def _settings(line: Line) -> dict[str, Any]:
    return relevant(line["settings"], NO_SETTING, str(line["init"]))


def _edges(settings: Mapping[str, Any], searched: Sequence[Mapping[str, Any]]) -> str:
    """Numbers of a setting that were the lowest or highest tried: beyond may be better."""
    found = []
    for key, value in settings.items():
        tried = {other[key] for other in searched if isinstance(other.get(key), int | float)}
        if isinstance(value, int | float) and len(tried) > 1 and value in (min(tried), max(tried)):
            found.append(f"{'lowest' if value == min(tried) else 'highest'} {key}")
    return ", ".join(found)


def as_printed(rows: Sequence[Row], shown: Callable[[Row], str], *notes: str) -> Block:
    """The table as the paper prints it: a line for each data set, a column for each arm.

    Args:
        rows: of the cells.
        shown: what a cell says, ``full`` or ``brief``.
        notes: how to read it.
    """
    present = {row.arm for row in rows}
    arms = [*(arm for arm in HEADINGS if arm in present), *sorted(present - {*HEADINGS})]
    lines = []
    for data_set in dict.fromkeys(row.data_set for row in rows):
        own = {row.arm: row for row in rows if row.data_set == data_set}
        lines.append([data_set, *(shown(own[arm]) if arm in own else "not run" for arm in arms)])
    return named(["data set", *(HEADINGS.get(arm, arm) for arm in arms)], lines, *notes)


def named(heads: Sequence[str], rows: Sequence[Sequence[str]], *notes: str) -> Block:
    """A table whose first column names its rows."""
    return Block(heads, rows, "n" + "l" * len(heads[1:]), list(notes))


def brief(row: Row) -> str:
    """A cell: the mean over seeds (*: one seed, †: paper's not reached), and the paper's."""
    marks = "\\*" * (row.seeds == 1 and not row.is_certain) + "†" * (row.reached is False)
    ours = f"**{percent(row.mean)}**{marks}"
    return ours if row.published is None else f"{ours} ({percent(row.published)})"


def full(row: Row) -> str:
    """One cell: mean and spread over seeds, an interval of one run, the paper's figure."""
    paper = "" if row.published is None else f"; paper {percent(row.published)}"
    paper += ", not reached" if row.reached is False else ""
    if row.seeds == 1:
        width = percent(intervals.binomial(row.mean, row.n_test))
        return f"**{percent(row.mean)}** ± {width}{'' if row.is_certain else ' (1 seed)'}{paper}"
    said = f"**{percent(row.mean)}** (sd {percent(row.sd)}, {row.seeds} seeds)"
    if row.is_converted:
        width = percent(intervals.binomial(row.chosen, row.n_test))
        said += f"; chosen {percent(row.chosen)} ± {width}"
    return said + paper


def details(rows: Sequence[Row]) -> Block:
    """What was chosen for every cell, and from how many runs."""
    heads = [
        "data set", "arm", "data", "runs tried", "chosen", "edge of what was tried",
        "validation error of seed 0", "its mean over seeds", "minutes a run",
    ]  # fmt: skip
    lines = [
        [
            row.data_set, row.arm, row.source, str(row.tried), row.setting, row.edge,
            percent(row.valid_searched), percent(row.valid),
            "" if math.isnan(row.minutes) else f"{row.minutes:.1f}",
        ]
        for row in rows
    ]  # fmt: skip
    return named(heads, lines)


def percent(fraction: float) -> str:
    """In percent, with two decimals; empty if unknown."""
    return "" if math.isnan(fraction) else f"{100 * fraction:.2f}"
