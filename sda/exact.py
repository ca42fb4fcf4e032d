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
