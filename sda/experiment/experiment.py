"""Runs from data to result: pretrain, stack, fine-tune, test once. One run is a list of one."""

from collections.abc import Sequence
from contextlib import suppress

from torch import Tensor

from sda.common.program import go_on
from sda.common.rows import shared
from sda.common.signals import Interrupted
from sda.common.terminal import ProgressLine, say
from sda.config.plan import Run
from sda.data.splits import Rows, Splits
from sda.experiment import batching, inherited, verdict
from sda.experiment.recorder import Records
from sda.experiment.state import Standing
from sda.experiment.tensorboard import Show
from sda.nn import heads as classifiers
from sda.nn import stack as stacks
from sda.nn.heads import Classifier
from sda.runs.checkpoint import latest
from sda.runs.folder import RunFolder
from sda.training import finetuning, preconditions, pretraining
from sda.training.codes import Storage, StorageError
from sda.training.history import LayerEpoch

Labelled = tuple[Tensor, Tensor]


def check(plan: Run, splits: Splits) -> None:
    """Raise ValueError, before anything is written, for what could not be trained."""
    train, valid, test = map(_tensors, splits.parts().values())
    stack = plan.stack(splits.train.x.shape[1])
    if plan.is_pretrained:
        preconditions.check_pretraining(stack, train[0], [plan.pretraining], valid[0], plan.device)
    network = Classifier(stack, splits.n_classes, seed=plan.seed)
    preconditions.check_finetuning(network, train, valid, [plan.finetuning], plan.device)
    preconditions.check_labelled("test", *test, network)  # now, not when all is trained


def run(plans: Sequence[Run], splits: Splits, folders: Sequence[Sequence[RunFolder]]) -> None:
    """Train runs of one shape together, from their checkpoint if they have one.

    Every run's ``result.json`` ends ``finished`` or, leaving the others alone, ``diverged``.

    Args:
        plans: alike in data, shapes, batch sizes and device; numbers may differ.
        splits: the data of all of them.
        folders: open ones, those of each run; the first of all holds the checkpoint.

    Raises:
        Interrupted, StorageError: everything is saved, the results say so.
        OSError: something cannot be written; what was saved before stays good.
        CheckpointError: there are checkpoints and none can be read, or they are of other runs.
    """
    n_visible = splits.train.x.shape[1]
    at_once = batching.most_together(plans[0], n_visible)
    standing = Standing(plans, n_visible, splits.n_classes, at_once, splits.digest())
    saved, warning = latest(folders[0][0].path / "checkpoint")
    if saved:
        standing.restore(saved)
    train, valid = (_at_hand(rows, plans[0]) for rows in (splits.train, splits.valid))
    with Records(folders, plans[0].tensorboard, saved) as records:
        lost = sum(books[0].lost for books in records.books)
        if warning or (lost and not saved):
            say(f"warning: {warning or 'no checkpoint is left'}; epochs to train again: {lost}")
        show = Show(records.books, valid[0], splits.image_shape, plans[0].device)
        for run, plan in enumerate(plans):
            if run in standing.unfinished:
                records.open(run, plan.settings)
        try:
            if not saved:
                inherited.take(standing, records, show)
            _train(train, valid, splits, standing, records, show)
        except (Interrupted, StorageError) as error:
            _note_stop(error, standing, records)
            raise
        except OSError as error:
            with suppress(OSError):  # the disk may have no room for this either
                _note_stop(error, standing, records)
            raise OSError(f"{error}; {go_on(folders[0][0].path)}") from error


def _train(
    train: Labelled,
    valid: Labelled,
    splits: Splits,
    standing: Standing,
    records: Records,
    show: Show,
) -> None:
    """Pretrain, stack, fine-tune and test, from wherever the runs stand."""
    if standing.classifier is None:
        _pretrain(train[0], valid[0], standing, records, show)
        records.pretrained(standing)
    while standing.unfinished:
        if not standing.going:
            another = standing.classifier is not None
            standing.stack_up()
            records.after_epoch(standing, due=another)
        _finetune(train, valid, standing, records, show)
        _part_with_finished(splits, valid, standing, records, show)


def _tensors(rows: Rows) -> Labelled:
    return shared(rows.x), shared(rows.y)


def _at_hand(rows: Rows, plan: Run) -> Labelled:
    """Rows on the device of a run, or where they are if they would take too much of its memory."""
    x, y = _tensors(rows)
    return (x.to(plan.device), y.to(plan.device)) if x.nbytes <= plan.codes_memory else (x, y)


