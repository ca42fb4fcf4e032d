"""How a layer is pretrained and how the network is fine-tuned: what can be set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sda.common import checks
from sda.common.precision import Precision
from sda.nn import named_optimisers
from sda.nn.corruption import Corruption
from sda.training.schedule import Schedule


@dataclass(frozen=True)
class Pretraining:
    """How one layer is trained. The cost is a mean over the batch: rates are per step."""

    epochs: int  # passes over the training rows
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
        checks.one_of("pretrain.precision", self.precision, (*Precision,))
        checks.whole("pretrain.epochs", self.epochs)
        checks.positive("pretrain.learning_rate", self.learning_rate)
        checks.whole("pretrain.batch_size", self.batch_size, 1)
        checks.number("pretrain.momentum", self.momentum, 0, 0.9999)
        checks.number("pretrain.weight_decay", self.weight_decay, 0)
        if self.patience is not None:
            checks.whole("pretrain.patience", self.patience, 1)
        if not (self.corruption is None or callable(self.corruption)):
            raise ValueError(f"pretrain.corruption must be one or null, got {self.corruption!r}")
        _check_descent("pretrain", self)


@dataclass(frozen=True)
class Finetuning:
    """How the whole network is trained. The cost is a mean over the batch: rates are per step."""

    epochs: int  # at most, passes over the training rows
    learning_rate: float
    batch_size: int  # rows
    patience: int | None = None  # epochs without a better validation error, once above chance
    momentum: float = 0.0
    weight_decay: float = 0.0  # of the weights, not of the biases
    encoders: bool = True  # false: the stack is frozen, only the softmax layer learns
    precision: Precision | str = Precision.auto  # of the products of a step
    labelled: int | None = None  # training rows whose labels are used, drawn by seed; None: all
    corruption: Corruption | None = None  # of the inputs while training; None: as they are
    optimiser: str = "sgd"  # one of torch.optim: sgd, adam, adamw, nadam, rmsprop, adagrad
    optimiser_options: Mapping[str, Any] | None = None  # by torch.optim's names
    schedule: Schedule | str = Schedule.constant  # of the learning rate, epoch by epoch
    halved_after: float = 10.0  # epochs after which schedule=inverse_time has halved the rate
    averaging: float = 0.0  # share of the old average at each step; 0: weights are not averaged
    dropout: float = 0.0  # share of the hidden units left out, others for each row and presentation
    input_dropout: float = 0.0  # share of the inputs

    def __post_init__(self) -> None:
        checks.one_of("finetune.precision", self.precision, (*Precision,))
        checks.whole("finetune.epochs", self.epochs, 1)
        checks.positive("finetune.learning_rate", self.learning_rate)
        checks.whole("finetune.batch_size", self.batch_size, 1)
        checks.number("finetune.momentum", self.momentum, 0, 0.9999)
        checks.number("finetune.weight_decay", self.weight_decay, 0)
        checks.flag("finetune.encoders", self.encoders)
        if self.patience is not None:
            checks.whole("finetune.patience", self.patience, 1)
        if self.labelled is not None:
            checks.whole("finetune.labelled", self.labelled, 1)
        if not (self.corruption is None or callable(self.corruption)):
            raise ValueError(f"finetune.corruption must be one or null, got {self.corruption!r}")
        checks.number("finetune.averaging", self.averaging, 0, 0.999999)
        checks.number("finetune.dropout", self.dropout, 0, 0.99)
        checks.number("finetune.input_dropout", self.input_dropout, 0, 0.99)
        if self.dropout and not self.encoders:
            raise ValueError(
                "finetune.dropout is of units that learn: with finetune.encoders=false it must be "
                f"0, got {self.dropout!r}"
            )
        _check_descent("finetune", self)

    @property
    def company(self) -> tuple[object, ...]:
        """Equal for settings whose runs can be fine-tuned together."""
        kind = (self.labelled, self.corruption is None, self.encoders)
        drops = (self.dropout > 0, self.input_dropout > 0)
        return (*kind, *drops, self.batch_size, str(self.precision), *optimiser(self))


def optimiser(plan: Pretraining | Finetuning) -> tuple[str, str]:
    """Equal for settings whose runs one optimiser can train together."""
    return plan.optimiser, repr(sorted((plan.optimiser_options or {}).items()))


def _check_descent(where: str, plan: Pretraining | Finetuning) -> None:
    named_optimisers.check(where, plan)
    checks.one_of(f"{where}.schedule", plan.schedule, (*Schedule,))
    checks.positive(f"{where}.halved_after", plan.halved_after)
