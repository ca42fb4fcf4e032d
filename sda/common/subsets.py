"""Random subsets of an exact size, as masks: which k of d components of each row."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

Array = NDArray[Any]


def subsets(n: int, d: int, k: int, generator: torch.Generator) -> Tensor:
    """Choose k of d components for each of n rows: bool (n, d), on the generator's device.

    Every subset of k components is as likely as any other, up to a relative d · 2⁻³² for each of
    the few components that are chosen one by one, and up to the generator's own faults.
    """
    if generator.device.type == "cpu":
        return torch.from_numpy(_subsets(n, d, k, bits_of(generator)))
    chance = torch.rand(n, d, generator=generator, device=generator.device)
    hit = torch.zeros_like(chance, dtype=torch.bool)
    return hit.scatter_(1, chance.topk(k, sorted=False).indices, True)


def bits_of(generator: torch.Generator) -> np.random.SFC64:
    """A source of random bits that is five times as fast, seeded by the next number of a generator.

    Its raw output is the same with every version of NumPy.
    """
    return np.random.SFC64(int(torch.empty((), dtype=torch.int64).random_(generator=generator)))


def drawn(bits: np.random.SFC64, count: int, kind: DTypeLike) -> Array:
    """So many random whole numbers of an unsigned kind, each equally likely: (count,)."""
    kind = np.dtype(kind)
    raw: Array = bits.random_raw(-(-count * kind.itemsize // 8))
    return raw.view(kind)[:count]


def _subsets(n: int, d: int, k: int, bits: np.random.SFC64) -> Array:
    """Toss a coin for every component, then choose the few that still lack in a row one by one.

    The coins are such that a row rarely has too many; one that has starts again from none. No step
    prefers a component to another: so every subset of the size that is reached in the end is
    equally likely, whatever the coins' chance, and eight bits are enough for a coin.
    """
    size = min(k, d - k)  # or choose those that are left out
    hit = drawn(bits, n * d, np.uint8).reshape(n, d) < _chance(size, d)
    rows, lacking = np.arange(n), size - _count(hit)
    while len(rows):
        hit[rows[lacking < 0]] = False
        lacking[lacking < 0] = size
        rows, lacking = rows[lacking > 0], lacking[lacking > 0]
        place = drawn(bits, int(lacking.sum()), np.uint32).astype(np.int64) * d >> 32
        hit.reshape(-1)[place + np.repeat(rows * d, lacking)] = True  # again, if it was
        lacking = size - _count(hit[rows])
    return hit if size == k else ~hit


def _chance(size: int, d: int) -> np.uint8:
    """Of a coin, in 256ths: two standard deviations fewer than ``size`` of d come up on average."""
    spread = math.sqrt(size * (d - size) / d)
    return np.uint8(max(0, int(256 * (size - 2 * spread) / d)))


def _count(hit: Array) -> Array:
    """How many of each row are True: int64 (n,)."""
    kind = np.uint16 if hit.shape[1] < 2**16 else np.uint32  # the narrower, the faster
    return np.asarray(np.add.reduce(hit.view(np.uint8), 1, dtype=kind)).astype(np.int64)
