"""Whether pretraining was worth it: claims at each number of labels, a verdict, a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sda.analysis import blocks, comparison, curves, intervals
from sda.analysis.comparison import Arm, Pair, grouped
from sda.analysis.page import Code, Figure, Folded, Part, Section, Text, page
from sda.analysis.tables import Block
from sda.analysis.verdict import interval, listed, size
from sda.runs.identity import Init
from sda.runs.results import Trained

NETWORKS = [str(init) for init in (Init.random, Init.saa, Init.sda)]
CAPTION = "mean over fresh seeds; bars: 95 % intervals over seeds and test rows, crossed"


@dataclass(frozen=True)
class Point:
    """The arms at one number of labels, and what is claimed; p by Holm's correction over all."""

    labelled: int | None  # None: all
    rows: int  # training rows with labels
    arms: dict[str, Arm]  # networks first
    worth: Pair  # random weights − SdA: positive, pretraining is better
    baseline: Pair | None  # the better of both − the best baseline, both by validation errors

    @property
    def where(self) -> str:
        """With how many labels."""
        return f"with all {self.rows} labels" if self.labelled is None else f"with {self.rows}"


def points(runs: Sequence[Trained], n_train: int) -> list[Point]:
    """Group tested runs by number of labels, from few to all, and by arm, and compare the arms.

    Args:
        runs: with fresh seeds, of the settings that were chosen.
        n_train: training rows with labels.
    """
    order = {name: place for place, name in enumerate(NETWORKS)}
    ordered = sorted(runs, key=lambda run: (order.get(run.init, len(order)), run.init, run.seed))
    by_rows = grouped(ordered, lambda run: n_train if run.labelled is None else run.labelled)
    known = {}
    for rows, own in sorted(by_rows.items()):
        arms = {arm: Arm(arm, same) for arm, same in grouped(own, lambda run: run.init).items()}
        if {"random", "sda"} <= arms.keys() and (pairs := _pairs(arms)):
            known[rows] = arms, pairs
    held = iter(comparison.corrected([pair for _, pairs in known.values() for pair in pairs]))
    found = []
    for rows, (arms, pairs) in known.items():
        worth, baseline = next(held), next(held) if len(pairs) > 1 else None
        found.append(Point(arms["sda"].labelled, rows, arms, worth, baseline))
    return found


def _pairs(arms: Mapping[str, Arm]) -> list[Pair]:
    """Random weights − SdA, and the better of them − the best baseline, if there is one.

    Better and best by validation errors: test errors choose nothing. [] without a seed in common.
    """
    both = [arms["random"], arms["sda"]]
    others = [arm for name, arm in arms.items() if name not in list(Init)]
    beside = [min(some, key=lambda arm: arm.valid_error) for some in (both, others) if some]
    asked = [both, beside] if others else [both]
    worth, *baseline = (comparison.pair(first, second) for first, second in asked)
    return [pair for pair in (worth, *baseline) if pair and worth]


def verdict(found: Sequence[Point]) -> str:
    """One answer, as one would tell a colleague."""
    groups = grouped(found, lambda point: _how(point.worth))
    better, worse, rest = (groups.get(how, []) for how in ("better", "worse", "level"))
    if not better:
        told = "No: at no number of labels was SdA found better than random weights"
    else:
        most = max(better, key=lambda one: one.worth.mean)
        told = (
            f"Yes, {_where(better)}: most {most.where}, where SdA errs "
            f"{_apart(most.worth)} less than random weights"
        )
    if worse:
        told += "; " + listed([f"{one.where} it errs {_apart(one.worth)} more" for one in worse])
    if rest:
        pair = rest[-1].worth
        last = f"{rest[-1].where} " * (len(rest) > 1)
        less = "less" if pair.mean > 0 else "more"
        p = "" if pair.p is None else f"; p = {pair.p:.2f}, corrected over all"
        told += f"; {_where(rest)} no difference was found ({last}it errs {_apart(pair)} {less}{p})"
    return f"{told}. {_beside(found)}"


def _beside(found: Sequence[Point]) -> str:
    """How the best baseline compares with the better network."""
    known = [(point.where, point.baseline) for point in found if point.baseline is not None]
    if not known:
        return "No baseline was run."
    forms = {
        "better": "{where}, {arms} is better than both",
        "worse": "{where}, the best baseline ({arms}) is worse than the better of the two",
        "level": "{where}, no difference was found to the best baseline ({arms})",
    }
    groups = grouped(known, lambda one: _how(one[1]))
    said = []
    for how, form in forms.items():
        if own := groups.get(how):
            arms = dict.fromkeys(pair.second.label for _, pair in own)
            said.append(form.format(where=listed([at for at, _ in own]), arms=listed([*arms])))
    text = "; ".join(said) + "."
    return text[0].upper() + text[1:]


