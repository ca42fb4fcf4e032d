"""Shapes on the pixel grid: convex or not, in one part or in several."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_NOWHERE = 1e6
_ROUNDING = (
    1e-3  # pixels; hull edges between grid points come no nearer to a grid point, but exactly
)
_EIGHT = np.zeros((3, 3, 3), int)
_EIGHT[1] = 1  # neighbours within an image, diagonal ones too, none across images


def hull_defects(white: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the black pixel centres in the convex hull of the white ones, (n, h, w) -> (n,).

    0 exactly where the image is convex. The hull's left and right ends in a row are the outermost
    straight lines between the ends of two rows above and below.
    """
    height, width = white.shape[1:]
    some = white.any(axis=2)
    ends_left = np.where(some, white.argmax(axis=2), _NOWHERE).astype(np.float32)
    ends_right = np.where(some, width - 1 - white[:, :, ::-1].argmax(axis=2), -_NOWHERE)
    ends_right = ends_right.astype(np.float32)
    left, right = ends_left.copy(), ends_right.copy()
    for top in range(height):
        for bottom in range(top + 2, height):
            between = slice(top + 1, bottom)
            share = np.arange(1, bottom - top, dtype=np.float32) / (bottom - top)
            for hull, ends, outermost in (
                (left, ends_left, np.minimum),
                (right, ends_right, np.maximum),
            ):
                line = ends[:, top, None] * (1 - share) + ends[:, bottom, None] * share
                hull[:, between] = outermost(hull[:, between], line)
    filled = np.floor(right + _ROUNDING) - np.ceil(left - _ROUNDING) + 1
    hull_pixels = np.maximum(filled, 0).sum(axis=1).astype(np.int64)
    return np.asarray(hull_pixels - white.sum(axis=(1, 2)), np.int64)


def parts(white: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the 8-connected white parts of each image, (n, h, w) -> (n,)."""
    numbered, _ = ndimage.label(white, structure=_EIGHT)
    last = np.maximum.accumulate(numbered.reshape(len(white), -1).max(axis=1))
    return np.diff(last, prepend=0)
