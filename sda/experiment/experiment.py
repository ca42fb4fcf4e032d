"""Runs from data to result: pretrain, stack, fine-tune, test once. One run is a batch of one."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sda.common.program import go_on
from sda.common.progress import Progress
from sda.common.rows import known_extent, shared
from sda.common.signals import Interrupted
from sda.config.plan import Run
from sda.data.splits import Splits
from sda.experiment import about, judging, outcome, phases
from sda.experiment.judging import Labelled, tensors
from sda.experiment.pretrained import Layers
from sda.experiment.recorder import Recorder
from sda.experiment.state import State
from sda.experiment.tensorboard import Show
from sda.nn import heads, predictor
from sda.nn import stack as stacks
from sda.nn.predictor import Predictor
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs import ledger, model_file
from sda.runs.checkpoint import latest
from sda.runs.folder import MODEL, PRETRAINED, RunFolder
from sda.runs.layer_store import LayerStore
from sda.training import finetuning, preconditions
from sda.training.codes import StorageError
from sda.training.history import LayerEpoch

_log = logging.getLogger(__name__)


def check(plan: Run, splits: Splits) -> None:
    """Raise ValueError for what cannot be trained, before anything is written."""
    train, valid, test = map(tensors, splits.parts().values())
    stack = plan.stack(splits.input_shape)
    trained = plan.pretraining if plan.is_pretrained and plan.start is None else ()
    preconditions.check_shared(stack, trained, plan.finetuning, plan.device)
    if trained:
        preconditions.check_pretraining(stack, train[0], [plan.pretraining], valid[0], plan.device)
    if splits.kind == "nothing":
        if not plan.is_pretrained:
            raise ValueError(
                f"{splits.name} has no labels: it can be pretrained alone, by init=sda, saa or "
                f"dbn, got init={plan.init}"
            )
        return
    network = heads.predictor(stack, splits.n_classes, splits.n_targets, plan.seed)
    preconditions.check_finetuning(network, train, valid, [plan.finetuning], plan.device)
    preconditions.check_labelled("test", test, network)  # now, not when all is trained
    preconditions.warn_of_wide_rows(train[0])


def run(
    plans: Sequence[Run],
    splits: Splits,
    folders: Sequence[RunFolder | None],
    store: LayerStore | None = None,
) -> None:
    """Train runs of one shape together, from their checkpoint if they have one.

    Every run's ``result.json`` ends ``finished`` or, leaving the others alone, ``diverged``.

    Args:
        plans: alike in data, shapes, batch sizes and device; numbers may differ.
        splits: the data of all of them.
        folders: open ones; None for a run that another batch has written down. The first has the
            checkpoint.
        store: of pretrained layers, shared with other runs; None: all are trained here.

    Raises:
        Interrupted, StorageError: everything is saved, the results say so.
        OSError: something cannot be written; what was saved before stays good.
        CheckpointError: there are checkpoints and none can be read, or they are of other runs.
    """
    data = (splits.input_shape, splits.n_classes, splits.digest(), splits.n_targets)
    state = State(plans, *data)
    first = next(folder for folder in folders if folder is not None)
    saved, warning = latest(first.path / "checkpoint")
    if saved is not None:
        state.restore(saved)
    train, valid = (phases.at_hand(rows, plans[0]) for rows in (splits.train, splits.valid))
    with Recorder(folders, plans[0].tensorboard, saved) as recorder:
        if warning or (recorder.lost and not saved):
            what = warning or "no checkpoint is left"
            _log.warning("%s; epochs to train again: %d", what, recorder.lost)
        show = Show(recorder.books, valid[0], splits.image_shape, plans[0].device)
        for number in state.unfinished:
            recorder.open(number, plans[number].settings)
        try:
            _train(train, valid, splits, state, recorder, show, store)
        except (Interrupted, StorageError) as error:
            _note_stop(error, state, recorder)
            raise
        except OSError as error:
            with suppress(OSError):  # the disk may have no room for this either
                _note_stop(error, state, recorder)
            raise OSError(f"{error}; {go_on(first.path)}") from error


def _train(
    train: Labelled,
    valid: Labelled,
    splits: Splits,
    state: State,
    recorder: Recorder,
    show: Show,
    store: LayerStore | None,
) -> None:
    """Pretrain, stack, fine-tune and test, from wherever the runs stand."""
    if state.classifier is None:
        _pretrain(train, valid, state, recorder, show, store)
        recorder.pretrained(state, about.of_columns(splits), valid[0])
        if splits.kind == "nothing":
            return _end_pretrained(splits, state, recorder)
        state.stack_up()
    while state.unfinished:
        _finetune(train, valid, state, recorder, show)
        _part_with_finished(splits, valid, state, recorder, show)


def _pretrain(
    train: Labelled,
    valid: Labelled,
    state: State,
    recorder: Recorder,
    show: Show,
    store: LayerStore | None,
) -> None:
    """Pretrain the stacks of all runs whose arm says so; what the store has is taken."""
    if state.stack is None:
        return
    state.stack.extent = known_extent(train[0])
    if state.layers.depth == len(state.stack):
        return
    plans = [state.plans[number] for number in state.pretrained]
    with Layers(state, recorder, show, store) as layers, Progress() as progress:
        layers.take()
        recorder.tick()
        for epoch in phases.pretrain(state, train, valid, recorder.first.path):
            if epoch.epoch == 0:
                layers.begin(epoch.depth)
            _note_pretraining(epoch, state, recorder, show)
            if len(state.failed) == len(state.plans):
                return
            if epoch.epoch == 0 or not progress.has_begun:
                most = max(plan.pretraining[epoch.depth].epochs for plan in plans)
                progress.begin(f"layer {epoch.depth + 1}", most, epoch.epoch, epoch.beside())
            progress.show(epoch.epoch, epoch.readable())
            recorder.after_epoch(state, due=epoch.epoch == 0 and epoch.depth > 0)
        layers.end()
        recorder.after_epoch(state, due=True)


def _note_pretraining(epoch: LayerEpoch, state: State, recorder: Recorder, show: Show) -> None:
    """Write an epoch down for every run that it belongs to."""
    assert state.stack is not None
    share = recorder.tick() / len(state.pretrained)
    for k, number in enumerate(state.pretrained):
        if not epoch.active.reshape(-1)[k]:
            continue
        plan = state.plans[number]
        settings, trial = plan.pretraining[epoch.depth], plan.trials[epoch.depth]
        for run in state.followers(k):
            state.seconds[run]["pretrain"] += share
            recorder.row(run, epoch.row(k), share)
            if epoch.diverged(k):
                _give_up(run, epoch.fault(settings.learning_rate), state, recorder)
            elif show.is_due(epoch.epoch, settings.epochs):
                stack = stacks.single(state.stack, k)
                show.layer(run, stack, epoch.depth, epoch.epoch, trial)


def _finetune(
    train: Labelled, valid: Labelled, state: State, recorder: Recorder, show: Show
) -> None:
    """Train the classifiers until the runs, or half of a batch of them, are done."""
    assert state.classifier is not None
    going = [state.plans[number] for number in state.going]
    most = max(plan.finetuning.epochs for plan in going)
    with Progress() as progress:
        progress.begin("fine-tuning", most, state.network.epoch)
        recorder.tick()
        for epoch in phases.finetune(state, train, valid):
            seconds = recorder.tick() / len(going)
            for k, (number, plan) in enumerate(zip(state.going, going, strict=True)):
                if not epoch.active.reshape(-1)[k]:
                    continue
                state.seconds[number]["finetune"] += seconds
                recorder.row(number, epoch.row(k), seconds)
                if epoch.diverged(k):
                    _give_up(number, epoch.fault(plan.finetuning.learning_rate), state, recorder)
                elif show.is_due(epoch.epoch, plan.finetuning.epochs):
                    show.network(number, stacks.single(state.classifier.stack, k), epoch.epoch)
            if state.failed.keys() >= set(state.going):
                return
            progress.show(epoch.epoch, epoch.readable())
            recorder.after_epoch(state, due=False)
    recorder.after_epoch(state, due=True)


def _part_with_finished(
    splits: Splits, valid: Labelled, state: State, recorder: Recorder, show: Show
) -> None:
    """Test the runs that are done, and go on with the others alone."""
    assert state.classifier is not None
    settings = [state.plans[number].finetuning for number in state.going]
    training = finetuning.still_training(state.classifier, settings, state.network)
    staying = []
    for k, (number, active) in enumerate(zip(state.going, training, strict=True)):
        if number in state.failed:
            continue
        if active:
            staying.append(number)
            continue
        best_epoch = int(state.network.stopping["best_epoch"].reshape(-1)[k])
        result = {
            "best_epoch": best_epoch,
            "epochs": recorder.epochs[number],
            "best_is_last": best_epoch == recorder.epochs[number],
            "seconds": state.seconds[number],
        }
        single = predictor.single(state.classifier, k)
        _end(number, single, splits, valid, result, state, recorder, show)
    if staying:
        state.keep(staying)
        recorder.after_epoch(state, due=True)
    state.going = staying


def _end(
    number: int,
    classifier: Predictor,
    splits: Splits,
    valid: Labelled,
    result: dict[str, Any],
    state: State,
    recorder: Recorder,
    show: Show,
) -> None:
    """Write a run's model, its predictions and its result, ``finished``."""
    if (folder := recorder.folders[number]) is None:
        return
    valid_error, valid_loss = classifier.evaluate(*valid)
    tested: dict[str, Any] = {"test_error": None, "n_test": None}
    predicted = None
    if state.plans[number].test:
        tested, predicted = judging.tested_on(classifier, splits)
    finetuning.warn_of_one_answer(classifier, valid)
    result |= {"valid_error": float(valid_error), "valid_loss": float(valid_loss)}
    result |= tested | outcome.judged_on(splits)
    if splits.kind == "numbers":
        result["valid_rmse"] = judging.rmse(classifier.predict(valid[0]), valid[1], splits)
    if tested["test_error"] is not None:
        show.codes(number, classifier.stack, shared(splits.test.x), judging.names_of(splits))
    folder.check_attempt()
    _save(classifier.cpu(), folder, state.plans[number], splits, result)
    if (book := recorder.books[number]) is not None:
        book.outcome({k: result[k] for k in ("valid_error", "test_error") if result[k] is not None})
    outcome.note_end(folder, splits, predicted, result)


