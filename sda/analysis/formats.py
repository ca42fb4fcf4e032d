"""A comparison written out: for the terminal, as Markdown, as JSON."""

import json
import math
import textwrap
from typing import Any

from sda.analysis import blocks, intervals
from sda.analysis.comparison import MARGIN, Arm, Comparison, Pair, interval
from sda.analysis.tables import WIDTH
from sda.runs.results import Trained

MOST_PAIRS = 15  # in the terminal; the files have all


def plain(comparison: Comparison, margin: float = MARGIN) -> str:
    """For a terminal of 100 columns; arms less than ``margin`` apart, a fraction, are level."""
    parts = []
    for table in comparison.tables:
        head = [blocks.title(table), "=" * len(blocks.title(table))]
        head += textwrap.wrap(blocks.alike(table), WIDTH, break_on_hyphens=False)
        parts.append("\n".join(head))
        parts += [block.aligned() for block in blocks.blocks(table, MOST_PAIRS, margin)]
    parts += [f"{what}\n{block.aligned()}" for what, block in blocks.lists(comparison)]
    return "\n\n".join(parts)


def markdown(comparison: Comparison, margin: float = MARGIN) -> str:
    """The same as Markdown, with every pair."""
    parts = ["# Comparison"]
    for table in comparison.tables:
        parts += [f"## {blocks.title(table)}", blocks.alike(table)]
        for block in blocks.blocks(table, len(table.pairs), margin):
            parts += [block.piped(), block.note]
    for what, block in blocks.lists(comparison):
        parts += [what, block.piped()]
    return "\n\n".join(filter(None, parts)) + "\n"


def as_json(comparison: Comparison) -> str:
    """All tables with every run and pair, and what is not in them.

    Errors and differences are fractions, what does not exist is null.
    """
    content = {
        "tables": [
            {
                "data": table.data,
                "source": table.source,
                "data_hash": table.data_hash,
                "cuts": table.cuts or None,
                "shared": table.shared,
                "arms": [_arm(arm) for arm in table.arms],
                "pairs": [_pair(pair) for pair in table.pairs],
            }
            for table in comparison.tables
        ],
        "unfinished": [
            {"folder": str(run.path), "status": run.status, "message": run.message}
            for run in comparison.unfinished
        ],
        "repeated": [
            {
                "arm": same.label,
                "data": same.data,
                "seed": same.seed,
                "folders": [str(path) for path in same.paths],
                "agree": same.agree,
            }
            for same in comparison.repeated
        ],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _arm(arm: Arm) -> dict[str, Any]:
    _, valid_sd = intervals.spread([run.valid_error for run in arm.runs])
    test, test_sd = intervals.spread([run.test_error for run in arm.runs])
    paper = arm.published
    return {
        "arm": arm.label,
        "init": arm.runs[0].init,
        "seeds": len({run.seed for run in arm.runs}),
        "valid_error_mean": arm.valid_error,
        "valid_error_sd": _or_none(valid_sd),
        "test_error_mean": test,
        "test_error_sd": _or_none(test_sd),
        "published": paper
        and {
            "paper": paper.paper,
            "test_error": paper.error,
            "n_test": paper.n_test,
            "ci95": paper.half_width,
            "deviation": test - paper.error,
            "inside": paper.holds(test),
        },
        "runs": [_run(run) for run in arm.runs],
    }


def _run(run: Trained) -> dict[str, Any]:
    low, high, method = interval(run)
    return {
        "folder": str(run.path),
        "cut": run.cut and run.cut["number"],
        "seed": run.seed,
        "valid_error": run.valid_error,
        "test_error": run.test_error,
        "n_test": run.n_test,
        "ci95": [low, high],
        "ci95_method": method,
        "best_is_last": run.ended_early,
        "seconds": _or_none(run.seconds),
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "first": pair.first.label,
        "second": pair.second.label,
        "seeds": sorted({seed for _, seed in pair.mcnemar}),
        "cuts": len({cut for cut, _ in pair.mcnemar}),
        "mean": pair.difference.mean,
        "ci95": _or_none(pair.difference.half_width),
        "estimate_ci95": pair.estimate and pair.estimate.half_width,
        "p_holm": pair.p,
        "better": pair.better and pair.better.label,
        "mcnemar_p": [
            {"cut": cut, "seed": seed, "p": p} for (cut, seed), p in pair.mcnemar.items()
        ],
    }
