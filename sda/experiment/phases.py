"""How far a batch of runs has come, and the two phases of its training.

Where several processes train a run, the first one sends its state to the others before each phase,
and all go through the same epochs. Only the first one writes.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sda.common import processes
from sda.common.signals import Interruption
from sda.config import schema
from sda.config.plan import Run
from sda.data.splits import Rows, Splits
from sda.experiment.job import Job
from sda.experiment.judging import Labelled, tensors
from sda.nn import heads, predictor
from sda.nn.predictor import Predictor
from sda.nn.stack import StackedDenoisingAutoencoder, join, single
from sda.runs.checkpoint import CheckpointError
from sda.runs.identity import MOVABLE, differences, digest
from sda.training import finetuning, pretraining
from sda.training.codes import Storage
from sda.training.history import LayerEpoch, NetworkEpoch


@dataclass
class State:
    """The networks of a batch of runs, what they learn from and where their training stands.

    First ``stack`` is trained, with one run for each different pretraining; then ``classifier``,
    with one for each run in ``going``. A single one is an ordinary module, without runs.
    """

    plans: Sequence[Run]
    splits: Splits
    train: Labelled = field(init=False)  # on the device, or where they are if too large
    valid: Labelled = field(init=False)
    pretrained: list[int] = field(init=False)  # the first run of each different pretraining
    source: dict[int, int] = field(init=False)  # run: its place in ``pretrained``
    stack: StackedDenoisingAutoencoder | None = field(init=False)
    classifier: Predictor | None = None
    going: list[int] = field(init=False)  # runs that have neither ended nor failed
    failed: dict[int, str] = field(default_factory=dict)  # diverged runs, and how
    layers: pretraining.Progress = field(default_factory=pretraining.Progress)
    network: finetuning.Progress = field(default_factory=finetuning.Progress)
    seconds: list[dict[str, float]] = field(init=False)

    def __post_init__(self) -> None:
        self.train, self.valid = map(self._at_hand, (self.splits.train, self.splits.valid))
        places: dict[str, int] = {}
        self.pretrained, self.source = [], {}
        for run, plan in enumerate(self.plans):
            if plan.is_pretrained:
                key = digest([plan.seed, *plan.pretraining_plan()])
                if key not in places:
                    places[key] = len(places)
                    self.pretrained.append(run)
                self.source[run] = places[key]
        self.stack = None
        if self.pretrained:
            initial = [self.plans[run].stack(self.splits.input_shape) for run in self.pretrained]
            stack = initial[0] if len(initial) == 1 else join(initial)
            self.stack = stack.to(self.plans[0].device)
            if self.plans[self.pretrained[0]].start is not None:
                self.layers.depth = len(self.stack)  # there is nothing left to train
        self.going = list(range(len(self.plans)))
        self.seconds = [{"pretrain": 0.0, "finetune": 0.0} for _ in self.plans]

    def _at_hand(self, rows: Rows) -> Labelled:
        x, y = tensors(rows)
        plan = self.plans[0]
        return (x.to(plan.device), y.to(plan.device)) if x.nbytes <= plan.codes_memory else (x, y)

    @property
    def unfinished(self) -> list[int]:
        """Runs that have neither ended nor failed."""
        return [run for run in self.going if run not in self.failed]

    def followers(self, k: int) -> list[int]:
        """The runs that start from pretraining k."""
        return [run for run, place in self.source.items() if place == k]

    def alone(self, k: int) -> StackedDenoisingAutoencoder:
        """The stack of pretraining k, an ordinary one."""
        assert self.stack is not None
        return single(self.stack, k)

    def predictor(self, k: int) -> Predictor:
        """Classifier k of those that are going on, an ordinary one."""
        assert self.classifier is not None
        return predictor.single(self.classifier, k)

    def stack_up(self) -> None:
        """Put classifiers on the stacks of all runs: pretrained ones where the arm says so."""
        self.going = self.unfinished
        if not self.going:
            return
        stacks = []
        for run in self.going:
            plan = self.plans[run]
            if self.stack is not None and run in self.source:
                # A copy: fine-tuning moves it.
                stacks.append(copy.deepcopy(self.alone(self.source[run])))
            else:
                stacks.append(plan.stack(self.splits.input_shape).to(plan.device))
        self.classifier = self._classifier(stacks)
        self.stack = None

    def keep(self, going: list[int]) -> None:
        """Drop the runs that are done, so that no work is spent on them."""
        assert self.classifier is not None
        places = [self.going.index(run) for run in going]
        self.classifier = predictor.take(self.classifier, places)
        self.network = finetuning.take(self.network, places)
        self.going = going

    def payload(self) -> dict[str, Any]:
        """All of it as tensors and plain types, with the settings of its runs."""
        return {
            "settings": [plan.settings for plan in self.plans],
            "data_hash": self.splits.digest(),
            "going": self.going,
            "failed": self.failed,
            "stack": None if self.stack is None else self.stack.state_dict(),
            "classifier": None if self.classifier is None else self.classifier.state_dict(),
            "layers": vars(self.layers),
            "network": vars(self.network),
            "seconds": self.seconds,
        }

    def restore(self, payload: dict[str, Any]) -> None:
        """Go back to where a checkpoint was taken.

        Raises:
            CheckpointError: it is of other runs, or not one of ours.
        """
        try:
            self._restore(payload)
        except CheckpointError:
            raise
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            said = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"the checkpoint here is not that of a run ({said}); overwrite=true starts afresh"
            ) from None

    def _restore(self, payload: dict[str, Any]) -> None:
        own = [plan.settings for plan in self.plans]
        pairs = zip(payload["settings"], own, strict=len(payload["seconds"]) == len(own))
        changed = [line for before, now in pairs for line in differences(before, now, MOVABLE)]
        if payload["data_hash"] != self.splits.digest():
            changed.append("the data: their SHA-256 differs")
        if (count := len(payload["seconds"])) != len(own):
            changed = [f"{count} runs together there, {len(own)} now"]
        if changed:
            raise CheckpointError(
                f"the checkpoint here is another run's ({'; '.join(changed)}); "
                "overwrite=true starts afresh"
            )
        self.going, self.failed = list(payload["going"]), dict(payload["failed"])
        self.seconds = [dict(seconds) for seconds in payload["seconds"]]
        self.layers = pretraining.Progress(**payload["layers"])
        self.network = finetuning.Progress(**payload["network"])
        if payload["stack"] is None:
            self.stack = None
        elif self.stack is not None:
            self.stack.load_state_dict(payload["stack"])
        if payload["classifier"] is not None:
            plans = [self.plans[run] for run in self.going]
            self.classifier = self._classifier(
                [plan.stack(self.splits.input_shape) for plan in plans]
            )
            self.classifier.load_state_dict(payload["classifier"])

    def _classifier(self, stacks: list[StackedDenoisingAutoencoder]) -> Predictor:
        seeds = [self.plans[run].seed for run in self.going]
        ordinary = len(self.plans) == 1
        return heads.predictor(
            (stacks[0] if ordinary else join(stacks)).to(self.plans[0].device),
            self.splits.n_classes,
            self.splits.n_targets,
            seeds[0] if ordinary else seeds,
            self.plans[0].initialisation,
        )


def pretrain(state: State, place: Path) -> Iterator[LayerEpoch]:
    """Train the layers of all pretrainings, from where they stand; large codes lie in ``place``."""
    assert state.stack is not None
    _say(state)
    plans = [state.plans[number] for number in state.pretrained]
    return pretraining.pretraining_epochs(
        state.stack,
        state.train[0],
        [plan.pretraining for plan in plans],
        [plan.seed for plan in plans],
        state.valid[0],
        [[plan.trials[k] for plan in plans] for k in range(len(state.stack))],
        state.layers,
        Storage(place, plans[0].codes_memory),
    )


def finetune(state: State) -> Iterator[NetworkEpoch]:
    """Train the classifiers until the runs, or half of a batch of them, are done."""
    assert state.classifier is not None
    _say(state)
    going = [state.plans[number] for number in state.going]
    return finetuning.finetuning_epochs(
        state.classifier,
        state.train,
        state.valid,
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
        state = State([plan], splits)
        while said is not None:
            state.restore(said)
            is_first = state.classifier is None
            epochs: Iterator[LayerEpoch | NetworkEpoch]
            epochs = pretrain(state, job.path) if is_first else finetune(state)
            for epoch in epochs:
                if epoch.diverged(0):
                    break
            said = processes.told()
