"""Arms beside each other: runs grouped by what they computed, contrasted seed by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sda.analysis import intervals, naming
from sda.analysis.intervals import Crossed, Difference
from sda.runs.results import Trained, Unfinished

DOUBT = 0.05


@dataclass(frozen=True)
class Arm:
    """Runs that differ in their seed alone; ``label`` says what sets them apart from the others."""

    label: str
    runs: list[Trained]  # by seed, each seed once

    @property
    def labelled(self) -> int | None:
        """How many training rows had labels; None: all."""
        return self.runs[0].labelled

    @property
    def by_seed(self) -> dict[int, Trained]:
        """The runs by their seeds."""
        return {run.seed: run for run in self.runs}

    @property
    def published(self) -> tuple[float, int, str] | None:
        """What the literature reports of it: test error, test rows, where."""
        for run in self.runs:
            entry = run.result.get("published") or {}
            error = (entry.get("test_error") or {}).get(run.init)
            if error is not None:
                return float(error), int(entry["n_test"]), str(entry.get("paper", ""))
        return None


@dataclass(frozen=True)
class Pair:
    """Two arms over the seeds that both have: first − second, positive if the second is better."""

    first: Arm
    second: Arm
    difference: Difference  # of test errors, as fractions, with its interval over seeds alone
    crossed: Crossed | None  # the same over seeds and test rows; None: one seed, no predictions
    mcnemar: dict[int, float | None]  # p by seed; None without both runs' predictions
    p: float | None = None  # of crossed, by Holm's correction over the pairs of a table

    @property
    def better(self) -> Arm | None:
        """The arm that is better, if there is no doubt left of 5 % over the table's claims."""
        if self.p is None or self.p >= DOUBT:
            return None
        return self.second if self.difference.mean > 0 else self.first

    def is_level(self, margin: float) -> bool:
        """Whether the two are surely less than ``margin``, a fraction, apart."""
        return self.better is None and self.crossed is not None and self.crossed.is_within(margin)


@dataclass(frozen=True)
class Table:
    """Arms on one data set: the same rows, hash for hash."""

    data: str
    source: str
    data_hash: str
    arms: list[Arm]
    pairs: list[Pair]  # of arms that learned from the same number of labels
    shared: list[str] = field(default_factory=list)  # what all arms have set alike, in words


@dataclass(frozen=True)
class Repeated:
    """One arm and seed that was run more than once.

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
    by_data: dict[tuple[str, str, str], list[Trained]] = {}
    for run in finished:
        data, source, data_hash = (str(run.result[k]) for k in ("data", "source", "data_hash"))
        by_data.setdefault((data, source, data_hash), []).append(run)
    comparison = Comparison([], list(unfinished), [])
    for where, runs in sorted(by_data.items()):
        table, repeated = _table(where, runs, defaults or {})
        comparison.repeated.extend(repeated)
        if table.arms:
            comparison.tables.append(table)
    return comparison


def _table(
    where: tuple[str, str, str], runs: Sequence[Trained], defaults: Mapping[str, Any]
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
    pairs = [pair for a, b in combinations(ordered, 2) if (pair := _pair(a, b))]
    told = naming.shared(settings, defaults, names)
    return Table(*where, ordered, _corrected(pairs), told), again


def _groups(runs: Sequence[Trained], defaults: Mapping[str, Any]) -> list[list[Trained]]:
    groups: dict[str, list[Trained]] = {}
    for run in runs:
        groups.setdefault(naming.likeness(run, defaults), []).append(run)
    return list(groups.values())


def _once(label: str, runs: Sequence[Trained]) -> tuple[list[Trained], list[Repeated]]:
    """One run for each seed, and the seeds that were run more than once."""
    by_seed: dict[int, list[Trained]] = {}
    for run in runs:
        by_seed.setdefault(run.seed, []).append(run)
    kept, repeated = [], []
    for seed, same in sorted(by_seed.items()):
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


def _pair(first: Arm, second: Arm) -> Pair | None:
    ours, theirs = first.by_seed, second.by_seed
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds or first.labelled != second.labelled:
        return None
    difference = intervals.paired(
        [ours[seed].test_error for seed in seeds], [theirs[seed].test_error for seed in seeds]
    )
    crossed = None
    wrong = [_wrong(ours[seed], theirs[seed]) for seed in seeds]
    apart = [one for one in wrong if one is not None]
    if 1 < len(apart) == len(seeds) and len({len(one) for one in apart}) == 1:
        crossed = intervals.crossed(np.stack(apart))
    mcnemar = {seed: _mcnemar(ours[seed], theirs[seed]) for seed in seeds}
    return Pair(first, second, difference, crossed, mcnemar)


def _corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with their p among all that a table claims."""
    known = [pair.crossed.p for pair in pairs if pair.crossed is not None]
    corrected = iter(intervals.holm(known))
    return [replace(p, p=next(corrected)) if p.crossed is not None else p for p in pairs]


def _wrong(first: Trained, second: Trained) -> NDArray[np.float32] | None:
    """For each test row whether the first errs less whether the second does, (n,)."""
    ours, theirs = first.predictions(), second.predictions()
    if ours is None or theirs is None or not np.array_equal(ours[0], theirs[0]):
        return None
    apart: NDArray[np.float32] = np.zeros(len(ours[0]), np.float32)
    apart += ours[1] != ours[0]
    apart -= theirs[1] != theirs[0]
    return apart


def _mcnemar(first: Trained, second: Trained) -> float | None:
    ours, theirs = first.predictions(), second.predictions()
    if ours is None or theirs is None or not np.array_equal(ours[0], theirs[0]):
        return None
    return intervals.mcnemar(ours[0], ours[1], theirs[1])
