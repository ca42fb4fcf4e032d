"""How a layer is pretrained and how the network is fine-tuned: what can be set."""

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar

import torch

from sda.common import checks
from sda.common.precision import Precision
from sda.nn.corruption import Corruption

OPTIMISERS: dict[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}
OURS = {"params", "lr", "momentum", "weight_decay"}  # set by fields of their own
TECHNICAL = {"foreach", "maximize", "capturable", "differentiable", "fused"}


class Schedule(StrEnum):
    """How the learning rate falls while epochs pass."""

    constant = "constant"
    inverse_time = "inverse_time"  # 1 / (1 + t / T): half after T epochs
    cosine = "cosine"  # half a wave, from 1 towards 0 at the most epochs that there may be


@dataclass(frozen=True)
class Training:
    """What both can be set to. The cost is a mean over the batch: rates are per step."""

    where: ClassVar[str]  # the group of settings, for messages
    fewest_epochs: ClassVar[int] = 0

    epochs: int  # at most, passes over the training rows
    learning_rate: float
    batch_size: int  # rows
    momentum: float = 0.0
    weight_decay: float = 0.0  # of the weights, not of the biases
    patience: int | None = None  # epochs with only worse validation errors; None: no early stopping
    precision: Precision | str = Precision.auto  # of the products of a step
    corruption: Corruption | None = None  # of the rows, as if it were in the data; None: none
    optimiser: str = "sgd"  # one of torch.optim: sgd, adam, adamw, nadam, rmsprop, adagrad
    optimiser_options: Mapping[str, Any] | None = None  # by torch.optim's names
    schedule: Schedule | str = Schedule.constant  # of the learning rate, epoch by epoch
    halved_after: float = 10.0  # epochs after which schedule=inverse_time has halved the rate

    def __post_init__(self) -> None:
        where = self.where
        checks.one_of(f"{where}.precision", self.precision, (*Precision,))
        checks.whole(f"{where}.epochs", self.epochs, self.fewest_epochs)
        checks.positive(f"{where}.learning_rate", self.learning_rate)
        checks.whole(f"{where}.batch_size", self.batch_size, 1)
        checks.number(f"{where}.momentum", self.momentum, 0, 0.9999)
        checks.number(f"{where}.weight_decay", self.weight_decay, 0)
        if self.patience is not None:
            checks.whole(f"{where}.patience", self.patience, 1)
        if not (self.corruption is None or callable(self.corruption)):
            raise ValueError(f"{where}.corruption must be one or null, got {self.corruption!r}")
        self._check_optimiser()
        checks.one_of(f"{where}.schedule", self.schedule, (*Schedule,))
        checks.positive(f"{where}.halved_after", self.halved_after)

    def factor(self, epoch: int) -> float:
        """What the learning rate is multiplied by in an epoch, 1 the first one."""
        t = epoch - 1  # epochs that are behind
        if self.schedule == Schedule.inverse_time:
            return 1 / (1 + t / self.halved_after)
        if self.schedule == Schedule.cosine:
            return 0.5 * (1 + math.cos(math.pi * min(t / self.epochs, 1)))
        return 1.0

    def check_longer(self) -> None:
        """Raise ValueError if its rates rest on how many epochs there are: no more can be added."""
        if self.schedule == Schedule.cosine:
            raise ValueError(
                f"{self.where}.schedule=cosine falls towards the last epoch: training that has "
                "ended with it cannot go on; train from the start, or with another schedule"
            )

    def precision_on(self, device: torch.device, closed_form: bool) -> Precision:
        """The precision of a step on a device; ``closed_form``: whether it is one of ours."""
        return Precision(self.precision).resolved(device, self.batch_size, closed_form)

    def check_precision(self, device: torch.device, closed_form: bool) -> None:
        """Raise ValueError where the precision cannot be had there; warn where it does not pay."""
        Precision(self.precision).check(device, self.batch_size, closed_form)

    @property
    def is_plain(self) -> bool:
        """Whether this is gradient descent with momentum and decay, and nothing else."""
        return self.optimiser == "sgd" and not self.optimiser_options

    @property
    def arguments(self) -> dict[str, Any]:
        """What the class of torch.optim can be given, and what it is otherwise."""
        known = inspect.signature(OPTIMISERS[self.optimiser]).parameters
        return {name: one.default for name, one in known.items()}

    @property
    def rates(self) -> dict[str, float]:
        """Rate, decay and, where there is such a thing, momentum, by torch.optim's names."""
        own = {"lr": self.learning_rate, "weight_decay": self.weight_decay}
        return own | ({"momentum": self.momentum} if "momentum" in self.arguments else {})

    def optimise(self, groups: list[dict[str, Any]], **technical: bool) -> torch.optim.Optimizer:
        """Make the optimiser of torch.optim that moves these groups of parameters."""
        options = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in (self.optimiser_options or {}).items()
        }
        make: Any = OPTIMISERS[self.optimiser]  # its arguments are not those of the base class
        made: torch.optim.Optimizer = make(groups, **self.rates, **options, **technical)
        return made

    def _check_optimiser(self) -> None:
        name = checks.one_of(f"{self.where}.optimiser", self.optimiser, (*OPTIMISERS,))
        options, asked = f"{self.where}.optimiser_options", self.optimiser_options or {}
        if not isinstance(asked, Mapping):
            raise ValueError(f"{options} must be settings by name or null, got {asked!r}")
        allowed = sorted(self.arguments.keys() - OURS - TECHNICAL)
        for key, value in asked.items():
            if key not in allowed:
                among = ", ".join(allowed)
                raise ValueError(f"{options} of {name} must be among {among}, got {key!r}")
            checks.alike(f"{options}.{key}", value, self.arguments[key])
        if self.momentum and "momentum" not in self.arguments:
            others = ", ".join(one for one in OPTIMISERS if one not in ("sgd", "rmsprop"))
            raise ValueError(
                f"{self.where}.momentum must be 0 with {others}, got {self.momentum!r} with {name}"
            )
        if not asked:  # all there is to check; torch.optim takes seconds to begin
            return
        try:
            self.optimise([{"params": [torch.zeros(1)]}])
        except ValueError as error:
            raise ValueError(f"{options} of {name}: {error}") from None


