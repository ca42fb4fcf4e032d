"""What the estimators have in common: rows, layers, pretraining, progress."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from sda.common.errors import DivergenceError
from sda.common.progress import Progress
from sda.common.rows import extent
from sda.nn.autoencoder import Layer
from sda.nn.corruption import Corruption, Masking
from sda.nn.distributions import CrossEntropy, Distribution, SquaredError
from sda.nn.layer_kind import LayerPlan
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.training import finetuning, pretraining
from sda.training.history import LayerEpoch, NetworkEpoch
from sda.training.reconstruction_error import note_best_depth
from sda.training.settings import Pretraining

KINDS = (np.float64, np.float32, np.uint8)  # of rows that are taken as they are


@dataclass(eq=False, repr=False)
class Stacked(BaseEstimator):  # type: ignore[misc]
    """What the estimators have in common: rows, layers, pretraining.

    The fields of a class are its parameters, as scikit-learn reads them off ``__init__``.
    """

    hidden: int | Sequence[int | LayerPlan] = (200, 200, 200)
    _: KW_ONLY
    corruption: float | Corruption | Sequence[float | Corruption] = 0.25
    scaling: str | None = "unit"
    pretrain_epochs: int | Sequence[int] = 30
    pretrain_learning_rate: float | Sequence[float] = 0.1
    batch_size: int = 20
    pretraining: Pretraining | Sequence[Pretraining] | None = None
    random_state: int | np.random.RandomState | None = 0
    warm_start: bool = False
    verbose: bool = False

    def _rows(self, X: ArrayLike) -> Tensor:
        """New rows as the network takes them."""
        check_is_fitted(self)
        x: Tensor = self._scaling(validate_data(self, X, dtype=KINDS, reset=False))
        return x

    def _layers(self, lowest: Distribution) -> list[LayerPlan]:
        """The plan of each layer; ``lowest`` is p(x | codes) of the rows, codes lie in [0, 1]."""
        sizes = [self.hidden] if isinstance(self.hidden, int | LayerPlan) else list(self.hidden)
        noises = each("corruption", self.corruption, len(sizes))
        return [
            size
            if isinstance(size, LayerPlan)
            else Layer(
                size,
                noise if isinstance(noise, Corruption) else Masking(noise),
                CrossEntropy() if depth else lowest,
            )
            for depth, (size, noise) in enumerate(zip(sizes, noises, strict=True))
        ]

    def _plans(self, depth: int) -> list[Pretraining]:
        """How each layer is pretrained."""
        if self.pretraining is not None:
            return list(each("pretraining", self.pretraining, depth))
        epochs = each("pretrain_epochs", self.pretrain_epochs, depth)
        rates = each("pretrain_learning_rate", self.pretrain_learning_rate, depth)
        return [Pretraining(*pair, self.batch_size) for pair in zip(epochs, rates, strict=True)]

    def _begin(self) -> None:
        """Forget an earlier fit, unless this one goes on with it."""
        if self._goes_on():
            return
        state = self.random_state
        if not isinstance(state, Integral):
            state = check_random_state(state).randint(2**31)
        self._seed = int(state)
        self.history_: list[dict[str, Any]] = []
        self._below, self._above = pretraining.Progress(), finetuning.Progress()

    def _goes_on(self) -> bool:
        return bool(self.warm_start) and hasattr(self, "history_")

    def _pretrain(
        self, stack: StackedDenoisingAutoencoder, x: Tensor, valid: Tensor | None
    ) -> None:
        plans = self._plans(len(stack))
        epochs = pretraining.pretraining_epochs(
            stack, x, [plans], [self._seed], valid, progress=self._below
        )
        with Shown(self.verbose) as shown:
            for epoch in epochs:
                plan = plans[epoch.depth]
                shown.note(epoch, f"layer {epoch.depth + 1}", plan.epochs, plan.learning_rate)
                self.history_.append(epoch.row(0))
        if valid is not None:
            note_best_depth(stack, valid, stack[0].corruptions[0], self._seed)


def of_extent(x: Tensor) -> Distribution:
    """The loss that suits where rows lie: cross-entropy in [0, 1], else squared error."""
    low, high = extent(x)
    return CrossEntropy() if low >= 0 and high <= 1 else SquaredError()


def each(name: str, value: Any, n: int) -> Sequence[Any]:
    """A value for each of n layers, from one for all of them or a sequence."""
    if isinstance(value, list | tuple | np.ndarray):
        if len(value) != n:
            raise ValueError(f"{name} must be one value or {n}, one a layer, got {len(value)}")
        return list(value)
    return [value] * n


class Shown(Progress):
    """Progress of epochs, if it is wanted, and the end of those that diverge."""

    def __init__(self, wanted: bool) -> None:
        super().__init__()
        self._wanted, self._now = wanted, ""

    def note(self, epoch: LayerEpoch | NetworkEpoch, phase: str, most: int, rate: float) -> None:
        """Show an epoch; raise DivergenceError if it has diverged."""
        if epoch.diverged(0):
            raise DivergenceError(epoch.fault(rate))
        if not self._wanted:
            return
        if phase != self._now:
            self._now = phase
            self.begin(phase, most, epoch.epoch)
        self.show(epoch.epoch, epoch.readable())
