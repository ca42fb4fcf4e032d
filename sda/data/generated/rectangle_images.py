"""`rect-img`: `rect` with a patch of a photograph for the rectangle and another around it."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from sda.data.generated.natural_patches import Photographs, draw_backgrounds, from_photographs
from sda.data.generated.rectangles import SIDE, place, shapes, size_pairs
from sda.data.sources import Made, choose
from sda.data.splits import Splits

SHORTEST, LEAST_DIFFERENCE = 10, 5  # pixels
AREA = (0.25, 0.75)  # of the image


def rect_img(folder: str | None, source: str, seed: int, photographs: str | None) -> Splits:
    """10000 / 2000 / 50000 images of 28 x 28, border and inside of the rectangle from one patch.

    Class 1 is taller than wide. The published files, or drawn by ``seed`` out of ``photographs`` as
    `backgrounds.bg_img` does. Sides are 10 or more, differ by 5 or more, and the area is between 25
    and 75 % of the image; pairs of sides and places are uniform. Larochelle et al. (2007); that the
    constants are theirs is not certain.
    """
    made = from_photographs("rect-img 1", seed, photographs, partial(draw, 62000, seed))
    return choose("rect-img", folder, source, *made)


def draw(n: int, seed: int, found: Photographs) -> Made:
    """Rectangles out of one patch on another patch (n, 28, 28), and their classes (n,)."""
    rng = np.random.default_rng(seed)
    size = draw_sizes(n, rng)
    _, within = shapes(place(size, rng), size)
    images, inside = draw_backgrounds(found, n, rng), draw_backgrounds(found, n, rng)
    np.copyto(images, inside, where=within)
    return Made(images, (size[:, 0] > size[:, 1]).astype(np.int64), found.told())


def draw_sizes(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(height, width) of ``n`` rectangles, uniform over the pairs that the rule allows, (n, 2)."""
    pairs = size_pairs(SHORTEST, LEAST_DIFFERENCE)
    area = pairs.prod(axis=1) / SIDE**2
    pairs = pairs[(area >= AREA[0]) & (area <= AREA[1])]
    drawn: NDArray[np.int64] = pairs[rng.integers(len(pairs), size=n)]
    return drawn
