"""How examples are presented: shuffled, corrupted afresh, in minibatches."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from sda.common.rows import floats
from sda.nn.corruption import Corrupted, Corruption

BLOCK = 2048  # rows that are drawn together: large enough to be fast, small enough to be cached


def presentations(
    x: Tensor,
    corruptions: Sequence[Corruption],
    batch_size: int,
    orders: Sequence[Tensor],
    noise: Sequence[torch.Generator],
    runs: tuple[int, ...],
    seen: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[tuple[Tensor, Corrupted]]:
    """Yield blocks of minibatches (clean, corrupted) of one epoch, every row once.

    Rows are gathered and corrupted by the block, so that a step holds neither indexing nor random
    numbers. All blocks but the last are a whole number of minibatches.

    Args:
        x: rows (n, d) for all runs, or (R, n, d); floats or grey levels, wherever they lie.
        corruptions: of each run.
        batch_size: rows of a minibatch.
        orders: of each run, a permutation of the rows (n,).
        noise: of each run, on the device of the blocks.
        runs: () or (R,); blocks are (*runs, b, d).
        seen: turns a block of rows into what counts as clean; None: the rows themselves.
    """
    for rows in whole_minibatches(orders, batch_size):
        clean = gather(x, rows, runs, noise[0].device)
        if seen is not None:
            clean = seen(clean)
        yield clean, corrupt(clean, corruptions, noise, runs)


def whole_minibatches(orders: Sequence[Tensor], batch_size: int) -> Iterator[list[Tensor]]:
    """Cut the orders (n,) of all runs into blocks of minibatches; only the last may end in part."""
    block = batch_size * max(1, BLOCK // batch_size)
    return (list(parts) for parts in zip(*(order.split(block) for order in orders), strict=True))


def gather(
    x: Tensor, rows: Sequence[Tensor], runs: tuple[int, ...], device: torch.device
) -> Tensor:
    """Rows of x as floats on ``device``, ``rows[r]`` for run r: (*runs, b, ...)."""
    if not runs:
        return floats(x[rows[0]].to(device))
    shared = x.dim() == 2
    drawn = [(x if shared else x[r])[rows_r] for r, rows_r in enumerate(rows)]
    return floats(torch.stack(drawn).to(device))


def corrupt(
    x: Tensor,
    corruptions: Sequence[Corruption],
    noise: Sequence[torch.Generator],
    runs: tuple[int, ...],
) -> Corrupted:
    """Corrupt x (n, d) or (R, n, d) for each run by its own corruption and its own noise."""
    if not runs:
        return corruptions[0](x, noise[0])
    singles = [
        corruption(x if x.dim() == 2 else x[r], generator)
        for r, (corruption, generator) in enumerate(zip(corruptions, noise, strict=True))
    ]
    hits = [torch.ones_like(s.x, dtype=torch.bool) if s.hit is None else s.hit for s in singles]
    whole = all(s.hit is None for s in singles)
    return Corrupted(torch.stack([s.x for s in singles]), None if whole else torch.stack(hits))


def shuffled(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """A random order of n rows, drawn on the CPU."""
    return torch.randperm(n, generator=generator).to(device)
