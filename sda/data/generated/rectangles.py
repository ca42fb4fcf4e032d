"""`rect`: is the rectangle taller than wide? Drawn by the rule measured on the real images."""

import numpy as np

from sda.data.generated.shapes import SIDE, place, size_pairs
from sda.data.sources import Made, choose
from sda.data.splits import Splits

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
    pairs = size_pairs(SHORTEST, SIDE, LEAST_DIFFERENCE)
    size = pairs[rng.integers(len(pairs), size=n)]
    within, edge = place(size, rng)
    outline = within[:, 0, :, None] & edge[:, 1, None, :]
    outline |= edge[:, 0, :, None] & within[:, 1, None, :]
    return Made(outline * np.uint8(255), (size[:, 0] > size[:, 1]).astype(np.int64))
