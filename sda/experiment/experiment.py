"""Runs from data to result: pretrain, stack, fine-tune, test once. One run is a batch of one."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sda.common.program import go_on
from sda.common.progress import Progress
from sda.common.rows import known_extent, shared
from sda.common.signals import Interrupted
from sda.config.plan import Run
from sda.data.splits import Splits
from sda.experiment import judging, phases
from sda.experiment.judging import tensors
from sda.experiment.phases import State
from sda.experiment.pretrained import Layers
from sda.experiment.recorder import Recorder
from sda.nn import heads
from sda.nn.predictor import Predictor
from sda.runs import model_file
from sda.runs.folder import MODEL, RunFolder
from sda.training import finetuning, preconditions
from sda.training.codes import StorageError
from sda.training.history import LayerEpoch, NetworkEpoch


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
                f"{splits.name} has no labels: it can only be pretrained, by init=sda, saa or "
                f"dbn, got init={plan.init}"
            )
        return
    network = heads.predictor(stack, splits.n_classes, splits.n_targets, plan.seed)
    preconditions.check_finetuning(network, train, valid, [plan.finetuning], plan.device)
    preconditions.check_labelled("test", test, network)  # now, not when all is trained
    preconditions.warn_of_wide_rows(train[0])


def run(plans: Sequence[Run], splits: Splits, folders: Sequence[RunFolder | None]) -> None:
    """Train runs of one shape together, from their checkpoint if they have one.

    Every run's ``result.json`` ends ``finished`` or, leaving the others alone, ``diverged``.

    Args:
        plans: alike in data, shapes, batch sizes and device; numbers may differ.
        splits: the data of all of them.
        folders: open ones; None for a run that another batch records. The first has the
            checkpoint.

    Raises:
        Interrupted, StorageError: everything is saved, the results say so.
        OSError: something cannot be written; what was saved before stays good.
        CheckpointError: there are checkpoints and none can be read, or they are of other runs.
    """
    state = State(plans, splits)
    with Recorder(folders, state) as recorder:
        for number in state.unfinished:
            recorder.open(number)
        try:
            _train(state, recorder)
        except Interrupted as stop:
            recorder.stopped(stop)
            raise
        except StorageError as error:
            recorder.after_epoch(due=True)  # without the codes there is room for a checkpoint
            recorder.stopped(error)
            raise
        except OSError as error:
            with suppress(OSError):  # the disk may have no room for this either
                recorder.stopped(error)
            raise OSError(f"{error}; {go_on(recorder.first.path)}") from error


def _train(state: State, recorder: Recorder) -> None:
    """Pretrain, stack, fine-tune and test, from wherever the runs stand."""
    if state.classifier is None:
        _pretrain(state, recorder)
        recorder.pretrained()
        if state.splits.kind == "nothing":
            return _end_pretrained(state, recorder)
        state.stack_up()
    while state.unfinished:
        _finetune(state, recorder)
        _part_with_finished(state, recorder)


def _pretrain(state: State, recorder: Recorder) -> None:
    """Pretrain the stacks of all runs whose arm says so; stored layers are taken."""
    if state.stack is None:
        return
    state.stack.extent = known_extent(state.train[0])
    if state.layers.depth == len(state.stack):
        return
    plans = [state.plans[number] for number in state.pretrained]
    with Layers(recorder) as layers, Progress() as progress:
        layers.take()
        recorder.tick()
        for epoch in phases.pretrain(state, recorder.first.path):
            if epoch.epoch == 0:
                layers.begin(epoch.depth)
            _note_pretraining(epoch, state, recorder)
            if len(state.failed) == len(state.plans):
                return
            if epoch.epoch == 0 or not progress.has_begun:
                most = max(plan.pretraining[epoch.depth].epochs for plan in plans)
                progress.begin(f"layer {epoch.depth + 1}", most, epoch.epoch, epoch.beside())
            progress.show(epoch.epoch, epoch.readable())
            recorder.after_epoch(due=epoch.epoch == 0 and epoch.depth > 0)
        layers.end()
        recorder.after_epoch(due=True)


def _note_pretraining(epoch: LayerEpoch, state: State, recorder: Recorder) -> None:
    """Write an epoch down for every run that it belongs to."""
    share = recorder.tick() / len(state.pretrained)
    for k, number in enumerate(state.pretrained):
        if not epoch.active.reshape(-1)[k]:
            continue
        plan = state.plans[number]
        settings, trial = plan.pretraining[epoch.depth], plan.trials[epoch.depth]
        for run in state.followers(k):
            recorder.row(run, epoch.row(k), share)
            if epoch.diverged(k):
                recorder.give_up(run, epoch.fault(settings.learning_rate))
            elif recorder.show.is_due(epoch.epoch, settings.epochs):
                recorder.show.layer(run, state.alone(k), epoch.depth, epoch.epoch, trial)


def _finetune(state: State, recorder: Recorder) -> None:
    """Train the classifiers until the runs, or half of a batch of them, are done."""
    most = max(state.plans[number].finetuning.epochs for number in state.going)
    with Progress() as progress:
        progress.begin("fine-tuning", most, state.network.epoch)
        recorder.tick()
        for epoch in phases.finetune(state):
            _note_finetuning(epoch, state, recorder)
            if state.failed.keys() >= set(state.going):
                return
            progress.show(epoch.epoch, epoch.readable())
            recorder.after_epoch(due=False)
    recorder.after_epoch(due=True)


def _note_finetuning(epoch: NetworkEpoch, state: State, recorder: Recorder) -> None:
    """Write an epoch down for every run that was trained in it."""
    share = recorder.tick() / len(state.going)
    for k, number in enumerate(state.going):
        if not epoch.active.reshape(-1)[k]:
            continue
        settings = state.plans[number].finetuning
        recorder.row(number, epoch.row(k), share)
        if epoch.diverged(k):
            recorder.give_up(number, epoch.fault(settings.learning_rate))
        elif recorder.show.is_due(epoch.epoch, settings.epochs):
            recorder.show.network(number, state.predictor(k).stack, epoch.epoch)


def _part_with_finished(state: State, recorder: Recorder) -> None:
    """Test the runs that are done, and go on with the others alone."""
    assert state.classifier is not None
    settings = [state.plans[number].finetuning for number in state.going]
    training = finetuning.still_training(state.classifier, settings, state.network)
    staying = []
    for k, (number, active) in enumerate(zip(state.going, training, strict=True)):
        if active and number not in state.failed:
            staying.append(number)
        elif number not in state.failed:
            best_epoch = int(state.network.stopping["best_epoch"].reshape(-1)[k])
            _end(number, state.predictor(k), best_epoch, state, recorder)
    if staying:
        state.keep(staying)
        recorder.after_epoch(due=True)
    state.going = staying


def _end(
    number: int, classifier: Predictor, best_epoch: int, state: State, recorder: Recorder
) -> None:
    """Write a run's model, its predictions and its result, ``finished``."""
    if (folder := recorder.folders[number]) is None:
        return
    plan, splits, valid = state.plans[number], state.splits, state.valid
    valid_error, valid_loss = classifier.evaluate(*valid)
    tested, predicted = judging.untested()
    if plan.test:
        tested, predicted = judging.tested_on(classifier, splits)
    finetuning.warn_of_one_answer(classifier, valid)
    result: dict[str, Any] = {
        "best_epoch": best_epoch,
        "epochs": recorder.epochs[number],
        "best_is_last": best_epoch == recorder.epochs[number],
        "seconds": state.seconds[number],
        "valid_error": float(valid_error),
        "valid_loss": float(valid_loss),
    }
    result |= tested | judging.judged_on(splits)
    if splits.kind == "numbers":
        result["valid_rmse"] = judging.rmse(classifier.predict(valid[0]), valid[1], splits)
    if plan.test:
        names = judging.names_of(splits)
        recorder.show.codes(number, classifier.stack, shared(splits.test.x), names)
    folder.check_attempt()
    judging.save(classifier.cpu(), folder.path, plan, splits, result)
    if (book := recorder.books[number]) is not None:
        book.outcome({k: result[k] for k in ("valid_error", "test_error") if result[k] is not None})
    judging.note_end(folder, splits, predicted, result)


def _end_pretrained(state: State, recorder: Recorder) -> None:
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
            "n_valid": len(state.splits.valid.y),
        }
        judging.save(None, folder.path, state.plans[number], state.splits, result)
        judging.note_end(folder, state.splits, None, result)
    state.going = []


def test(_: Run, splits: Splits, folder: RunFolder) -> None:
    """Test a run that finished with test=false."""
    network = model_file.load(folder.path / MODEL)
    assert isinstance(network, Predictor)
    tested, predicted = judging.tested_on(network, splits)
    judging.note_end(folder, splits, predicted, tested)
