"""Elementwise functions whose bits do not depend on what else is in the tensor."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

LANES = 32  # floats that the processor's widest loop takes at once: two registers of AVX-512


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
