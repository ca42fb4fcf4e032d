"""A comparison of one data set as tables of words, for pages and for the terminal."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from sda.analysis import intervals, tables
from sda.analysis.comparison import MOST_ARMS, Arm, Comparison, Pair, Table, interval
from sda.analysis.tables import Block
from sda.common.program import program
from sda.runs.results import Trained

WIDTH = 100  # characters of a terminal line
MARGIN = 0.005  # of test error: arms that are surely less apart are level
SHORT = 20  # characters of a label that is repeated in a verdict
LABEL = 30  # characters of a label beside columns of seeds; longer ones are wrapped


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
    yield _arms(table)
    yield from _runs(table)
    if table.pairs:
        yield _differences(table, most_pairs, margin)
    if table.pairs and not table.cuts and not _is_numeric(table):  # one cut has few test rows
        yield from _mcnemar(table, most_pairs)


def _arms(table: Table) -> Block:
    published = any(arm.published for arm in table.arms)
    of = "cuts" if table.cuts else "seeds"
    heads = ["arm", of, f"valid {_unit(table)}", "sd", f"test {_unit(table)}", "sd", "time"]
    heads += ["RMSE"] if _is_numeric(table) else []
    heads += ["published", "deviation"] if published else []
    rows = [_arm_row(arm, published) for arm in table.arms]
    notes = [f"means over the {of}; sd: sample standard deviation over the {of}; time: of one run"]
    if published:
        papers = dict.fromkeys(arm.published[2] for arm in table.arms if arm.published)
        notes.append(f"published: {'; '.join(papers)}; one run, ± its 95 % interval over test rows")
        notes.append("deviation: ours - published, in points; inside: within that interval")
        if any(run.result["source"] == "regenerated" for arm in table.arms for run in arm.runs):
            notes.append("the data are regenerated: order and gaps compare, figures may not")
    if _is_numeric(table):
        notes.append("R2: 1 is all of the variance, 0 none; RMSE: of the test rows, in their units")
    return Block(
        heads, rows, "l" + "r" * 7 + "l" if published else "l" + "r" * (len(heads) - 1), notes
    )


def _arm_row(arm: Arm, published: bool) -> list[str]:
    units = by_unit(arm)
    valid, valid_sd = intervals.spread([_mean(runs, "valid_error") for runs in units.values()])
    test, test_sd = intervals.spread([_mean(runs, "test_error") for runs in units.values()])
    seconds, _ = intervals.spread([run.seconds for run in arm.runs])
    of = arm.runs[0]
    figures = [_figure(valid, of), _spread(valid_sd, of), _figure(test, of), _spread(test_sd, of)]
    row = [arm.label, str(len(units)), *figures, _time(seconds)]
    if of.is_numeric:
        row.append(_rmse(arm.runs))
    if published and arm.published:
        error, n, _ = arm.published
        half = intervals.binomial(error, n)
        verdict = "inside" if abs(test - error) <= half else "outside"
        row += [f"{_percent(error)} ±{_percent(half)}", f"{_points(test - error)} {verdict}"]
    elif published:
        row += ["-", "-"]
    return row


def by_unit(arm: Arm) -> dict[int, list[Trained]]:
    """The runs of an arm by what its spread is over: seeds, or cuts with all their seeds."""
    units: dict[int, list[Trained]] = {}
    for run in arm.runs:
        units.setdefault(run.trial[0] if run.cut else run.seed, []).append(run)
    return units


def _mean(runs: Sequence[Trained], figure: str) -> float:
    return float(np.mean([getattr(run, figure) for run in runs]))


def _runs(table: Table) -> Iterator[Block]:
    marked = any(run.ended_early for arm in table.arms for run in arm.runs)
    if table.cuts:
        means = {
            arm.label: {
                k: _figure(_mean(runs, "test_error"), runs[0]) for k, runs in by_unit(arm).items()
            }
            for arm in table.arms
        }
        notes = [f"the test {_word(table)} of each cut, the mean of its seeds"]
        yield from _by_column(f"each cut's test {_unit(table)}", "cut", means, notes)
        return
    cells = {arm.label: {run.seed: _error(run, marked) for run in arm.runs} for arm in table.arms}
    notes = [f"the test {_word(table)} of each run with its 95 % interval over test rows"]
    if any("[" in cell for row in cells.values() for cell in row.values()):
        notes.append("[low, high]: Wilson's interval, where fewer than 5 rows are wrong")
    if marked:
        notes.append("*: its best epoch was its last, more epochs may help")
    yield from _by_column(f"each run's test {_unit(table)}", "seed", cells, notes)


def _error(run: Trained, marked: bool) -> str:
    """Error and interval; a column with marks keeps a place for them."""
    low, high, method = interval(run)
    mark = "*" if run.ended_early else " " * marked
    if method == "wilson":
        return f"{_percent(run.test_error)} [{_percent(low)}, {_percent(high)}]{mark}"
    return f"{_figure(run.test_error, run)} ±{_spread((high - low) / 2, run)}{mark}"


def _differences(table: Table, most: int, margin: float) -> Block:
    named = all(len(arm.label) <= SHORT for arm in table.arms)
    rows = [_pair_row(pair, table, named, margin) for pair in table.pairs[:most]]
    if table.cuts:
        heads = ["a - b, positive = b better", "cuts", "points ± 95 %", "p", "verdict"]
        notes = [
            f"points: {_points_of(table)}, mean over the cuts that both arms have, "
            "with its\n95 % interval, corrected for cuts that share rows (Nadeau and Bengio 2003)"
        ]
    else:
        heads = [
            "a - b, positive = b better",
            "seeds",
            "points ± 95 %",
            "seeds alone",
            "p",
            "verdict",
        ]
        notes = [
            f"points: {_points_of(table)}, mean over the seeds that both arms have, "
            "with its\n95 % interval over seeds and test rows, crossed; seeds alone: its paired t "
            "interval"
        ]
    notes += [
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
    return Block(heads, rows, "l" + "r" * (len(heads) - 2) + "l", notes)


def _pair_row(pair: Pair, table: Table, named: bool, margin: float) -> list[str]:
    """The verdict names the better arm, or says a or b where names are long."""
    mean, half, _ = pair.difference
    n = len({cut if table.cuts else seed for cut, seed in pair.mcnemar})
    alone = [] if table.cuts else [f"±{_percent(half)}" if math.isfinite(half) else "-"]
    if pair.estimate is None:
        what = "cut" if table.cuts else "seed"
        why = f"none: one {what}" if n == 1 else "none: no predictions"
        return [_name(pair), str(n), _points(mean), *alone, "-", why]
    points = f"{_points(pair.estimate.mean)} ±{_percent(pair.estimate.half_width)}"
    return [_name(pair), str(n), points, *alone, _p(pair.p), _verdict(pair, named, margin)]


def _verdict(pair: Pair, named: bool, margin: float) -> str:
    if pair.better is not None:
        short = "a" if pair.better is pair.first else "b"
        return f"{pair.better.label if named else short} better"
    return "level" if pair.is_level(margin) else "no difference found"


def _mcnemar(table: Table, most: int) -> Iterator[Block]:
    pairs = table.pairs[:most]
    cells = {_name(pair): {s: _p(p) for (_, s), p in pair.mcnemar.items()} for pair in pairs}
    notes = ["exact two-sided p that the two networks of a seed err equally often on these rows"]
    if any(p is None for pair in pairs for p in pair.mcnemar.values()):
        notes.append("?: the test predictions of a run are missing or damaged")
    yield from _by_column("McNemar's test, p", "seed", cells, notes)


def _by_column(
    head: str, what: str, cells: dict[str, dict[int, str]], notes: list[str]
) -> Iterator[Block]:
    """A row for each name, a column for each seed or cut, as many side by side as fit."""
    numbers = sorted({number for row in cells.values() for number in row})
    widest = max(len(cell) for row in cells.values() for cell in row.values())
    label = min(LABEL, max(map(len, (head, *cells))))
    columns = max(1, (WIDTH - label) // (max(widest, len(f"{what} 00")) + tables.GAP))
    for start in range(0, len(numbers), columns):
        part = numbers[start : start + columns]
        rows = [[name, *(row.get(k, "-") for k in part)] for name, row in cells.items()]
        last = start + columns >= len(numbers)
        heads = [head, *(f"{what} {k}" for k in part)]
        yield Block(heads, rows, "l" + "r" * len(part), notes if last else [])


def lists(comparison: Comparison) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """What the tables leave out: title, heads, rows."""
    if comparison.unfinished:
        rows = [[run.status, run.message or "-", str(run.path)] for run in comparison.unfinished]
        what = f"Not in the tables (go on with one that was stopped: {program()} resume FOLDER)"
        yield what, ["status", "message", "folder"], rows
    if comparison.repeated:
        rows = [
            [f"{same.data}: {same.label}, seed {same.seed}", _used(same.agree), str(path)]
            for same in comparison.repeated
            for path in same.paths
        ]
        yield "Run more than once", ["run", "use", "folder"], rows


def _used(agree: bool) -> str:
    return "equal, counted once" if agree else "not equal, none used"


def _name(pair: Pair) -> str:
    return f"{pair.first.label} - {pair.second.label}"


def _is_numeric(table: Table) -> bool:
    """Whether numbers are predicted: then R2 is shown, 1 less the error."""
    return table.arms[0].runs[0].is_numeric


def _unit(table: Table) -> str:
    return "R2" if _is_numeric(table) else "%"


def _word(table: Table) -> str:
    return "R2" if _is_numeric(table) else "error"


def _points_of(table: Table) -> str:
    return "hundredths of test R2" if _is_numeric(table) else "percentage points of test error"


def _figure(error: float, run: Trained) -> str:
    return f"{1 - error:.3f}" if run.is_numeric else _percent(error)


def _spread(deviation: float, run: Trained) -> str:
    if not math.isfinite(deviation):
        return "-"
    return f"{deviation:.3f}" if run.is_numeric else _percent(deviation)


def _rmse(runs: Sequence[Trained]) -> str:
    """Mean over runs of each target's root mean squared error."""
    known = [run.result["test_rmse"] for run in runs if run.result.get("test_rmse")]
    return " ".join(f"{mean:.4g}" for mean in np.mean(known, axis=0)) if known else "-"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}" if math.isfinite(fraction) else "-"


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.2f}"


def _p(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}" if value > 0 else "<1e-300"


def _time(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "-"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
