"""Products and functions whose bits do not depend on what else is computed in the same call."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

LANES = 32  # floats that the processor's widest loop takes at once: two registers of AVX-512
ALIGNED = 4  # floats, 16 bytes: where a product may begin that is not to depend on where it does


def affine(x: Tensor, w: Tensor, c: Tensor, out: Tensor | None = None) -> Tensor:
    """Compute x W + c: x (..., n, d), W (*runs, d, h), c (*runs, 1, h) to (..., n, h).

    With runs, x is (n, d) or (R, n, d).
        ``out`` (R, n, h) is like ``matrices``; then x and W have an axis of runs, and no gradient.
    Always a batched product, if only of one: libraries take other paths for plain matrices. Where
    a gradient is wanted, plain products after all: their backward pass is much faster.
    """
    if out is None:
        if torch.is_grad_enabled() and (w.requires_grad or x.requires_grad):
            return x @ w + c
        if w.dim() == 2:
            rows = x.reshape(1, -1, x.shape[-1])
            product = torch.baddbmm(c.unsqueeze(0), rows, w.unsqueeze(0))
            return product.reshape(*x.shape[:-1], w.shape[-1])
        x = x.expand(w.shape[0], *x.shape[-2:])
        out = matrices(c, w.shape[0], x.shape[-2], w.shape[-1])
    return torch.baddbmm(c, *_operands(x, w), out=out)


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Multiply a (R, n, m) by b (R, m, h); ``out`` is like ``matrices``."""
    if out is None:
        out = matrices(a, a.shape[0], a.shape[1], b.shape[2])
    return torch.bmm(*_operands(a, b), out=out)


def add_product(total: Tensor, a: Tensor, b: Tensor, scale: float = 1.0) -> None:
    """Add a b, scaled, to ``total`` (R, n, h) in place: a (R, n, m), b (R, m, h)."""
    aligned = _aligned(total)
    aligned.baddbmm_(*_operands(a, b), alpha=scale)
    if aligned is not total:
        total.copy_(aligned)


def _operands(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Those of a product, where its last bits do not depend on where they lie."""
    return _aligned(a), _aligned(b) if a.shape[1] == 1 else b  # of a single row both count


def _aligned(x: Tensor) -> Tensor:
    """The same (R, n, d), or a copy whose matrices begin as that of a run alone, laid out as is."""
    if len(x) == 1 or x.stride(0) % ALIGNED == 0 or x.device.type != "cpu":
        return x
    if x.stride(-1) > x.stride(-2):
        return _aligned(x.mT).mT
    copy: Tensor = matrices(x, *x.shape).copy_(x)
    return copy


def matrices(like: Tensor, runs: int, rows: int, columns: int) -> Tensor:
    """Memory for matrices (R, n, h) of the type of ``like``, each of which begins alike.

    On some processors (AMD's) the last bits of a product depend on where in memory it is written,
    and on where its left operand lies if the right one is transposed.
    """
    size = rows * columns
    if runs == 1 or size % ALIGNED == 0 or like.device.type != "cpu":
        return like.new_empty(runs, rows, columns)
    whole = like.new_empty(runs, size + -size % ALIGNED)
    return whole[:, :size].view(runs, rows, columns)


def apply(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply an elementwise function to x (..., n, d).

    On a CPU the last few elements of a tensor go through another implementation of exp or log than
    the rest, with other last bits. So that a run ends in the same bits alone and in company, the
    matrices of several runs are kept apart, if each is not a whole number of vectors: a gap between
    them in memory makes a loop, and a remainder, of each.
    """
    if is_whole(x):
        return function(x)
    flat = x.flatten(-2)
    apart = F.pad(flat, (0, LANES))[..., : flat.shape[-1]]
    return function(apart).reshape(x.shape)


def is_whole(x: Tensor) -> bool:
    """Whether a function of x (..., n, d) has the same bits as one of each of its matrices."""
    alone = x.dim() < 3 or x.shape[0] == 1
    return alone or x.device.type != "cpu" or x.shape[-1] * x.shape[-2] % LANES == 0


def wide(device: torch.device) -> torch.dtype:
    """What totals over many rows are kept in: float64, but on Apple's GPUs, which have none."""
    return torch.float32 if device.type == "mps" else torch.float64
