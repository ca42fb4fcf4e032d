"""How a layer is pretrained and how the network is fine-tuned: what can be set."""

from dataclasses import dataclass

from sda.common import checks
from sda.common.precision import Precision
from sda.nn.corruption import Corruption


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

    @property
    def company(self) -> tuple[object, ...]:
        """Equal for settings whose runs can be fine-tuned together."""
        kind = (self.labelled, self.corruption is None, self.encoders)
        return (*kind, self.batch_size, str(self.precision))
