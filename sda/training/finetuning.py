"""Fine-tuning: all weights by the supervised cost, until validation error stops falling."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

import sda.common.progress as display
from sda.common import processes
from sda.common.errors import DivergenceError
from sda.common.rows import joint, wide
from sda.common.seeding import stream
from sda.nn.optimisers import Descent
from sda.nn.predictor import Predictor
from sda.training.early_stopping import EarlyStopping
from sda.training.history import HOPELESS, History, NetworkEpoch
from sda.training.minibatches import Labelled, Pairs, dropout, labelled_blocks, labelled_rows
from sda.training.named_optimisers import planned
from sda.training.preconditions import check_finetuning, check_kind
from sda.training.settings import Finetuning

_log = logging.getLogger(__name__)


@dataclass
class Progress:
    """Where fine-tuning stands; with the network's weights, all that is needed to go on.

    Also when it has ended, for settings with more epochs (or more patience).
    """

    epoch: int = 0
    optimiser: dict[str, Tensor] = field(default_factory=dict)  # what it remembers
    stopping: dict[str, Any] = field(default_factory=dict)
    last: dict[str, Tensor] = field(default_factory=dict)  # weights of the last epoch, at the end


def finetune(
    network: Predictor,
    train: Pairs,
    valid: Pairs,
    settings: Finetuning,
    seed: int,
    standing: Progress | None = None,
    progress: bool = False,
) -> History[NetworkEpoch]:
    """Train a network in place, end at its best validation error, and return its epochs.

    Args:
        network: an ordinary one, without runs.
        train: rows x (n, d), floats or grey levels as in ``pretrain``, and targets y: classes (n,),
            int64, or for a regressor numbers (n, k) like the weights of the network. Rows of class
            -1, or NaN, have no label and are passed over. ``Labelled(x, y, weights)`` weighs rows.
        valid: the same, to stop by. There is no test set here: it cannot be read by accident.
        settings: of the run.
        seed: names the stream of shuffling.
        standing: an empty one is kept up to date; with the same one and more epochs training goes
            on, and ends in the bits of so many epochs at once; not with schedule=cosine.
        progress: show a bar; where there is no screen, a line in the log of ``sda``.

    Raises:
        ValueError: data that cannot be trained on, before any work starts.
        DivergenceError: the cost left all bounds; the weights are of no use any more.
    """
    if network.runs:
        raise ValueError("finetune takes an ordinary network; with runs: finetuning_epochs")
    check_kind([settings], Finetuning)
    history: History[NetworkEpoch] = History()
    with display.Progress(quiet=not progress) as bar:
        bar.begin("fine-tuning", settings.epochs)
        for epoch in finetuning_epochs(network, train, valid, [settings], [seed], standing):
            if epoch.diverged(0):
                raise DivergenceError(epoch.fault(settings.learning_rate))
            history.append(epoch)
            bar.show(epoch.epoch, epoch.readable())
    warn_of_one_answer(network, valid)
    return history


def warn_of_one_answer(network: Predictor, valid: Pairs) -> None:
    """Warn of an ordinary network that answers the same to all validation rows, if they differ."""
    answers = network.predict(valid[0])
    known = valid[1][network.has_target(valid[1])]
    if bool((answers == answers[:1]).all()) and bool((known != known[:1]).any()):
        _log.warning(
            "the network answers the same, %s, whatever the row: it has learned nothing; other "
            "initial weights (tutorial), a larger rate, more epochs or pretraining may help",
            answers[0].tolist(),
        )


def finetuning_epochs(
    network: Predictor,
    train: Pairs,
    valid: Pairs,
    settings: Sequence[Finetuning],
    seeds: Sequence[int],
    progress: Progress | None = None,
    at_least: int = 1,
) -> Iterator[NetworkEpoch]:
    """Train a network in place and yield every epoch; at the end, best weights are back.

    The best epoch has the lowest validation error, ties broken by the lower validation loss. Epochs
    no better than one answer for all rows, the commonest class or the mean, are not remembered, and
    patience does not count until one is.

    Args:
        network: with runs (R,), or ordinary: then R is 1.
        train: rows (n, d) and targets (n, ...), the same for all runs, with weights or without.
        valid: rows (m, d) and targets (m, ...).
        settings: for each run, of one ``batch_key``: one batch size, and so on.
        seeds: of the runs.
        progress: where to go on from.
        at_least: runs that make an epoch worth while; with fewer still training, return, so that
            the caller can go on with these alone (``take``). Only runs that are done are restored.
    """
    progress = progress if progress is not None else Progress()
    if progress.last and not network.runs and any(still_training(network, settings, progress)):
        settings[0].check_longer()
    extents = (check_finetuning(network, train, valid, settings), network.stack.extent)
    network.stack.extent = joint(*extents)
    by_class = _class_weights(settings[0], train[1], network)
    train, valid = _weighed(train, network, by_class), _weighed(valid, network, by_class)
    rows = training_rows(train.y, network, settings[0].labelled, seeds)
    network.scale_to([train.y[own.to(train.y.device)] for own in rows])
    parameters = network.trained_parameters(settings[0].encoders)
    precision = settings[0].precision_on(network.weight.device, network.is_in_closed_form)
    averaging = [plan.averaging for plan in settings]
    with torch.no_grad():
        for name, weight in progress.last.items():
            parameters[name].copy_(weight)
    progress.last = {}
    descent = planned(parameters, settings, progress.optimiser, precision, averaging)
    stopping = EarlyStopping(parameters, network.runs, settings, progress.stopping, keep_all=True)
    progress.optimiser, progress.stopping = descent.state(), stopping.state()
    chances = [_chance(network, own, train, valid) for own in rows]
    chance = stopping.score.new_tensor(chances).reshape(network.runs)
    while (active := stopping.active(progress.epoch)).sum() >= at_least:
        epoch = progress.epoch + 1
        descent.only(active, [plan.factor(epoch) for plan in settings])
        with descent.precision.products():
            loss = _train_one_epoch(network, train, rows, descent, settings, seeds, epoch)
        stopping.finite &= (loss < HOPELESS) | ~active
        with descent.averaged():
            valid_error, valid_loss = processes.of_first(*network.evaluate(*valid))
            stopping.observe(epoch, valid_error, valid_loss, active & (valid_error < chance))
        progress.epoch = epoch
        progress.optimiser, progress.stopping = descent.state(), stopping.state()
        best = stopping.best_epoch.clone()
        yield NetworkEpoch(epoch, loss, valid_error, valid_loss, best, active, network.measure)
    progress.last = {name: p.detach().clone() for name, p in parameters.items()}
    descent.settle(~active)
    stopping.restore(~active)


def still_training(
    network: Predictor, settings: Sequence[Finetuning], progress: Progress
) -> list[bool]:
    """Say of each run whether it has epochs left."""
    parameters = network.trained_parameters(settings[0].encoders)
    stopping = EarlyStopping(parameters, network.runs, settings, progress.stopping, keep_all=True)
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
    remembered = {name: own[places] for name, own in progress.optimiser.items()}
    last = {name: weight[places] for name, weight in progress.last.items()}
    return Progress(progress.epoch, remembered, stopping, last)


def _train_one_epoch(
    network: Predictor,
    train: Labelled,
    rows: Sequence[Tensor],
    descent: Descent,
    settings: Sequence[Finetuning],
    seeds: Sequence[int],
    epoch: int,
) -> Tensor:
    """Present every labelled row once and descend; the mean cost, float64, (runs)."""
    runs, device = network.runs, network.weight.device
    n, batch_size = len(rows[0]), settings[0].batch_size
    noise = [plan.corruption for plan in settings if plan.corruption is not None]
    draws = [stream(seed, "dropout", epoch, device=device) for seed in seeds]
    total = torch.zeros(runs, dtype=wide(device), device=device)
    for inputs, targets, weights in labelled_blocks(
        train, rows, noise or None, batch_size, seeds, epoch, runs, device
    ):
        first, hidden = dropout(network.stack, inputs, settings, draws)
        given = inputs * first if len(first) else inputs
        own = processes.share(batch_size)
        total += network.update(descent, given, targets, own, weights, hidden)
    descent.complete(-(-n // batch_size))
    return processes.add_up(total) / n


def training_rows(
    y: Tensor, network: Predictor, labelled: int | None, seeds: Sequence[int]
) -> list[Tensor]:
    """Which training rows each run learns from: of those with a target, ``labelled`` or all."""
    known = network.has_target(y).nonzero().squeeze(-1).cpu()
    return [known[labelled_rows(len(known), labelled, seed)] for seed in seeds]


def _class_weights(settings: Finetuning, y: Tensor, network: Predictor) -> Tensor | None:
    """The weight of each class and 0 at the end, for rows without one, (k + 1,); None: no weights.

    ``balanced`` is n / (k n_c), of n labelled training rows of k classes, n_c of which are of c.
    """
    asked = settings.class_weight
    if asked is None:
        return None
    k, known = network.n_classes, y[y >= 0]
    if asked == "balanced":
        counts = known.bincount(minlength=k)
        own = len(known) / ((counts > 0).sum() * counts.clamp(min=1))
    else:
        assert not isinstance(asked, str)
        own = torch.tensor([float(asked.get(c, 1.0)) for c in range(k)], device=y.device)
    return torch.cat([own, own.new_zeros(1)])


def _weighed(part: Pairs, network: Predictor, by_class: Tensor | None) -> Labelled:
    """Rows whose weights, if they have any, are 1 on average over the labelled ones."""
    x, y, weights = Labelled(*part)
    if by_class is not None:
        own = by_class.to(y.device)[y]
        weights = own if weights is None else own * weights
    if weights is not None:
        weights = (weights / weights[network.has_target(y)].mean()).to(network.weight.dtype)
    return Labelled(x, y, weights)


def _chance(network: Predictor, rows: Tensor, train: Labelled, valid: Labelled) -> float:
    """The validation error of the one answer that suits a run's labels best."""
    own = rows.to(train.y.device)
    answer = network.constant(train.y[own], None if train.weights is None else train.weights[own])
    return float(network.error(answer.to(valid.y.device), valid.y, valid.weights))
