"""Arms beside each other: runs grouped by what they computed, contrasted seed by seed."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sda.analysis import intervals, naming
from sda.analysis.intervals import Estimate
from sda.runs.results import Trained, Unfinished, losses

DOUBT = 0.05
MARGIN = 0.005  # of test error: arms that are surely less apart are level
MOST_ARMS = 12  # of a table where each is set against each
Trial = tuple[int, int]  # cut of the data and seed
Where = tuple[str, str, str, str]  # data, source, hash and cuts of a table
Item = TypeVar("Item")
Key = TypeVar("Key")


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """The items by a key of theirs, in the order they come."""
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


class Published(NamedTuple):
    """A paper's figure."""

    test_error: float
    n_test: int
    paper: str

    @property
    def half_width(self) -> float:
        """Of its 95 % interval over test rows."""
        return intervals.binomial(self.test_error, self.n_test)

    def holds(self, error: float) -> bool:
        """Whether another error lies within that."""
        return abs(error - self.test_error) <= self.half_width


@dataclass(frozen=True)
class Arm:
    """Runs that differ in seed and cut alone; ``label`` says what sets them apart from others."""

    label: str
    runs: list[Trained]  # by cut and seed, each once

    @property
    def labelled(self) -> int | None:
        """How many training rows had labels; None: all."""
        return self.runs[0].labelled

    @property
    def is_numeric(self) -> bool:
        """Whether numbers are predicted: then R2 is shown, 1 less the error."""
        return self.runs[0].is_numeric

    @property
    def valid_error(self) -> float:
        """Mean over the runs."""
        return float(np.mean([run.valid_error for run in self.runs]))

    @property
    def test_error(self) -> float:
        """Mean over the runs."""
        return float(np.mean([run.test_error for run in self.runs]))

    @property
    def units(self) -> dict[int, "Arm"]:
        """Its parts that spread is over: seeds, or cuts with all their seeds."""
        parts = grouped(self.runs, lambda run: run.trial[0] if run.cut else run.seed)
        return {number: Arm(self.label, runs) for number, runs in parts.items()}

    @property
    def published(self) -> Published | None:
        """The published figure."""
        for run in self.runs:
            entry = run.result.get("published") or {}
            error = (entry.get("test_error") or {}).get(run.init)
            if error is not None:
                return Published(float(error), int(entry["n_test"]), str(entry.get("paper", "")))
        return None


@dataclass(frozen=True)
class Pair:
    """Two arms over the trials that both have: first − second, positive if the second is better."""

    first: Arm
    second: Arm
    difference: Estimate  # of test errors, as fractions, with its interval over trials alone
    estimate: Estimate | None  # the same over test rows too; None: one trial, no predictions
    mcnemar: dict[Trial, float | None]  # p; None without both runs' predictions
    p: float | None = None  # of the estimate, by Holm's correction over the pairs of a table

    def __str__(self) -> str:
        return f"{self.first.label} - {self.second.label}"

    @property
    def better(self) -> Arm | None:
        """The arm that is better, if there is no doubt left of 5 % over the table's claims."""
        return None if self.p is None or self.p >= DOUBT else self.ahead

    @property
    def mean(self) -> float:
        """First − second, a fraction: of the estimate, where there is one."""
        return (self.estimate or self.difference).mean

    @property
    def ahead(self) -> Arm:
        """The arm that errs less, surely or not."""
        return self.second if self.mean > 0 else self.first

    def beside(self, arm: Arm) -> Arm:
        """The other one."""
        return self.second if arm is self.first else self.first

    def is_level(self, margin: float) -> bool:
        """Whether the two are surely less than ``margin``, a fraction, apart."""
        return self.better is None and self.estimate is not None and self.estimate.is_within(margin)


@dataclass(frozen=True)
class Table:
    """Arms on one data set: the same rows, hash for hash, cut once or in several ways."""

    data: str
    source: str
    data_hash: str  # of all rows where they are cut several times
    cuts: str  # how they were: "10 folds"; empty where they were cut once
    arms: list[Arm]
    pairs: list[Pair]  # of arms that learned from the same number of labels
    shared: list[str] = field(default_factory=list)  # what all arms have set alike, in words

    @property
    def runs(self) -> list[Trained]:
        """Those of all arms."""
        return [run for arm in self.arms for run in arm.runs]


@dataclass(frozen=True)
class Repeated:
    """One arm, cut and seed that was run more than once.

    Runs that agree in every prediction count as one; of runs that do not, none is used.
    """

    arm: str
    data: str
    seed: int
    folders: list[Path]
    agree: bool


@dataclass(frozen=True)
class Comparison:
    """Everything under the folders: tables of what is finished, a list of what is not."""

    tables: list[Table]
    unfinished: list[Unfinished]
    repeated: list[Repeated]


def contrast(
    finished: Sequence[Trained],
    unfinished: Sequence[Unfinished],
    defaults: Mapping[str, Any] | None = None,
) -> Comparison:
    """Group runs by data and by arm, and pair the arms on each data set.

    Args:
        finished: runs with their figures.
        unfinished: the others.
        defaults: flat settings that need not be told, and that a run without them has too.
    """
    by_data = sorted(grouped(finished, _where).items())
    found = [_table(where, runs, defaults or {}) for where, runs in by_data]
    repeated = [one for _, again in found for one in again]
    return Comparison([table for table, _ in found if table.arms], list(unfinished), repeated)


