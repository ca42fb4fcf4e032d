"""`convex`: is the white region convex? The cells of random lines, fitted to the real images.

The papers say: an intersection of a random number of half-planes with random position and
orientation; for the other class a union of such. How they drew them is not known, and half-planes
with uniform places and orientations do not have the statistics of the real images. What holds,
found by fitting to them:

* the half-planes of one region all face so that they contain one point, uniform in the frame;
* each boundary passes through a point uniform in the frame widened by MARGIN pixels;
* of three such regions with as many half-planes the largest is kept, and all three are drawn again
  if it has fewer than LEAST pixels of its class or fills the frame;
* the number of half-planes follows CONVEX, or for the parts of a union PARTS; a union has as many
  regions as UNION says, and is drawn again if it is convex on the pixel grid.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sda.common.errors import DataError
from sda.data.sources import Made, choose
from sda.data.splits import Splits

SIDE = 28
MARGIN = 4  # pixels
CANDIDATES = 3
LEAST = {"convex": 20, "part": 11}  # pixels
# Relative frequencies: number of half-planes of a convex image, of a part, and number of parts.
_NUMBERS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 26, 32, 40, 50, 64)
_CONVEX = (78, 127, 104, 80, 65, 77, 80, 66, 54, 58, 54, 38, 29, 25, 30, 33)
_PARTS = (38, 46, 41, 38, 40, 41, 44, 50, 50, 50, 50, 50, 52, 71, 120, 222)
CONVEX, PARTS = (dict(zip(_NUMBERS, each, strict=True)) for each in (_CONVEX, _PARTS))
UNION = {2: 364, 3: 387, 4: 196, 5: 54}
CUTS = {6000: (6000, 2000), 6500: (6500, 1500), 7000: (7000, 1000)}
_BATCH = 3000  # regions drawn together
_NEAREST = 16  # half-planes evaluated first
_CACHED = 256  # half-planes whose pixels stay in the processor's cache
_PIXEL = np.arange(SIDE, dtype=np.float32)
_GRID = np.stack(
    [np.repeat(_PIXEL, SIDE), np.tile(_PIXEL, SIDE), np.ones(SIDE * SIDE, np.float32)]
)  # row, column, 1 of every pixel
_NOWHERE = 1e6
_ROUNDING = 1e-3  # pixels; an edge of a hull comes no nearer to a pixel's centre, but exactly
_EIGHT = np.zeros((3, 3, 3), int)
_EIGHT[1] = 1  # neighbours within an image, diagonal ones too, none across images


def convex(folder: str | None, source: str, seed: int, n_train: int) -> Splits:
    """6000 / 2000 / 50000 images of one white region, 28 x 28; class 1 is convex.

    From ``convex.zip``, its text or its conversion in ``folder``, or drawn by ``seed`` (see
    `sources.choose`). Of the 8000 rows the first ``n_train`` train and the rest validate: 6000
    (pylearn2, Vincent et al. 2010), 6500 (skdata) or 7000 (mlpython). Larochelle et al. (2007).
    """
    if n_train not in CUTS:
        raise DataError(
            f"data.n_train of convex must be one of {', '.join(map(str, CUTS))}, got {n_train}"
        )
    rule, cut = {"rule": "convex 1", "seed": seed}, CUTS[n_train]
    return choose("convex", folder, source, lambda: rule, lambda: draw(58000, seed), cut=cut)


def draw(n: int, seed: int) -> Made:
    """Images (n, 28, 28) of 0 and 255 and their classes (n,), both classes equally likely."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    n_convex = int(labels.sum())
    images = np.empty((n, SIDE, SIDE), np.uint8)
    images[labels == 1] = wholes(n_convex, rng)
    images[labels == 0] = unions(n - n_convex, rng)
    images *= 255
    return Made(images, labels)


