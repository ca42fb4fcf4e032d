"""`coloured`: ten shapes in colour on coloured grounds, 32 x 32 pixels, as CIFAR's pictures are."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sda.common.errors import DataError
from sda.data.cache import cached
from sda.data.splits import Rows, Splits, checked

SIDE = 32  # pixels
FINE = 2  # places of a pixel that are looked at, in each direction: edges are smooth
LEAST_CONTRAST = 0.6  # distance of the shape's colour from the ground's, in the unit cube
SIZES = (10.0, 13.0)  # pixels from a shape's middle to its end
TURN = 0.3  # radians, at most, to either side
NOISE = 0.04  # deviation of what is added to every value
_BLOCK = 500  # pictures drawn at once

Plane = NDArray[np.float64]


def _star(u: Plane, v: Plane, rays: int) -> NDArray[np.bool_]:
    return np.asarray(np.hypot(u, v) < 0.6 + 0.4 * np.cos(rays * np.arctan2(u, v)))


# What is inside of each, in coordinates of their own, about -1 to 1.
SHAPES: dict[str, Callable[[Plane, Plane], Any]] = {
    "disc": lambda u, v: np.hypot(u, v) < 0.9,
    "ring": lambda u, v: abs(np.hypot(u, v) - 0.7) < 0.25,
    "square": lambda u, v: np.maximum(abs(u), abs(v)) < 0.8,
    "frame": lambda u, v: abs(np.maximum(abs(u), abs(v)) - 0.65) < 0.22,
    "triangle": lambda u, v: (v < 0.7) & (abs(u) < 0.55 * (v + 1)),
    "cross": lambda u, v: (np.minimum(abs(u), abs(v)) < 0.25) & (np.maximum(abs(u), abs(v)) < 0.95),
    "bar": lambda u, v: (abs(u) < 0.3) & (abs(v) < 0.95),
    "crescent": lambda u, v: (np.hypot(u, v) < 0.9) & (np.hypot(u - 0.45, v) > 0.7),
    "star": lambda u, v: _star(u, v, 5),
    "clover": lambda u, v: _star(u, v, 3),
}


def coloured(n_train: int, n_valid: int, n_test: int, seed: int) -> Splits:
    """Pictures (3, 32, 32) of ten shapes, as uint8; made by rule, no published set.

    The class is the shape. Its colour, size, place and turn, and the ground's two colours and the
    direction from one to the other, are drawn anew for each picture and say nothing of the class;
    the shape's colour differs from the ground's mean by ``LEAST_CONTRAST`` or more. Every value
    gets Gaussian noise. The same ``seed`` makes the same pictures.
    """
    sizes = [n_train, n_valid, n_test]
    if min(sizes) < len(SHAPES):
        raise DataError(f"coloured needs at least {len(SHAPES)} rows a part, got {sizes}")
    key = {"rule": "coloured 2", "sizes": sizes, "seed": seed}
    return cached("coloured", key, lambda: _make(sizes, seed))


def _make(sizes: list[int], seed: int) -> Splits:
    rng = np.random.default_rng(seed)
    parts = []
    for n in sizes:
        y = rng.integers(len(SHAPES), size=n)
        y[: len(SHAPES)] = np.arange(len(SHAPES))  # every class in every part
        blocks = [draw(y[first : first + _BLOCK], rng) for first in range(0, n, _BLOCK)]
        parts.append(Rows(np.concatenate(blocks).reshape(n, -1), y))
    train, valid, test = parts
    shape, names = (3, SIDE, SIDE), tuple(SHAPES)
    return checked(Splits("coloured", train, valid, test, len(names), "regenerated", shape, names))


def draw(y: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures (n, 3, 32, 32) of the shapes y (n,)."""
    n = len(y)
    place = (np.arange(SIDE * FINE) + 0.5) / FINE
    size, turn = rng.uniform(*SIZES, (n, 1, 1)), rng.uniform(-TURN, TURN, (n, 1, 1))
    down, right = rng.uniform(size, SIDE - size, (2, n, 1, 1))
    dy, dx = place[:, None] - down, place - right
    u = (np.cos(turn) * dx + np.sin(turn) * dy) / size
    v = (np.cos(turn) * dy - np.sin(turn) * dx) / size
    inside = np.zeros((n, SIDE * FINE, SIDE * FINE))
    for number, shape in enumerate(SHAPES.values()):
        inside[y == number] = shape(u[y == number], v[y == number])
    share = inside.reshape(n, SIDE, FINE, SIDE, FINE).mean(axis=(2, 4))[:, None]
    ends = rng.uniform(0, 1, (2, n, 3, 1, 1))
    images = share * _colours(ends.mean(axis=0), rng) + (1 - share) * _ground(ends[0], ends[1], rng)
    images += rng.normal(0, NOISE, images.shape)
    return np.asarray(np.clip(np.rint(255 * images), 0, 255), np.uint8)


def _colours(others: Plane, rng: np.random.Generator) -> Plane:
    """A colour for each of ``others`` (n, 3, 1, 1) that is far enough from it, uniform there."""
    colours = rng.uniform(0, 1, others.shape)
    while (near := np.linalg.norm(colours - others, axis=1).ravel() < LEAST_CONTRAST).any():
        colours[near] = rng.uniform(0, 1, colours[near].shape)
    return colours


def _ground(first: Plane, second: Plane, rng: np.random.Generator) -> Plane:
    """From one colour to the other across the picture, (n, 3, 32, 32)."""
    turn = rng.uniform(0, 2 * np.pi, (len(first), 1, 1, 1))
    pixel = np.linspace(-0.5, 0.5, SIDE)
    along = np.cos(turn) * pixel + np.sin(turn) * pixel[:, None]
    share = along / np.sqrt(2) + 0.5
    return np.asarray(first + share * (second - first))
