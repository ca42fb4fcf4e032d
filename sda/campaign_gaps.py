"""How far the methods of a campaign are from SdA-3 on each data set, and their order."""

import numpy as np

from sda import campaign_table, intervals
from sda.campaign import Campaign
from sda.finished import Trained
from sda.intervals import Difference

OURS = "sda3"
OTHERS = ("random3", "saa3", "dbn3")


def lines(plan: Campaign) -> list[list[str]]:
    """A line for each data set that has SdA-3: its name, a gap for each other method, the order.

    A gap is the other's test error less ours in percentage points, the paper's in brackets.
    """
    found: dict[str, dict[str, tuple[list[Trained], float | None]]] = {}
    for cell, seeds in campaign_table.last_cells(plan):
        if cell.arm in (OURS, *OTHERS):
            own = found.setdefault(cell.data_set, {})
            own[cell.arm] = cell.runs(seeds), cell.published
    names = [campaign_table.HEADINGS[arm] for arm in OTHERS]
    table = [["data set", *(f"{name} − SdA-3" for name in names), "in order"]]
    for data_set, arms in found.items():
        ours, published = arms.get(OURS, ([], None))
        if ours:
            gaps = [_gap(*arms.get(arm, ([], None)), ours, published) for arm in OTHERS]
            table.append([data_set, *gaps, _order({arm: runs for arm, (runs, _) in arms.items()})])
    return table


def difference(first: list[Trained], second: list[Trained]) -> Difference:
    """First − second in test error, as a fraction: over the seeds of both, or over the test rows.

    With one common seed it is the paired difference over the rows of the test set; n says which.

    Raises:
        ValueError: they have other data, no seed in common, or test predictions are missing.
    """
    if len({run.result["data_hash"] for run in (*first, *second)}) > 1:
        raise ValueError("not of the same data")
    one, other = ({run.seed: run for run in runs} for runs in (first, second))
    seeds = sorted(one.keys() & other.keys())
    if len(seeds) > 1:
        return intervals.paired(*([runs[s].test_error for s in seeds] for runs in (one, other)))
    wrong = []
    for runs in (one, other):
        predictions = runs[seeds[0]].predictions() if seeds else None
        if predictions is None:
            raise ValueError("no seed in common, or no predictions")
        wrong.append((predictions[0] != predictions[1]).astype(np.float64))
    return intervals.paired(wrong[0].tolist(), wrong[1].tolist())


def _gap(
    other: list[Trained], their: float | None, ours: list[Trained], published: float | None
) -> str:
    paper = ""
    if their is not None and published is not None:
        paper = f" ({100 * (their - published):+.2f})"
    if not other:
        return f"not run{paper}"
    try:
        gap = difference(other, ours)
    except ValueError as error:
        return f"{error}{paper}"
    over_rows = gap.n == ours[0].n_test
    over = "rows" if over_rows else f"{gap.n} seeds"
    said = f"{100 * gap.mean:+.2f} ± {100 * gap.half_width:.2f} over {over}"
    return f"{f'**{said}**' if gap.excludes_zero and not over_rows else said}{paper}"


def _order(arms: dict[str, list[Trained]]) -> str:
    means = {arm: np.mean([run.test_error for run in runs]) for arm, runs in arms.items() if runs}
    inside = sorted(means, key=lambda arm: means[arm])
    return " < ".join(campaign_table.HEADINGS.get(arm, arm) for arm in inside)