def _end_pretrained(splits: Splits, state: State, recorder: Recorder) -> None:
    """End runs on rows without labels: the pretrained stack is the model, and nothing is judged."""
    for number in state.unfinished:
        if (folder := recorder.folders[number]) is None:
            continue
        unjudged = ("valid_error", "valid_loss", "test_error", "n_test", "chance_error")
        result = dict.fromkeys(unjudged) | {
            "best_epoch": None,
            "epochs": 0,
            "best_is_last": False,
            "seconds": state.seconds[number],
            "n_valid": len(splits.valid.y),
        }
        _save(None, folder, state.plans[number], splits, result)
        outcome.note_end(folder, splits, None, result)
    state.going = []


def _save(
    classifier: Predictor | None,
    folder: RunFolder,
    plan: Run,
    splits: Splits,
    result: dict[str, Any],
) -> None:
    """Write the model: whatever can be done with new rows can be done from this file alone."""
    pretrained = None
    if plan.is_pretrained:
        loaded = model_file.load(folder.path / PRETRAINED)
        assert isinstance(loaded, StackedDenoisingAutoencoder)
        pretrained = loaded
    network = classifier or pretrained
    assert network is not None
    said = about.of_run(plan, splits, pretrained, result)
    own = pretrained if classifier is not None else None
    model_file.save(network, folder.path / MODEL, said, own)


def test(_: Run, splits: Splits, folder: RunFolder) -> None:
    """Test a run that finished with test=false."""
    network = model_file.load(folder.path / MODEL)
    assert isinstance(network, Predictor)
    tested, predicted = judging.tested_on(network, splits)
    outcome.note_end(folder, splits, predicted, tested)


def _note_stop(error: BaseException, state: State, recorder: Recorder) -> None:
    if isinstance(error, StorageError):  # the codes are gone again: a checkpoint will fit
        recorder.after_epoch(state, due=True)
    for number in state.unfinished:
        recorder.result(number, status="interrupted", message=str(error))


def _give_up(number: int, fault: str, state: State, recorder: Recorder) -> None:
    state.failed[number] = fault
    seconds = state.seconds[number]
    recorder.result(number, status="diverged", message=fault, seconds=seconds)
    if (folder := recorder.folders[number]) is not None:
        ledger.append(folder.runs_folder, folder.result, None)
