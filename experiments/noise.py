"""Test error against the noise that layers were pretrained with: JMLR 2010, figure 11.

    SDA_DATA=<folder of the four MNIST files> ./run -m experiment=noise hydra/launcher=batched
    python experiments/noise.py runs/noise [OUT.png]

Writes figures/noise.png and, beside it, noise.csv, which it prints: of the supervised rates that
were tried at a fraction, the best on mean validation error. Then says of each fraction whether it
is better than none, outside the interval.
"""

import sys
from pathlib import Path

from curves import Point, contrast, points, sheet
from filters import FIGURES, save, write_table


def main(folder: str, out: str = str(FIGURES / "noise.png")) -> None:
    found = [point for point in points(folder, "corruption.fraction") if point.arm == "sda"]
    write_table(Path(out).with_suffix(".csv"), [point.row("fraction") for point in found])
    figure, panels = sheet(found)
    for data, (axis, own) in panels.items():
        axis.set_xlabel("fraction of the components masked, in all layers")
        without = own[0]
        if without.value == 0:
            axis.axhline(100 * without.test_error.mean, color="0.5", linestyle="--", linewidth=0.8)
        for line in verdicts(own):
            print(f"{data}, {line}")
    save(figure, Path(out), "RGB")


def verdicts(points: list[Point]) -> list[str]:
    """Of one data set, by growing fraction: no noise against each."""
    without, *noisy = points
    if without.value != 0:
        return ["no run with fraction 0"]
    return [contrast(without, point, ("0", f"{point.value:g}")) for point in noisy]


if __name__ == "__main__":
    main(*sys.argv[1:])
