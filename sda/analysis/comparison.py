"""Arms beside each other: runs grouped by what they computed, contrasted seed by seed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sda.analysis import intervals
from sda.analysis.intervals import Crossed, Difference
from sda.runs.arms import UNREAD, Init
from sda.runs.identity import HARMLESS, comparable
from sda.runs.results import Trained, Unfinished
from sda.runs.settings import word

# Settings that do not say what an arm computes. The data is known by its hash,
# the stack that codes come from by the settings it was trained with (`codes.`), the precision by
# that of pretraining and of fine-tuning.
ASIDE = {*HARMLESS, "seed", "name", "published", "data", "codes_of", "precision"}
DOUBT = 0.05
ORDER = {init.value: place for place, init in enumerate(Init)}


@dataclass(frozen=True)
class Arm:
    """Runs that differ in their seed alone; ``label`` says what sets them apart from the others."""

    label: str
    runs: list[Trained]  # by seed, each seed once

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
    pairs: list[Pair]


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


def contrast(finished: Sequence[Trained], unfinished: Sequence[Unfinished]) -> Comparison:
    """Group runs by data and by arm, and pair the arms on each data set."""
    by_data: dict[tuple[str, ...], list[Trained]] = {}
    for run in finished:
        key = tuple(str(run.result[name]) for name in ("data", "source", "data_hash"))
        by_data.setdefault(key, []).append(run)
    comparison = Comparison([], list(unfinished), [])
    for (data, source, data_hash), runs in sorted(by_data.items()):
        groups = _groups(runs)
        arms = []
        for label, group in zip(labels(list(map(computed, groups))), groups, strict=True):
            kept, repeated = _once(label, group)
            comparison.repeated.extend(repeated)
            if kept:
                arms.append(Arm(label, kept))
        arms.sort(key=lambda arm: (ORDER.get(arm.runs[0].init, len(ORDER)), arm.label))
        pairs = _corrected([pair for a, b in combinations(arms, 2) if (pair := _pair(a, b))])
        if arms:
            comparison.tables.append(Table(data, source, data_hash, arms, pairs))
    return comparison


def computed(runs: Sequence[Trained]) -> dict[str, Any]:
    """Settings that say what a group of runs computed, without what their arm does not read."""
    run = runs[0]
    settings = {
        key: value
        for key, value in run.result["settings"].items()
        if key.split(".")[0] not in ASIDE and not key.startswith(UNREAD.get(run.init, ()))
    }
    return settings | {"init": run.init}


def likeness(run: Trained) -> str:
    """Equal for runs that computed the same but for their seed, whether told 2 or 2.0."""
    said = {key: comparable(value) for key, value in computed([run]).items()}
    return json.dumps(said, sort_keys=True)


def _groups(runs: Sequence[Trained]) -> list[list[Trained]]:
    groups: dict[str, list[Trained]] = {}
    for run in runs:
        groups.setdefault(likeness(run), []).append(run)
    return list(groups.values())


def labels(settings: Sequence[dict[str, Any]]) -> list[str]:
    """Name arms by their init and by every setting in which two that read it differ.

    Also by one that differs across inits: `random` beside `sda` at another learning rate is no
    comparison of initialisations, and the table must show it.
    """
    keys = sorted({key for own in settings for key in own} - {"init"})
    values = {key: {word(comparable(own[key])) for own in settings if key in own} for key in keys}
    telling = {key for key in keys if len(values[key]) > 1}
    named = [_label(own, sorted(telling)) for own in settings]
    # Namesakes differ in a key that only some of them have.
    for name in {name for name in named if named.count(name) > 1}:
        alike = [k for k, other in enumerate(named) if other == name]
        some = {key for key in keys if len({key in settings[k] for k in alike}) > 1}
        for k in alike:
            named[k] = _label(settings[k], sorted(telling | some))
    return named


def _label(own: dict[str, Any], keys: Sequence[str]) -> str:
    return " ".join([own["init"], *(_said(key, own[key]) for key in keys if key in own)])


def _said(key: str, value: Any) -> str:
    if key == "finetune.labelled":
        return "all labels" if value is None else f"{value} labels"
    if key == "layer":  # of a support vector machine
        return f"on codes of layer {value}" if value else "on the input"
    if value is None:
        return f"without {key}"
    if key.endswith("._target_"):  # the class that a config group chose
        return f"{key.removesuffix('._target_')}={str(value).rpartition('.')[2]}"
    return f"{key}={word(value)}"


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
    if not seeds:
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
