"""What the figures share: layers of runs, tiles of filters, tables, small pictures."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from sda.analysis import pictures
from sda.config import schema
from sda.nn import heads
from sda.runs import model_file, results
from sda.runs.folder import RunFolder


def first_layer(folder: Path) -> NDArray[np.float32]:
    """Weights (d, h) of the first layer of a finished run. Raises ValueError for another folder."""
    try:
        network = model_file.load(folder / "model.safetensors")
    except OSError:
        raise ValueError(f"{folder} holds no finished run: there is no model.safetensors") from None
    assert isinstance(network, heads.Classifier)  # what a run writes there
    return network.stack[0].filters().detach().numpy()


def initial_layer(folder: Path) -> NDArray[np.float32]:
    """Weights (d, h) that the first layer of a run started from."""
    d = len(first_layer(folder))
    return schema.build_run(RunFolder(folder).config).stack(d)[0].filters().detach().numpy()


def runs_by(setting: str, folder: str) -> dict[Any, Path]:
    """Folders of the finished runs in a folder by the value of a setting that each has once.

    A run without labels is finished when it is pretrained.

    Raises:
        ValueError: a run is not finished or has no such setting, or two have the same value.
    """
    trained, others = results.read([Path(folder)])
    for run in others:
        if run.status != "pretrained":
            raise ValueError(f"{run.path} is {run.status}, not finished")
    paths = sorted(run.path for run in (*trained, *others))
    found = {}
    for path in paths:
        settings = RunFolder(path).result["settings"]
        if setting not in settings:
            raise ValueError(f"{path} is a run of another experiment: it has no {setting}")
        found[settings[setting]] = path
    if len(found) < len(paths):
        raise ValueError(f"{folder} must hold one run for each {setting}, got {len(paths)} runs")
    return found


def show(
    axis: Axes, filters: NDArray[Any], side: int, columns: int, title: str, size: float = 9
) -> None:
    """Draw filters (h, d) as tiles on an axis, each scaled by its own largest weight."""
    rows = -(-len(filters) // columns)
    show_sheet(axis, pictures.filters(filters.T, (side, side), rows, columns), title, size)


def show_sheet(axis: Axes, sheet: NDArray[Any], title: str, size: float = 9) -> None:
    """Draw a sheet of grey levels on an axis as it is."""
    axis.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_title(title, fontsize=size)
    axis.set_axis_off()


def save(figure: Figure, path: Path, mode: str = "L") -> None:
    """Write a figure as a small PNG, in grey ("L") or in colour ("RGB")."""
    file = io.BytesIO()
    figure.savefig(file, dpi=110)
    Image.open(file).convert(mode).quantize(32 if mode == "L" else 64).save(path, optimize=True)


def quartiles(values: Sequence[float] | NDArray[Any], digits: int) -> str:
    """Median and quartiles as ``median [lower, upper]``."""
    lower, middle, upper = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.{digits}f} [{lower:.{digits}f}, {upper:.{digits}f}]"


def write_table(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows that share their keys, and write them as CSV."""
    widths = {key: max(len(key), *(len(str(row[key])) for row in rows)) for key in rows[0]}
    for row in ({key: key for key in widths}, *rows):
        print("  ".join(str(row[key]).ljust(width) for key, width in widths.items()).rstrip())
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
