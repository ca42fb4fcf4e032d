"""What a search came to, without a test error: a line for each run, best validation error first.

    ./run experiments/searched.py runs/table1/basic [runs/table1/rect ...]

The cost of each pretrained layer is that of a validation row, in nats: before, and least, at which
epoch. The validation error is in percent, at which epoch, of how many.
"""

import math
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from lib import script

from sda.runs.folder import RunFolder
from sda.runs.results import Trained


def costs(rows: list[dict]) -> Iterator[str]:
    """For each pretrained layer its cost at first, the least one and its epoch."""
    pretrained = [row for row in rows if row["phase"] == "pretrain" and row["valid"] is not None]
    for layer in sorted({row["layer"] for row in pretrained}):
        own = [row for row in pretrained if row["layer"] == layer]
        least = min(own, key=lambda row: row["valid"])
        yield f"{own[0]['valid']:.0f}>{least['valid']:.0f}@{least['epoch']}"


def line(folder: Path) -> tuple[float, str]:
    """The best validation error of a run, and what is printed of it."""
    rows = list(Trained(folder, RunFolder(folder).result).metrics())
    tuned = [r for r in rows if r["phase"] == "finetune" and r.get("valid_error") is not None]
    best = min(tuned, key=lambda r: (r["valid_error"], r["valid_loss"]), default=None)
    error = math.inf if best is None else best["valid_error"]
    said = "-" if best is None else f"{100 * error:5.2f} %  @{best['epoch']} of {len(tuned)}"
    return error, f"{said:20} {' '.join(costs(rows)):48} {folder.name}"


def main() -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # of | head
    parser = script.parser(__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="with the folders of runs inside")
    for folder in parser.parse_args().folders:
        runs = [path.parent for path in sorted(folder.glob("*/metrics.jsonl"))]
        if not runs:
            sys.exit(f"error: there are no folders of runs in {folder}")
        print(folder)
        for _, said in sorted(line(run) for run in runs):
            print(said)


if __name__ == "__main__":
    main()
