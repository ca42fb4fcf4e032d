"""The table that a campaign has come to: cells chosen and repeated, beside what is published."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sda.analysis import intervals, tables
from sda.runs.results import Trained
from sda.runs.settings import key_of
from sda.sweeps.campaign import campaign, choices, search
from sda.sweeps.campaign.campaign import Campaign
from sda.sweeps.campaign.cell import SEED, Cell
from sda.sweeps.job import Job

COLUMNS = (
    "data_set", "arm", "source", "data_hash", "settings_hash", "test_rows", "seeds",
    "valid_error_mean", "test_error_mean", "test_error_sd", "test_error_chosen", "ci95",
    "published", "reached", "minutes", "tried", "setting", "edge", "valid_errors", "test_errors",
    "seed_minutes",
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
    chosen = next((run for run in runs if run.seed == SEED), runs[0])
    row = known | {
        "source": chosen.result["source"],
        "data_hash": chosen.result["data_hash"][:8],
        "settings_hash": search.settings_digest(chosen.result["settings"]),
        "test_rows": chosen.n_test,
        **costs({run.seed: run.seconds / 60 for run in runs if run.seconds >= 0}),
        "tried": cell.held.tried if cell.held else searched(cell),
        "setting": _chosen(cell, chosen),
        "edge": _edges(cell, chosen),
    }
    return row | figures(row, {run.seed: (run.valid_error, run.test_error) for run in runs})


def costs(minutes: Mapping[int, float]) -> dict[str, str]:
    """What a row says of the minutes of its runs, by seed, as far as they are known."""
    mean = f"{sum(minutes.values()) / len(minutes):.1f}" if minutes else ""
    return {"minutes": mean, "seed_minutes": by_seed(minutes, 1)}


def searched(cell: Cell) -> int:
    """How many runs of a search have ended here; of a machine's only run, how many settings."""
    ended = cell.ended()
    return int(ended[0][1]["tried"]) if cell.is_machine and ended else len(ended)


def figures(row: Mapping[str, Any], errors: Mapping[int, tuple[float, float]]) -> dict[str, Any]:
    """What a row says of the errors of its runs.

    Args:
        row: its data set, the published error, the number of test rows.
        errors: on validation and on test rows, by seed, as fractions.
    """
    n_test = int(row["test_rows"])
    valid, test = zip(*(errors[seed] for seed in sorted(errors)), strict=True)
    mean, sd = intervals.spread(test)
    chosen = errors.get(SEED, (valid[0], test[0]))[1]
    return {
        "seeds": len(errors),
        "valid_error_mean": _percent(sum(valid) / len(valid)),
        "test_error_mean": _percent(mean),
        "test_error_sd": _percent(sd),
        "test_error_chosen": _percent(chosen),
        "ci95": _percent(intervals.binomial(chosen, n_test)),
        "reached": reached(row, mean),
        "valid_errors": by_seed({seed: 100 * pair[0] for seed, pair in errors.items()}),
        "test_errors": by_seed({seed: 100 * pair[1] for seed, pair in errors.items()}),
    }


def by_seed(figures: Mapping[int, float], digits: int = 4) -> str:
    """What a row says of its single runs."""
    return " ".join(f"{seed}:{figures[seed]:.{digits}f}" for seed in sorted(figures))


def reached(row: Mapping[str, Any], mean: float) -> str:
    """Whether our mean is at most the upper end of the paper's binomial interval."""
    if not row["published"] or row["data_set"] not in ABSOLUTE:
        return ""
    published = float(row["published"]) / 100
    most = published + intervals.binomial(published, int(row["test_rows"]))
    return "yes" if mean <= most else "no"


def _chosen(cell: Cell, run: Trained) -> str:
    """What was chosen, in the words of the search."""
    if cell.is_machine:
        return " ".join(f"{key}={value:g}" for key, value in run.result["chosen"].items())
    chosen = cell.chosen()
    assert chosen is not None
    return setting(cell, chosen)


def setting(cell: Cell, job: Job) -> str:
    """A run of the search in its words, without those that have no effect on the arm."""
    aside = {"experiment", "seed", *(key_of(word) for word in cell.words)}
    words = [word for word in job.overrides if key_of(word) not in aside]
    effective = search.effective(words, cell.config["init"])
    return " ".join(word for word in words if word in effective)


def _edges(cell: Cell, run: Trained) -> str:
    """Which values were the lowest or the highest tried: one beyond might be better still."""
    if cell.is_machine:
        grid = cell.config["kernel"]
        found = [_edge(key, value, grid.get(key)) for key, value in run.result["chosen"].items()]
        return ", ".join(filter(None, found))
    chosen = cell.chosen()
    assert chosen is not None
    if cell.held is not None:
        return cell.held.edge
    rates = [job.config["finetune"]["learning_rate"] for job, _ in cell.ended()]
    return _edge(choices.RATE, chosen.config["finetune"]["learning_rate"], rates)


def _edge(key: str, value: float, tried: Any) -> str:
    values = set(tried) if isinstance(tried, Sequence) else set()
    if len(values) < 2 or min(values) < value < max(values):
        return ""
    return f"lowest {key}" if value == min(values) else f"highest {key}"


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
    return tables.piped(heads, lines)


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
    parts = ("data_set", "arm", "source", "tried", "setting", "edge")
    heads = [
        "data set", "arm", "data", "runs tried", "chosen", "edge of what was tried",
        "validation error of seed 0", "its mean over seeds", "minutes a run",
    ]  # fmt: skip
    told = [row for row in rows if row["seeds"]]
    ends = [(_searched(row), row["valid_error_mean"], row["minutes"]) for row in told]
    lines = [
        [*(str(row[part]) for part in parts), *end] for row, end in zip(told, ends, strict=True)
    ]
    return [heads, *lines]


def _searched(row: Mapping[str, Any]) -> str:
    """The validation error of a row's run with the seed of the search, if it is known."""
    known = dict(word.split(":") for word in str(row["valid_errors"]).split())
    return f"{float(known[str(SEED)]):.2f}" if str(SEED) in known else ""


def last_cells(plan: Campaign) -> list[tuple[Cell, int]]:
    """Every cell of every tier, with as many seeds as its last tier asks for."""
    found: dict[str, tuple[Cell, int]] = {}
    for tier in plan.tiers:
        for cell in campaign.cells(plan, tier):
            found[cell.name] = (cell, tier.seeds)
    return list(found.values())


def rows(cells: Iterable[tuple[Cell, int]]) -> list[dict[str, Any]]:
    """A row for every cell, over so many seeds."""
    return [_row(cell, seeds) for cell, seeds in cells]
