"""Whether pretraining was worth it: the verdict, error against the number of labels, a table."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sda.analysis import comparison, curves, intervals
from sda.analysis.comparison import Arm, Pair
from sda.analysis.styles import styles
from sda.analysis.tables import Block
from sda.runs.identity import Init
from sda.runs.results import Trained

NETWORKS = (Init.random, Init.saa, Init.sda)
NAMES = {"random": "random weights", "saa": "SAA", "sda": "SdA"}


@dataclass(frozen=True)
class Point:
    """The arms at one number of labels."""

    labelled: int | None  # None: all
    rows: int  # training rows with labels
    arms: dict[str, Arm]  # networks first

    @property
    def where(self) -> str:
        """With how many labels."""
        return f"with all {self.rows} labels" if self.labelled is None else f"with {self.rows}"

    @property
    def baseline(self) -> Arm | None:
        """The one with the lowest validation error: test errors choose nothing."""
        return min(_of(self.arms, baseline=True), key=_valid, default=None)

    @property
    def network(self) -> Arm:
        """Of random weights and SdA, the one with the lower validation error."""
        return min((self.arms[init] for init in ("random", "sda")), key=_valid)


def points(runs: Sequence[Trained], n_train: int) -> list[Point]:
    """Group tested runs by number of labels, from few to all, and by arm.

    Args:
        runs: with fresh seeds, of the settings that were chosen.
        n_train: training rows with labels.
    """
    found: dict[int, dict[str, list[Trained]]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        rows = n_train if run.labelled is None else run.labelled
        found.setdefault(rows, {}).setdefault(run.init, []).append(run)
    order = [str(init) for init in NETWORKS]
    known = []
    for rows, arms in sorted(found.items()):
        names = sorted(arms, key=lambda a: (order.index(a) if a in order else len(order), a))
        if {"random", "sda"} <= arms.keys():
            labelled = arms["sda"][0].labelled
            known.append(Point(labelled, rows, {name: Arm(name, arms[name]) for name in names}))
    return known


@dataclass(frozen=True)
class Claims:
    """What is claimed at one number of labels; p by Holm's correction over all claims."""

    point: Point
    worth: Pair  # random weights − SdA: positive, pretraining is better
    baseline: Pair | None  # the better network − the best baseline, both by validation errors


def claims(found: Sequence[Point]) -> list[Claims]:
    """Random weights against SdA, and the better of them against a baseline, at every number."""
    pairs: list[Pair] = []
    for point in found:
        both = [(point.arms["random"], point.arms["sda"])]
        both += [(point.network, point.baseline)] if point.baseline else []
        pairs += [pair for a, b in both if (pair := comparison.pair(a, b))]
    held = iter(comparison.corrected(pairs))
    return [Claims(one, next(held), next(held) if one.baseline else None) for one in found]


def verdict(held: Sequence[Claims]) -> str:
    """One answer, as one would tell a colleague."""
    better = [one for one in held if one.worth.better is one.point.arms["sda"]]
    worse = [one for one in held if one.worth.better is one.point.arms["random"]]
    rest = [one for one in held if one.worth.better is None]
    if not better:
        told = "No: at no number of labels was SdA found better than random weights"
    else:
        most = max(better, key=lambda one: one.worth.difference.mean)
        told = (
            f"Yes, {_listed([one.point.where for one in better])}: most {most.point.where}, where "
            f"SdA errs {_apart(most.worth)} less than random weights"
        )
    if worse:
        told += "; " + _listed([f"{o.point.where} it errs {_apart(o.worth)} more" for o in worse])
    if rest:
        told += "; " + _listed([one.point.where for one in rest]) + " no difference was found"
        pair = rest[-1].worth
        last = f"{rest[-1].point.where} " * (len(rest) > 1)
        less = "less" if pair.difference.mean > 0 else "more"
        p = "" if pair.p is None else f"; p = {pair.p:.2f}, corrected over all"
        told += f" ({last}it errs {_apart(pair)} {less}{p})"
    return f"{told}. {_beside(held)}"


def _beside(held: Sequence[Claims]) -> str:
    """How the best baseline does beside the better network."""
    known = [(one.point, one.baseline) for one in held if one.baseline is not None]
    if not known:
        return "No baseline was run."
    said = []
    for what in ("better", "worse", "level"):
        own = [(point, pair) for point, pair in known if _is(pair, what)]
        if not own:
            continue
        arms = _listed(list(dict.fromkeys(pair.second.label for _, pair in own)))
        where = _listed([point.where for point, _ in own])
        words = {
            "better": f"{where}, {arms} is better than both",
            "worse": f"{where}, the best baseline ({arms}) is worse than the better of the two",
            "level": f"{where}, no difference was found to the best baseline ({arms})",
        }
        said.append(words[what])
    text = "; ".join(said) + "."
    return text[0].upper() + text[1:]


def _is(pair: Pair, what: str) -> bool:
    found = "level" if pair.better is None else "better"
    return what == ("worse" if pair.better is pair.first else found)


