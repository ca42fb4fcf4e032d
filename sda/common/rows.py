"""Rows in blocks: whatever is done with all of them needs no more memory than one block.

Rows may lie in memory, on a GPU or in a memory-mapped file. Those of uint8 are grey levels that
stand for k / 255, so that pictures take a quarter of the room.
"""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROWS = 4096  # of a block


def shared(array: NDArray[Any]) -> Tensor:
    """Wrap an array without a copy; a file that is mapped for reading must not be written to."""
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


def check_rows(what: str, x: Tensor, d: int, dtype: torch.dtype) -> None:
    """Raise ValueError for rows x that a network of d inputs cannot be trained on.

    They are finite numbers (n, d), as precise as the weights (``dtype``), or uint8.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"{what} rows must be a tensor (n, {d}), got {type(x).__name__}")
    if x.dim() != 2 or x.shape[1] != d or not len(x):
        raise ValueError(f"{what} rows must be (n, {d}) with n at least 1, got {(*x.shape,)}")
    if x.dtype not in (dtype, torch.uint8):
        raise ValueError(
            f"{what} rows must be {dtype} as the weights are, or torch.uint8 for grey "
            f"levels, got {x.dtype}"
        )
    if not math.isfinite(sum(extent(x))):
        raise ValueError(f"{what} rows must be finite, got NaN or infinity")


def wide(device: torch.device) -> torch.dtype:
    """What totals over many rows are kept in: float64, but on Apple's GPUs, which have none."""
    return torch.float32 if device.type == "mps" else torch.float64
