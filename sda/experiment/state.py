"""Where runs that train together stand: what one checkpoint holds."""

import copy
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sda.config.plan import Run
from sda.nn import heads as classifiers
from sda.nn.heads import Classifier
from sda.nn.stack import StackedDenoisingAutoencoder, join, single
from sda.runs.checkpoint import CheckpointError
from sda.runs.identity import differences
from sda.training import finetuning, pretraining


@dataclass
class Standing:
    """The networks of a batch of runs and how far their training is.

    First ``stack``, with a run for every distinct pretraining, moves; then ``classifier``, with a
    run for every one in ``going``: all runs, or ``at_once`` of them while the others wait, and
    those that are not fine-tuned like them. What is only one has ordinary modules.
    """

    plans: Sequence[Run]
    n_visible: int
    n_classes: int
    at_once: int  # most runs that are fine-tuned together
    data_hash: str | None = None  # of what they learn from
    leaders: list[int] = field(init=False)  # plans whose pretraining is computed, for all alike
    followers: dict[int, list[int]] = field(init=False)  # of each leader, itself among them
    stack: StackedDenoisingAutoencoder | None = field(init=False)
    classifier: Classifier | None = None
    waiting: list[int] = field(init=False)  # to be fine-tuned
    going: list[int] = field(default_factory=list)  # being fine-tuned
    failed: dict[int, str] = field(default_factory=dict)  # diverged runs, and how
    layers: pretraining.Progress = field(default_factory=pretraining.Progress)
    network: finetuning.Progress = field(default_factory=finetuning.Progress)
    seconds: list[dict[str, float]] = field(init=False)

    def __post_init__(self) -> None:
        alike: dict[Hashable, list[int]] = {}
        for run, plan in enumerate(self.plans):
            if plan.is_pretrained:
                alike.setdefault(plan.pretraining_key(), []).append(run)
        self.followers = {runs[0]: runs for runs in alike.values()}
        self.leaders = list(self.followers)
        self.stack = None
        if self.leaders:
            initial = [self.plans[run].stack(self.n_visible) for run in self.leaders]
            joined = initial[0] if len(initial) == 1 else join(initial)
            self.stack = joined.to(self.plans[0].device)
        self.waiting = list(range(len(self.plans)))
        self.seconds = [{"pretrain": 0.0, "finetune": 0.0} for _ in self.plans]

    @property
    def unfinished(self) -> list[int]:
        """Runs that have neither ended nor failed."""
        return [run for run in (*self.going, *self.waiting) if run not in self.failed]

    def stack_up(self) -> None:
        """Put classifiers on the stacks of the next runs: pretrained ones where the arm says so."""
        waiting = [run for run in self.waiting if run not in self.failed]
        company = [plan.finetuning.company for plan in self.plans]
        alike = [run for run in waiting if company[run] == company[waiting[0]]]
        self.going = alike[: self.at_once]
        self.waiting = [run for run in waiting if run not in self.going]
        self.network = finetuning.Progress()
        if not self.going:
            return
        stacks: dict[int, StackedDenoisingAutoencoder] = {}
        for k, leader in enumerate(self.leaders):
            assert self.stack is not None
            # Copied: fine-tuning moves the stack that a run waiting its turn will start from.
            pretrained = copy.deepcopy(single(self.stack, k))
            stacks |= dict.fromkeys(self.followers[leader], pretrained)
        for run in set(self.going) - stacks.keys():
            stacks[run] = self.plans[run].stack(self.n_visible).to(self.plans[run].device)
        self.classifier = self._classifier([stacks[run] for run in self.going])
        if not self.waiting:
            self.stack = None

    def keep(self, going: list[int]) -> None:
        """Drop the runs that are done, so that no work is spent on them."""
        assert self.classifier is not None
        places = [self.going.index(run) for run in going]
        self.classifier = classifiers.take(self.classifier, places)
        self.network = finetuning.take(self.network, places)
        self.going = going

    def payload(self) -> dict[str, Any]:
        """Everything as tensors and plain types, and whose it is."""
        return {
            "settings": [plan.settings for plan in self.plans],
            "data_hash": self.data_hash,
            "at_once": self.at_once,
            "waiting": self.waiting,
            "going": self.going,
            "failed": self.failed,
            "stack": None if self.stack is None else self.stack.state_dict(),
            "classifier": None if self.classifier is None else self.classifier.state_dict(),
            "layers": vars(self.layers),
            "network": vars(self.network),
            "seconds": self.seconds,
        }

    def restore(self, payload: dict[str, Any]) -> None:
        """Go back to where a checkpoint was taken, with as many runs at once on any device.

        Raises:
            CheckpointError: it is of other runs.
        """
        own = [plan.settings for plan in self.plans]
        pairs = zip(payload["settings"], own, strict=False)
        changed = [line for before, now in pairs for line in differences(before, now)]
        if payload["data_hash"] != self.data_hash:
            changed.append("the data: their SHA-256 differs")
        if (count := len(payload["seconds"])) != len(own):
            changed = [f"{count} runs together there, {len(own)} now"]
        if changed:
            raise CheckpointError(
                f"the checkpoint here is another run's ({'; '.join(changed)}); "
                "overwrite=true starts afresh"
            )
        self.at_once = payload["at_once"]
        self.waiting, self.going = list(payload["waiting"]), list(payload["going"])
        self.failed = dict(payload["failed"])
        self.seconds = [dict(seconds) for seconds in payload["seconds"]]
        self.layers = pretraining.Progress(**payload["layers"])
        self.network = finetuning.Progress(**payload["network"])
        if payload["stack"] is None:
            self.stack = None
        elif self.stack is not None:
            self.stack.load_state_dict(payload["stack"])
        if payload["classifier"] is not None:
            self.classifier = self._classifier(
                [self.plans[run].stack(self.n_visible) for run in self.going]
            )
            self.classifier.load_state_dict(payload["classifier"])

    def _classifier(self, stacks: list[StackedDenoisingAutoencoder]) -> Classifier:
        ordinary = min(self.at_once, len(self.plans)) == 1
        return Classifier(
            (stacks[0] if ordinary else join(stacks)).to(self.plans[0].device),
            self.n_classes,
            seed=[self.plans[run].seed for run in self.going],
            initialisation=self.plans[0].initialisation,
        )
