"""The manifold view with numbers: r(x) - x beside σ² ∇ log p, whose density is known.

    ./run -m experiment=manifold                  (or manifold_digits)
    ./run experiments/manifold.py runs/manifold [OUT.png]

After noise of deviation σ the density is a mixture of Gaussians, one for each centre of the curve
or, of other data, for each training row. Measured at validation rows with that noise: the angle
between r(x) - x and the score, the error of r(x) - x relative to σ² ∇ log p, and the share of the
way back to the clean row. Writes results/figures/NAME.png, NAME that of the experiment, and, beside
it, the measures as CSV, which it prints.
"""

from pathlib import Path

import numpy as np
import torch
from lib import script
from lib.figure import quartiles, save, write_table
from lib.pretrained import Pretrained, data_of, stacks_by
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sda.analysis.styles import COLOURS
from sda.data.generated import curve
from sda.data.splits import Splits

Array = NDArray[np.float64]
GRID = 25  # arrows a side
SHOWN = 1000  # validation rows
REACH = 1.25  # of the plane that is drawn


def main(folder: str, out: str) -> None:
    runs = stacks_by("corruption.std", folder)
    data = data_of(next(iter(runs.values())))
    found = {std: Field(run, data, float(std)) for std, run in runs.items()}
    write_table(Path(out).with_suffix(".csv"), [field.row() for field in found.values()])
    save(draw(found, data), Path(out), "RGB")


class Field:
    """The vector field r(x) - x of one run, and the score of the noisy density of its data."""

    def __init__(self, run: Pretrained, data: Splits, std: float) -> None:
        self._layer, self.std = run.stack[0], std
        thickness = 0.0
        self.centres = data.train.x.astype(np.float64)
        if data.name == "curve":
            thickness = float(run.settings["data.thickness"])
            self.centres = curve.centres(str(run.settings["data.shape"]))
        self.deviation = np.hypot(thickness, std)
        rng = np.random.default_rng(0)
        self.clean = data.valid.x[:SHOWN].astype(np.float64)
        self.x = self.clean + std * rng.standard_normal(self.clean.shape)
        self.field, self.best = self.arrows(self.x), self.score(self.x)

    @torch.no_grad()
    def arrows(self, x: Array) -> Array:
        """r(x) - x of rows (n, d)."""
        made = self._layer.reconstruct(torch.from_numpy(x.astype(np.float32)))
        return np.asarray(made.numpy().astype(np.float64) - x)

    def score(self, x: Array) -> Array:
        """σ² ∇ log p: where the best reconstruction of the density goes."""
        return self.std**2 * curve.score(x, self.centres, float(self.deviation))

    @property
    def angles(self) -> Array:
        """Degrees between the two, of each row."""
        return angles(self.field, self.best)

    @property
    def error(self) -> float:
        """Root mean square of their difference, relative to that of the score's arrow."""
        return rms(self.field - self.best) / rms(self.best)

    def row(self) -> dict[str, str]:
        """A line of the table."""
        back = self.clean - self.x
        return {
            "σ": f"{self.std:g}",
            "angle to the score, degrees": quartiles(self.angles, 1),
            "error, relative": f"{self.error:.3f}",
            "angle to the clean row, degrees": quartiles(angles(self.field, back), 1),
            "of the score": quartiles(angles(self.best, back), 1),
            "distance to the clean row, over that of the noise": f"{self.left(self.field):.3f}",
            "by the score": f"{self.left(self.best):.3f}",
        }

    def left(self, field: Array) -> float:
        """How much of the way back is left after an arrow."""
        return rms(self.x + field - self.clean) / rms(self.x - self.clean)


def angles(a: Array, b: Array) -> Array:
    cosine = (a * b).sum(1) / np.maximum(
        np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12
    )
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def rms(a: Array) -> float:
    return float(np.sqrt((a**2).sum(1).mean()))


