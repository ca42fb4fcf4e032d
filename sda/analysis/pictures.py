"""Grey pictures of filters and reconstructions: arrays, or PNG files."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Array = NDArray[np.float32]

ZERO = 128  # grey of a weight of 0
BORDER = 64  # grey of the lines between tiles


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
