"""Test error against the number of labels, all rows used for pretraining.

    SDA_DATA=<folder of the four MNIST files> ./run -m experiment=labels hydra/launcher=batched
    ./run experiments/labels.py runs/labels [OUT.png]

Writes results/figures/labels.png and, beside it, labels.csv, which it prints: of the settings that
were tried for an arm and a number, the best on mean validation error. Then says at each number
whether the denoising autoencoders are better than the others, outside the interval.
"""

from pathlib import Path

from lib import script
from lib.curves import Drawn, Point, against, points, sheet
from lib.figure import save, write_table
from matplotlib.figure import Figure


def main(folder: str, out: str) -> None:
    found = points(folder, "finetune.labelled")
    write_table(Path(out).with_suffix(".csv"), [point.row("labels") for point in found])
    figure, panels = picture(found)
    for data, (_, own) in panels.items():
        for line in against(own, "sda", " labels"):
            print(f"{data}, {line}")
    save(figure, Path(out), "RGB")


def picture(points: list[Point]) -> tuple[Figure, Drawn]:
    figure, panels = sheet(points)
    for axis, own in panels.values():
        axis.set_xscale("log")
        axis.set_yscale("log")
        values = sorted({point.value for point in own})
        axis.set_xticks(values, [f"{value:g}" for value in values])
        axis.set_xticks([], minor=True)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.set_xlabel("rows with labels")
        axis.legend(frameon=False)
    return figure, panels


if __name__ == "__main__":
    script.run(main, __doc__, "labels.png")