def _where(run: Trained) -> Where:
    """What runs of one table have in common: data, source and hash, and how the rows are cut."""
    of, ways = run.result["data_hash"], ""
    if run.cut:
        of, ways = run.cut["rows"], f"{run.cut['total']} {run.cut['way']}"
    return str(run.result["data"]), str(run.result["source"]), str(of), ways


def _against(arms: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    """The pairs of arms that are compared: all, or of many each with the chosen one.

    Chosen is the one with the lowest mean validation error: of each number of labels its own.
    """
    if len(arms) <= MOST_ARMS:
        return list(combinations(arms, 2))
    alike = grouped(arms, lambda arm: arm.labelled)
    chosen = {n: min(own, key=lambda arm: arm.valid_error) for n, own in alike.items()}
    return [(arm, best) for arm in arms if (best := chosen[arm.labelled]) is not arm]


def _table(
    where: Where, runs: Sequence[Trained], defaults: Mapping[str, Any]
) -> tuple[Table, list[Repeated]]:
    """The arms of one data set, contrasted, and what was run more than once."""
    groups = list(grouped(runs, lambda run: naming.likeness(run, defaults)).values())
    settings = [naming.computed(group) for group in groups]
    names = naming.labels(settings)
    arms, again = [], []
    for label, group in zip(names, groups, strict=True):
        kept, repeated = _once(label, group)
        again += repeated
        if kept:
            arms.append(Arm(label, kept))
    arms.sort(key=lambda arm: naming.place(arm.runs[0], arm.label))
    pairs = [found for a, b in _against(arms) if (found := pair(a, b))]
    told = naming.shared(settings, defaults, names)
    return Table(*where, arms, corrected(pairs), told), again


def _once(label: str, runs: Sequence[Trained]) -> tuple[list[Trained], list[Repeated]]:
    """One run for each trial, and the trials that were run more than once."""
    kept, repeated = [], []
    for (_, seed), same in sorted(grouped(runs, lambda run: run.trial).items()):
        agree = all(_equal(same[0], other) for other in same[1:])
        if agree:
            kept.append(same[0])
        if len(same) > 1:
            paths = [run.path for run in same]
            repeated.append(Repeated(label, str(same[0].result["data"]), seed, paths, agree))
    return kept, repeated


def _equal(a: Trained, b: Trained) -> bool:
    seen = _predictions(a, b)
    return seen is not None and a.valid_error == b.valid_error and np.array_equal(*seen[1:])


def _predictions(a: Trained, b: Trained) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]] | None:
    """Labels, and what both predict for them; None: that is not there, or of other rows."""
    ours, theirs = a.predictions(), b.predictions()
    if ours is None or theirs is None or not np.array_equal(ours[0], theirs[0]):
        return None
    return *ours, theirs[1]


def pair(first: Arm, second: Arm) -> Pair | None:
    """Two arms over the trials that both have; None: there is none, or their labels differ."""
    ours, theirs = ({run.trial: run for run in arm.runs} for arm in (first, second))
    trials = sorted(ours.keys() & theirs.keys())
    if not trials or first.labelled != second.labelled:
        return None
    errors = [[own[trial].test_error for trial in trials] for own in (ours, theirs)]
    mcnemar: dict[Trial, float | None] = dict.fromkeys(trials)
    apart = {}  # for each test row the loss of the first less that of the second, (n,)
    for trial in trials:
        if (seen := _predictions(ours[trial], theirs[trial])) is not None:
            y, *told = seen
            mcnemar[trial] = None if first.is_numeric else intervals.mcnemar(y, *told)
            apart[trial] = np.subtract(*(losses(y, one) for one in told)).astype(np.float32)
    whole = len(apart) == len(trials)
    estimate = _estimate(apart, [ours[trial] for trial in trials]) if whole else None
    return Pair(first, second, intervals.paired(*errors), estimate, mcnemar)


def _estimate(
    apart: Mapping[Trial, NDArray[np.float32]], runs: Sequence[Trained]
) -> Estimate | None:
    """First − second over all that varies: rows and seeds, or cuts of the rows."""
    by_cut = [[apart[t] for t in cut] for cut in grouped(apart, lambda t: t[0]).values()]
    if any(len({len(one) for one in cut}) > 1 for cut in by_cut):
        return None
    tables = [np.stack(cut) for cut in by_cut]
    learned_from = float(np.mean([run.n_learned_from for run in runs]))
    if runs[0].cut is not None and len(tables) > 1 and learned_from:
        return intervals.resampled(tables, learned_from)
    return intervals.crossed(tables[0]) if len(tables) == 1 and len(tables[0]) > 1 else None


def corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with their p among all that a table claims."""
    held = iter(intervals.holm([pair.estimate.p for pair in pairs if pair.estimate is not None]))
    return [replace(p, p=next(held)) if p.estimate is not None else p for p in pairs]


def interval(run: Trained) -> intervals.Interval:
    """The 95 % interval of a run's test error over test rows."""
    own = run.losses() if run.is_numeric else None
    if own is None:
        return intervals.of_error(min(run.test_error, 1.0), run.n_test)
    half = intervals.Z * float(own.std()) / math.sqrt(len(own))
    return intervals.Interval(run.test_error - half, run.test_error + half, "normal")
