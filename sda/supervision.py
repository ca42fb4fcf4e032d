"""What fine-tuning sees of the training rows: those with labels, corrupted if that is asked."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sda.corruption import Corruption
from sda.presentation import BLOCK, corrupt, gather, shuffled
from sda.seeding import stream


def labelled_rows(n: int, count: int | None, seed: int) -> Tensor:
    """Which of n training rows keep their labels in the run with this seed: (count,), ascending.

    The first ``count`` of one permutation: fewer are among more, and all arms of a seed have the
    same. None: all n.
    """
    if count is None:
        return torch.arange(n)
    return torch.randperm(n, generator=stream(seed, "labelled"))[:count].sort().values


def labelled_blocks(
    train: tuple[Tensor, Tensor],
    labelled: int | None,
    corruptions: Sequence[Corruption] | None,
    batch_size: int,
    seeds: Sequence[int],
    epoch: int,
    runs: tuple[int, ...],
    device: torch.device,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield blocks of minibatches (inputs, classes) of one epoch, every labelled row once.

    Args:
        train: rows (n, d), floats or grey levels, and classes (n,), wherever they lie.
        labelled: rows that keep their labels; None: all.
        corruptions: of the inputs, for each run, drawn afresh in every epoch; None: as they are.
        batch_size: rows of a minibatch.
        seeds: of the runs.
        epoch: names what is drawn.
        runs: () or (R,); blocks are (*runs, b, d) and (*runs, b).
        device: of the blocks.
    """
    x, y = train
    orders = []
    for seed in seeds:
        rows = labelled_rows(len(y), labelled, seed).to(x.device)
        orders.append(rows[shuffled(len(rows), stream(seed, "order", "finetune", epoch), x.device)])
    noise = [stream(seed, "corruption", "finetune", epoch, device=device) for seed in seeds]
    block = batch_size * max(1, BLOCK // batch_size)
    for start in range(0, len(orders[0]), block):
        places = [order[start : start + block] for order in orders]
        inputs = gather(x, places, runs, device)
        if corruptions is not None:
            inputs = corrupt(inputs, corruptions, noise, runs).x
        yield inputs, gather(y.unsqueeze(-1), places, runs, device).squeeze(-1)


def chance_errors(
    y: Tensor, valid_y: Tensor, labelled: int | None, seeds: Sequence[int]
) -> list[float]:
    """Error on ``valid_y`` of always naming the commonest class of a run's labels, in [0, 1]."""
    errors = []
    for seed in seeds:
        commonest = y[labelled_rows(len(y), labelled, seed).to(y.device)].bincount().argmax()
        errors.append(int((valid_y != commonest).sum()) / len(valid_y))
    return errors
