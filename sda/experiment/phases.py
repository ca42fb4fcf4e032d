"""The two phases of training, the same in the process that records a run and in those beside it.

Where several processes train a run, the first one says before each phase where the run stands, and
the others follow it through its epochs. They write nothing.
"""

from collections.abc import Iterator
from pathlib import Path

from sda.common import processes
from sda.common.signals import Interruption
from sda.config import schema
from sda.config.plan import Run
from sda.data.splits import Rows
from sda.experiment.job import Job
from sda.experiment.judging import Labelled, tensors
from sda.experiment.state import State
from sda.training import finetuning, pretraining
from sda.training.codes import Storage
from sda.training.history import LayerEpoch, NetworkEpoch


def at_hand(rows: Rows, plan: Run) -> Labelled:
    """Rows on the device of a run, or where they are if they would take too much of its memory."""
    x, y = tensors(rows)
    return (x.to(plan.device), y.to(plan.device)) if x.nbytes <= plan.codes_memory else (x, y)


def pretrain(state: State, train: Labelled, valid: Labelled, place: Path) -> Iterator[LayerEpoch]:
    """Train the layers of all pretrainings, from where they stand; ``place`` is for large codes."""
    assert state.stack is not None
    _say(state)
    plans = [state.plans[number] for number in state.pretrained]
    return pretraining.pretraining_epochs(
        state.stack,
        train[0],
        [plan.pretraining for plan in plans],
        [plan.seed for plan in plans],
        valid[0],
        [[plan.trials[k] for plan in plans] for k in range(len(state.stack))],
        state.layers,
        Storage(place, plans[0].codes_memory),
    )


def finetune(state: State, train: Labelled, valid: Labelled) -> Iterator[NetworkEpoch]:
    """Train the classifiers until the runs, or half of a batch of them, are done."""
    assert state.classifier is not None
    _say(state)
    going = [state.plans[number] for number in state.going]
    return finetuning.finetuning_epochs(
        state.classifier,
        train,
        valid,
        [plan.finetuning for plan in going],
        [plan.seed for plan in going],
        state.network,
        at_least=len(going) // 2 + 1,
    )


def _say(state: State) -> None:
    if processes.count() > 1 and processes.is_first():
        processes.told(state.payload())


def follow(job: Job) -> None:
    """Go through the phases of the first process's run with it. It alone listens to signals.

    Raises:
        ConnectionError: another process has ended before the run did.
    """
    with Interruption():
        if (said := processes.told()) is None:  # there was nothing to train
            return
        splits = schema.load_data(job.config)
        plan = job.plan.on(splits)
        assert isinstance(plan, Run)
        state = State(
            [plan], splits.input_shape, splits.n_classes, splits.digest(), splits.n_targets
        )
        train, valid = at_hand(splits.train, plan), at_hand(splits.valid, plan)
        while said is not None:
            state.restore(said)
            epochs: Iterator[LayerEpoch | NetworkEpoch]
            if state.classifier is None:
                epochs = pretrain(state, train, valid, job.path)
            else:
                epochs = finetune(state, train, valid)
            for epoch in epochs:
                if epoch.diverged(0):
                    break
            said = processes.told()
