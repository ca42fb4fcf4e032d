"""Test error against a setting: of what was tried, the best on validation error, over its seeds.

What `labels.py`, `noise.py` and `chosen.py` share. No test error chooses anything.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sda.analysis import intervals, naming
from sda.analysis.intervals import Estimate
from sda.analysis.styles import styles
from sda.config import compose
from sda.runs import results
from sda.runs.results import Trained

FEWEST = 3  # seeds of an interval that is drawn: that of two is some thirteen standard errors long


@dataclass(frozen=True)
class Point:
    """One arm at one value of the setting; ``runs`` of the chosen candidate, by seed."""

    data: str
    arm: str
    value: float
    chosen: str  # what sets the candidate apart from the others that were tried
    runs: dict[int, Trained]

    @property
    def test_error(self) -> Estimate:
        """Mean over the seeds with its 95 % t interval, fractions."""
        return intervals.of_mean([run.test_error for run in self.runs.values()])

    def row(self, heading: str) -> dict[str, str]:
        """A line of the table; errors in percent."""
        names = {"data set": self.data, "arm": self.arm, heading: f"{self.value:g}"}
        return names | figures(self.chosen, self.runs)


Drawn = dict[str, tuple[Axes, list[Point]]]  # by data set: where it is drawn, and what


def points(folder: str, setting: str) -> list[Point]:
    """Read the finished runs in a folder by data set, arm and value of a setting; name the others.

    Raises:
        ValueError: no run is finished, or one says nothing of the setting.
    """
    groups: dict[tuple[str, int, str, float], list[Trained]] = {}
    for run in finished_in(folder):
        value = run.result["settings"].get(setting)
        if not isinstance(value, int | float):
            raise ValueError(f"{run.path} has {setting}={value!r}, which is no number")
        groups.setdefault((*place(run), value), []).append(run)
    return [
        Point(data, arm, value, *best(runs))
        for (data, _, arm, value), runs in sorted(groups.items(), key=lambda group: group[0])
    ]


def figures(chosen: str, runs: dict[int, Trained], with_sd: bool = False) -> dict[str, str]:
    """Errors in percent, for a line of a table; with them paired intervals outlive the runs."""
    errors = [run.test_error for run in runs.values()]
    found = intervals.of_mean(errors)
    sd = {"sd": f"{100 * statistics.stdev(errors):.2f}" if found.n > 1 else ""}
    return {
        "chosen": chosen,
        "valid error": f"{100 * score(runs)[0]:.2f}",
        "test error": f"{100 * found.mean:.2f}",
        **(sd if with_sd else {}),
        "95 % interval, ±": percent(found.half_width),
        "seeds": str(found.n),
        "test errors": " ".join(f"{k}:{100 * run.test_error:.4f}" for k, run in runs.items()),
    }


def finished_in(folder: str) -> list[Trained]:
    """The finished runs in a folder; the others are named. Raises ValueError if there is none."""
    trained, unfinished = results.read([Path(folder)])
    for run in unfinished:
        print(f"left out: {run.path} is {run.status}")
    if not trained:
        raise ValueError(f"no run in {folder} is finished")
    return trained


def place(run: Trained) -> tuple[str, int, str]:
    """The data set of a run, where its arm stands among arms, and the arm."""
    data = "{data} ({source}, {data_hash:.8})".format(**run.result)
    return data, naming.ORDER.get(run.init, len(naming.ORDER)), _arm(run)


def _arm(run: Trained) -> str:
    """The arm; where it took rows with noise for the data, that makes another one of it."""
    read = naming.computed([run])
    where = {"pretrain": "pretraining", "finetune": "fine-tuning"}
    noisy = [word for part, word in where.items() if f"{part}.corruption._target_" in read]
    if "chosen" in run.result and noisy:
        noisy = ["training"]
    return ", noisy rows in ".join([run.init, *filter(None, [" and ".join(noisy)])])


def best(runs: Sequence[Trained]) -> tuple[str, dict[int, Trained]]:
    """The candidate with the lowest mean validation error, of those with the most seeds.

    The others are named. Returns what sets it apart from what was tried, and its runs by seed.

    Raises:
        ValueError: two runs of one candidate and seed have other errors.
    """
    candidates: dict[str, dict[int, Trained]] = {}
    for run in runs:
        like = naming.likeness(run, compose.defaults())
        known = candidates.setdefault(like, {}).setdefault(run.seed, run)
        if (known.valid_error, known.test_error) != (run.valid_error, run.test_error):
            raise ValueError(f"{known.path} and {run.path} are one run with other errors")
    first = [next(iter(own.values())) for own in candidates.values()]
    names = naming.labels([naming.computed([run]) for run in first])
    most = max(map(len, candidates.values()))
    complete = []
    for name, own in zip(names, candidates.values(), strict=True):
        if len(own) == most:
            complete.append((*score(own), name.removeprefix(runs[0].init).strip(), own))
        else:
            seeds = ", ".join(map(str, sorted(own)))
            print(f"left out: {name} has only seeds {seeds}; another has {most} seeds")
    *_, chosen, own = min(complete, key=lambda candidate: candidate[:3])
    return chosen, dict(sorted(own.items()))


def score(runs: dict[int, Trained]) -> tuple[float, float]:
    """Mean validation error and, to break ties, mean validation cross-entropy."""
    losses = [float(run.result.get("valid_loss", math.inf)) for run in runs.values()]
    return float(np.mean([run.valid_error for run in runs.values()])), float(np.mean(losses))


def contrast(first: dict[int, Trained], second: dict[int, Trained], names: tuple[str, str]) -> str:
    """Say how far runs by seed are from others over the seeds of both, in percentage points."""
    difference = " - ".join(names)
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return f"{difference}: no seed in common"
    found = intervals.paired(
        *([runs[seed].test_error for seed in seeds] for runs in (first, second))
    )
    size = f"{100 * found.mean:+.2f}"
    if found.n == 1:
        return f"{difference} {size} points over one seed, no interval"
    verdict = "includes 0"
    if found.excludes_zero:
        verdict = f"excludes 0: {names[found.mean > 0]} better"
    size += f" ± {percent(found.half_width)} points over {found.n} seeds"
    return f"{difference} {size}, {verdict}"


def against(points: Sequence[Point], arm: str, unit: str = "") -> list[str]:
    """Of one data set, at each value of the setting: the other arms against this one."""
    at = {(point.arm, point.value): point for point in points}
    return [
        f"{value:g}{unit}: {contrast(point.runs, at[arm, value].runs, (other, arm))}"
        for (other, value), point in sorted(at.items(), key=lambda pair: pair[0][1])
        if other != arm and (arm, value) in at
    ]


def draw(axis: Axes, data: str, points: Sequence[Point]) -> None:
    """Draw the arms of one data set, with their intervals."""
    arms = list(dict.fromkeys(point.arm for point in points))
    for arm, style in styles(arms).items():
        own = [point for point in points if point.arm == arm]
        errors = [point.test_error for point in own]
        bars = [100 * e.half_width if e.n >= FEWEST else 0.0 for e in errors]
        means = [100 * e.mean for e in errors]
        values = [point.value for point in own]
        axis.errorbar(values, means, bars, label=arm, capsize=3, ms=4, lw=1.2, **style)
        single = [point for point in own if len(point.runs) < FEWEST]
        axis.plot(
            [point.value for point in single for _ in point.runs],
            [100 * run.test_error for point in single for run in point.runs.values()],
            linestyle="none",
            marker="o",
            color=style["color"],
            fillstyle="none",
            ms=8,
        )
    axis.set_title(data, fontsize=9)
    shown = "bars: 95 % over seeds"
    if any(len(point.runs) < FEWEST for point in points):
        shown += f", {FEWEST} or more; rings: runs of fewer"
    axis.set_ylabel(f"mean test error, %\n{shown}", fontsize=9)
    axis.grid(color="0.9", linewidth=0.6)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def sheet(points: Sequence[Point]) -> tuple[Figure, Drawn]:
    """A figure with an axis for each data set, drawn, and its points."""
    panels = dict.fromkeys(point.data for point in points)
    figure = Figure(figsize=(5.2 * len(panels), 3.8), layout="constrained")
    drawn = {}
    for axis, data in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        own = [point for point in points if point.data == data]
        draw(axis, data, own)
        drawn[data] = (axis, own)
    return figure, drawn


def percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}" if math.isfinite(fraction) else "unknown"
