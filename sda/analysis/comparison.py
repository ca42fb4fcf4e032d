"""Arms beside each other: runs grouped by what they computed, contrasted seed by seed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sda.analysis import intervals, naming
from sda.analysis.intervals import Difference, Estimate
from sda.runs.results import Trained, Unfinished

DOUBT = 0.05
MOST_ARMS = 12  # of a table where each is set against each
Trial = tuple[int, int]  # cut of the data and seed


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
    def by_trial(self) -> dict[Trial, Trained]:
        """The runs by cut and seed."""
        return {run.trial: run for run in self.runs}

    @property
    def published(self) -> tuple[float, int, str] | None:
        """The published figure: test error, test rows, source."""
        for run in self.runs:
            entry = run.result.get("published") or {}
            error = (entry.get("test_error") or {}).get(run.init)
            if error is not None:
                return float(error), int(entry["n_test"]), str(entry.get("paper", ""))
        return None


@dataclass(frozen=True)
class Pair:
    """Two arms over the trials that both have: first − second, positive if the second is better."""

    first: Arm
    second: Arm
    difference: Difference  # of test errors, as fractions, with its interval over trials alone
    estimate: Estimate | None  # the same over test rows too; None: one trial, no predictions
    mcnemar: dict[Trial, float | None]  # p; None without both runs' predictions
    p: float | None = None  # of the estimate, by Holm's correction over the pairs of a table

    @property
    def better(self) -> Arm | None:
        """The arm that is better, if there is no doubt left of 5 % over the table's claims."""
        if self.p is None or self.p >= DOUBT:
            return None
        return self.second if self.difference.mean > 0 else self.first

    def is_level(self, margin: float) -> bool:
        """Whether the two are surely less than ``margin``, a fraction, apart."""
        return self.better is None and self.estimate is not None and self.estimate.is_within(margin)


@dataclass(frozen=True)
class Table:
    """Arms on one data set: the same rows, hash for hash, cut once or in several ways."""

    data: str
    source: str
    data_hash: str  # of all rows where they are cut several times
    arms: list[Arm]
    pairs: list[Pair]  # of arms that learned from the same number of labels
    shared: list[str] = field(default_factory=list)  # what all arms have set alike, in words

    @property
    def cuts(self) -> str:
        """How the rows were cut: "10 folds"; empty where they were cut once."""
        return _ways(self.arms[0].runs[0])


@dataclass(frozen=True)
class Repeated:
    """One arm, cut and seed that was run more than once.

    Runs that agree in every prediction count as one; of runs that do not, none is used.
    """

    label: str
    data: str
    seed: int
    paths: list[Path]
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
    by_data: dict[tuple[str, ...], list[Trained]] = {}
    for run in finished:
        by_data.setdefault(_where(run), []).append(run)
    comparison = Comparison([], list(unfinished), [])
    for where, runs in sorted(by_data.items()):
        table, repeated = _table(where, runs, defaults or {})
        comparison.repeated.extend(repeated)
        if table.arms:
            comparison.tables.append(table)
    return comparison


def _where(run: Trained) -> tuple[str, ...]:
    """What runs of one table have in common: data, source and hash, and how the rows are cut."""
    of = run.cut["rows"] if run.cut else run.result["data_hash"]
    return str(run.result["data"]), str(run.result["source"]), str(of), _ways(run)


