"""A comparison in sentences that one could tell a colleague."""

from collections.abc import Sequence

import numpy as np

from sda.analysis.blocks import MARGIN, by_unit
from sda.analysis.comparison import Arm, Pair, Table

MOST = 6  # arms that are told of one by one


def verdict(table: Table, margin: float = MARGIN) -> list[str]:
    """Which arm errs least and by how much, a sentence for each number of labels."""
    groups: dict[int | None, list[Arm]] = {}
    for arm in table.arms:
        groups.setdefault(arm.labelled, []).append(arm)
    several = len(groups) > 1
    return [
        (_labels(labelled) if several else "") + _sentences(arms, table, margin)
        for labelled, arms in groups.items()
    ]


def sentence(pair: Pair, margin: float = MARGIN) -> str:
    """What a pair says: "sda errs 3.70 points less than random (95 % interval 2.50 to 4.90)"."""
    both = f"{pair.first.label} and {pair.second.label}"
    if pair.estimate is None:
        return f"of {both} there is one trial in common, or no predictions: no verdict"
    if pair.better is not None:
        worse = _other(pair, pair.better)
        return f"{pair.better.label} {_verb(pair)} than {worse} ({_interval(pair)})"
    if pair.is_level(margin):
        return f"{both} are level, surely less than {100 * margin:g} points apart"
    ahead = pair.second if pair.estimate.mean > 0 else pair.first
    behind = _other(pair, ahead)
    return (
        f"no difference was found between {both} ({ahead.label} {_verb(pair)} than {behind}, "
        f"{_interval(pair)})"
    )


def _sentences(arms: Sequence[Arm], table: Table, margin: float) -> str:
    best = min(arms, key=_error)
    trials = len(by_unit(best))
    of = ("cut" if table.cuts else "seed") + "s" * (trials > 1)
    told = f"{best.label} {_figure(best)} of the test rows ({trials} {of})"
    others = [pair for pair in table.pairs if best in (pair.first, pair.second)]
    worse = [pair for pair in others if pair.better is best]
    if worse:
        told += ", " + _listed([f"{_size(pair)} points {_how(pair)} than {_other(pair, best)}"
                                f" ({_interval(pair)})" for pair in worse[:MOST]])  # fmt: skip
    if len(worse) > MOST:
        told += f", and better than {len(worse) - MOST} more"
    rest = [sentence(pair, margin) for pair in others if pair not in worse][:MOST]
    return ". ".join([told, *map(_capital, rest)]) + "."


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _other(pair: Pair, best: Arm) -> str:
    return pair.second.label if pair.first is best else pair.first.label


def _error(arm: Arm) -> float:
    return float(np.mean([run.test_error for run in arm.runs]))


def _figure(arm: Arm) -> str:
    """The result of an arm in words: its share of errors, or of variance explained."""
    if arm.runs[0].is_numeric:
        return f"explains {100 * (1 - _error(arm)):.2f} % of the variance"
    return f"errs on {100 * _error(arm):.2f} %"


def _verb(pair: Pair) -> str:
    does = "explains" if pair.first.runs[0].is_numeric else "errs"
    return f"{does} {_size(pair)} points {_how(pair)}"


def _how(pair: Pair) -> str:
    return "more" if pair.first.runs[0].is_numeric else "less"


def _size(pair: Pair) -> str:
    assert pair.estimate is not None
    return f"{100 * abs(pair.estimate.mean):.2f}"


def _interval(pair: Pair) -> str:
    """The ends in points, seen from the arm that is ahead."""
    assert pair.estimate is not None
    mean, half = abs(pair.estimate.mean), pair.estimate.half_width
    return f"95 % interval {100 * (mean - half):.2f} to {100 * (mean + half):.2f}"


def _labels(labelled: int | None) -> str:
    return "With all labels: " if labelled is None else f"With {labelled} labels: "


def _capital(words: str) -> str:
    """A sentence begins with a capital, the name of an arm stays as it is."""
    is_word = words.startswith(("no difference ", "of "))
    return words[:1].upper() + words[1:] if is_word else words