def errors(found: Sequence[Point]) -> Block:
    """Test errors in percent with their 95 % intervals, a column for each arm."""
    arms = list(dict.fromkeys(arm for point in found for arm in point.arms))
    rows = []
    for point in found:
        least = min(point.arms.values(), key=_test)
        cells = [_cell(point.arms[arm], least) if arm in point.arms else "not run" for arm in arms]
        rows.append([str(point.rows), *cells])
    seeds = {len(arm.runs) for point in found for arm in point.arms.values()}
    notes = [
        f"test error in percent, mean over {'/'.join(map(str, sorted(seeds)))} fresh seeds, ± its "
        "95 % interval over seeds and\ntest rows, crossed; bold: the lowest"
    ]
    if any(run.is_numeric for point in found for arm in point.arms.values() for run in arm.runs):
        notes.append("error: the share of the numbers' variance that is not explained, 1 - R2")
    return Block(["labels", *arms], rows, "r" * (1 + len(arms)), notes)


def differences(held: Sequence[Claims]) -> Block:
    """Every claim, with its interval and p."""
    heads = ["labels", "a - b, positive = b better", "points ± 95 %", "p", "verdict"]
    pairs = [(one.point, pair) for one in held for pair in (one.worth, one.baseline) if pair]
    rows = []
    for point, pair in pairs:
        mean = pair.difference.mean
        half = f" ±{100 * pair.estimate.half_width:.2f}" if pair.estimate else ""
        said = "no difference found" if pair.better is None else f"{pair.better.label} better"
        said = said if pair.estimate else "none: no two seeds"
        p = "-" if pair.p is None else f"{pair.p:.3f}" if pair.p >= 0.001 else f"{pair.p:.0e}"
        names = f"{pair.first.label} - {pair.second.label}"
        rows.append([str(point.rows), names, f"{100 * mean:+.2f}{half}", p, said])
    notes = [
        "points: percentage points of test error over the seeds of both, with the 95 % interval "
        "over\nseeds and test rows, crossed",
        f"p: by Holm's correction over the {len(pairs)} claims of this table; better: p < 0.05",
        "of the baselines, and of random and sda beside them, the best by validation errors",
    ]
    return Block(heads, rows, "rlrrl", notes)


def choices(found: Mapping[tuple[str, int | None], str], n_train: int) -> Block:
    """The setting that was chosen of every arm and number of labels."""
    rows = [
        [str(n_train if labelled is None else labelled), arm, setting]
        for (arm, labelled), setting in found.items()
    ]
    return Block(["labels", "arm", "chosen on validation rows"], rows, "rll")


def curve(found: Sequence[Point]) -> bytes:
    """Test error against the number of labels, both logarithmic; bars: 95 % intervals. A PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axis = figure.subplots()
    arms = list(dict.fromkeys(arm for point in found for arm in point.arms))
    drawn = styles(arms)
    for place, arm in enumerate(arms):
        own = [point for point in found if arm in point.arms]
        shift = 1 + 0.012 * (place - len(arms) / 2)  # bars side by side
        means = np.array([100 * _test(point.arms[arm]) for point in own])
        bars = np.array([100 * _half(point.arms[arm]) for point in own])
        low = np.minimum(bars, 0.9 * means)  # an axis of logarithms has no 0
        wide = 2.2 if arm in NAMES else 1.2
        axis.errorbar(
            [shift * point.rows for point in own], np.maximum(means, 0.01), yerr=[low, bars],
            label=arm, linewidth=wide, elinewidth=0.8, capsize=2, markersize=4,
            **drawn[arm],
        )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    rows = [point.rows for point in found]
    axis.set_xticks(rows, [str(one) for one in rows])
    axis.xaxis.set_minor_formatter(NullFormatter())
    low, high = axis.get_ylim()
    label = curves.round_number if high > 5 * low else lambda value, _: f"{value:g}"
    for which in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
        which(FuncFormatter(label))
    axis.set_xlabel("training rows with labels")
    axis.set_ylabel("test error (%)")
    axis.grid(alpha=0.25, which="both")
    axis.legend(frameon=False, fontsize=9)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    return file.getvalue()


def _of(arms: Mapping[str, Arm], baseline: bool) -> list[Arm]:
    return [arm for name, arm in arms.items() if (name not in list(Init)) is baseline]


def _valid(arm: Arm) -> float:
    return float(np.mean([run.valid_error for run in arm.runs]))


def _test(arm: Arm) -> float:
    return float(np.mean([run.test_error for run in arm.runs]))


def _half(arm: Arm) -> float:
    """Half-width of the interval of an arm's mean test error; 0 where it is not known."""
    known = [losses for run in arm.runs if (losses := run.losses()) is not None]
    if len(known) < max(2, len(arm.runs)):
        return 0.0
    return intervals.crossed(np.stack(known).astype(np.float32)).half_width


def _cell(arm: Arm, least: Arm) -> str:
    mean, half = f"{100 * _test(arm):.2f}", _half(arm)
    said = f"{mean} ±{100 * half:.2f}" if half else mean
    return f"**{said}**" if arm is least else said


def _apart(pair: Pair) -> str:
    """How far apart: "3.70 points (95 % interval 2.50 to 4.90)", seen from the one ahead."""
    mean = abs(pair.difference.mean)
    if pair.estimate is None:
        return f"{100 * mean:.2f} points (one seed or no predictions, no interval)"
    half = pair.estimate.half_width
    low, high = 100 * (mean - half), 100 * (mean + half)
    return f"{100 * mean:.2f} points (95 % interval {low:.2f} to {high:.2f})"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
