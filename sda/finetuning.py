"""Fine-tuning: all weights by the supervised cost, until validation error stops falling."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sda import closed_form, exact, ranges
from sda.blocks import check_rows
from sda.classifier import Classifier
from sda.descent import Descent, DivergenceError
from sda.epochs import HOPELESS, NetworkEpoch
from sda.precision import Precision, precision
from sda.presentation import BLOCK, gather, shuffled
from sda.seeding import stream
from sda.stopping import EarlyStopping


@dataclass(frozen=True)
class Finetuning:
    """How the whole network is trained. The cost is a mean over the batch: rates are per step."""

    epochs: int  # at most, passes over the training rows
    learning_rate: float
    batch_size: int  # rows
    patience: int | None = None  # epochs without a better validation error, once above chance
    momentum: float = 0.0
    weight_decay: float = 0.0  # of the weights, not of the biases
    encoders: bool = True  # false: the stack is frozen, only the softmax layer learns
    precision: Precision | str = Precision.fp32  # of the products of a step

    def __post_init__(self) -> None:
        precision("finetune.precision", self.precision)
        ranges.whole("finetune.epochs", self.epochs, 1)
        ranges.positive("finetune.learning_rate", self.learning_rate)
        ranges.whole("finetune.batch_size", self.batch_size, 1)
        ranges.number("finetune.momentum", self.momentum, 0, 0.9999)
        ranges.number("finetune.weight_decay", self.weight_decay, 0)
        ranges.flag("finetune.encoders", self.encoders)
        if self.patience is not None:
            ranges.whole("finetune.patience", self.patience, 1)


@dataclass
class Progress:
    """Where fine-tuning stands; with the classifier's weights, all that is needed to go on."""

    epoch: int = 0
    velocities: dict[str, Tensor] = field(default_factory=dict)
    stopping: dict[str, Any] = field(default_factory=dict)


def finetune(
    classifier: Classifier,
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    settings: Finetuning,
    seed: int,
) -> list[NetworkEpoch]:
    """Train a classifier in place, end at its best validation error, and return its epochs.

    Args:
        classifier: an ordinary one, without runs.
        train: rows x (n, d), floats or grey levels as in ``pretrain``, and classes y (n,), int64.
        valid: the same, to stop by. There is no test set here: it cannot be read by accident.
        settings: of the run.
        seed: names the stream of shuffling.

    Raises:
        ValueError: data that cannot be trained on, before any work starts.
        DivergenceError: the cost left all bounds.
    """
    history = []
    for epoch in finetuning_epochs(classifier, train, valid, [settings], [seed]):
        if epoch.diverged(0):
            raise DivergenceError(epoch.fault(settings.learning_rate))
        history.append(epoch)
    return history


def finetuning_epochs(
    classifier: Classifier,
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    settings: Sequence[Finetuning],
    seeds: Sequence[int],
    progress: Progress | None = None,
    at_least: int = 1,
) -> Iterator[NetworkEpoch]:
    """Train a classifier in place and yield every epoch; at the end, best weights are back.

    The best epoch has the lowest validation error, ties broken by the lower validation
    cross-entropy. Epochs no better than always naming the commonest class are not remembered, and
    patience does not count until one is.

    Args:
        classifier: with runs (R,), or ordinary: then R is 1.
        train: rows (n, d) and classes (n,), the same for all runs.
        valid: rows (m, d) and classes (m,).
        settings: for each run. Batch size, precision and ``encoders`` are the same for all.
        seeds: of the runs.
        progress: where to go on from.
        at_least: runs that make an epoch worth while; with fewer still training, return, so that
            the caller can go on with these alone (``take``). Only runs that are done are restored.
    """
    progress = progress if progress is not None else Progress()
    check(classifier, train, valid, settings)
    parameters = trained_parameters(classifier, settings[0].encoders)
    descent = _descent(parameters, settings, progress.velocities)
    stopping = _stopping(parameters, classifier, settings, progress.stopping)
    progress.velocities, progress.stopping = descent.velocities, stopping.state()
    chance = chance_error(train[1], valid[1])
    while (active := stopping.active(progress.epoch)).sum() >= at_least:
        epoch = progress.epoch + 1
        descent.only(active)
        with descent.precision.products():
            loss = _train_one_epoch(
                classifier, train, descent, settings[0].batch_size, seeds, epoch
            )
        valid_error, valid_loss = classifier.evaluate(*valid)
        stopping.finite &= (loss < HOPELESS) | ~active
        stopping.observe(epoch, valid_error, valid_loss, active & (valid_error < chance))
        progress.epoch, progress.stopping = epoch, stopping.state()
        yield NetworkEpoch(
            epoch, loss, valid_error, valid_loss, stopping.best_epoch.clone(), active
        )
    stopping.restore(~active)


