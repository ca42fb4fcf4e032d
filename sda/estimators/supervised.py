"""What the predictors have in common: labels, rows set aside, fine-tuning."""

import logging
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from sda.estimators.scaling import Scaling
from sda.estimators.stacked import Shown, Stacked, of_extent
from sda.nn.predictor import Predictor
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.training import finetuning
from sda.training.minibatches import Labelled
from sda.training.preconditions import warn_of_wide_rows
from sda.training.settings import Finetuning

Part = tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]  # rows, targets, weights
_log = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class Supervised(Stacked, ABC):
    """What predictors have in common: labels, the cut, fine-tuning."""

    _: KW_ONLY
    finetune_epochs: int = 60
    finetune_learning_rate: float = 0.3
    patience: int | None = 20
    finetuning: Finetuning | None = None
    validation_fraction: float = 0.2
    unlabelled: Any = None

    def _fit(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        weights: NDArray[Any] | None,
        valid: Part | None,
    ) -> Self:
        """Fit rows (n, d) with targets as the network takes them, and perhaps weights."""
        goes_on = self._goes_on()
        self._begin()
        train: Part = (x, y, weights)
        if valid is None:
            train, valid = self._cut(*train)
        if not goes_on:
            self._scaling = Scaling.of(train[0], self.scaling)
        given, held = (self._labelled(*part) for part in (train, valid))
        warn_of_wide_rows(given.x)
        if not goes_on:
            plans = self._layers(of_extent(given.x))
            stack = StackedDenoisingAutoencoder.plan(x.shape[1], plans, self._seed)
            self._pretrain(stack, given.x, held.x)
            self.network_ = self._network(stack)
        self._finetune(given, held)
        return self

    @abstractmethod
    def _network(self, stack: StackedDenoisingAutoencoder) -> Predictor:
        """Put the output layer of its kind on a stack."""

    def _labelled(self, x: NDArray[Any], y: NDArray[Any], weights: NDArray[Any] | None) -> Labelled:
        given = None if weights is None else torch.from_numpy(np.float32(weights))
        return Labelled(self._scaling(x), torch.from_numpy(y), given)

    def _cut(self, *train: Any) -> tuple[Part, Part]:
        """Set validation rows aside, some of those with labels; all of them where they are few."""
        y = train[1]
        known = np.flatnonzero(self._has_label(y))
        n = round(self.validation_fraction * len(known))
        if min(n, len(known) - n) < 1:
            _log.warning("too few labelled rows to set some aside: the training rows are judged")
            return train, train
        chosen = self._drawn(known, y[known], n)
        rest = np.setdiff1d(np.arange(len(y)), chosen)
        held = tuple(None if part is None else part[chosen] for part in train)
        kept = tuple(None if part is None else part[rest] for part in train)
        return kept, held  # type: ignore[return-value]

    def _drawn(self, known: NDArray[np.int64], y: NDArray[Any], n: int) -> NDArray[np.int64]:
        """Draw n of the labelled rows, whose labels are y."""
        return np.asarray(train_test_split(known, test_size=n, random_state=self._seed % 2**32)[1])

    @abstractmethod
    def _has_label(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        """Which rows have a target that the network can learn from."""

    def _finetune(self, train: Labelled, valid: Labelled) -> None:
        plan = self.finetuning or Finetuning(
            self.finetune_epochs,
            self.finetune_learning_rate,
            self.batch_size,
            patience=self.patience,
        )
        epochs = finetuning.finetuning_epochs(
            self.network_, train, valid, [plan], [self._seed], self._above
        )
        with Shown(self.verbose) as shown:
            for epoch in epochs:
                shown.note(epoch, "fine-tuning", plan.epochs, plan.learning_rate)
                self.history_.append(epoch.row(0))
        finetuning.warn_of_one_answer(self.network_, valid)
