"""Test error against the noise that layers were pretrained with: JMLR 2010, figure 11.

    SDA_DATA=<folder of the four MNIST files> ./run -m experiment=noise hydra/launcher=batched
    ./run experiments/noise.py runs/noise [OUT.png]

Writes results/figures/noise.png and, beside it, noise.csv, which it prints: of the rates that were
tried at a fraction, those with the best mean validation error. Then says of each fraction whether
it is better than the lowest, 0, outside the interval. Of `noisy_inputs` (figure 12), where there
are several arms, it draws them all, and says of each how far it is from sda at the same fraction.
"""

from pathlib import Path

from lib import script
from lib.curves import Drawn, Point, against, contrast, points, sheet
from lib.figure import save, write_table
from matplotlib.figure import Figure


def main(folder: str, out: str) -> None:
    found = points(folder, "corruption.fraction")
    write_table(Path(out).with_suffix(".csv"), [point.row("fraction") for point in found])
    figure, panels = picture(found)
    for data, (_, own) in panels.items():
        for arm in dict.fromkeys(point.arm for point in own):
            for line in verdicts([point for point in own if point.arm == arm]):
                print(f"{data}, {arm}, {line}")
        for line in against(own, "sda"):
            print(f"{data}, {line}")
    save(figure, Path(out), "RGB")


def picture(points: list[Point]) -> tuple[Figure, Drawn]:
    figure, panels = sheet(points)
    for axis, own in panels.values():
        axis.set_xlabel("fraction of the components masked")
        axis.set_ylim(bottom=max(0.0, axis.get_ylim()[0]))  # intervals of few seeds reach below
        if len({point.arm for point in own}) == 1:
            axis.axhline(100 * own[0].test_error.mean, color="0.5", linestyle="--", linewidth=0.8)
        axis.legend(frameon=False, fontsize=8)
    return figure, panels


def verdicts(points: list[Point]) -> list[str]:
    """Of one arm on one data set: the lowest fraction against each of the others."""
    lowest, *noisy = points
    return [
        contrast(lowest.runs, point.runs, (f"{lowest.value:g}", f"{point.value:g}"))
        for point in noisy
    ]


if __name__ == "__main__":
    script.run(main, __doc__, "noise.png")