def still_training(
    classifier: Classifier, settings: Sequence[Finetuning], progress: Progress
) -> list[bool]:
    """Say of each run whether it has epochs left."""
    parameters = trained_parameters(classifier, settings[0].encoders)
    stopping = _stopping(parameters, classifier, settings, progress.stopping)
    return [bool(active) for active in stopping.active(progress.epoch).reshape(-1)]


def take(progress: Progress, runs: Sequence[int]) -> Progress:
    """Copy the progress of some runs."""
    places = list(runs)
    stopping = {
        key: {name: weight[places] for name, weight in value.items()}
        if key == "weights"
        else value[places]
        for key, value in progress.stopping.items()
    }
    velocities = {name: velocity[places] for name, velocity in progress.velocities.items()}
    return Progress(progress.epoch, velocities, stopping)


def _train_one_epoch(
    classifier: Classifier,
    train: tuple[Tensor, Tensor],
    descent: Descent,
    batch_size: int,
    seeds: Sequence[int],
    epoch: int,
) -> Tensor:
    """Present every row once, as it is, and descend; the mean cost, float64, (runs)."""
    x, y = train
    n, runs, device = len(y), classifier.runs, classifier.weight.device
    orders = [shuffled(n, stream(seed, "order", "finetune", epoch), x.device) for seed in seeds]
    total = torch.zeros(runs, dtype=exact.wide(device), device=device)
    fast = closed_form.applies_to_all(classifier.stack)
    descend = closed_form.descend_classifier if fast else descend_by_autograd
    block = batch_size * max(1, BLOCK // batch_size)
    for start in range(0, n, block):
        rows = [order[start : start + block] for order in orders]
        inputs = gather(x, rows, runs, device)
        classes = gather(y.unsqueeze(-1), rows, runs, device).squeeze(-1)
        total += descend(classifier, descent, inputs, classes, batch_size)
    return total / n


def descend_by_autograd(
    classifier: Classifier, descent: Descent, x: Tensor, y: Tensor, batch_size: int | None = None
) -> Tensor:
    """Go through rows by minibatches, down the gradient of the cost as the classifier defines it.

    Arguments and result: as ``closed_form.descend_classifier``.
    """
    total = torch.zeros(classifier.runs, dtype=x.dtype, device=x.device)
    size = batch_size or y.shape[-1]
    for inputs, classes in zip(x.split(size, -2), y.split(size, -1), strict=True):
        cost = classifier.cost(inputs, classes)
        descent.step(cost)
        total += cost.detach() * classes.shape[-1]
    return total


def trained_parameters(classifier: Classifier, encoders: bool) -> dict[str, nn.Parameter]:
    """Parameters that the supervised cost reaches: the softmax layer's and the encoders'."""
    parameters = {"weight": classifier.weight, "bias": classifier.bias}
    if encoders:
        for depth, layer in enumerate(classifier.stack):
            parameters[f"layers.{depth}.weight"] = layer.weight
            parameters[f"layers.{depth}.hidden_bias"] = layer.hidden_bias
    return parameters


def chance_error(y: Tensor, valid_y: Tensor) -> float:
    """Error on ``valid_y`` of always naming the commonest class of ``y``, in [0, 1]."""
    return int((valid_y != torch.bincount(y).argmax()).sum()) / len(valid_y)


def check(
    classifier: Classifier,
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    settings: Sequence[Finetuning],
    device: torch.device | None = None,
) -> None:
    """Raise ValueError, before any work, for data or settings that cannot be trained on.

    ``device`` is where they will be; None: where the rows are.
    """
    k = classifier.n_classes
    for what, (x, y) in (("training", train), ("validation", valid)):
        check_rows(what, x, classifier.stack[0].weight)
        if y.shape != x.shape[:1] or y.dtype != torch.int64:
            raise ValueError(
                f"{what} classes must be int64 of shape ({len(x)},), got {y.dtype} {(*y.shape,)}"
            )
        if y.min() < 0 or y.max() >= k:
            wrong = int(((y < 0) | (y >= k)).nonzero()[0])
            raise ValueError(
                f"{what} classes must be in 0..{k - 1}, got {int(y[wrong])} in row {wrong}"
            )
    for plan in settings:
        fast = closed_form.applies_to_all(classifier.stack)
        Precision(plan.precision).check(device or train[0].device, plan.batch_size, fast)


def _descent(
    parameters: dict[str, nn.Parameter],
    settings: Sequence[Finetuning],
    velocities: dict[str, Tensor],
) -> Descent:
    return Descent(
        parameters,
        [s.learning_rate for s in settings],
        [s.momentum for s in settings],
        [s.weight_decay for s in settings],
        velocities,
        Precision(settings[0].precision),
    )


def _stopping(
    parameters: dict[str, nn.Parameter],
    classifier: Classifier,
    settings: Sequence[Finetuning],
    state: dict[str, Any],
) -> EarlyStopping:
    return EarlyStopping(
        parameters,
        classifier.runs,
        [s.epochs for s in settings],
        [s.patience for s in settings],
        [True] * len(settings),
        state,
    )
