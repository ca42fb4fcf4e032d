"""Rows of which most components are 0: they stay sparse until a block of them is computed with."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

if TYPE_CHECKING:
    from scipy import sparse

_ops = torch.ops.aten


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
