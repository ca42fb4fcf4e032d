"""Make the paper's table, as far as its runs have come, from the folders of a campaign.

    python experiments/table1.py [--runs runs] [--campaign table1]

Writes ``table1.md`` and ``table1.csv`` beside this file. Errors in percent; the setting of each
cell was chosen on validation error among those tried; a cell without a finished run says "not run".
"""

import argparse
import csv
import math
from pathlib import Path
from typing import Any

from sda import campaign, intervals
from sda.campaign import Campaign, Cell
from sda.finished import Trained

HERE = Path(__file__).parent
COLUMNS = (
    "data_set", "arm", "source", "seeds", "valid_error_mean", "test_error_mean", "test_error_sd",
    "test_error_chosen", "ci95", "published", "minutes", "tried", "setting",
)  # fmt: skip
HEADINGS = {
    "random3": "random, 3 layers", "saa3": "SAA-3", "sda3": "SdA-3", "dbn3": "DBN-3",
    "dbn1": "DBN-1", "mlp1": "random, 1 layer", "svm_rbf": "SVM rbf", "svm_poly": "SVM poly",
}  # fmt: skip


def row(cell: Cell, seeds: int) -> dict[str, Any]:
    """One line of table1.csv."""
    known = {"data_set": cell.data_set, "arm": cell.arm, "published": percent(cell.published)}
    runs = cell.runs(seeds)
    if not runs:
        return dict.fromkeys(COLUMNS, "not run") | known | {"seeds": 0}
    tests = [run.test_error for run in runs]
    mean, sd = intervals.spread(tests)
    chosen = next((run for run in runs if run.seed == campaign.SEED), runs[0])
    return known | {
        "source": chosen.result["source"],
        "seeds": len(runs),
        "valid_error_mean": percent(sum(run.valid_error for run in runs) / len(runs)),
        "test_error_mean": percent(mean),
        "test_error_sd": percent(sd) if len(runs) > 1 else "",
        "test_error_chosen": percent(chosen.test_error),
        "ci95": percent(intervals.binomial(chosen.test_error, chosen.n_test)),
        "minutes": f"{sum(run.seconds for run in runs) / len(runs) / 60:.1f}",
        "tried": len(cell.finished()),
        "setting": setting(cell, chosen),
    }


def setting(cell: Cell, run: Trained) -> str:
    """What was chosen, in the words of the search."""
    chosen = cell.chosen()
    assert chosen is not None
    aside = ("experiment", "seed", *(word.partition("=")[0] for word in cell.words))
    words = [word for word in chosen.overrides if word.partition("=")[0] not in aside]
    return " ".join(words)


def percent(fraction: float | None) -> str:
    return "" if fraction is None or math.isnan(fraction) else f"{100 * fraction:.2f}"


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table as the paper prints it: a row for each data set, a column for each method."""
    sets = list(dict.fromkeys(row["data_set"] for row in rows))
    arms = [arm for arm in HEADINGS if any(row["arm"] == arm for row in rows)]
    lines = ["| data set | " + " | ".join(HEADINGS[arm] for arm in arms) + " |"]
    lines.append("|---" * (len(arms) + 1) + "|")
    for data_set in sets:
        own = {row["arm"]: row for row in rows if row["data_set"] == data_set}
        lines.append(f"| {data_set} | " + " | ".join(shown(own.get(arm)) for arm in arms) + " |")
    return "\n".join(lines)


def shown(row: dict[str, Any] | None) -> str:
    """One cell: mean and spread over seeds, the chosen run and its interval, the paper's figure."""
    if row is None:
        return ""
    paper = f"; paper {row['published']}" if row["published"] else ""
    if not row["seeds"]:
        return f"not run{paper}"
    spread = f" (sd {row['test_error_sd']}, {row['seeds']} seeds)" if row["seeds"] > 1 else ""
    mean = f"**{row['test_error_mean']}**{spread}"
    return f"{mean}; chosen {row['test_error_chosen']} ± {row['ci95']}{paper}"


def details(rows: list[dict[str, Any]]) -> str:
    """What was chosen for every cell that was run."""
    lines = ["| data set | arm | data | runs tried | chosen | validation | minutes a run |"]
    lines.append("|---" * 7 + "|")
    for row in rows:
        if row["seeds"]:
            parts = ("data_set", "arm", "source", "tried", "setting", "valid_error_mean", "minutes")
            lines.append("| " + " | ".join(str(row[part]) for part in parts) + " |")
    return "\n".join(lines)


def all_rows(plan: Campaign) -> list[dict[str, Any]]:
    """A row for every cell of every tier, with as many seeds as its last tier asks for."""
    cells: dict[str, tuple[Cell, int]] = {}
    for tier in plan.tiers:
        for cell in campaign.cells(plan, tier):
            cells[cell.name] = (cell, tier.seeds)
    return [row(cell, seeds) for cell, seeds in cells.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="runs", help="the runs_folder of the campaign")
    parser.add_argument("--campaign", default="table1")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    args = parser.parse_args()
    words = ["campaign.hours=0", f"runs_folder={args.runs}"]
    rows = all_rows(campaign.read(args.campaign, words))
    with (args.out / "table1.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    text = (HERE / "table1_template.md").read_text()
    text = text.replace("{table}", markdown(rows)).replace("{details}", details(rows))
    (args.out / "table1.md").write_text(text)
    print(markdown(rows))


if __name__ == "__main__":
    main()
