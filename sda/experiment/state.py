"""How far a batch of runs has come: what a checkpoint holds."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sda.config.plan import Run
from sda.nn import heads, predictor
from sda.nn.layer_kind import Shape
from sda.nn.predictor import Predictor
from sda.nn.stack import StackedDenoisingAutoencoder, join, single
from sda.runs.checkpoint import CheckpointError
from sda.runs.identity import MOVABLE, differences, digest
from sda.training import finetuning, pretraining


@dataclass
class State:
    """The networks of a batch of runs and where their training stands.

    First ``stack`` is trained, with one run for each different pretraining; then ``classifier``,
    with one for each run in ``going``. A single one is an ordinary module, without runs.
    """

    plans: Sequence[Run]
    n_visible: int | Shape  # of pictures, their shape
    n_classes: int  # 0: numbers are predicted
    data_hash: str | None = None  # of what they learn from
    n_targets: int = 0  # numbers that are predicted
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
            initial = [self.plans[run].stack(self.n_visible) for run in self.pretrained]
            self.stack = _joined(initial).to(self.plans[0].device)
            if self.plans[self.pretrained[0]].start is not None:
                self.layers.depth = len(self.stack)  # there is nothing left to train
        self.going = list(range(len(self.plans)))
        self.seconds = [{"pretrain": 0.0, "finetune": 0.0} for _ in self.plans]

    @property
    def unfinished(self) -> list[int]:
        """Runs that have neither ended nor failed."""
        return [run for run in self.going if run not in self.failed]

    def followers(self, k: int) -> list[int]:
        """The runs that start from pretraining k."""
        return [run for run, place in self.source.items() if place == k]

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
                stacks.append(copy.deepcopy(single(self.stack, self.source[run])))
            else:
                stacks.append(plan.stack(self.n_visible).to(plan.device))
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
        """Everything as tensors and plain types, and whose it is."""
        return {
            "settings": [plan.settings for plan in self.plans],
            "data_hash": self.data_hash,
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
                f"the checkpoint here is none of a run ({said}); overwrite=true starts afresh"
            ) from None

    def _restore(self, payload: dict[str, Any]) -> None:
        own = [plan.settings for plan in self.plans]
        pairs = zip(payload["settings"], own, strict=len(payload["seconds"]) == len(own))
        changed = [line for before, now in pairs for line in differences(before, now, MOVABLE)]
        if payload["data_hash"] != self.data_hash:
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
            self.classifier = self._classifier([plan.stack(self.n_visible) for plan in plans])
            self.classifier.load_state_dict(payload["classifier"])

    def _classifier(self, stacks: list[StackedDenoisingAutoencoder]) -> Predictor:
        seeds = [self.plans[run].seed for run in self.going]
        ordinary = len(self.plans) == 1
        return heads.predictor(
            (stacks[0] if ordinary else join(stacks)).to(self.plans[0].device),
            self.n_classes,
            self.n_targets,
            seeds[0] if ordinary else seeds,
            self.plans[0].initialisation,
        )


def _joined(stacks: list[StackedDenoisingAutoencoder]) -> StackedDenoisingAutoencoder:
    return stacks[0] if len(stacks) == 1 else join(stacks)
