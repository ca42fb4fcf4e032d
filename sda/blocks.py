"""Rows in blocks: whatever is done with all of them needs no more memory than one block.

Rows may lie in memory, on a GPU or in a memory-mapped file. Those of uint8 are grey levels that
stand for k / 255, so that pictures take a quarter of the room.
"""

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
