"""Fine-tuning: all weights by the supervised cost, until validation error stops falling."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sda.common.errors import DivergenceError
from sda.common.precision import Precision
from sda.common.rows import check_rows, wide
from sda.nn.heads import Classifier
from sda.nn.optimisers import (
    Descent,
)
from sda.training.early_stopping import EarlyStopping
from sda.training.history import HOPELESS, NetworkEpoch
from sda.training.minibatches import chance_errors, labelled_blocks
from sda.training.settings import Finetuning


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
        DivergenceError: the cost left all bounds; the weights are of no use any more.
    """
    if classifier.runs:
        raise ValueError("finetune takes an ordinary classifier; with runs: finetuning_epochs")
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
        settings: for each run, of one ``company``: those of one batch size, and so on.
        seeds: of the runs.
        progress: where to go on from.
        at_least: runs that make an epoch worth while; with fewer still training, return, so that
            the caller can go on with these alone (``take``). Only runs that are done are restored.
    """
    progress = progress if progress is not None else Progress()
    check_finetuning(classifier, train, valid, settings)
    parameters = trained_parameters(classifier, settings[0].encoders)
    wanted, fast = Precision(settings[0].precision), classifier.is_in_closed_form
    precision = wanted.resolved(classifier.weight.device, settings[0].batch_size, fast)
    descent = Descent.planned(parameters, settings, progress.velocities, precision)
    stopping = _stopping(parameters, classifier, settings, progress.stopping)
    progress.velocities, progress.stopping = descent.velocities, stopping.state()
    chances = chance_errors(train[1], valid[1], settings[0].labelled, seeds)
    chance = stopping.score.new_tensor(chances).reshape(classifier.runs)
    while (active := stopping.active(progress.epoch)).sum() >= at_least:
        epoch = progress.epoch + 1
        descent.only(active)
        with descent.precision.products():
            loss = _train_one_epoch(classifier, train, descent, settings, seeds, epoch)
        valid_error, valid_loss = classifier.evaluate(*valid)
        stopping.finite &= (loss < HOPELESS) | ~active
        stopping.observe(epoch, valid_error, valid_loss, active & (valid_error < chance))
        progress.epoch, progress.stopping = epoch, stopping.state()
        best = stopping.best_epoch.clone()
        yield NetworkEpoch(epoch, loss, valid_error, valid_loss, best, active)
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
    settings: Sequence[Finetuning],
    seeds: Sequence[int],
    epoch: int,
) -> Tensor:
    """Present every labelled row once and descend; the mean cost, float64, (runs)."""
    runs, device = classifier.runs, classifier.weight.device
    batch_size, labelled = settings[0].batch_size, settings[0].labelled
    noise = [plan.corruption for plan in settings if plan.corruption is not None]
    total = torch.zeros(runs, dtype=wide(device), device=device)
    for inputs, classes in labelled_blocks(
        train, labelled, noise or None, batch_size, seeds, epoch, runs, device
    ):
        total += classifier.update(descent, inputs, classes, batch_size)
    return total / (len(train[1]) if labelled is None else labelled)


def trained_parameters(classifier: Classifier, encoders: bool) -> dict[str, nn.Parameter]:
    """Parameters that the supervised cost reaches: the softmax layer's and the encoders'."""
    parameters = {"weight": classifier.weight, "bias": classifier.bias}
    if encoders:
        for depth, layer in enumerate(classifier.stack):
            own = layer.encoder_parameters()
            parameters |= {f"layers.{depth}.{name}": p for name, p in own.items()}
    return parameters


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


def check_finetuning(
    classifier: Classifier,
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    settings: Sequence[Finetuning],
    device: torch.device | None = None,
) -> None:
    """Raise ValueError, before any work, for data or settings that cannot be trained on.

    ``device`` is where they will be; None: where the rows are.
    """
    for what, part in (("training", train), ("validation", valid)):
        check_labelled(what, *part, classifier)
    for plan in settings:
        where = device or train[0].device
        Precision(plan.precision).check(where, plan.batch_size, classifier.is_in_closed_form)
        if plan.labelled is not None and plan.labelled > len(train[1]):
            raise ValueError(
                f"finetune.labelled must be at most {len(train[1])}, the training rows, "
                f"got {plan.labelled}"
            )


def check_labelled(what: str, x: Tensor, y: Tensor, classifier: Classifier) -> None:
    """Raise ValueError for rows x (n, d) and classes y (n,) that a classifier cannot be asked."""
    check_rows(what, x, classifier.stack[0].n_visible, classifier.weight.dtype)
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
