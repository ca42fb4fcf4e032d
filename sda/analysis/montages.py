"""Pictures of many images side by side, upright, as PNG files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sda.common.rows import floats, shared
from sda.data.splits import Rows, Splits

_GAP, _GREY = 1, 0.35  # pixels between images, and their shade
_PER_CLASS = 60


def montage(images: NDArray[np.float32], columns: int) -> NDArray[np.uint8]:
    """Images (n, h, w) or (n, h, w, 3) in [0, 1] in rows of ``columns``, with a grey gap."""
    n, height, width, *colours = images.shape
    rows, tall, wide = -(-n // columns), height + _GAP, width + _GAP
    cells = np.full((rows * columns, tall, wide, *colours), _GREY, np.float32)
    cells[:n, :height, :width] = images
    cells = cells.reshape(rows, columns, tall, wide, *colours).swapaxes(1, 2)
    sheet = cells.reshape(rows * tall, columns * wide, *colours)[:-_GAP, :-_GAP]
    return np.asarray(np.rint(np.clip(sheet, 0, 1) * 255), np.uint8)


def save(picture: NDArray[np.uint8], path: Path, scale: int) -> None:
    """Write a picture as PNG, every pixel ``scale`` pixels wide."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture.repeat(scale, axis=0).repeat(scale, axis=1)).save(path, optimize=True)


def in_range(rows: Rows, image_shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Rows as images (n, h, w), or (n, h, w, 3), stretched to [0, 1] if their values leave it.

    Of other numbers of channels than three, their mean.
    """
    x = floats(shared(rows.x)).numpy()
    if x.min() < 0 or x.max() > 1:
        low, high = np.quantile(x, [0.005, 0.995])
        x = ((x - low) / (high - low)).astype(np.float32)
    images = x.reshape(len(x), -1, *image_shape[-2:])
    return np.moveaxis(images, 1, -1) if images.shape[1] == 3 else images.mean(axis=1)


def save_classes(splits: Splits, image_shape: tuple[int, ...], folder: Path) -> list[Path]:
    """Write one montage of training rows per class into ``folder``; return the files."""
    files = []
    for label in range(splits.n_classes):
        chosen = np.flatnonzero(splits.train.y == label)[:_PER_CLASS]
        if len(chosen):
            some = Rows(splits.train.x[chosen], splits.train.y[chosen])
            files.append(folder / f"{splits.name}-class{label}.png")
            save(montage(in_range(some, image_shape), columns=12), files[-1], scale=2)
    return files
