"""`rect`: is the rectangle taller than wide? Drawn by the rule measured on the real images."""

import numpy as np
from numpy.typing import NDArray

from sda.data.sources import Made, choose
from sda.data.splits import Splits

SIDE = 28  # pixels of an image
SHORTEST, LEAST_DIFFERENCE = 4, 3  # pixels
RULE = {
    "rule": "rect 1",
    "shortest": SHORTEST,
    "longest": SIDE,
    "least difference": LEAST_DIFFERENCE,
}


def rect(folder: str | None, source: str, seed: int) -> Splits:
    """1000 / 200 / 50000 images of one rectangle's outline, 28 x 28; class 1 is taller than wide.

    From ``rectangles.zip``, its extracted text or its conversion in ``folder``, or drawn by
    ``seed`` (see `sources.choose`). Larochelle et al. (2007).
    """
    return choose("rect", folder, source, lambda: {**RULE, "seed": seed}, lambda: draw(51200, seed))


def draw(n: int, seed: int) -> Made:
    """Outlines of one pixel in white (255) on black (0), (n, 28, 28), and their classes (n,).

    (height, width) is uniform over the pairs in 4..28 that differ by 3 or more, the corner uniform
    over the places where the rectangle fits: so are all 51200 original images.
    """
    rng = np.random.default_rng(seed)
    pairs = size_pairs(SHORTEST, LEAST_DIFFERENCE)
    size = pairs[rng.integers(len(pairs), size=n)]
    outline, _ = shapes(place(size, rng), size)
    return Made(outline * np.uint8(255), (size[:, 0] > size[:, 1]).astype(np.int64))


def size_pairs(shortest: int, least_difference: int) -> NDArray[np.int64]:
    """All (height, width) in shortest..28 that differ by least_difference or more, (k, 2)."""
    sizes = np.arange(shortest, SIDE + 1)
    pairs = np.stack(np.meshgrid(sizes, sizes, indexing="ij"), axis=-1).reshape(-1, 2)
    return pairs[abs(pairs[:, 0] - pairs[:, 1]) >= least_difference]


def place(size: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Corners (n, 2) of rectangles of (height, width) ``size`` (n, 2): uniform where they fit."""
    return rng.integers(0, SIDE - size + 1)


def shapes(
    corner: NDArray[np.int64], size: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The outlines of rectangles, and all that is within them, both (n, 28, 28)."""
    first, pixel = corner[..., None], np.arange(SIDE)
    last = first + size[..., None] - 1
    within = (pixel >= first) & (pixel <= last)  # (n, row or column, 28)
    edge = (pixel == first) | (pixel == last)
    outline = within[:, 0, :, None] & edge[:, 1, None, :]
    outline |= edge[:, 0, :, None] & within[:, 1, None, :]
    return outline, within[:, 0, :, None] & within[:, 1, None, :]