def _how(pair: Pair) -> str:
    """Whether the second arm is better than the first, worse or level."""
    if pair.better is None:
        return "level"
    return "worse" if pair.better is pair.first else "better"


def _where(found: Sequence[Point]) -> str:
    return listed([point.where for point in found])


def _apart(pair: Pair) -> str:
    """How far apart: "3.70 points (95 % interval 2.50 to 4.90)", seen from the one ahead."""
    return f"{size(pair)} ({interval(pair)})"


def errors(found: Sequence[Point]) -> Block:
    """Test errors in percent with their 95 % intervals, a column for each arm."""
    names = _names(found)
    rows = []
    for point in found:
        least = min(point.arms.values(), key=lambda arm: arm.test_error)
        cells = [_cell(point.arms[arm], least) if arm in point.arms else "not run" for arm in names]
        rows.append([str(point.rows), *cells])
    arms = [arm for point in found for arm in point.arms.values()]
    seeds = sorted({len(arm.runs) for arm in arms})
    notes = [
        f"test error in percent, mean over {'/'.join(map(str, seeds))} fresh seeds, ± its "
        "95 % interval over seeds and\ntest rows, crossed; bold: the lowest"
    ]
    if any(arm.is_numeric for arm in arms):
        notes.append("error: the share of the numbers' variance that is not explained, 1 - R2")
    return Block(["labels", *names], rows, "r" * (1 + len(names)), notes)


def differences(found: Sequence[Point]) -> Block:
    """Every claim, with its interval and p."""
    pairs = [(point, pair) for point in found for pair in (point.worth, point.baseline) if pair]
    notes = [
        "points: percentage points of test error over the seeds of both, with the 95 % interval "
        "over\nseeds and test rows, crossed",
        f"p: by Holm's correction over the {len(pairs)} claims of this table; better: p < 0.05",
        "of the baselines, and of random and sda beside them, the best by validation errors",
    ]
    heads = ["labels", blocks.APART, "points ± 95 %", "p", "verdict"]
    rows = [[str(point.rows), *blocks.claim(pair)] for point, pair in pairs]
    return Block(heads, rows, "rlrrl", notes)


def choices(found: Mapping[tuple[str, int | None], str], n_train: int) -> Block:
    """The setting that was chosen of every arm and number of labels."""
    rows = [
        [str(n_train if labelled is None else labelled), arm, setting]
        for (arm, labelled), setting in found.items()
    ]
    return Block(["labels", "arm", "chosen on validation rows"], rows, "rll")


def curve(found: Sequence[Point]) -> bytes:
    """Test error against the number of labels, as a PNG."""
    arms = {
        name: {
            point.rows: (100 * arm.test_error, 100 * _half(arm))
            for point in found
            if (arm := point.arms.get(name))
        }
        for name in _names(found)
    }
    return curves.over_labels(arms, NETWORKS)


def html(
    name: str, found: Sequence[Point], about: Sequence[str], chosen: Block, command: str
) -> str:
    """The verdict, the curve, the tables, what was run and how to repeat it.

    Args:
        name: of the data.
        found: the arms at each number of labels.
        about: what was run, a sentence each.
        chosen: the settings of each.
        command: what was typed.
    """
    runs = [run for point in found for arm in point.arms.values() for run in arm.runs]
    shown: list[Part] = [Figure(curve(found), CAPTION), errors(found)]
    ran: list[Part] = [*map(Text, about), Folded("what was chosen", [chosen])]
    return page(
        f"Is pretraining worth it on {name}?",
        [
            Section("", [Text(verdict(found), leads=True), *shown]),
            Section("Differences", [differences(found)]),
            Section("What was run", ran),
            Section("How to repeat it", [Code([command])]),
            Section("Versions", [blocks.versions(runs)]),
        ],
    )


def _names(found: Sequence[Point]) -> list[str]:
    return list(dict.fromkeys(arm for point in found for arm in point.arms))


def _half(arm: Arm) -> float:
    """Half-width of the interval of an arm's mean test error; 0 where it is not known."""
    known = [losses for run in arm.runs if (losses := run.losses()) is not None]
    if len(known) < max(2, len(arm.runs)):
        return 0.0
    return intervals.crossed(np.stack(known).astype(np.float32)).half_width


def _cell(arm: Arm, least: Arm) -> str:
    mean, half = f"{100 * arm.test_error:.2f}", _half(arm)
    said = f"{mean} ±{100 * half:.2f}" if half else mean
    return f"**{said}**" if arm is least else said
