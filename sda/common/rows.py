"""Rows in blocks, so that work on all rows needs the memory of one block.

Rows may lie in memory, on a GPU or in a memory-mapped file. Those of uint8 are grey levels that
stand for k / 255, so that pictures take a quarter of the room.
"""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sda.common.checks import is_sparse
from sda.common.sparse_rows import SparseRows

ROWS = 4096  # of a block


def shared(array: Any) -> Tensor:
    """Wrap an array, or sparse rows, without a copy; a mapped file must not be written to."""
    if is_sparse(array):
        return SparseRows(array.tocsr())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(np.asarray(array))


def floats(x: Tensor) -> Tensor:
    """Rows as they are computed with: grey levels k become k / 255, floats are left alone."""
    if x.dtype != torch.uint8:
        return x
    # By a tensor: on a GPU, division by a number is multiplication by its rounded reciprocal.
    return x.to(torch.float32).div_(x.new_full((), 255, dtype=torch.float32))


def in_blocks(x: Tensor, device: torch.device) -> Iterator[Tensor]:
    """Yield the rows of x (..., n, d) as floats on ``device``, in order: (..., b, d)."""
    for rows in x.split(ROWS, -2):
        yield floats(rows.to(device))


def extent(x: Tensor) -> tuple[float, float]:
    """Least and greatest value; both NaN if one is NaN. Reads x once and copies nothing."""
    low, high = (float(floats(value)) for value in x.aminmax())
    return low, high


def extents(x: Tensor) -> tuple[Tensor, Tensor]:
    """Least and greatest value of each column of x (n, d), (d,) each, without missing cells.

    Of a column without any value they are infinite, the least above the greatest.
    """
    lows, highs = [], []
    for rows in in_blocks(x, x.device):
        lows.append(rows.nan_to_num(math.inf).amin(0))
        highs.append(rows.nan_to_num(-math.inf).amax(0))
    return torch.stack(lows).amin(0), torch.stack(highs).amax(0)


def known_extent(x: Tensor) -> tuple[float, float]:
    """Least and greatest value of x (n, d) without missing cells."""
    low, high = extent(x)
    if not math.isnan(low):
        return low, high
    lows, highs = extents(x)
    return float(lows.min()), float(highs.max())


def deviations(x: Tensor) -> Tensor:
    """Standard deviation of each column of x (n, d) without missing cells, (d,), float64."""
    sums = torch.zeros(3, x.shape[1], dtype=torch.float64)
    for rows in in_blocks(x, torch.device("cpu")):
        known, present = rows.double().nan_to_num(0.0), rows.isnan().logical_not_()
        sums += torch.stack([present.sum(0), known.sum(0), known.square().sum(0)])
    count = sums[0].clamp(min=1)
    return (sums[2] / count - (sums[1] / count).square()).clamp(min=0).sqrt()


def joint(one: tuple[float, float], other: tuple[float, float] | None) -> tuple[float, float]:
    """The extent of rows of both extents; None: there are no others."""
    return one if other is None else (min(one[0], other[0]), max(one[1], other[1]))


def check_rows(
    what: str, x: Tensor, d: int, dtype: torch.dtype, is_missing_allowed: bool = False
) -> tuple[float, float]:
    """Raise ValueError for rows x that a network of d inputs cannot take; return their extent.

    They are finite numbers (n, d), as precise as the weights (``dtype``), or uint8. With
    ``is_missing_allowed`` a cell may be NaN.
    """
    check_shape(what, x, d, dtype)
    if x.dim() != 2 or not len(x):
        raise ValueError(f"{what} rows must be (n, {d}) with n at least 1, got {(*x.shape,)}")
    low, high = extent(x)
    if math.isfinite(low + high):
        return low, high
    if not is_missing_allowed:
        raise ValueError(
            f"{what} rows must be finite, got NaN or infinity; NaN for missing cells needs "
            "reconstruction=mixed (data=table has it; init=dbn takes no missing cell)"
        )
    if any(rows.isinf().any() for rows in x.split(ROWS)):
        raise ValueError(f"{what} rows must be finite, or NaN where cells are missing, got inf")
    return known_extent(x)


def check_shape(what: str, x: Tensor, d: int, dtype: torch.dtype) -> None:
    """Raise ValueError unless x are rows of d components (..., n, d); no value is looked at."""
    if not isinstance(x, Tensor):
        raise ValueError(f"{what} rows must be a tensor (n, {d}), got {type(x).__name__}")
    if x.dim() < 2 or x.shape[-1] != d:
        raise ValueError(f"{what} rows must be (n, {d}) with n at least 1, got {(*x.shape,)}")
    if x.dtype not in (dtype, torch.uint8):
        raise ValueError(
            f"{what} rows must be {dtype} as the weights are, or torch.uint8 for grey "
            f"levels, got {x.dtype}"
        )


def wide(device: torch.device) -> torch.dtype:
    """The type of totals over many rows: float64, except on Apple's GPUs, which have none."""
    return torch.float32 if device.type == "mps" else torch.float64
