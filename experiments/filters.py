"""Draw the first-layer filters of trained runs side by side, the same units in each.

    python experiments/filters.py OUT.png RUN_FOLDER [RUN_FOLDER ...]

Runs from the same seed start from the same initial weights, so a unit can be followed over arms.
"""

import sys
from pathlib import Path

import numpy as np

from sda import classifier, models, pictures
from sda.runfolder import RunFolder

ROWS, COLUMNS, GAP = 8, 8, 8


def main(out: str, *folders: str) -> None:
    sheets = []
    for folder in folders:
        network = models.load(Path(folder) / "model.pt")
        assert isinstance(network, classifier.Classifier)
        weight = network.stack[0].weight.detach().numpy()
        side = int(len(weight) ** 0.5)
        sheets.append(pictures.filters(weight, (side, side), ROWS, COLUMNS))
        print(f"{RunFolder(Path(folder)).result['init']}: {folder}")
    gap = np.full((sheets[0].shape[0], GAP), 255, np.uint8)
    parts = [part for sheet in sheets for part in (sheet, gap)][:-1]
    pictures.save_png(np.hstack(parts), Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