def _pretrain(
    x: Tensor,
    valid: Tensor,
    standing: Standing,
    records: Records,
    show: Show,
) -> None:
    """Pretrain the stacks of all runs whose arm says so."""
    if standing.stack is None or standing.layers.depth == len(standing.stack):
        return
    leaders = [standing.plans[run] for run in standing.leaders]
    depths = range(len(standing.stack))
    trials = [[plan.layers[depth].corruption for plan in leaders] for depth in depths]
    settings, seeds = [plan.pretraining for plan in leaders], [plan.seed for plan in leaders]
    storage = Storage(records.folders[0][0].path, leaders[0].codes_memory)
    line = None
    records.tick()
    for epoch in pretraining.pretraining_epochs(
        standing.stack, x, settings, seeds, valid, trials, standing.layers, storage
    ):
        _note_pretraining(epoch, standing, records, show)
        if len(standing.failed) == len(standing.plans):
            return
        if line is None or epoch.epoch == 0:
            most = max(plan.pretraining[epoch.depth].epochs for plan in leaders)
            line = ProgressLine(f"layer {epoch.depth}", most, epoch.epoch, epoch.beside())
        line.show(epoch.epoch, epoch.readable())
        records.after_epoch(standing, due=epoch.epoch == 0 and epoch.depth > 0)
    if line is not None:
        line.end()
    records.after_epoch(standing, due=line is not None)


def _note_pretraining(
    epoch: LayerEpoch,
    standing: Standing,
    records: Records,
    show: Show,
) -> None:
    """Write an epoch down for every run that it belongs to."""
    assert standing.stack is not None
    share = records.tick() / len(standing.leaders)
    for k, leader in enumerate(standing.leaders):
        if not epoch.active.reshape(-1)[k]:
            continue
        settings = standing.plans[leader].pretraining[epoch.depth]
        trial = standing.plans[leader].layers[epoch.depth].corruption
        for run in standing.followers[leader]:
            standing.seconds[run]["pretrain"] += share
            records.row(run, epoch.row(k), share)
            if epoch.diverged(k):
                _give_up(run, epoch.fault(settings.learning_rate), standing, records)
            elif show.is_due(epoch.epoch, settings.epochs):
                stack = stacks.single(standing.stack, k)
                show.layer(run, stack, epoch.depth, epoch.epoch, trial)


def _finetune(
    train: Labelled,
    valid: Labelled,
    standing: Standing,
    records: Records,
    show: Show,
) -> None:
    """Train the classifiers until the runs, or half of a batch of them, are done."""
    assert standing.classifier is not None
    going = [standing.plans[run] for run in standing.going]
    line = ProgressLine(
        "fine-tuning", max(plan.finetuning.epochs for plan in going), standing.network.epoch
    )
    records.tick()
    for epoch in finetuning.finetuning_epochs(
        standing.classifier,
        train,
        valid,
        [plan.finetuning for plan in going],
        [plan.seed for plan in going],
        standing.network,
        at_least=len(going) // 2 + 1,
    ):
        seconds = records.tick()
        for k, run in enumerate(standing.going):
            if not epoch.active.reshape(-1)[k]:
                continue
            standing.seconds[run]["finetune"] += seconds / len(going)
            records.row(run, epoch.row(k), seconds / len(going))
            if epoch.diverged(k):
                _give_up(
                    run,
                    epoch.fault(standing.plans[run].finetuning.learning_rate),
                    standing,
                    records,
                )
            elif show.is_due(epoch.epoch, standing.plans[run].finetuning.epochs):
                show.network(run, stacks.single(standing.classifier.stack, k), epoch.epoch)
        if standing.failed.keys() >= set(standing.going):
            return
        line.show(epoch.epoch, epoch.readable())
        records.after_epoch(standing, due=False)
    line.end()
    records.after_epoch(standing, due=True)


def _part_with_finished(
    splits: Splits,
    valid: Labelled,
    standing: Standing,
    records: Records,
    show: Show,
) -> None:
    """Test the runs that are done, and go on with the others alone."""
    assert standing.classifier is not None
    settings = [standing.plans[run].finetuning for run in standing.going]
    training = finetuning.still_training(standing.classifier, settings, standing.network)
    staying = []
    for k, (run, active) in enumerate(zip(standing.going, training, strict=True)):
        if run in standing.failed:
            continue
        if active:
            staying.append(run)
            continue
        best_epoch = int(standing.network.stopping["best_epoch"].reshape(-1)[k])
        result = {
            "best_epoch": best_epoch,
            "epochs": records.epochs[run],
            "best_is_last": best_epoch == records.epochs[run],
            "seconds": standing.seconds[run],
        }
        single = classifiers.single(standing.classifier, k)
        verdict.write(run, single, splits, valid, result, records, show)
    if staying:
        standing.keep(staying)
        records.after_epoch(standing, due=True)
    standing.going = staying


def _note_stop(error: BaseException, standing: Standing, records: Records) -> None:
    if isinstance(error, StorageError):  # the codes are gone again: a checkpoint will fit
        records.after_epoch(standing, due=True)
    for run in standing.unfinished:
        records.result(run, status="interrupted", message=str(error))


def _give_up(run: int, fault: str, standing: Standing, records: Records) -> None:
    standing.failed[run] = fault
    records.result(run, status="diverged", message=fault, seconds=standing.seconds[run])
