"""Columns scaled by their training rows, as the network takes them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sda.common.rows import shared

BLOCK = 4096  # rows that are scaled at once, while they are in the cache


class Scaling(NamedTuple):
    """(x − shift) / scale for each column, (d,) both; how: unit (clipped), standard, None."""

    shift: NDArray[np.float64]
    scale: NDArray[np.float64]
    how: str | None

    @classmethod
    def of(cls, x: NDArray[Any], how: str | None) -> "Scaling":
        """Learn it from training rows: to [0, 1] (unit), mean 0 and deviation 1, or not at all."""
        if how not in ("unit", "standard", None):
            raise ValueError(f"scaling must be unit, standard or None, got {how!r}")
        if how is None:
            return cls(np.zeros(x.shape[1]), np.ones(x.shape[1]), None)
        exact = x.astype(np.float64)
        exact[:, np.isnan(exact).all(axis=0)] = 0  # a column without any value
        low, high = np.nanmin(exact, axis=0), np.nanmax(exact, axis=0)
        constant = low == high
        shift = low if how == "unit" else _mean(exact)
        scale = high - low if how == "unit" else np.sqrt(_mean(np.square(exact - shift)))
        return cls(shift, np.where(constant | (scale == 0), 1.0, scale), how)

    def __call__(self, x: NDArray[Any]) -> Tensor:
        """Rows (n, d) as the network takes them."""
        if self.how is None:
            kept = x if x.dtype == np.uint8 else x.astype(np.float32, copy=False)
            return shared(np.ascontiguousarray(kept))
        out = np.empty(x.shape, np.float32)
        for first in range(0, len(x), BLOCK):
            rows = (x[first : first + BLOCK] - self.shift) / self.scale
            out[first : first + BLOCK] = (
                np.clip(rows, 0, 1, out=rows) if self.how == "unit" else rows
            )
        return shared(out)

    def undone(self, x: Tensor) -> NDArray[np.float32]:
        """Rows in the units that they were given in."""
        rows = x.cpu().numpy().astype(np.float64)
        return (rows * self.scale + self.shift).astype(np.float32)


def _mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the known cells of each column."""
    return np.asarray(x.mean(axis=0) if np.isfinite(x).all() else np.nanmean(x, axis=0))
