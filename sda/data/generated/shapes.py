"""Sizes and places of rectangles."""

import numpy as np
from numpy.typing import NDArray

SIDE = 28  # pixels of an image


def size_pairs(shortest: int, longest: int, least_difference: int) -> NDArray[np.int64]:
    """All (height, width) in shortest..longest that differ by least_difference or more, (k, 2)."""
    sizes = np.arange(shortest, longest + 1)
    pairs = np.stack(np.meshgrid(sizes, sizes, indexing="ij"), axis=-1).reshape(-1, 2)
    return pairs[abs(pairs[:, 0] - pairs[:, 1]) >= least_difference]


def place(
    size: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Put rectangles of (height, width) ``size`` (n, 2) where they fit, uniformly.

    Returns which rows and columns are within each and which are its edges, both (n, 2, 28).
    """
    first = rng.integers(0, SIDE - size + 1)[..., None]
    last = first + size[..., None] - 1
    pixel = np.arange(SIDE)
    return (pixel >= first) & (pixel <= last), (pixel == first) | (pixel == last)