def draw(found: dict[float, Field], data: Splits) -> Figure:
    stds = list(found)
    shown = [stds[1 % len(stds)], stds[-2 % len(stds)]] if len(stds) > 1 else stds * 2
    figure = Figure(figsize=(12, 3.9), layout="constrained")
    left, middle, right, errors = figure.subplots(1, 4)
    for axis, std in zip((left, middle), shown, strict=True):
        plane(axis, found[std], data)
    low, median, high = np.quantile([f.angles for f in found.values()], [0.25, 0.5, 0.75], axis=1)
    spread = [median - low, high - median]
    right.errorbar(stds, median, spread, fmt="-o", color=COLOURS[0], capsize=3)
    right.set_ylabel("angle of r(x) - x to the score, degrees\n(median and quartiles)")
    right.set_ylim(0, None)
    errors.plot(
        stds,
        [f.error for f in found.values()],
        "-o",
        color=COLOURS[1],
        label="r(x) - x from σ² ∇ log p",
    )
    errors.plot(stds, [f.left(f.field) for f in found.values()], "-s", color=COLOURS[2],
                label="r(x) from the clean row")  # fmt: skip
    errors.plot(stds, [f.left(f.best) for f in found.values()], "--", color="0.4",
                label="the score's, from the clean row")  # fmt: skip
    errors.set_ylabel("relative error")
    errors.set_ylim(0, None)
    errors.legend(frameon=False, fontsize=8)
    for axis in (right, errors):
        axis.set_xscale("log")
        axis.set_xticks(stds, [f"{std:g}" for std in stds])
        axis.minorticks_off()
        axis.set_xlabel("σ of the noise")
    return figure


def plane(axis: Axes, field: Field, data: Splits) -> None:
    """Arrows of r(x) - x, black, over those of σ² ∇ log p, orange, in the plane or in a slice."""
    origin, basis = slice_of(data)
    rows = data.train.x if data.train.x.shape[1] == 2 else data.valid.x
    seen = (rows[:SHOWN] - origin) @ basis.T
    reach = REACH * np.abs(seen).max()
    if len(basis) < data.train.x.shape[1]:
        reach = float(np.abs((corners(data) - origin) @ basis.T).max() * 1.6)
        seen = (corners(data) - origin) @ basis.T
    steps = np.linspace(-reach, reach, GRID)
    grid = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    x = origin + grid @ basis
    axis.plot(*seen.T, "o", color=COLOURS[5], markersize=1.5 if len(seen) > 3 else 7)
    for arrows, colour, width in (
        (field.score(x), COLOURS[1], 0.005),
        (field.arrows(x), "k", 0.003),
    ):
        axis.quiver(*grid.T, *(arrows @ basis.T).T, color=colour, width=width, angles="xy",
                    scale_units="xy", scale=1)  # fmt: skip
    axis.set_aspect("equal")
    axis.set_xlim(-reach, reach)
    axis.set_ylim(-reach, reach)
    axis.set_title(f"σ = {field.std:g}: r(x) - x (black), σ² ∇ log p (orange)", fontsize=8)
    axis.tick_params(labelsize=7)


def slice_of(data: Splits) -> tuple[Array, Array]:
    """Where the plane lies and its two directions (2, d); of pictures, through three digits."""
    if data.train.x.shape[1] == 2:
        return np.zeros(2), np.eye(2)
    points = corners(data)
    basis = np.linalg.svd(points - points.mean(0), full_matrices=False)[2][:2]
    return points.mean(0), basis


def corners(data: Splits) -> Array:
    """The first training rows of the first three classes, (3, d)."""
    chosen = [int((data.train.y == k).argmax()) for k in range(min(3, data.n_classes))]
    rows = data.train.x[chosen].astype(np.float64)
    return rows if len(rows) == 3 else data.train.x[:3].astype(np.float64)


if __name__ == "__main__":
    script.run(main, __doc__)
