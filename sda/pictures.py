"""Pictures of filters, reconstructions and curves: grey arrays, or PNG files in memory."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]
Line = tuple[Sequence[float], Sequence[float]]  # epochs, values

ZERO = 128  # grey of a weight of 0
BORDER = 64  # grey of the lines between tiles
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito
MARKERS = ("", "o", "s", "^", "D", "v")  # tell arms apart once the colours are used up
LOGARITHMIC = 15  # ratio of the largest to the smallest value from which an axis is logarithmic


@dataclass(frozen=True)
class Panel:
    """Curves that share their axes: arm -> its runs, each (epochs, values)."""

    title: str
    solid: dict[str, list[Line]]
    dashed: dict[str, list[Line]]


def filters(weight: Array, image_shape: tuple[int, int] | None, rows: int, columns: int) -> Picture:
    """Tile the incoming weights of the first rows·columns units, (H, W) uint8.

    Each tile is scaled by its own largest absolute weight: mid-grey (128) is 0, white that weight,
    black its negative. A weight that is not finite is shown as 0.

    Args:
        weight: (d, h), a unit a column.
        image_shape: (height, width) of an input; None, for inputs that are no pictures: component
            by component, line by line, in the squarest rectangle that holds d.
        rows: of tiles; fewer where the units do not fill them.
        columns: of tiles.

    Raises:
        ValueError: image_shape does not have d pixels, or there is no tile.
    """
    if rows < 1 or columns < 1:
        raise ValueError(f"rows and columns must be at least 1, got {rows} and {columns}")
    units = weight.T[: rows * columns]
    units = np.where(np.isfinite(units), units, 0)
    largest = np.abs(units).max(axis=1, keepdims=True)
    scaled = units / np.where(largest > 0, largest, 1)
    return _tile(ZERO + scaled * np.where(scaled > 0, 255 - ZERO, ZERO), image_shape, columns)


def reconstructions(
    clean: Array, corrupted: Array, reconstructed: Array, image_shape: tuple[int, int] | None
) -> Picture:
    """Show examples (n, d) in three columns: clean, corrupted, reconstructed; (H, W) uint8.

    Black and white are 0 and 1, or the extremes of the clean rows where these leave [0, 1]; the
    other columns are cut off there. ``image_shape`` as for ``filters``.
    """
    if not clean.shape == corrupted.shape == reconstructed.shape:
        shapes = f"{clean.shape}, {corrupted.shape}, {reconstructed.shape}"
        raise ValueError(f"the three views of the examples need one shape, got {shapes}")
    low, high = min(0.0, float(clean.min())), max(1.0, float(clean.max()))
    triples = np.stack([clean, corrupted, reconstructed], axis=1).reshape(-1, clean.shape[1])
    grey = 255 * (np.nan_to_num(triples, nan=low, posinf=high, neginf=low) - low) / (high - low)
    return _tile(grey, image_shape, 3)


def save_png(picture: Picture, path: Path) -> None:
    """Write a grey picture. Raises OSError."""
    path.write_bytes(png(picture))


def png(picture: Picture) -> bytes:
    """A grey picture as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()


def _tile(grey: NDArray[Any], shape: tuple[int, int] | None, columns: int) -> Picture:
    """Lay rows (n, d) of greys out as pictures, with a line of one pixel around each."""
    n, d = grey.shape
    if shape is None:
        width = math.ceil(math.sqrt(d))
        height = math.ceil(d / width)
    else:
        height, width = shape
        if height * width != d:
            raise ValueError(f"image_shape {height} x {width} does not hold {d} components")
    images = np.full((n, height * width), BORDER, np.uint8)
    images[:, :d] = np.clip(grey, 0, 255).round()
    rows, columns = math.ceil(n / columns), min(n, columns)
    sheet = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1), BORDER, np.uint8)
    for k, image in enumerate(images.reshape(n, height, width)):
        top, left = 1 + k // columns * (height + 1), 1 + k % columns * (width + 1)
        sheet[top : top + height, left : left + width] = image
    return sheet


