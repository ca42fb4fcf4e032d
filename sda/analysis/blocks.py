"""A comparison of one data set as tables of words, for pages and for the terminal."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from sda.analysis import intervals
from sda.analysis.comparison import MARGIN, MOST_ARMS, Arm, Comparison, Pair, Table, interval
from sda.analysis.tables import GAP, WIDTH, Block
from sda.common.program import program
from sda.runs.folder import RunFolder
from sda.runs.results import Trained

SHORT = 20  # characters of a label that is repeated in a verdict
LABEL = 30  # characters of a label beside columns of seeds; longer ones are wrapped
APART = "a - b, positive = b better"


def title(table: Table) -> str:
    """The data of a table and how it was come by."""
    run = table.arms[0].runs[0]
    rows = f"{run.n_test} test rows"
    if table.cuts:
        rows = f"{run.n_learned_from + run.n_test} rows in {table.cuts}"
    return f"{table.data} ({table.source}, {table.data_hash[:8]}), {rows}"


def alike(table: Table) -> str:
    """Settings that all arms share, other than the defaults; may be empty."""
    return f"all with {', '.join(table.shared)}" if table.shared else ""


def blocks(table: Table, most_pairs: int, margin: float = MARGIN) -> Iterator[Block]:
    """The tables of a data set."""
    yield arms(table)
    yield from _runs(table)
    if table.pairs:
        yield _differences(table, most_pairs, margin)
    if table.pairs and not table.cuts and not _is_numeric(table):  # one cut has few test rows
        yield from _mcnemar(table.pairs[:most_pairs])


def arms(table: Table) -> Block:
    """The figures of each arm, beside the published ones."""
    papers = list(dict.fromkeys(arm.published.paper for arm in table.arms if arm.published))
    of, unit = _of(table), _unit(table)
    heads = ["arm", f"{of}s", f"valid {unit}", "sd", f"test {unit}", "sd", "time"]
    notes = [
        f"means over the {of}s; sd: sample standard deviation over the {of}s; time: of one run"
    ]
    sides = "l" + "r" * (len(heads) - 1)
    if _is_numeric(table):
        heads, sides = [*heads, "RMSE"], sides + "r"
    if papers:
        heads, sides = [*heads, "published", "deviation"], sides + "rl"
        notes += [
            f"published: {'; '.join(papers)}; one run, ± its 95 % interval over test rows",
            "deviation: ours - published, in points; inside: within that interval",
        ]
        if any(run.result["source"] == "regenerated" for run in table.runs):
            notes.append("the data are regenerated: order and gaps compare, figures may not")
    if _is_numeric(table):
        notes.append("R2: 1 is all of the variance, 0 none; RMSE: of the test rows, in their units")
    return Block(heads, [_arm_row(arm, bool(papers)) for arm in table.arms], sides, notes)


def _arm_row(arm: Arm, is_published: bool) -> list[str]:
    units = arm.units.values()
    row = [arm.label, str(len(units))]
    for errors in ([one.valid_error for one in units], [one.test_error for one in units]):
        mean, deviation = intervals.spread(errors)
        row += [_figure(mean, arm), _spread(deviation, arm)]
    row.append(_time(float(np.mean([run.seconds for run in arm.runs]))))
    if arm.is_numeric:
        row.append(_rmse(arm.runs))
    if is_published and (paper := arm.published):
        verdict = "inside" if paper.holds(mean) else "outside"
        row.append(f"{_percent(paper.test_error)} ±{_percent(paper.half_width)}")
        row.append(f"{100 * (mean - paper.test_error):+.2f} {verdict}")
    elif is_published:
        row += ["-", "-"]
    return row


def _runs(table: Table) -> Iterator[Block]:
    word = "R2" if _is_numeric(table) else "error"
    marked = any(run.ended_early for run in table.runs)
    cells = {}
    for arm in table.arms:
        if table.cuts:
            cells[arm.label] = {k: _figure(one.test_error, arm) for k, one in arm.units.items()}
        else:
            cells[arm.label] = {run.seed: _error(run, arm, marked) for run in arm.runs}
    notes = [f"the test {word} of each run with its 95 % interval over test rows"]
    if table.cuts:
        notes = [f"the test {word} of each cut, the mean of its seeds"]
    if any("[" in cell for row in cells.values() for cell in row.values()):
        notes.append("[low, high]: Wilson's interval, where fewer than 5 rows are wrong")
    if marked and not table.cuts:
        notes.append("*: its best epoch was its last, more epochs may help")
    head = f"each {'cut' if table.cuts else 'run'}'s test {_unit(table)}"
    yield from _by_column(head, _of(table), cells, notes)


def _error(run: Trained, arm: Arm, marked: bool) -> str:
    """Error and interval; a column with marks keeps a place for them."""
    low, high, method = interval(run)
    mark = "*" if run.ended_early else " " * marked
    if method == "wilson":
        return f"{_percent(run.test_error)} [{_percent(low)}, {_percent(high)}]{mark}"
    return f"{_figure(run.test_error, arm)} ±{_spread((high - low) / 2, arm)}{mark}"


def _differences(table: Table, most: int, margin: float) -> Block:
    named = all(len(arm.label) <= SHORT for arm in table.arms)
    of, points = _of(table), "percentage points of test error"
    if _is_numeric(table):
        points = "hundredths of test R2"
    heads = [APART, f"{of}s", "points ± 95 %", "seeds alone", "p", "verdict"]
    over = "over seeds and test rows, crossed; seeds alone: its paired t interval"
    if table.cuts:
        heads.remove("seeds alone")
        over = "corrected for cuts that share rows (Nadeau and Bengio 2003)"
    over = f"95 % interval, {over}" if table.cuts else f"95 % interval {over}"
    notes = [
        f"points: {points}, mean over the {of}s that both arms have, with its\n{over}",
        f"p: that there is no difference, by Holm's correction over the {len(table.pairs)} of this "
        "table;\nbetter: p < 0.05",
        f"level: surely less than {100 * margin:g} points apart (--margin)",
    ]
    if len(table.arms) > MOST_ARMS:
        notes.append("of many arms, each is set against that with the lowest validation error")
    if len({arm.labelled for arm in table.arms}) > 1:
        notes.append("only arms with the same number of labels are set against each other")
    if len(table.pairs) > most:
        notes.append(f"{len(table.pairs) - most} more pairs in comparison.md")
    rows = [_pair_row(pair, of, named, margin) for pair in table.pairs[:most]]
    return Block(heads, rows, "l" + "r" * (len(heads) - 2) + "l", notes)


def _pair_row(pair: Pair, of: str, named: bool, margin: float) -> list[str]:
    name, points, *rest = claim(pair, of, named, margin)
    half = _percent(pair.difference.half_width)
    alone = [half if half == "-" else f"±{half}"] if of == "seed" else []
    return [name, str(_count(pair, of)), points, *alone, *rest]


def claim(pair: Pair, of: str = "seed", named: bool = True, margin: float = 0.0) -> list[str]:
    """What is claimed of two arms: names, points, p, verdict.

    The verdict names the better arm, or says a or b where names are long.
    """
    if pair.estimate is None:
        why = f"none: one {of}" if _count(pair, of) == 1 else "none: no predictions"
        return [str(pair), f"{100 * pair.mean:+.2f}", "-", why]
    verdict = "level" if pair.is_level(margin) else "no difference found"
    if pair.better is not None:
        short = "a" if pair.better is pair.first else "b"
        verdict = f"{pair.better.label if named else short} better"
    points = f"{100 * pair.mean:+.2f} ±{100 * pair.estimate.half_width:.2f}"
    return [str(pair), points, _p(pair.p), verdict]


def _count(pair: Pair, of: str) -> int:
    """How many seeds or cuts both arms have."""
    return len({trial[of == "seed"] for trial in pair.mcnemar})


def _mcnemar(pairs: Sequence[Pair]) -> Iterator[Block]:
    cells = {str(pair): {s: _p(p) for (_, s), p in pair.mcnemar.items()} for pair in pairs}
    notes = ["exact two-sided p that the two networks of a seed err equally often on these rows"]
    if any(p is None for pair in pairs for p in pair.mcnemar.values()):
        notes.append("?: the test predictions of a run are missing or damaged")
    yield from _by_column("McNemar's test, p", "seed", cells, notes)


def _by_column(
    head: str, of: str, cells: Mapping[str, Mapping[int, str]], notes: list[str]
) -> Iterator[Block]:
    """A row for each name, a column for each seed or cut, as many side by side as fit."""
    numbers = sorted({number for row in cells.values() for number in row})
    widest = max(len(cell) for row in cells.values() for cell in row.values())
    label = min(LABEL, max(map(len, (head, *cells))))
    columns = max(1, (WIDTH - label) // (max(widest, len(f"{of} 00")) + GAP))
    for start in range(0, len(numbers), columns):
        part = numbers[start : start + columns]
        rows = [[name, *(row.get(k, "-") for k in part)] for name, row in cells.items()]
        last = start + columns >= len(numbers)
        heads = [head, *(f"{of} {k}" for k in part)]
        yield Block(heads, rows, "l" + "r" * len(part), notes if last else [])


def lists(comparison: Comparison) -> Iterator[tuple[str, Block]]:
    """What the tables leave out, each with a title."""
    if comparison.unfinished:
        rows = [[run.status, run.message or "-", str(run.path)] for run in comparison.unfinished]
        what = f"Not in the tables (go on with one that was stopped: {program()} resume FOLDER)"
        yield what, Block(["status", "message", "folder"], rows, "llw")
    if comparison.repeated:
        used = {True: "equal, counted once", False: "not equal, none used"}
        rows = [
            [f"{same.data}: {same.arm}, seed {same.seed}", used[same.agree], str(path)]
            for same in comparison.repeated
            for path in same.folders
        ]
        yield "Run more than once", Block(["run", "use", "folder"], rows, "llw")


def versions(runs: Iterable[Trained]) -> Block:
    """Versions, processor and device: a line for each environment, with how many runs had it."""
    known = [RunFolder(run.path).result.get("environment", {}) for run in runs]
    told = [", ".join(f"{key} {value}" for key, value in one.items()) for one in known]
    counts = Counter(one or "not recorded" for one in told)
    return Block(["runs", "environment"], [[str(n), one] for one, n in counts.items()], "rl")


def _of(table: Table) -> str:
    return "cut" if table.cuts else "seed"


def _is_numeric(table: Table) -> bool:
    return table.arms[0].is_numeric


def _unit(table: Table) -> str:
    return "R2" if _is_numeric(table) else "%"


def _figure(error: float, arm: Arm) -> str:
    return _spread(1 - error if arm.is_numeric else error, arm)


def _spread(deviation: float, arm: Arm) -> str:
    return _number(deviation, ".3f") if arm.is_numeric else _percent(deviation)


def _rmse(runs: Sequence[Trained]) -> str:
    """Mean over runs of each target's root mean squared error."""
    known = [run.result["test_rmse"] for run in runs if run.result.get("test_rmse")]
    return " ".join(f"{mean:.4g}" for mean in np.mean(known, axis=0)) if known else "-"


def _percent(fraction: float) -> str:
    return _number(100 * fraction, ".2f")


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "-"


def _p(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}" if value > 0 else "<1e-300"


def _time(seconds: float) -> str:
    if seconds >= 100:
        return f"{seconds / 60:.1f} min"
    return "-" if math.isnan(seconds) else f"{seconds:.1f} s"
