"""A comparison in words: for the terminal, as Markdown, as JSON."""

import json
import math
from typing import Any

from sda import intervals
from sda.comparison import Arm, Comparison, Pair, Table

ARM_HEADS = ("arm", "seeds", "valid %", "test %", "sd", "each run's test % ± 95 %", "published %")
PAIR_HEADS = ("difference", "seeds", "points ± 95 %", "outside 0", "McNemar p, by seed")


def plain(comparison: Comparison) -> str:
    """Tables for a terminal."""
    return _render(comparison, _aligned)


def markdown(comparison: Comparison) -> str:
    """The same as Markdown."""
    return "# Comparison\n\n" + _render(comparison, _piped) + "\n"


def as_json(comparison: Comparison) -> str:
    """The same as JSON; errors are fractions."""
    tables = [
        {
            "data": table.data,
            "source": table.source,
            "published": table.published,
            "arms": [_arm_json(arm) for arm in table.arms],
            "pairs": [_pair_json(pair) for pair in table.pairs],
        }
        for table in comparison.tables
    ]
    content = {
        "tables": tables,
        "unfinished": [{"folder": str(p), "status": s} for p, s in comparison.unfinished],
        "repeated": [str(path) for path in comparison.repeated],
    }
    return json.dumps(content, indent=1) + "\n"


def _render(comparison: Comparison, layout: Any) -> str:
    parts = []
    for table in comparison.tables:
        n = int(table.arms[0].runs[0].result["n_test"])
        parts.append(f"{table.data} ({table.source}), {n} test rows")
        parts.append(layout(ARM_HEADS, [_arm_row(arm, table) for arm in table.arms]))
        if table.pairs:
            parts.append(layout(PAIR_HEADS, [_pair_row(pair) for pair in table.pairs]))
            parts.append(
                "points: percentage points of test error, first minus second, mean over the seeds "
                "that both have;\npositive: the second is better. The interval is a paired t "
                "interval; outside 0 means that it excludes 0."
            )
        parts += _notes(table)
    if comparison.unfinished:
        lines = [f"  {path}: {status}" for path, status in comparison.unfinished]
        parts.append("\n".join(["Not in the tables:", *lines]))
    if comparison.repeated:
        lines = [f"  {path}" for path in comparison.repeated]
        parts.append("\n".join(["Left out, the same settings and seed as another run:", *lines]))
    return "\n\n".join(parts)


def _arm_row(arm: Arm, table: Table) -> list[str]:
    valid, _ = intervals.spread(arm.column("valid_error"))
    test, sd = intervals.spread(arm.column("test_error"))
    runs = arm.runs
    each = " ".join(f"{100 * run.test_error:.2f}" for run in runs)
    widest = max(intervals.binomial(r.test_error, int(r.result["n_test"])) for r in runs)
    return [
        arm.label,
        str(len(runs)),
        f"{100 * valid:.2f}",
        f"{100 * test:.2f}",
        "-" if math.isnan(sd) else f"{100 * sd:.2f}",
        f"{each} ±{100 * widest:.2f}",
        _published(arm, table, test),
    ]


def _published(arm: Arm, table: Table, test: float) -> str:
    """The paper's figure, and how far ours lies from it; ``in`` if its interval holds ours."""
    error = (table.published or {}).get("test_error", {}).get(arm.runs[0].result["init"])
    if error is None:
        return "-"
    width = intervals.binomial(error, int(table.published["n_test"]))
    inside = ", inside" if abs(test - error) <= width else ""
    return f"{100 * error:.2f} ±{100 * width:.2f} ({100 * (test - error):+.2f}{inside})"


def _pair_row(pair: Pair) -> list[str]:
    mean, half, n = pair.difference
    width = "no interval from one pair" if math.isinf(half) else f"±{100 * half:.2f}"
    decided = "-" if math.isinf(half) else ("yes" if pair.difference.excludes_zero else "no")
    p = " ".join(f"{value:.1g}" for value in pair.mcnemar.values())
    name = f"{pair.first.label} - {pair.second.label}"
    return [name, str(n), f"{100 * mean:+.2f} {width}", decided, p]


def _notes(table: Table) -> list[str]:
    notes = []
    late = [run.path for arm in table.arms for run in arm.runs if run.result.get("best_is_last")]
    if late:
        folders = ", ".join(path.name for path in late)
        notes.append(f"Best at the last epoch, so more epochs may help: {folders}")
    if table.published:
        notes.append(f"published: {table.published.get('paper')}")
    return notes


def _arm_json(arm: Arm) -> dict[str, Any]:
    valid, valid_sd = intervals.spread(arm.column("valid_error"))
    test, sd = intervals.spread(arm.column("test_error"))
    return {
        "arm": arm.label,
        "valid_error_mean": valid,
        "valid_error_sd": None if math.isnan(valid_sd) else valid_sd,
        "test_error_mean": test,
        "test_error_sd": None if math.isnan(sd) else sd,
        "runs": [
            {
                "folder": str(run.path),
                "seed": run.seed,
                "valid_error": run.result["valid_error"],
                "test_error": run.test_error,
                "ci95": intervals.binomial(run.test_error, int(run.result["n_test"])),
            }
            for run in arm.runs
        ],
    }


def _pair_json(pair: Pair) -> dict[str, Any]:
    half = pair.difference.half_width
    return {
        "first": pair.first.label,
        "second": pair.second.label,
        "seeds": pair.difference.n,
        "mean": pair.difference.mean,
        "ci95": None if math.isinf(half) else half,
        "excludes_zero": pair.difference.excludes_zero,
        "mcnemar_p": {str(seed): p for seed, p in pair.mcnemar.items()},
    }


def _aligned(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if k in (0, len(widths) - 1) else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (heads, *rows)
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _piped(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