def curves(panels: Sequence[Panel]) -> bytes:
    """Draw arms over epochs, a panel for each measure: thin lines runs, thick ones their mean.

    An arm has the same colour in all panels. Dashed, means alone: the same from clean input.

    Returns:
        A PNG file.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    arms = list(dict.fromkeys(arm for panel in panels for arm in (*panel.solid, *panel.dashed)))
    figure = Figure(figsize=(max(5.4 * columns, 7), 3.2 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        for arm, runs in panel.solid.items():
            _draw(axis, runs, _style(arms.index(arm)))
        for arm, runs in panel.dashed.items():
            style = _style(arms.index(arm)) | {"linewidth": 1.2, "linestyle": "--"}
            axis.plot(*mean(runs), **style)
        _finish(axis, panel)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    handles = [Line2D([], [], label=arm, **_style(k)) for k, arm in enumerate(arms)]
    if any(panel.dashed for panel in panels):
        handles.append(Line2D([], [], color="0.4", label="from corrupted input"))
        handles.append(Line2D([], [], color="0.4", linestyle="--", label="from clean input"))
    longest = max(len(str(handle.get_label())) for handle in handles)
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=max(1, min(len(handles), 140 // (longest + 8))),
        fontsize=9,
        frameon=False,
    )
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    return file.getvalue()


def mean(runs: Sequence[Line]) -> tuple[list[float], list[float]]:
    """Mean over runs at each epoch; a run that has ended counts with its last value.

    Otherwise the runs that stop early, often the good ones, would drop out of the mean.
    """
    epochs = sorted({epoch for run in runs for epoch in run[0]})
    values = [float(np.mean([np.interp(epoch, *run) for run in runs])) for epoch in epochs]
    return epochs, values


def _style(k: int) -> dict[str, Any]:
    marker = MARKERS[k // len(COLOURS) % len(MARKERS)]
    return {
        "color": COLOURS[k % len(COLOURS)],
        "linewidth": 1.8,
        "marker": marker,
        "markersize": 4,
        "markevery": 0.1,
    }


def _draw(axis: "Axes", runs: Sequence[Line], style: dict[str, Any]) -> None:
    if len(runs) > 1:
        for run in runs:
            axis.plot(*run, color=style["color"], linewidth=0.6, alpha=0.35)
    axis.plot(*mean(runs), **style)


def _finish(axis: "Axes", panel: Panel) -> None:
    """Title, grid and limits: those of the values after the first epochs."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    lines = [
        run for group in (panel.solid, panel.dashed) for runs in group.values() for run in runs
    ]
    low = min(min(values) for _, values in lines)
    high = max(max(_settled(values)) for _, values in lines)
    axis.set_title(panel.title, fontsize=10)
    axis.set_xlabel("epoch", fontsize=9)
    axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    axis.grid(alpha=0.25, which="both")
    if low > 0 and high / low > LOGARITHMIC:
        axis.set_yscale("log")
        axis.set_ylim(low / 1.1, high * 1.1)
        for which in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
            which(FuncFormatter(_round_number))
    else:
        room = 0.05 * (high - low) or 0.05 * abs(low) or 1.0
        axis.set_ylim(max(low - room, 0) if low >= 0 else low - room, high + room)
    axis.tick_params(labelsize=8, which="both")


def _settled(values: Sequence[float]) -> Sequence[float]:
    """Values after the first twentieth: an untrained network would flatten the rest."""
    return values[len(values) // 20 :]


def _round_number(value: float, _: int) -> str:
    """Label 1, 2 and 5 of each decade."""
    digit = value / 10 ** math.floor(math.log10(value) + 1e-9)
    return f"{value:g}" if round(digit, 6) in (1, 2, 5) else ""
