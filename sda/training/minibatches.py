"""How examples are presented: shuffled, in minibatches, each time with other noise and dropout."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sda.common import processes
from sda.common.precision import Precision
from sda.common.rows import floats
from sda.common.seeding import stream
from sda.nn.corruption import Corrupted, Corruption
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.training.settings import Finetuning

BLOCK = 2048  # rows that are drawn together: large enough to be fast, small enough to be cached


class Labelled(NamedTuple):
    """Rows with what they are to be predicted as."""

    x: Tensor  # (n, d), floats or grey levels, wherever they lie
    y: Tensor  # (n, ...)
    weights: Tensor | None = None  # what each row counts, (n,), at least 0; None: all the same


Pairs = Labelled | tuple[Tensor, Tensor]  # rows with targets, and perhaps weights


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
    numbers. All blocks but the last are a whole number of minibatches. Of several processes each
    draws for all rows, and reads and yields those of each minibatch that are its own.

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
        own = processes.own(len(rows[0]), batch_size)
        is_read_whole = seen is not None or any(one.mixes_rows for one in corruptions)
        clean = gather(x, rows, runs, noise[0].device, None if is_read_whole else own)
        if seen is not None:
            clean = seen(clean)
        x_noisy, hit = corrupt(clean, corruptions, noise, runs)
        corrupted = Corrupted(kept(x_noisy, own), None if hit is None else kept(hit, own))
        yield kept(clean, own), corrupted


def whole_minibatches(orders: Sequence[Tensor], batch_size: int) -> Iterator[list[Tensor]]:
    """Cut the orders (n,) of all runs into blocks of minibatches; only the last may end in part."""
    block = batch_size * max(1, BLOCK // batch_size)
    return (list(parts) for parts in zip(*(order.split(block) for order in orders), strict=True))


def kept(x: Tensor, own: Tensor | None) -> Tensor:
    """The rows of a block at the places ``own``, all if that is None."""
    return x if own is None else x.index_select(0, own)


def gather(
    x: Tensor,
    rows: Sequence[Tensor],
    runs: tuple[int, ...],
    device: torch.device,
    own: Tensor | None = None,
) -> Tensor:
    """Rows of x as ``floats`` on ``device``, ``rows[r]`` for run r: (*runs, b, ...).

    Only those at the places ``own`` are read, the others are 0; None: all are.
    """
    if own is not None:
        read = floats(x.index_select(0, rows[0][own]).to(device))
        return read.new_zeros(len(rows[0]), *read.shape[1:]).index_copy_(0, own, read)
    if not runs:
        return floats(x.index_select(0, rows[0]).to(device))  # faster than x[rows]
    drawn = [(x if x.dim() < 3 else x[r]).index_select(0, own) for r, own in enumerate(rows)]
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


@dataclass(frozen=True)
class NoisyRows:
    """Rows with noise that pretraining takes for clean ones: other noise in every epoch.

    What denoising is compared with in Vincent et al. (2010), figure 12: the same noise, put to an
    ordinary autoencoder that has to reconstruct it too. As in the authors' code (PLearn's option
    ``noisy``) it is in the input alone: upper layers see the codes of rows with noise, and get none
    of their own.
    """

    x: Tensor  # (n, d), clean: floats or grey levels, wherever they lie
    stack: StackedDenoisingAutoencoder
    depth: int  # of the layer that sees them
    corruptions: Sequence[Corruption]  # of the rows, for each run

    def seen(self, seeds: Sequence[int], epoch: int) -> Callable[[Tensor], Tensor]:
        """Return what turns blocks of rows (*runs, b, d) into codes of them with noise.

        The codes (*runs, b, h) are of layer ``depth`` - 1. ``seeds``, one for each run, and
        ``epoch`` name what is drawn, block after block.
        """
        device = self.stack[0].like.device
        noise = [stream(seed, "noisy rows", self.depth, epoch, device=device) for seed in seeds]
        corruptions = [corruption.at(epoch) for corruption in self.corruptions]

        @torch.no_grad()
        def codes(rows: Tensor) -> Tensor:
            noisy = corrupt(rows, corruptions, noise, self.stack.runs).x
            with Precision.fp32.products():  # as clean codes are, whatever a step rounds
                codes: Tensor = self.stack(noisy, self.depth)
                return codes

        return codes


def shuffled(n: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """A random order of n rows, drawn on the CPU."""
    return torch.randperm(n, generator=generator).to(device)


def labelled_rows(n: int, count: int | None, seed: int) -> Tensor:
    """Which of n training rows keep their labels in the run with this seed: (count,), ascending.

    The first ``count`` of one permutation: fewer are among more, and all arms of a seed have the
    same. None: all n.
    """
    if count is None:
        return torch.arange(n)
    return torch.randperm(n, generator=stream(seed, "labelled"))[:count].sort().values


def labelled_blocks(
    train: Labelled,
    labelled: Sequence[Tensor],
    corruptions: Sequence[Corruption] | None,
    batch_size: int,
    seeds: Sequence[int],
    epoch: int,
    runs: tuple[int, ...],
    device: torch.device,
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Yield blocks of minibatches of one epoch, every labelled row once: inputs, targets, weights.

    Of several processes each yields its own rows, as in ``presentations``.

    Args:
        train: the training rows.
        labelled: which of them each run learns from.
        corruptions: of the inputs, for each run, drawn afresh in every epoch; None: as they are.
        batch_size: rows of a minibatch.
        seeds: of the runs.
        epoch: names what is drawn.
        runs: () or (R,); blocks are (*runs, b, d), (*runs, b, ...) and (*runs, b).
        device: of the blocks.
    """
    x, y, weights = train
    orders = []
    for rows, seed in zip(labelled, seeds, strict=True):
        own = rows.to(x.device)
        orders.append(own[shuffled(len(own), stream(seed, "order", "finetune", epoch), x.device)])
    noise = [stream(seed, "corruption", "finetune", epoch, device=device) for seed in seeds]
    for places in whole_minibatches(orders, batch_size):
        mine = processes.own(len(places[0]), batch_size)
        is_read_whole = any(one.mixes_rows for one in corruptions or ())
        inputs = gather(x, places, runs, device, None if is_read_whole else mine)
        if corruptions is not None:
            noises = [corruption.at(epoch) for corruption in corruptions]
            inputs = corrupt(inputs, noises, noise, runs).x
        given = None if weights is None else gather(weights, places, runs, device)
        targets = gather(y, places, runs, device)
        yield kept(inputs, mine), kept(targets, mine), None if given is None else kept(given, mine)


def dropout(
    stack: StackedDenoisingAutoencoder,
    x: Tensor,
    plans: Sequence[Finetuning],
    draws: Sequence[torch.Generator],
) -> tuple[Tensor, list[Tensor]]:
    """Draw what inputs x (*runs, n, d) and the codes of each layer (*runs, n, h) are multiplied by.

    0 for what is left out, else 1 / (1 - share), so that sums over units are on average what they
    are without dropout; anew for each row, each run by its own share and from its own draws.
    Srivastava et al. (2014). No factors where all shares are 0: x (0,), or no layer.
    """

    def drawn(width: int, shares: Sequence[float]) -> Tensor:
        size = (x.shape[-2], width)
        each = [
            (torch.rand(size, generator=draw, device=draw.device) >= share) / (1 - share)
            for share, draw in zip(shares, draws, strict=True)
        ]
        return torch.stack(each).reshape(*x.shape[:-1], width).to(x)

    inputs, units = [plan.input_dropout for plan in plans], [plan.dropout for plan in plans]
    first = drawn(x.shape[-1], inputs) if any(inputs) else x.new_empty(0)
    return first, [drawn(layer.n_hidden, units) for layer in stack] if any(units) else []