def wholes(n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Convex regions of one part, (n, 28, 28); a sliver between pixel centres can have several."""
    drawn = regions(n, CONVEX, LEAST["convex"], rng)
    while len(broken := np.flatnonzero(parts(drawn) > 1)):
        drawn[broken] = regions(len(broken), CONVEX, LEAST["convex"], rng)
    return drawn


def unions(n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Unions of regions that are not convex on the pixel grid, (n, 28, 28)."""
    found: list[NDArray[np.bool_]] = []
    while (missing := n - sum(map(len, found))) > 0:
        n_parts = _numbers(round(missing * 1.15) + 20, UNION, rng)
        drawn = regions(int(n_parts.sum()), PARTS, LEAST["part"], rng)
        starts = np.concatenate([[0], np.cumsum(n_parts)[:-1]])
        union = np.logical_or.reduceat(drawn, starts, axis=0)
        found.append(union[hull_defects(union) > 0][:missing])
    return np.concatenate(found)


def regions(
    n: int, numbers: Mapping[int, int], least: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Convex regions of ``least`` pixels or more that do not fill the frame, (n, 28, 28).

    ``numbers`` maps each possible number of half-planes to how often it is meant to occur.
    """
    number = _numbers(n, numbers, rng)
    drawn = np.empty((n, SIDE, SIDE), np.bool_)
    for k in np.unique(number):
        places = np.flatnonzero(number == k)
        while len(places):
            some = places[: _BATCH // CANDIDATES]
            cells = _candidates(int(k), least, rng)
            area = cells.sum(axis=2)
            largest = area.argmax(axis=1)
            area = area.max(axis=1)
            good = np.flatnonzero((area >= least) & (area < SIDE * SIDE))[: len(some)]
            drawn[some[: len(good)]] = cells[good, largest[good]].reshape(-1, SIDE, SIDE)
            places = places[len(good) :]
    return drawn


def _numbers(n: int, frequencies: Mapping[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    weights = np.array(list(frequencies.values()), float)
    return rng.choice(np.array(list(frequencies)), size=n, p=weights / weights.sum())


def _candidates(k: int, least: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Triples of intersections of k half-planes, (m, 3, 784), but for those soon seen as too small.

    A region only shrinks with every half-plane, so that most triples are decided by the nearest.
    """
    planes = _half_planes(_BATCH, k, rng)
    cells = _within(planes[:, :_NEAREST]).reshape(-1, CANDIDATES, SIDE * SIDE)
    if k > _NEAREST:
        open_ones = cells.sum(axis=2).max(axis=1) >= least
        rest = planes.reshape(-1, CANDIDATES, k, 3)[open_ones, :, _NEAREST:]
        further = _within(rest.reshape(-1, k - _NEAREST, 3))
        cells = cells[open_ones] & further.reshape(-1, CANDIDATES, SIDE * SIDE)
    return cells


def _half_planes(n: int, k: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Half-planes a row + b column + c >= 0 that face a common point, nearest first, (n, k, 3)."""
    angle = rng.uniform(0, 2 * np.pi, (n, k))
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    through = rng.uniform(-0.5 - MARGIN, SIDE - 0.5 + MARGIN, (n, k, 2))
    away = (normal * (rng.uniform(-0.5, SIDE - 0.5, (n, 1, 2)) - through)).sum(axis=-1)
    normal *= np.sign(away)[..., None]
    offset = (normal * through).sum(axis=-1, keepdims=True)
    planes = np.concatenate([normal, -offset], axis=-1).astype(np.float32)
    nearest: NDArray[np.intp] = np.argsort(abs(away), axis=1)
    return np.take_along_axis(planes, nearest[..., None], axis=1)


def _within(planes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which pixels lie in all half-planes (n, k, 3) of a cell, (n, 784)."""
    within = np.empty((len(planes), SIDE * SIDE), np.bool_)
    step = max(1, _CACHED // planes.shape[1])
    for start in range(0, len(planes), step):
        some = slice(start, start + step)
        within[some] = (planes[some] @ _GRID).min(axis=1) >= 0
    return within


def hull_defects(white: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the black pixel centres in the convex hull of the white ones, (n, h, w) -> (n,).

    0 exactly where the image is convex.
    """
    left, right = _left_of_hull(white), white.shape[2] - 1 - _left_of_hull(white[:, :, ::-1])
    filled = np.floor(right + _ROUNDING) - np.ceil(left - _ROUNDING) + 1
    hull_pixels = np.maximum(filled, 0).sum(axis=1).astype(np.int64)
    return np.asarray(hull_pixels - white.sum(axis=(1, 2)), np.int64)


def _left_of_hull(white: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Where the convex hull begins in each row, (n, h, w) -> (n, h).

    It is the outermost straight line between the left ends of two rows above and below.
    """
    ends = np.where(white.any(axis=2), white.argmax(axis=2), _NOWHERE).astype(np.float32)
    hull, height = ends.copy(), white.shape[1]
    for top in range(height):
        for bottom in range(top + 2, height):
            share = np.arange(1, bottom - top, dtype=np.float32) / (bottom - top)
            line = ends[:, top, None] * (1 - share) + ends[:, bottom, None] * share
            between = hull[:, top + 1 : bottom]
            np.minimum(between, line, out=between)
    return hull


def parts(white: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the 8-connected white parts of each image, (n, h, w) -> (n,)."""
    numbered, _ = ndimage.label(white, structure=_EIGHT)
    last = np.maximum.accumulate(numbered.reshape(len(white), -1).max(axis=1))
    return np.diff(last, prepend=0)
