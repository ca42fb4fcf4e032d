"""A stack that is pretrained on all rows and fine-tuned to name classes."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from sda.estimators.stacked import KINDS
from sda.estimators.supervised import Part, Supervised
from sda.nn.heads import Classifier
from sda.nn.stack import StackedDenoisingAutoencoder


@dataclass(eq=False, repr=False)
class SDAClassifier(ClassifierMixin, Supervised):  # type: ignore[misc]
    """A stack that is pretrained without labels and fine-tuned with a softmax layer on top.

    Vincent et al. (2008). Parameters have the names and defaults of the command line.

    Args:
        hidden: as for ``SDATransformer``, like ``corruption``, ``scaling``, ``pretrain_epochs``,
            ``pretrain_learning_rate``, ``batch_size``, ``pretraining``, ``random_state`` and
            ``verbose``. With ``pretrain_epochs=0`` fine-tuning starts from random weights.
        finetune_epochs: at most, passes over the labelled rows.
        finetune_learning_rate: of the mean over a minibatch.
        patience: epochs without a better validation error; None: all epochs.
        finetuning: everything about it, in place of the three above and of ``batch_size``.
        validation_fraction: of the labelled rows that are set aside to stop by, stratified, unless
            ``fit`` is given some.
        class_weight: None, ``balanced`` or a dictionary, for training and validation rows.
        unlabelled: what stands in y for a row without label, such as -1; pretraining alone learns
            from these. None: all rows have labels.
        warm_start: ``fit`` goes on fine-tuning where ``finetune_epochs`` has grown.

    Attributes:
        classes_: the labels, in order.
        network_: the ``Classifier``; ``network_.stack`` has been fine-tuned.
        history_: the record, a dictionary for each epoch.
    """

    _: KW_ONLY
    class_weight: str | Mapping[Any, float] | None = None

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        valid: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> Self:
        """Pretrain on rows X (n, d) and fine-tune on those that have a label in y (n,).

        Args:
            X: training rows.
            y: labels.
            sample_weight: what each row counts in fine-tuning, and in judging if it is set aside.
            valid: rows and labels to stop by; then nothing is set aside.
        """
        rows = validate_data(self, X, dtype=KINDS)
        labels = self._labels(rows, y)
        known = self._known(labels)
        check_classification_targets(labels[known])
        self.classes_ = np.unique(labels[known])
        if len(self.classes_) < 2:
            raise ValueError(f"at least 2 classes are needed, got {len(self.classes_)} class")
        held = None if valid is None else self._held(*valid)
        return self._fit(rows, *self._given(rows, labels, sample_weight), held)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """p(class | x) for rows X (n, d): (n, k), in the order of ``classes_``."""
        rows = self._rows(X)
        assert isinstance(self.network_, Classifier)
        found: NDArray[np.float32] = self.network_.probabilities(rows).cpu().numpy()
        return found

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable label of each row of X (n, d): (n,)."""
        rows = self._rows(X)
        return np.asarray(self.classes_[self.network_.predict(rows).cpu().numpy()])

    def _network(self, stack: StackedDenoisingAutoencoder) -> Classifier:
        return Classifier(stack, len(self.classes_), seed=self._seed)

    def _held(self, X: ArrayLike, y: ArrayLike) -> Part:
        rows = validate_data(self, X, dtype=KINDS, reset=False)
        labels = self._labels(rows, y)
        strange = np.setdiff1d(labels[self._known(labels)], self.classes_)
        if len(strange):
            raise ValueError(f"no training row is of class {strange[0]}, a validation row is")
        return (rows, *self._given(rows, labels, None))

    def _given(
        self, rows: NDArray[Any], labels: NDArray[Any], weights: ArrayLike | None
    ) -> tuple[NDArray[np.int64], NDArray[Any] | None]:
        """Labels as numbers from 0, -1 without one, and the weights of rows if there are any."""
        known = self._known(labels)
        y = np.full(len(labels), -1)
        y[known] = np.searchsorted(self.classes_, labels[known])
        own = None if weights is None else _check_sample_weight(weights, rows)
        if self.class_weight is not None:
            each = compute_class_weight(self.class_weight, classes=self.classes_, y=labels[known])
            own = np.append(each, 0.0)[y] * (1.0 if own is None else own)
        return y, own

    def _labels(self, rows: NDArray[Any], y: ArrayLike) -> NDArray[Any]:
        """Labels (n,) of rows, of any type; NaN only where it says that there is none."""
        if y is None:
            raise ValueError("SDAClassifier requires y to be passed, but the target y is None")
        holes = "allow-nan" if self.unlabelled != self.unlabelled else True
        labels = check_array(
            y, dtype=None, ensure_2d=False, ensure_all_finite=holes, input_name="y"
        )
        check_consistent_length(rows, labels)
        return np.asarray(column_or_1d(labels, warn=True))

    def _known(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Which rows have a label."""
        if self.unlabelled is None:
            return np.ones(len(labels), bool)
        if self.unlabelled != self.unlabelled:  # NaN
            return np.array([label == label for label in labels], bool)
        return np.array([label != self.unlabelled for label in labels], bool)

    def _has_label(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray(y >= 0)

    def _drawn(self, known: NDArray[np.int64], y: NDArray[Any], n: int) -> NDArray[np.int64]:
        """The same share of each class, where there are enough rows."""
        is_even = min(n, len(y) - n) >= len(np.unique(y)) and np.bincount(y)[y].min() > 1
        chosen = train_test_split(
            known, test_size=n, random_state=self._seed % 2**32, stratify=y if is_even else None
        )[1]
        return np.asarray(chosen)
