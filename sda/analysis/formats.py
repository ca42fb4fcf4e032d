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
            {key: getattr(table, key) for key in ("data", "source", "data_hash", "shared")}
            | {"cuts": table.cuts or None, "arms": [*map(_arm, table.arms)]}
            | {"pairs": [*map(_pair, table.pairs)]}
            for table in comparison.tables
        ],
        "unfinished": [
            {"folder": run.path, "status": run.status, "message": run.message}
            for run in comparison.unfinished
        ],
        "repeated": [vars(same) for same in comparison.repeated],
    }
    return json.dumps(content, indent=1, allow_nan=False, default=str) + "\n"


def _arm(arm: Arm) -> dict[str, Any]:
    found = {"arm": arm.label, "init": arm.runs[0].init, "seeds": len({r.seed for r in arm.runs})}
    for figure in ("valid_error", "test_error"):
        mean, deviation = intervals.spread([getattr(run, figure) for run in arm.runs])
        found |= {f"{figure}_mean": mean, f"{figure}_sd": _or_none(deviation)}
    paper, published = arm.published, None
    if paper is not None:
        published = paper._asdict() | {"ci95": paper.half_width, "inside": paper.holds(mean)}
        published["deviation"] = mean - paper.test_error
    return found | {"published": published, "runs": [*map(_run, arm.runs)]}


def _run(run: Trained) -> dict[str, Any]:
    low, high, method = interval(run)
    plain = ("seed", "valid_error", "test_error", "n_test")
    return {"folder": run.path, "cut": run.cut and run.cut["number"]} | {
        **{key: getattr(run, key) for key in plain},
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
        "mcnemar_p": [{"cut": k, "seed": seed, "p": p} for (k, seed), p in pair.mcnemar.items()],
    }


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
