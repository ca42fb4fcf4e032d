"""Draw the first-layer filters of trained runs side by side, the same units in each.

    ./run experiments/filters.py OUT.png RUN_FOLDER [RUN_FOLDER ...]

Runs from the same seed start from the same initial weights, so a unit can be followed over arms.
"""

import math
from pathlib import Path

import numpy as np
from lib import script
from lib.figure import first_layer

from sda.analysis import pictures
from sda.runs.folder import RunFolder

ROWS, COLUMNS, GAP = 8, 8, 8


def main(folders: list[str], out: str) -> None:
    """Draw 64 filters of each run into the PNG ``out``. Raises ValueError in one line."""
    sheets = []
    for folder in folders:
        weight = first_layer(Path(folder))
        side = math.isqrt(len(weight))
        if side**2 != len(weight):
            raise ValueError(f"filters are drawn of square inputs, {folder} has {len(weight)}")
        sheets.append(pictures.filters(weight, (side, side), ROWS, COLUMNS))
        print(f"{RunFolder(Path(folder)).result['init']}: {folder}")
    gap = np.full((sheets[0].shape[0], GAP), 255, np.uint8)
    parts = [part for sheet in sheets for part in (sheet, gap)][:-1]
    pictures.save_png(np.hstack(parts), Path(out))


if __name__ == "__main__":
    parser = script.parser(__doc__)
    parser.add_argument("out", type=script.png, help="the picture, a PNG")
    parser.add_argument("folders", nargs="+", help="of finished runs")
    args = parser.parse_args()
    script.call(main, args.folders, args.out)
