"""What a layer learns from natural images without and with noise: JMLR 2010, figures 5 to 7.

    ./run -m experiment=patches data.photographs=<folder of photographs>
    ./run experiments/figure5.py runs/patches [OUT.png]

Writes results/figures/figure5.png and, beside it, how much of the filters Gabor functions explain
(`gabor.py`) as CSV, which it prints. Takes about two minutes.
"""

from pathlib import Path

import numpy as np
from lib import script
from lib.figure import first_layer, initial_layer, quartiles, runs_by, save, show, write_table
from lib.gabor import Fit, fit
from matplotlib.figure import Figure
from numpy.typing import NDArray

SIDE = 12
SHOWN = 50
COLUMNS = 10
LIKE = (
    0.5  # the share of a filter's energy that a Gabor function explains at least if it is like it
)
ONE_SIGN = 0.9  # the net share of its values from which it is a blob or flat, and no edge or bar
GRATING = (
    2.0  # cycles of the wave within two deviations of the envelope, from which it is a grating
)

TITLES = {
    "initial": "initial weights",
    "under_complete": "50 units, no noise",
    "over_complete": "200 units, no noise",
    "weight_decay": "200 units, weight decay",
    "gaussian": "200 units, Gaussian noise 0.5",
    "salt_and_pepper": "200 units, 10 % salt and pepper",
    "masking": "200 units, 55 % masking",
}

Layers = dict[str, NDArray[np.float32]]
Fits = dict[str, list[Fit]]


def main(folder: str, out: str) -> None:
    runs = runs_by("vars.condition", folder)
    if "over_complete" not in runs:
        raise ValueError(f"{folder} has no run of the over-complete layer without noise")
    layers = {"initial": initial_layer(runs["over_complete"]).T}
    layers |= {name: first_layer(runs[name]).T for name in TITLES if name in runs}
    fits = {name: fit(filters, SIDE) for name, filters in layers.items()}
    write_table(Path(out).with_suffix(".csv"), [measures(*each) for each in fits.items()])
    save(draw(layers, fits), Path(out))


def measures(name: str, fits: list[Fit]) -> dict[str, str]:
    """A line of the table."""
    like = [f for f in fits if is_gabor(f)]
    blobs = sum(f.r2 >= LIKE for f in fits) - len(like)
    return {
        "condition": name,
        "units": str(len(fits)),
        "R2 of a Gabor function": quartiles([f.r2 for f in fits], 2),
        "Gabor-like": f"{len(like) / len(fits):.1%}",
        "of them gratings": f"{sum(map(is_grating, like)) / len(like):.1%}" if like else "none",
        "blobs": f"{blobs / len(fits):.1%}",
    }


def is_gabor(found: Fit) -> bool:
    """Whether a filter is an oriented edge, bar or grating."""
    return found.r2 >= LIKE and found.net < ONE_SIGN


def is_grating(found: Fit) -> bool:
    """Whether the wave repeats under its envelope: a grating rather than an edge or a bar."""
    return 4 * found.along * found.frequency >= GRATING


def draw(layers: Layers, fits: Fits) -> Figure:
    """A sample of the filters of each condition, best fit to worst."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    panels = [name for name in layers if name != "initial"]
    for axis, name in zip(figure.subplots(2, 3).ravel(), panels, strict=True):
        r2 = np.array([f.r2 for f in fits[name]])
        order = np.argsort(-r2, kind="stable")
        sample = order[np.linspace(0, len(order) - 1, SHOWN).round().astype(int)]
        share = 100 * np.mean([is_gabor(f) for f in fits[name]])
        title = f"{TITLES[name]}\n{share:.0f} % Gabor-like, median R² {np.median(r2):.2f}"
        show(axis, layers[name][sample], SIDE, COLUMNS, title)
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "figure5.png")