def _against(arms: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    """The pairs of arms that are compared: all, or of many each with the chosen one.

    Chosen is the one with the lowest mean validation error: of each number of labels its own.
    """
    if len(arms) <= MOST_ARMS:
        return list(combinations(arms, 2))
    chosen: dict[int | None, Arm] = {}
    for arm in sorted(arms, key=lambda arm: float(np.mean([r.valid_error for r in arm.runs]))):
        chosen.setdefault(arm.labelled, arm)
    return [(arm, best) for arm in arms if (best := chosen[arm.labelled]) is not arm]


def _ways(run: Trained) -> str:
    return f"{run.cut['total']} {run.cut['way']}" if run.cut else ""


def _table(
    where: tuple[str, ...], runs: Sequence[Trained], defaults: Mapping[str, Any]
) -> tuple[Table, list[Repeated]]:
    """The arms of one data set, contrasted, and what was run more than once."""
    groups = _groups(runs, defaults)
    settings = [naming.computed(group) for group in groups]
    names = naming.labels(settings)
    arms, again = [], []
    for label, group in zip(names, groups, strict=True):
        kept, repeated = _once(label, group)
        again += repeated
        if kept:
            arms.append((naming.place(kept[0], label), Arm(label, kept)))
    ordered = [arm for _, arm in sorted(arms, key=lambda pair: pair[0])]
    pairs = [found for a, b in _against(ordered) if (found := pair(a, b))]
    told = naming.shared(settings, defaults, names)
    data, source, of, _ = where
    return Table(data, source, of, ordered, corrected(pairs), told), again


def _groups(runs: Sequence[Trained], defaults: Mapping[str, Any]) -> list[list[Trained]]:
    groups: dict[str, list[Trained]] = {}
    for run in runs:
        groups.setdefault(naming.likeness(run, defaults), []).append(run)
    return list(groups.values())


def _once(label: str, runs: Sequence[Trained]) -> tuple[list[Trained], list[Repeated]]:
    """One run for each trial, and the trials that were run more than once."""
    by_trial: dict[Trial, list[Trained]] = {}
    for run in runs:
        by_trial.setdefault(run.trial, []).append(run)
    kept, repeated = [], []
    for (_, seed), same in sorted(by_trial.items()):
        agree = all(_equal(same[0], other) for other in same[1:])
        if agree:
            kept.append(same[0])
        if len(same) > 1:
            paths = [run.path for run in same]
            repeated.append(Repeated(label, str(same[0].result["data"]), seed, paths, agree))
    return kept, repeated


def _equal(a: Trained, b: Trained) -> bool:
    ours, theirs = a.predictions(), b.predictions()
    if ours is None or theirs is None or a.valid_error != b.valid_error:
        return False
    return bool(np.array_equal(ours[1], theirs[1]))


def pair(first: Arm, second: Arm) -> Pair | None:
    """Two arms over the trials that both have; None: there is none, or their labels differ."""
    ours, theirs = first.by_trial, second.by_trial
    trials = sorted(ours.keys() & theirs.keys())
    if not trials or first.labelled != second.labelled:
        return None
    both = [(ours[trial], theirs[trial]) for trial in trials]
    difference = intervals.paired(
        *zip(*((a.test_error, b.test_error) for a, b in both), strict=True)
    )
    mcnemar = {trial: _mcnemar(*runs) for trial, runs in zip(trials, both, strict=True)}
    return Pair(first, second, difference, _estimate(both), mcnemar)


def _estimate(both: Sequence[tuple[Trained, Trained]]) -> Estimate | None:
    """First − second over all that varies: rows and seeds, or cuts of the rows."""
    by_cut: dict[int, list[NDArray[np.float32]]] = {}
    for first, second in both:
        apart = _wrong(first, second)
        if apart is None:
            return None
        by_cut.setdefault(first.trial[0], []).append(apart)
    if any(len({len(one) for one in cut}) > 1 for cut in by_cut.values()):
        return None
    tables = [np.stack(cut) for cut in by_cut.values()]
    learned_from = float(np.mean([run.n_learned_from for run, _ in both]))
    if both[0][0].cut is not None and len(tables) > 1 and learned_from:
        return intervals.resampled(tables, learned_from)
    return intervals.crossed(tables[0]) if len(tables) == 1 and len(tables[0]) > 1 else None


def corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with their p among all that a table claims."""
    known = [pair.estimate.p for pair in pairs if pair.estimate is not None]
    held = iter(intervals.holm(known))
    return [replace(p, p=next(held)) if p.estimate is not None else p for p in pairs]


def _wrong(first: Trained, second: Trained) -> NDArray[np.float32] | None:
    """For each test row the loss of the first less that of the second, (n,)."""
    ours, theirs = first.predictions(), second.predictions()
    if ours is None or theirs is None or not np.array_equal(ours[0], theirs[0]):
        return None
    losses, others = first.losses(), second.losses()
    assert losses is not None
    assert others is not None
    return np.asarray(losses - others, np.float32)


def _mcnemar(first: Trained, second: Trained) -> float | None:
    ours, theirs = first.predictions(), second.predictions()
    if ours is None or theirs is None or not np.array_equal(ours[0], theirs[0]):
        return None
    if first.is_numeric:
        return None
    return intervals.mcnemar(ours[0], ours[1], theirs[1])


def interval(run: Trained) -> intervals.Interval:
    """The 95 % interval of a run's test error over test rows."""
    losses = run.losses() if run.is_numeric else None
    if losses is None:
        return intervals.of_error(min(run.test_error, 1.0), run.n_test)
    half = intervals.Z * float(losses.std()) / math.sqrt(len(losses))
    return intervals.Interval(run.test_error - half, run.test_error + half, "normal")
