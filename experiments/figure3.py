"""First-layer filters at growing noise, and the same neurons followed: ICML 2008, figure 3.

    SDA_DATA=<folder of the four MNIST files> ./run -m experiment=filters
    ./run experiments/figure3.py runs/filters [OUT.png]

Writes results/figures/figure3.png and, beside it, the measures of `lib/locality.py` as CSV, which
it prints.
"""

from pathlib import Path

import numpy as np
from lib import script
from lib.figure import first_layer, initial_layer, quartiles, runs_by, save, show, write_table
from lib.locality import effective_area, likeness, region
from matplotlib.figure import Figure
from numpy.typing import NDArray

SIDE = 28
FRACTIONS = 4
SHOWN = 64  # of the units of each layer: the first ones, the same in each
COLUMNS = 8
FOLLOWED = 10
LOCAL = 100  # pixels of 784: the effective area up to which a filter is called local
COPY = 0.9  # the |cosine| to another filter from which a filter is called a copy
CLEAR = 0.2  # the share of the energy that a stroke's region holds at least
LONG = 1.5  # a stroke's length over its width, at least


def main(folder: str, out: str) -> None:
    runs = runs_by("corruption.fraction", folder)
    if len(runs) != FRACTIONS:
        raise ValueError(f"the figure shows {FRACTIONS} fractions, {folder} has {len(runs)}")
    for path in runs.values():
        if len(first_layer(path)) != SIDE**2:
            raise ValueError(
                f"the figure shows filters of {SIDE} x {SIDE} pixels, not those of {path}"
            )
    layers = {"initial": initial_layer(next(iter(runs.values()))).T}
    layers |= {f"{fraction:g}": first_layer(runs[fraction]).T for fraction in sorted(runs)}
    write_table(Path(out).with_suffix(".csv"), [measures(*layer) for layer in layers.items()])
    save(draw(layers), Path(out))


def measures(name: str, filters: NDArray[np.float32]) -> dict[str, str]:
    """A line of the table, of filters (h, 784)."""
    area, strokes = effective_area(filters), are_strokes(filters)
    regions = [region(w, SIDE) for w in filters]
    lengths = [r.length for r, stroke in zip(regions, strokes, strict=True) if stroke]
    return {
        "fraction": name,
        "effective area, pixels": quartiles(area, 0),
        "local": f"{np.mean(area <= LOCAL):.1%}",
        "strokes": f"{np.mean(strokes):.1%}",
        "their length, pixels": quartiles(lengths, 1) if lengths else "none",
        "copies": f"{np.mean(likeness(filters) > COPY):.1%}",
    }


def are_strokes(filters: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each filter (h, 784) is local and mostly one bar, (h,)."""
    regions = [region(w, SIDE) for w in filters]
    bars = [r.energy >= CLEAR and r.length >= LONG * r.width for r in regions]
    return np.array(bars) & (effective_area(filters) <= LOCAL)


def followed(layers: dict[str, NDArray[np.float32]]) -> NDArray[np.int64]:
    """Units to follow: the longest strokes of those at the highest fraction, longest first."""
    last = list(layers.values())[-1]
    lengths = np.array([region(w, SIDE).length for w in last]) * are_strokes(last)
    return np.argsort(-lengths, kind="stable")[:FOLLOWED]


def draw(layers: dict[str, NDArray[np.float32]]) -> Figure:
    trained = {name: filters for name, filters in layers.items() if name != "initial"}
    figure = Figure(figsize=(10, 6.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(2, 1.03))
    left.suptitle(f"the first {SHOWN} units of each layer", fontsize=10)
    for axis, (name, filters) in zip(left.subplots(2, 2).ravel(), trained.items(), strict=True):
        show(axis, filters[:SHOWN], SIDE, COLUMNS, f"{percent(name)} masked")
    last = percent(list(layers)[-1])
    right.suptitle(f"the {FOLLOWED} longest strokes at {last}, a row each", fontsize=10)
    units = followed(layers)
    for axis, (name, filters) in zip(right.subplots(1, len(layers)), layers.items(), strict=True):
        title = name if name == "initial" else percent(name)
        show(axis, filters[units], SIDE, 1, title)
    return figure


def percent(fraction: str) -> str:
    return f"{100 * float(fraction):.0f} %"


if __name__ == "__main__":
    script.run(main, __doc__, "figure3.png")
