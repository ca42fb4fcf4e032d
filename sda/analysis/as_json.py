"""A comparison as JSON: errors and differences are fractions, what does not exist is null."""

import json
import math
from typing import Any

from sda.analysis import intervals
from sda.analysis.comparison import Arm, Comparison, Pair, interval
from sda.runs.results import Trained


def as_json(comparison: Comparison) -> str:
    """All tables with every run and pair, and what is not in them."""
    content = {
        "tables": [
            {
                "data": table.data,
                "source": table.source,
                "data_hash": table.data_hash,
                "cuts": table.cuts or None,
                "shared": table.shared,
                "arms": [_arm_json(arm) for arm in table.arms],
                "pairs": [_pair_json(pair) for pair in table.pairs],
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


def _arm_json(arm: Arm) -> dict[str, Any]:
    valid, valid_sd = intervals.spread([run.valid_error for run in arm.runs])
    test, test_sd = intervals.spread([run.test_error for run in arm.runs])
    return {
        "arm": arm.label,
        "init": arm.runs[0].init,
        "seeds": len({run.seed for run in arm.runs}),
        "valid_error_mean": valid,
        "valid_error_sd": _or_none(valid_sd),
        "test_error_mean": test,
        "test_error_sd": _or_none(test_sd),
        "published": _published_json(arm, test),
        "runs": [_run_json(run) for run in arm.runs],
    }


def _published_json(arm: Arm, test: float) -> dict[str, Any] | None:
    if arm.published is None:
        return None
    error, n, paper = arm.published
    half = intervals.binomial(error, n)
    return {
        "paper": paper,
        "test_error": error,
        "n_test": n,
        "ci95": half,
        "deviation": test - error,
        "inside": abs(test - error) <= half,
    }


def _run_json(run: Trained) -> dict[str, Any]:
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


def _pair_json(pair: Pair) -> dict[str, Any]:
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
