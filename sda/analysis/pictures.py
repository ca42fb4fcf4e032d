"""Pictures of filters, reconstructions and rows, grey or in colour: arrays, or PNG files."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]  # (H, W), or (H, W, 3) in colour
Array = NDArray[np.float32]
ImageShape = tuple[int, ...]  # (height, width) or (channels, height, width)

ZERO = 128  # grey of a weight of 0
BORDER = 64  # grey of the lines between tiles
SHEET = 89  # and of those between the pictures of a montage


def filters(weight: Array, image_shape: ImageShape | None, rows: int, columns: int) -> Picture:
    """Tile the incoming weights of the first rows·columns units, (H, W) uint8.

    Each tile is scaled by its own largest absolute weight: mid-grey (128) is 0, white that weight,
    black its negative. A weight that is not finite is shown as 0.

    Args:
        weight: (d, h), a unit a column.
        image_shape: (height, width) of an input, or (channels, height, width): three are red, green
            and blue, of others the mean is shown. None, for inputs that are no pictures: component
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
    grey = ZERO + scaled * np.where(scaled > 0, 255 - ZERO, ZERO)
    return _tile(_images(grey, image_shape), columns)


def cropped(weight: Array, image_shape: ImageShape) -> tuple[Array, ImageShape]:
    """Filters (d, h) without the lines all around that no unit sees, and what is left of the shape.

    So kernels, which see a part of the picture, are as large as they are.
    """
    *channels, height, width = image_shape
    images = weight.reshape(-1, height, width, weight.shape[-1])
    seen = (images != 0).any(axis=(0, 3))
    if not seen.any():
        return weight, image_shape
    (top, bottom), (left, right) = (np.flatnonzero(seen.any(axis))[[0, -1]] for axis in (1, 0))
    part = images[:, top : bottom + 1, left : right + 1]
    return part.reshape(-1, weight.shape[-1]), (*channels, *part.shape[1:3])


def reconstructions(
    clean: Array,
    corrupted: Array,
    reconstructed: Array,
    image_shape: ImageShape | None,
    across: int = 1,
) -> Picture:
    """Show examples (n, d) in three columns: clean, corrupted, reconstructed; (H, W) uint8.

    So many examples stand ``across`` in one row.

    Black and white are 0 and 1, or the extremes of the clean rows where these leave [0, 1]; the
    other columns are cut off there. ``image_shape`` as for ``filters``.
    """
    if not clean.shape == corrupted.shape == reconstructed.shape:
        shapes = f"{clean.shape}, {corrupted.shape}, {reconstructed.shape}"
        raise ValueError(f"the three views of the examples need one shape, got {shapes}")
    triples = np.stack([clean, corrupted, reconstructed], axis=1).reshape(-1, clean.shape[1])
    return examples(triples, image_shape, 3 * across, clean)


def examples(rows: Array, image_shape: ImageShape | None, columns: int, clean: Array) -> Picture:
    """Tile rows (n, d), some to a line; (H, W) uint8.

    Black and white are 0 and 1, or the extremes of the rows ``clean`` where these leave [0, 1].
    ``image_shape`` as for ``filters``.
    """
    low, high = min(0.0, float(clean.min())), max(1.0, float(clean.max()))
    grey = 255 * (np.nan_to_num(rows, nan=low, posinf=high, neginf=low) - low) / (high - low)
    return _tile(_images(grey, image_shape), columns)


def montage(images: Array, columns: int) -> Picture:
    """Pictures (n, h, w) or (n, h, w, 3) in [0, 1], ``columns`` to a row, no line around all."""
    return _tile(255 * images, columns, SHEET)[1:-1, 1:-1]


def in_range(rows: NDArray[Any], image_shape: ImageShape) -> Array:
    """Rows (n, d) as pictures for ``montage``, stretched to [0, 1] if their values leave it.

    Whole numbers of eight bits stand for k/255.
    """
    if rows.dtype == np.uint8:
        rows = rows / np.float32(255)
    if rows.min() < 0 or rows.max() > 1:
        low, high = np.quantile(rows, [0.005, 0.995])
        rows = ((rows - low) / (high - low)).astype(np.float32)
    return _images(rows, image_shape)


def save_png(picture: Picture, path: Path, scale: int = 1) -> None:
    """Write a picture. Raises OSError."""
    path.write_bytes(png(picture, scale))


def png(picture: Picture, scale: int = 1) -> bytes:
    """A picture as a PNG file, every pixel ``scale`` pixels wide."""
    from PIL import Image

    file = io.BytesIO()
    enlarged = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    Image.fromarray(enlarged).save(file, format="PNG", optimize=True)
    return file.getvalue()


def _images(values: NDArray[Any], shape: ImageShape | None) -> NDArray[Any]:
    """Rows (n, d) of greys as pictures (n, h, w), or (n, h, w, 3) of three channels."""
    n, d = values.shape
    if shape is None:
        width = math.ceil(math.sqrt(d))
        shape = (math.ceil(d / width), width)
        rest = np.full((n, math.prod(shape) - d), BORDER, values.dtype)
        values = np.concatenate([values, rest], axis=1)
    elif math.prod(shape) != d:
        raise ValueError(f"image_shape {' x '.join(map(str, shape))} does not hold {d} components")
    images = values.reshape(n, -1, *shape[-2:])
    return np.moveaxis(images, 1, -1) if images.shape[1] == 3 else images.mean(axis=1)


def _tile(images: NDArray[Any], columns: int, line: int = BORDER) -> Picture:
    """Lay pictures (n, h, w, ...) of greys out, with a line of one pixel around each."""
    n, height, width, *colours = images.shape
    rows, columns = math.ceil(n / columns), min(n, columns)
    size = (rows * (height + 1) + 1, columns * (width + 1) + 1, *colours)
    sheet = np.full(size, line, np.uint8)
    for k, image in enumerate(np.clip(images, 0, 255).round().astype(np.uint8)):
        top, left = 1 + k // columns * (height + 1), 1 + k % columns * (width + 1)
        sheet[top : top + height, left : left + width] = image
    return sheet
