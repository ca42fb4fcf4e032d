"""How local and how stroke-like filters are, and how many are copies of one another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Region:
    """The connected pixels of one sign around a filter's extreme, each above half of it."""

    energy: float  # share of the filter's sum of squares, in [0, 1]
    length: float  # pixels, of the bar with the same second moments
    width: float  # pixels, at most the length


def effective_area(filters: Array) -> Array:
    """Pixels that carry each filter (h, d): (Σ w²)² / Σ w⁴, in [1, d].

    1 for a single pixel, n for n equal ones, 5/9 d for uniform noise.
    """
    square = np.square(np.asarray(filters, float))
    return np.asarray(square.sum(axis=1) ** 2 / np.square(square).sum(axis=1))


def likeness(filters: Array) -> Array:
    """The largest |cosine| between each filter (h, d) and any other one, in [0, 1].

    Filters that corruption has not made differ point the same way.
    """
    unit = np.asarray(filters, float) / np.linalg.norm(filters, axis=1, keepdims=True)
    cosines = np.abs(unit @ unit.T)
    np.fill_diagonal(cosines, 0)
    return np.asarray(cosines.max(axis=1))


def region(filter_: Array, side: int) -> Region:
    """Find the region around the extreme of one filter (side²,)."""
    image = np.asarray(filter_, float).reshape(side, side)
    peak = np.unravel_index(np.abs(image).argmax(), image.shape)
    labels, _ = ndimage.label(image / image[peak] > 0.5, structure=np.ones((3, 3)))
    inside = labels == labels[peak]
    places = np.argwhere(inside)
    # A pixel is a square: its own variance, 1/12 each way, makes one pixel a bar of 1 x 1.
    moments = np.cov(places.T, bias=True) if len(places) > 1 else np.zeros((2, 2))
    width, length = np.sqrt(12 * (np.linalg.eigvalsh(moments) + 1 / 12))
    energy = np.square(image[inside]).sum() / np.square(image).sum()
    return Region(float(energy), float(length), float(width))
