"""The montages of data.md: our images beside the real ones, upright, a grey bar between them."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sda.analysis.pictures import montage, save_png
from sda.data.splits import Splits

COLUMNS = 20
GAP = 12  # pixels between real (left) and ours (right)


def draw_pictures(
    made: dict[str, Splits], real: dict[str, Splits], data: Path, folder: Path
) -> None:
    """Write one PNG per set into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, splits in real.items():
        pairs = (by_class(splits, 60), by_class(made[name], 60))
        save_png(beside(*(montage(images, 10) for images in pairs)), folder / f"{name}.png", 2)
    for name, start in (("rot", "bnn_mnist_rot_"), ("bg-img", "bnn_mnist_back_image_")):
        originals, labels = reference(data, start)
        ours = np.stack([one_of(made[name], label, k) for k, label in enumerate(labels)])
        save_png(beside(montage(originals, 10), montage(ours, 10)), folder / f"{name}.png", 2)
    for name in ("basic", "bg-rand", "rot-bg-img", "rect-img"):
        images = by_class(made[name], 4 if made[name].n_classes == 10 else 20)
        save_png(montage(images, COLUMNS), folder / f"{name}.png", 2)


def by_class(splits: Splits, n: int) -> NDArray[np.float32]:
    """Take the first n test images of every class, class by class."""
    chosen = [np.flatnonzero(splits.test.y == k)[:n] for k in range(splits.n_classes)]
    return splits.test.x[np.concatenate(chosen)].reshape(-1, 28, 28)


def one_of(splits: Splits, label: int, k: int) -> NDArray[np.float32]:
    return splits.test.x[np.flatnonzero(splits.test.y == label)[k]].reshape(28, 28)


def reference(data: Path, start: str) -> tuple[NDArray[np.float32], list[int]]:
    """Read the original test images that are at hand, and their classes."""
    folder = data / "icml2007" / "reference_samples"
    images, labels = [], []
    for file in sorted(folder.glob(f"{start}*.png")):
        with Image.open(file) as image:
            images.append(np.asarray(image, dtype=np.float32) / 255)
        found = re.search(r"label(\d)", file.name)
        labels.append(int(found[1]) if found else 0)
    return np.stack(images), labels


def beside(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bar = np.full((len(left), GAP), 150, np.uint8)
    return np.concatenate([left, bar, right], axis=1)
