"""Pictures of filters, reconstructions and curves, as grey arrays or PNG files."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito


def filters(weight: Array, image_shape: tuple[int, int] | None, rows: int, columns: int) -> Picture:
    """Tile the incoming weights of the first rows·columns units, (H, W) uint8.

    Each tile is scaled by its own largest absolute weight: mid-grey is 0, white the largest.

    Args:
        weight: (d, h), a unit a column.
        image_shape: (height, width) of an input; None: the squarest rectangle that holds d.
        rows: of tiles.
        columns: of tiles.
    """
    units = weight.T[: rows * columns]
    largest = np.abs(units).max(axis=1, keepdims=True)
    scaled = 0.5 + 0.5 * units / np.where(largest > 0, largest, 1)
    return _tile(scaled, image_shape, columns)


def reconstructions(
    clean: Array, corrupted: Array, reconstructed: Array, image_shape: tuple[int, int] | None
) -> Picture:
    """Show examples (n, d) in three columns: clean, corrupted, reconstructed; values as grey.

    Black and white are 0 and 1, or the extremes of the clean rows where these leave [0, 1].
    """
    low, high = min(0.0, float(clean.min())), max(1.0, float(clean.max()))
    triples = np.stack([clean, corrupted, reconstructed], axis=1).reshape(-1, clean.shape[1])
    return _tile((triples - low) / (high - low), image_shape, 3)


def save_png(picture: Picture, path: Path) -> None:
    """Write a grey picture. Raises OSError."""
    from PIL import Image

    Image.fromarray(picture).save(path)


def _tile(values: NDArray[np.floating], shape: tuple[int, int] | None, columns: int) -> Picture:
    """Lay rows of values in [0, 1] out as pictures, with a line of one pixel around each."""
    n, d = values.shape
    if shape is None:
        width = math.ceil(math.sqrt(d))
        shape = (math.ceil(d / width), width)
    height, width = shape
    padded = np.full((n, height * width), 0.5)
    padded[:, :d] = np.nan_to_num(values, nan=0.5)
    grey = (np.clip(padded, 0, 1) * 255).round().astype(np.uint8).reshape(n, height, width)
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1), 64, np.uint8)
    for k, image in enumerate(grey):
        top, left = 1 + k // columns * (height + 1), 1 + k % columns * (width + 1)
        sheet[top : top + height, left : left + width] = image
    return sheet


def curves(
    panels: Mapping[str, Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]]],
    path: Path,
) -> None:
    """Draw curves of arms over epochs: a panel for each measure, thin lines runs, thick the mean.

    Args:
        panels: measure -> arm -> runs, each (epochs, values).
        path: of the PNG. Raises OSError.
    """
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(5.4 * columns, 3.3 * rows), layout="constrained")
    arms = list(dict.fromkeys(arm for lines in panels.values() for arm in lines))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (measure, lines) in zip(axes, panels.items(), strict=False):
        for arm, runs in lines.items():
            colour = COLOURS[arms.index(arm) % len(COLOURS)]
            for epochs, values in runs:
                axis.plot(epochs, values, color=colour, linewidth=0.6, alpha=0.35)
            axis.plot(*_mean(runs), color=colour, linewidth=1.8, label=arm)
        axis.set_title(measure, fontsize=10)
        axis.set_xlabel("epoch", fontsize=9)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.25)
        axis.set_ylim(*_limits([v for runs in lines.values() for _, v in runs]))
        axis.legend(fontsize=8, frameon=False)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.savefig(path, dpi=130)


def _mean(
    runs: Sequence[tuple[Sequence[float], Sequence[float]]],
) -> tuple[list[float], list[float]]:
    """Mean over runs at each epoch; a run that has ended counts with its last value."""
    epochs = sorted({epoch for run in runs for epoch in run[0]})
    values = [
        float(np.mean([np.interp(epoch, xs, ys) for xs, ys in runs if len(xs)])) for epoch in epochs
    ]
    return epochs, values


def _limits(lines: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Limits that show where curves end; the first epochs may leave the picture at the top."""
    low = min(min(values) for values in lines)
    high = max(max(values[max(1, len(values) // 20) :], default=values[0]) for values in lines)
    room = 0.05 * (high - low) or 0.05 * abs(low) or 1.0
    return low - room, high + room
