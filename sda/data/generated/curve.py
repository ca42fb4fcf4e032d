"""`curve`: points of the plane near a curve, of a density that is known everywhere.

A mixture of Gaussians of one deviation with centres along the curve: so is the density after
Gaussian noise, with another deviation, and its score is a formula.
"""

import numpy as np
from numpy.typing import NDArray

from sda.common import checks
from sda.data.splits import Rows, Splits, checked

CENTRES = 200
SHAPES = ("spiral", "circle")
Array = NDArray[np.float64]


def curve(
    shape: str, thickness: float, n_train: int, n_valid: int, n_test: int, seed: int
) -> Splits:
    """Points of the plane, within about ±1; class 1 is the second half of the curve.

    ``thickness``, above 0, is the deviation of points from the curve's centres.
    """
    checks.positive("thickness", thickness)
    rng = np.random.default_rng(seed)
    points = centres(shape)
    parts: list[Rows] = []
    for n in (n_train, n_valid, n_test):
        chosen = rng.integers(len(points), size=n)
        x = points[chosen] + thickness * rng.standard_normal((n, 2))
        parts.append(Rows(x.astype(np.float32), (chosen >= len(points) // 2).astype(np.int64)))
    train, valid, test = parts
    return checked(Splits("curve", train, valid, test, 2, "regenerated"))


def centres(shape: str) -> Array:
    """Centres of the Gaussians, (k, 2), evenly along the curve."""
    checks.one_of("shape", shape, SHAPES)
    if shape == "circle":
        turn = 2 * np.pi * np.arange(CENTRES) / CENTRES
        return np.stack([np.cos(turn), np.sin(turn)], 1)
    fine = np.linspace(0.5 * np.pi, 3.5 * np.pi, 20_000)
    points = np.stack([fine * np.cos(fine), fine * np.sin(fine)], 1) / fine[-1]
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    places = np.searchsorted(length, np.linspace(0, length[-1], CENTRES))
    return np.asarray(points[np.minimum(places, len(points) - 1)])


def score(x: Array, points: Array, deviation: float) -> Array:
    """∇ log p at x (n, d) of the even mixture of N(centre, deviation² I), centres (k, d)."""
    squares = (x**2).sum(1)[:, None] - 2 * x @ points.T + (points**2).sum(1)
    logits = -squares / (2 * deviation**2)
    weights = np.exp(logits - logits.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    return np.asarray((weights @ points - x) / deviation**2)
