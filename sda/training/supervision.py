"""What fine-tuning sees: rows with labels, corrupted if that is asked; and what it refuses."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sda.common.precision import Precision
from sda.common.rows import check_rows
from sda.common.seeding import stream
from sda.nn import closed_form
from sda.nn.corruption import Corruption
from sda.nn.heads import Classifier
from sda.training.minibatches import corrupt, gather, shuffled, whole_minibatches

if TYPE_CHECKING:
    from sda.training.finetuning import Finetuning


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
    for places in whole_minibatches(orders, batch_size):
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


def check_finetuning(
    classifier: Classifier,
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    settings: "Sequence[Finetuning]",
    device: torch.device | None = None,
) -> None:
    """Raise ValueError, before any work, for data or settings that cannot be trained on.

    ``device`` is where they will be; None: where the rows are.
    """
    for what, part in (("training", train), ("validation", valid)):
        check_labelled(what, *part, classifier)
    for plan in settings:
        fast = closed_form.applies_to_all(classifier.stack)
        Precision(plan.precision).check(device or train[0].device, plan.batch_size, fast)
        if plan.labelled is not None and plan.labelled > len(train[1]):
            raise ValueError(
                f"finetune.labelled must be at most {len(train[1])}, the training rows, "
                f"got {plan.labelled}"
            )


def check_labelled(what: str, x: Tensor, y: Tensor, classifier: Classifier) -> None:
    """Raise ValueError for rows x (n, d) and classes y (n,) that a classifier cannot be asked."""
    check_rows(what, x, classifier.stack[0].weight)
    if y.shape != x.shape[:1] or y.dtype != torch.int64:
        raise ValueError(
            f"{what} classes must be int64 of shape ({len(x)},), got {y.dtype} {(*y.shape,)}"
        )
    k = classifier.n_classes
    if y.min() < 0 or y.max() >= k:
        wrong = int(((y < 0) | (y >= k)).nonzero()[0])
        raise ValueError(
            f"{what} classes must be in 0..{k - 1}, got {int(y[wrong])} in row {wrong}"
        )
