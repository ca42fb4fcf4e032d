"""Records of training: an epoch of a layer, an epoch of fine-tuning, a value for each run."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

if TYPE_CHECKING:
    from pandas import DataFrame

HOPELESS = 1e4  # nats; guessing costs log(classes), a network that has blown up costs millions


@dataclass(frozen=True)
class LayerEpoch:
    """One epoch of one layer, a value for each run; epoch 0 is the layer before its first step.

    Costs are sums over components, means over rows. ``valid`` is measured on validation rows that
    were corrupted by one draw, the same in every epoch; ``valid_clean`` on the same rows as they
    are. ``baselines`` are what a cost can be read against, on epoch 0: the mean of the training
    codes as the answer to everything, and for squared error the corrupted input passed through.
    """

    depth: int
    epoch: int
    loss: Tensor | None  # over the epoch's minibatches, each before its step
    valid: Tensor | None
    valid_clean: Tensor | None
    active: Tensor  # whether the run was trained in this epoch
    baselines: dict[str, Tensor] = field(default_factory=dict)
    bound: float = math.inf  # a cost not below it is that of a layer that has blown up
    measures: dict[str, Tensor] = field(default_factory=dict)  # the kind's own, on validation rows

    def row(self, run: int) -> dict[str, Any]:
        """The figures of one run, in plain types."""
        values = {"loss": self.loss, "valid": self.valid, "valid_clean": self.valid_clean}
        values |= {f"baseline_{name}": value for name, value in self.baselines.items()}
        values |= {f"valid_{name}": value for name, value in self.measures.items()}
        place = {"phase": "pretrain", "layer": self.depth + 1, "epoch": self.epoch}
        return place | {
            name: None if value is None else float(value.reshape(-1)[run])
            for name, value in values.items()
        }

    def readable(self) -> str:
        """The figures of the run, or their means over runs, for a line of progress."""
        parts = [] if self.loss is None else [f"loss {float(self.loss.mean()):.2f}"]
        if self.valid is not None and self.valid_clean is not None:
            clean = float(self.valid_clean.mean())
            parts.append(f"validation {float(self.valid.mean()):.2f} (clean {clean:.2f})")
        parts += [f"{name} {float(value.mean()):.2f}" for name, value in self.measures.items()]
        return "  ".join(parts)

    def beside(self) -> str:
        """Baselines for the figures, where known: answers that need no training."""
        means = {name: float(value.mean()) for name, value in self.baselines.items()}
        names = {"mean": "the mean as answer", "input": "the corrupted input as answer"}
        return ", ".join(f"{names[name]}: {value:.2f}" for name, value in means.items())

    def diverged(self, run: int) -> bool:
        """Whether the cost of a run left all bounds in this epoch."""
        return self.loss is not None and not self.loss.reshape(-1)[run] < self.bound

    def fault(self, learning_rate: float) -> str:
        """Say in one line what diverged where."""
        return (
            f"pretraining diverged: layer {self.depth + 1}, epoch {self.epoch}, "
            f"learning rate {learning_rate:g}; try a smaller rate"
        )


@dataclass(frozen=True)
class NetworkEpoch:
    """One epoch of fine-tuning, a value for each run."""

    epoch: int
    loss: Tensor  # mean cross-entropy in nats over the epoch's minibatches, each before its step
    valid_error: Tensor  # fraction of the validation rows
    valid_loss: Tensor  # mean cross-entropy in nats
    best_epoch: Tensor  # so far; 0: none was better than chance
    active: Tensor  # whether the run was trained in this epoch
    measure: str = "error"  # what the validation error is read as: "error", or "R2" for 1 less it

    def row(self, run: int) -> dict[str, Any]:
        """The figures of one run, in plain types."""
        values = {
            "loss": self.loss,
            "valid_error": self.valid_error,
            "valid_loss": self.valid_loss,
        }
        place: dict[str, Any] = {"phase": "finetune", "epoch": self.epoch}
        return place | {name: float(value.reshape(-1)[run]) for name, value in values.items()}

    def readable(self) -> str:
        """The figures of the run, or their means over runs, for a line of progress."""
        error = float(self.valid_error.mean())
        figure = f"R2 {1 - error:.3f}" if self.measure == "R2" else f"error {100 * error:.2f} %"
        best = f"best at epoch {int(self.best_epoch)}" if not self.loss.shape else "mean of runs"
        return f"loss {float(self.loss.mean()):.4f}  validation {figure} ({best})"

    def diverged(self, run: int) -> bool:
        """Whether the cost of a run left all bounds in this epoch."""
        return not self.loss.reshape(-1)[run] < HOPELESS

    def fault(self, learning_rate: float) -> str:
        """Say in one line what diverged where."""
        return (
            f"fine-tuning diverged: epoch {self.epoch}, learning rate {learning_rate:g}; "
            "try a smaller rate"
        )


Epoch = TypeVar("Epoch", LayerEpoch, NetworkEpoch)


class History(list[Epoch]):
    """The epochs of one run in their order: a list that can be seen as a table."""

    def frame(self) -> "DataFrame":
        """A row an epoch; the columns are what ``metrics.jsonl`` has, layers counted from 1.

        ``history.frame().plot(x="epoch", y="valid_error")`` draws it; the frames of pretraining and
        of fine-tuning may be joined, ``phase`` tells them apart.
        """
        import pandas as pd

        return pd.DataFrame([epoch.row(0) for epoch in self])
