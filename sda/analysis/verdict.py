"""A comparison in sentences that one could tell a colleague."""

from collections.abc import Sequence

from sda.analysis.comparison import MARGIN, Arm, Pair, Table, grouped

MOST = 6  # arms that are told of one by one


def verdict(table: Table, margin: float = MARGIN) -> list[str]:
    """Which arm errs least and by how much, a sentence for each number of labels."""
    groups = grouped(table.arms, lambda arm: arm.labelled)
    told = {n: _sentences(arms, table, margin) for n, arms in groups.items()}
    if len(groups) == 1:
        return list(told.values())
    return [f"With {'all' if n is None else n} labels: {words}" for n, words in told.items()]


def sentence(pair: Pair, margin: float = MARGIN) -> str:
    """What a pair says: "sda errs 3.70 points less than random (95 % interval 2.50 to 4.90)"."""
    both = f"{pair.first.label} and {pair.second.label}"
    if pair.estimate is None:
        return f"of {both} there is one trial in common, or no predictions: no verdict"
    if pair.is_level(margin):
        return f"{both} are level, surely less than {100 * margin:g} points apart"
    does = "explains" if pair.first.is_numeric else "errs"
    ahead = f"{pair.ahead.label} {does} {_less(pair)}"
    if pair.better is not None:
        return f"{ahead} ({interval(pair)})"
    return f"no difference was found between {both} ({ahead}, {interval(pair)})"


def _sentences(arms: Sequence[Arm], table: Table, margin: float) -> str:
    best = min(arms, key=lambda arm: arm.test_error)
    trials = len(best.units)
    of = ("cut" if table.cuts else "seed") + "s" * (trials > 1)
    told = f"{best.label} {_figure(best)} of the test rows ({trials} {of})"
    others = [pair for pair in table.pairs if best in (pair.first, pair.second)]
    worse = [pair for pair in others if pair.better is best]
    if worse:
        told += ", " + listed([f"{_less(pair)} ({interval(pair)})" for pair in worse[:MOST]])
    if len(worse) > MOST:
        told += f", and better than {len(worse) - MOST} more"
    rest = [sentence(pair, margin) for pair in others if pair not in worse][:MOST]
    return ". ".join([told, *map(_capital, rest)]) + "."


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them: a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _figure(arm: Arm) -> str:
    """The result of an arm in words: its share of errors, or of variance explained."""
    if arm.is_numeric:
        return f"explains {100 * (1 - arm.test_error):.2f} % of the variance"
    return f"errs on {100 * arm.test_error:.2f} %"


def size(pair: Pair) -> str:
    """How far apart they are, in points."""
    return f"{100 * abs(pair.mean):.2f} points"


def _less(pair: Pair) -> str:
    how = "more" if pair.first.is_numeric else "less"
    return f"{size(pair)} {how} than {pair.beside(pair.ahead).label}"


def interval(pair: Pair) -> str:
    """The ends in points, seen from the arm that is ahead."""
    if pair.estimate is None:
        return "one seed or no predictions, no interval"
    mean, half = abs(pair.mean), pair.estimate.half_width
    return f"95 % interval {100 * (mean - half):.2f} to {100 * (mean + half):.2f}"


def _capital(words: str) -> str:
    """A sentence begins with a capital, the name of an arm stays as it is."""
    is_word = words.startswith(("no difference ", "of "))
    return words[:1].upper() + words[1:] if is_word else words