@dataclass(frozen=True)
class Pretraining(Training):
    """How one layer is trained."""

    where: ClassVar[str] = "pretrain"


@dataclass(frozen=True)
class Finetuning(Training):
    """How the whole network is trained; patience counts once it is better than chance."""

    where: ClassVar[str] = "finetune"
    fewest_epochs: ClassVar[int] = 1

    encoders: bool = True  # false: the stack is frozen, only the softmax layer learns
    labelled: int | None = None  # training rows whose labels are used, drawn by seed; None: all
    averaging: float = 0.0  # share of the old average at each step; 0: weights are not averaged
    dropout: float = 0.0  # share of the hidden units left out, others for each row and presentation
    input_dropout: float = 0.0  # share of the inputs
    class_weight: Mapping[str | int, float] | str | None = None  # by class; balanced: n / (k n_c)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.flag("finetune.encoders", self.encoders)
        if self.labelled is not None:
            checks.whole("finetune.labelled", self.labelled, 1)
        checks.number("finetune.averaging", self.averaging, 0, 0.999999)
        checks.number("finetune.dropout", self.dropout, 0, 0.99)
        checks.number("finetune.input_dropout", self.input_dropout, 0, 0.99)
        if self.dropout and not self.encoders:
            raise ValueError(
                "finetune.dropout is of units that learn: with finetune.encoders=false it must be "
                f"0, got {self.dropout!r}"
            )
        self._check_class_weight()

    def _check_class_weight(self) -> None:
        asked = self.class_weight
        if isinstance(asked, Mapping):
            for name, weight in asked.items():
                checks.number(f"finetune.class_weight of {name}", weight, 0)
        elif asked not in (None, "balanced"):
            raise ValueError(
                f"finetune.class_weight must be balanced, null or {{CLASS: WEIGHT}}, got {asked!r}"
            )
        elif asked and self.labelled is not None:
            raise ValueError(
                "finetune.class_weight=balanced counts the labels of all rows: with "
                "finetune.labelled say the weights, {CLASS: WEIGHT}"
            )

    def of_classes(self, names: Sequence[str]) -> "Finetuning":
        """The same with classes that are weighed by name under their numbers.

        Raises ValueError for a class that is not among ``names``.
        """
        if not isinstance(self.class_weight, Mapping):
            return self
        if unknown := [name for name in self.class_weight if str(name) not in names]:
            raise ValueError(
                f"finetune.class_weight: there is no class {unknown[0]!r}; there are "
                f"{', '.join(names[:12]) or 'none: numbers are predicted'}"
            )
        known: dict[str | int, float] = {
            names.index(str(name)): weight for name, weight in self.class_weight.items()
        }
        return replace(self, class_weight=known)

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Equal for settings whose runs can be fine-tuned together."""
        kind = (self.labelled, self.corruption is None, self.encoders)
        drops = (self.dropout > 0, self.input_dropout > 0)
        weighed = repr(self.class_weight)
        return (*kind, *drops, weighed, self.batch_size, str(self.precision), *optimiser(self))


def optimiser(plan: Training) -> tuple[str, str]:
    """Equal for settings whose runs one optimiser can train together."""
    return plan.optimiser, repr(sorted((plan.optimiser_options or {}).items()))
