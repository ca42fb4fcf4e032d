"""Ways to fine-tune: how the validation error falls, and how far it jumps from epoch to epoch.

    ./run -m experiment=training
    ./run experiments/training.py runs/training [OUT.png]

Writes results/figures/training.png and, beside it, a CSV of measures, which it prints.
"""

from itertools import pairwise
from pathlib import Path

from lib import script
from lib.figure import save, write_table
from matplotlib.figure import Figure

from sda.runs import results
from sda.runs.results import Trained

WAYS = ("descent", "averaged", "cosine", "dropout", "adam")  # in the order of the picture
SETTLED = 20  # epochs that do not count, at most a third of all


def main(folder: str, out: str) -> None:
    finished, _ = results.read([Path(folder)])
    runs = sorted((run for run in finished if way(run) in WAYS), key=place)
    if not runs:
        raise ValueError(f"{folder} holds no finished run of experiment=training")
    rows = [measures(run) for run in runs]
    write_table(Path(out).with_suffix(".csv"), rows)
    save(draw(runs, rows), Path(out), "RGB")


def way(run: Trained) -> str:
    """How a run was fine-tuned."""
    return str(run.result["settings"].get("vars.way"))


def place(run: Trained) -> tuple[int, int]:
    return WAYS.index(way(run)), run.seed


def errors(run: Trained) -> list[float]:
    """The validation error after each epoch of fine-tuning, in percent."""
    rows = results.rows(run.path / "metrics.jsonl")
    return [100 * row["valid_error"] for row in rows if row["phase"] == "finetune"]


def measures(run: Trained) -> dict[str, object]:
    """A line of the table; changes are from one epoch to the next, in points of percent."""
    found = errors(run)
    late = found[min(SETTLED, len(found) // 3) :]
    changes = [abs(after - before) for before, after in pairwise(late)] or [0.0]
    return {
        "fine-tuning": way(run),
        "seed": run.seed,
        "mean change, points": f"{sum(changes) / len(changes):.2f}",
        "largest change, points": f"{max(changes):.1f}",
        "best validation error": f"{min(found):.1f} %",
        "test error": f"{run.result['test_error']:.1%}",
    }


def draw(runs: list[Trained], rows: list[dict[str, object]]) -> Figure:
    """Curves of the first seed of each way, and the mean change of all seeds."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    named = [one for one in WAYS if one in map(way, runs)]
    for k, one in enumerate(named):
        found = errors(next(run for run in runs if way(run) == one))
        left.plot(range(1, len(found) + 1), found, label=one, linewidth=1)
        changes = [float(str(row["mean change, points"])) for row in rows if one in row.values()]
        right.plot([k] * len(changes), changes, "o", color=f"C{k}", markersize=4)
    left.set_ylim(0, 10)
    left.set_xlabel("epoch of fine-tuning")
    left.set_title("validation error, % (one seed)", fontsize=9)
    left.legend(fontsize=8, ncols=2)
    right.set_xticks(range(len(named)), named, fontsize=8)
    right.set_ylim(0)
    right.set_title("mean change from epoch to epoch, points", fontsize=9)
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "training.png")
