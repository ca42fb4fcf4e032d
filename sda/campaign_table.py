"""The table that a campaign has come to: cells chosen and repeated, beside what is published."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from sda import alignment, campaign, intervals, search
from sda.campaign import Campaign, Cell
from sda.finished import Trained

COLUMNS = (
    "data_set", "arm", "source", "seeds", "valid_error_mean", "test_error_mean", "test_error_sd",
    "test_error_chosen", "ci95", "published", "reached", "minutes", "tried", "setting",
)  # fmt: skip
HEADINGS = {
    "svm_rbf": "SVM rbf", "svm_poly": "SVM poly", "random1": "random, 1 layer", "dbn1": "DBN-1",
    "random3": "random, 3 layers", "saa3": "SAA-3", "dbn3": "DBN-3", "sda3": "SdA-3",
}  # fmt: skip
ABSOLUTE = ("basic", "rect", "convex", "mnist")  # of which we have the papers' rows, or their rule


def _row(cell: Cell, seeds: int) -> dict[str, Any]:
    """One line of table1.csv."""
    known = {"data_set": cell.data_set, "arm": cell.arm, "published": _percent(cell.published)}
    runs = cell.runs(seeds)
    if not runs:
        return dict.fromkeys(COLUMNS, "not run") | known | {"seeds": 0}
    tests = [run.test_error for run in runs]
    mean, sd = intervals.spread(tests)
    chosen = next((run for run in runs if run.seed == campaign.SEED), runs[0])
    return known | {
        "source": chosen.result["source"],
        "seeds": len(runs),
        "valid_error_mean": _percent(sum(run.valid_error for run in runs) / len(runs)),
        "test_error_mean": _percent(mean),
        "test_error_sd": _percent(sd) if len(runs) > 1 else "",
        "test_error_chosen": _percent(chosen.test_error),
        "ci95": _percent(intervals.binomial(chosen.test_error, chosen.n_test)),
        "reached": _reached(cell, mean, chosen.n_test),
        "minutes": f"{sum(run.seconds for run in runs) / len(runs) / 60:.1f}",
        "tried": chosen.result["tried"] if cell.is_machine else len(cell.ended()),
        "setting": _setting(cell, chosen),
    }


def _reached(cell: Cell, mean: float, n_test: int) -> str:
    """Whether our mean is at most the upper end of the paper's binomial interval."""
    if cell.published is None or cell.data_set not in ABSOLUTE:
        return ""
    most = cell.published + intervals.binomial(cell.published, n_test)
    return "yes" if mean <= most else "no"


def _setting(cell: Cell, run: Trained) -> str:
    """What was chosen, in the words of the search."""
    if cell.is_machine:
        parts = run.result["chosen"].items()
        grid = cell.config["kernel"]
        return " ".join(f"{key}={value:g}{_edge(value, grid.get(key))}" for key, value in parts)
    chosen = cell.chosen()
    assert chosen is not None
    aside = {"experiment", "seed", *(word.partition("=")[0] for word in cell.words)}
    idle = search.IDLE.get(cell.config["init"], ())
    named = [(word.partition("=")[0], word) for word in chosen.overrides]
    words = [word for key, word in named if key not in aside and not key.startswith(idle)]
    rates = [job.config["finetune"]["learning_rate"] for job, _ in cell.ended()]
    return " ".join(words) + _edge(chosen.config["finetune"]["learning_rate"], rates)


def _edge(value: float, tried: Any) -> str:
    """Whether a value beyond those tried might have been better still."""
    values = set(tried) if isinstance(tried, Sequence) else set()
    if len(values) < 2 or min(values) < value < max(values):
        return ""
    return " (the lowest tried)" if value == min(values) else " (the highest tried)"


def _percent(fraction: float | None) -> str:
    return "" if fraction is None or math.isnan(fraction) else f"{100 * fraction:.2f}"


def as_printed(
    rows: list[dict[str, Any]], shown: Callable[[dict[str, Any]], str]
) -> list[list[str]]:
    """The table as the paper prints it: a line for each data set, a column for each method.

    Args:
        rows: of the cells.
        shown: what a cell says, ``full`` or ``brief``.
    """
    sets = list(dict.fromkeys(row["data_set"] for row in rows))
    present = list(dict.fromkeys(str(row["arm"]) for row in rows))
    arms = [arm for arm in HEADINGS if arm in present] + [a for a in present if a not in HEADINGS]
    lines = [["data set", *(HEADINGS.get(arm, arm) for arm in arms)]]
    for data_set in sets:
        own = {row["arm"]: row for row in rows if row["data_set"] == data_set}
        lines.append([data_set, *(shown(own[arm]) if arm in own else "not run" for arm in arms)])
    return lines


def markdown(rows: list[dict[str, Any]], shown: Callable[[dict[str, Any]], str]) -> str:
    """``as_printed``, for Markdown."""
    heads, *lines = as_printed(rows, shown)
    return alignment.piped(heads, lines)


def brief(row: dict[str, Any]) -> str:
    """One cell: the mean over seeds, *: of one, †: paper's not reached, and the paper's figure."""
    alone = row["seeds"] == 1 and not _has_no_seeds(row)
    marks = "\\*" * alone + "†" * (row["reached"] == "no")
    ours = f"**{row['test_error_mean']}**{marks}" if row["seeds"] else "not run"
    return f"{ours} ({row['published']})" if row["published"] else ours


def full(row: dict[str, Any]) -> str:
    """One cell: mean and spread over seeds, the chosen run and its interval, the paper's figure."""
    paper = f"; paper {row['published']}" if row["published"] else ""
    paper += ", not reached" if row["reached"] == "no" else ""
    if not row["seeds"]:
        return f"not run{paper}"
    if row["seeds"] == 1:
        seeds = "" if _has_no_seeds(row) else " (1 seed)"
        return f"**{row['test_error_chosen']}** ± {row['ci95']}{seeds}{paper}"
    mean = f"**{row['test_error_mean']}** (sd {row['test_error_sd']}, {row['seeds']} seeds)"
    return f"{mean}; chosen {row['test_error_chosen']} ± {row['ci95']}{paper}"


def _has_no_seeds(row: dict[str, Any]) -> bool:
    """Whether nothing is random in a method: support vector machines."""
    return str(row["arm"]).startswith("svm")


def details(rows: list[dict[str, Any]]) -> list[list[str]]:
    """What was chosen for every cell that was run."""
    parts = ("data_set", "arm", "source", "tried", "setting", "valid_error_mean", "minutes")
    heads = ["data set", "arm", "data", "runs tried", "chosen", "validation", "minutes a run"]
    return [heads, *([str(row[part]) for part in parts] for row in rows if row["seeds"])]


def last_cells(plan: Campaign) -> list[tuple[Cell, int]]:
    """Every cell of every tier, with as many seeds as its last tier asks for."""
    found: dict[str, tuple[Cell, int]] = {}
    for tier in plan.tiers:
        for cell in campaign.cells(plan, tier):
            found[cell.name] = (cell, tier.seeds)
    return list(found.values())


def rows(plan: Campaign) -> list[dict[str, Any]]:
    """A row for every cell."""
    return [_row(cell, seeds) for cell, seeds in last_cells(plan)]
