"""Rows in blocks, so that work on all rows needs the memory of one block.

Rows may lie in memory, on a GPU or in a memory-mapped file. Those of uint8 are grey levels that
stand for k / 255, so that pictures take a quarter of the room. Rows of which most components are 0
stay sparse until a block of them is computed with.
"""

import math
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from sda.common.checks import is_sparse

if TYPE_CHECKING:
    from scipy import sparse

ROWS = 4096  # of a block
_ops = torch.ops.aten


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


class SparseRows(Tensor):
    """A matrix (n, d) of floats in compressed rows that training takes as it takes any rows.

    Cut into blocks it stays sparse; rows that are drawn for a minibatch are dense, and so is
    whatever else is computed of it.

    Args:
        rows: a scipy matrix of compressed rows, float32.
    """

    rows: "sparse.csr_matrix"

    @staticmethod
    def __new__(cls, rows: "sparse.csr_matrix") -> "SparseRows":
        """Wrap a matrix without a copy."""
        made: SparseRows = Tensor._make_wrapper_subclass(cls, rows.shape, dtype=torch.float32)
        made.rows = rows
        return made

    def dense(self) -> Tensor:
        """All of it, (n, d)."""
        return torch.from_numpy(self.rows.toarray())

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, op: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Draw, cut or measure sparse rows as such; do all else with dense ones."""
        x = args[0]
        if isinstance(x, SparseRows):
            if op is _ops.index_select.default and args[1] == 0:
                return torch.from_numpy(x.rows[args[2].numpy()].toarray())
            if op is _ops.split.Tensor and (len(args) < 3 or args[2] in (0, -2)):
                starts = range(0, x.shape[0], args[1])
                return [SparseRows(x.rows[start : start + args[1]]) for start in starts]
            if op is _ops.aminmax.default and not kwargs:
                values = torch.from_numpy(x.rows.data)
                zero = values.new_zeros(int(x.rows.nnz < x.shape[0] * x.shape[1]))
                return torch.cat([values, zero]).aminmax()
        return op(*_dense(args), **_dense(dict(kwargs or {})))


def _dense(values: Any) -> Any:
    return tree_map(lambda one: one.dense() if isinstance(one, SparseRows) else one, values)
