"""Products and functions whose bits do not depend on what else is computed in the same call."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

LANES = 32  # floats that the processor's widest loop takes at once: two registers of AVX-512


def affine(x: Tensor, w: Tensor, c: Tensor) -> Tensor:
    """Compute x W + c: x (n, d) or (R, n, d), W (*runs, d, h), c (*runs, 1, h) to (*runs, n, h).

    Always a batched product, if only of one: libraries take other paths for plain matrices. Where
    a gradient is wanted, plain products after all: their backward pass is much faster.
    """
    if torch.is_grad_enabled() and w.requires_grad:
        return x @ w + c
    if w.dim() == 2:
        return torch.baddbmm(c.unsqueeze(0), x.unsqueeze(0), w.unsqueeze(0)).squeeze(0)
    return torch.baddbmm(c, x.expand(w.shape[0], *x.shape[-2:]), w)


def product(a: Tensor, b: Tensor) -> Tensor:
    """Compute a B, both (n, m) and (m, k), or both with a leading axis of runs."""
    if b.dim() == 2:
        return torch.bmm(a.unsqueeze(0), b.unsqueeze(0)).squeeze(0)
    return torch.bmm(a, b)


def add_product(target: Tensor, a: Tensor, b: Tensor, sign: int) -> None:
    """Add ± a B to ``target`` in place, run by run where there are runs."""
    if target.dim() == 2:
        target.unsqueeze(0).baddbmm_(a.unsqueeze(0), b.unsqueeze(0), alpha=sign)
    else:
        target.baddbmm_(a, b, alpha=sign)


def apply(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply an elementwise function to x (..., n, d).

    On a CPU the last few elements of a tensor go through another implementation of exp or log than
    the rest, with other last bits, so that a run would end in other bits alone than in company.
    Each matrix is padded to a whole number of vectors; the usual sizes are whole already.
    """
    if x.device.type != "cpu" or is_whole(x):
        return function(x)
    flat = x.flatten(-2)
    padded = F.pad(flat, (0, -flat.shape[-1] % LANES))
    return function(padded)[..., : flat.shape[-1]].reshape(x.shape)


def is_whole(x: Tensor) -> bool:
    """Whether every matrix of x (..., n, d) is a whole number of vectors long."""
    return x.shape[-1] * x.shape[-2] % LANES == 0
