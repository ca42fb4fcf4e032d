"""How much of a filter a Gabor function explains: an oriented wave under a Gaussian envelope."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Array = NDArray[np.float64]

ENVELOPES = (1.0, 2.0, 4.0)  # pixels: the widths that a fit starts from, one start each
FREQUENCIES = (0.06, 0.12, 0.2, 0.3, 0.4)  # cycles a pixel, likewise
ANGLES = np.arange(8) * np.pi / 8


@dataclass(frozen=True)
class Fit:
    """The best Gabor function of a filter: its wave runs along ``angle``, bars lie across it."""

    r2: float  # share of the filter's energy (sum of squares) that it explains, in [0, 1]
    angle: float  # radians
    frequency: float  # cycles a pixel, at most 0.5
    along: float  # pixels, deviation of the envelope along the wave
    across: float  # pixels, along the bars
    net: float  # |Σ g| / Σ |g| of its values g: 1 for a blob of one sign, 0 for an edge


def fit(filters: Array, side: int) -> list[Fit]:
    """Fit a Gabor function to each of the filters (h, side²).

    Least squares from the best start of a grid, for each of three envelope widths; amplitude and
    phase are linear and solved for exactly. Neither sign nor scale of a filter matters.
    """
    rows, columns = np.divmod(np.arange(side * side), side)
    unit = np.asarray(filters, float) / np.linalg.norm(filters, axis=1, keepdims=True)
    starts = [_best_starts(unit, width, rows, columns, side) for width in ENVELOPES]
    return [
        max((_refine(w, s, rows, columns, side) for s in each), key=lambda found: found.r2)
        for w, *each in zip(unit, *starts, strict=True)
    ]


def waves(p: Array, rows: Array, columns: Array) -> Array:
    """The cosine and the sine under one envelope, (pixels, 2).

    p: row and column of the centre, angle, frequency, deviation along and across the wave.
    """
    y, x = rows - p[0], columns - p[1]
    u, v = x * np.cos(p[2]) + y * np.sin(p[2]), y * np.cos(p[2]) - x * np.sin(p[2])
    envelope = np.exp(-0.5 * ((u / p[4]) ** 2 + (v / p[5]) ** 2))
    phase = 2 * np.pi * p[3] * u
    return np.stack([envelope * np.cos(phase), envelope * np.sin(phase)], axis=1)


def _best_starts(unit: Array, width: float, rows: Array, columns: Array, side: int) -> Array:
    """The point of the grid that explains most of each filter, (h, 6)."""
    places = np.arange(0.5, side, 2)
    grid = np.array(
        [(*p, width, width) for p in product(places, places, ANGLES, FREQUENCIES)], float
    )
    bases = np.stack([np.linalg.qr(waves(p, rows, columns))[0] for p in grid])
    explained = np.square(np.einsum("hd,gdk->hgk", unit, bases)).sum(-1)
    return grid[explained.argmax(axis=1)]


def _refine(w: Array, start: Array, rows: Array, columns: Array, side: int) -> Fit:
    def residual(p: Array) -> Array:
        basis, _ = np.linalg.qr(waves(p, rows, columns))
        return w - basis @ (basis.T @ w)

    low = [-1, -1, -np.inf, 0.02, 0.5, 0.5]  # half a pixel: narrower envelopes fit single pixels
    high = [side, side, np.inf, 0.5, side, side]
    p = least_squares(residual, start, bounds=(low, high), max_nfev=60)
    values = w - p.fun
    net = abs(values.sum()) / np.abs(values).sum()
    return Fit(float(1 - 2 * p.cost), float(p.x[2] % np.pi), *map(float, p.x[3:]), float(net))
