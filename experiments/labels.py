"""Test error against the number of labels, all rows used for pretraining.

    SDA_DATA=<folder of the four MNIST files> ./run -m experiment=labels hydra/launcher=batched
    ./run experiments/labels.py runs/labels [OUT.png]

Writes figures/labels.png and, beside it, labels.csv, which it prints: of the settings that were
tried for an arm and a number, the best on mean validation error. Then says at each number whether
the denoising autoencoders are better than the others, outside the interval.
"""

from pathlib import Path

import script
from curves import Point, contrast, points, sheet
from filters import save, write_table


def main(folder: str, out: str) -> None:
    found = points(folder, "finetune.labelled")
    write_table(Path(out).with_suffix(".csv"), [point.row("labels") for point in found])
    figure, panels = sheet(found)
    for data, (axis, own) in panels.items():
        axis.set_xscale("log")
        axis.set_yscale("log")
        values = sorted({point.value for point in own})
        axis.set_xticks(values, [f"{value:g}" for value in values])
        axis.set_xticks([], minor=True)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.set_xlabel("rows with labels")
        axis.legend(frameon=False)
        for line in verdicts(own):
            print(f"{data}, {line}")
    save(figure, Path(out), "RGB")


def verdicts(points: list[Point]) -> list[str]:
    """Of one data set, at each number: the other arms against sda."""
    at = {(point.arm, point.value): point for point in points}
    return [
        f"{value:g} labels: {contrast(point, at['sda', value], (arm, 'sda'))}"
        for (arm, value), point in sorted(at.items(), key=lambda pair: pair[0][1])
        if arm != "sda" and ("sda", value) in at
    ]


if __name__ == "__main__":
    script.run(main, __doc__, "labels.png")
