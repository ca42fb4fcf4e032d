"""A stack that is pretrained on all rows and fine-tuned to predict numbers."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import Tags, check_array, check_consistent_length
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data
from torch import Tensor

from sda.estimators.stacked import KINDS
from sda.estimators.supervised import Supervised
from sda.nn.distributions import Distribution
from sda.nn.heads import Regressor
from sda.nn.stack import StackedDenoisingAutoencoder


@dataclass(eq=False, repr=False)
class SDARegressor(RegressorMixin, Supervised):  # type: ignore[misc]
    """A stack that is pretrained without targets and fine-tuned to predict one number or several.

    Args:
        hidden: as for ``SDAClassifier``, like all that is not named here.
        output: p(y | x) of the targets in units of their deviation; None: squared error.
            ``LearnedVariance()`` learns a deviation for each row, see ``predict``.
        unlabelled: what stands in y for a row without target, such as NaN; None: all have some.

    Attributes:
        network_: the ``Regressor``, which keeps the targets' mean and deviation.
        history_: the record, a dictionary for each epoch; ``valid_error`` is 1 - R2.
    """

    _: KW_ONLY
    finetune_learning_rate: float = 0.1
    output: Distribution | None = None

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        valid: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> Self:
        """Pretrain on rows X (n, d) and fine-tune on those that have targets in y, (n,) or (n, k).

        Args:
            X: training rows.
            y: numbers.
            sample_weight: what each row counts in fine-tuning, and in judging if it is set aside.
            valid: rows and targets to stop by; then nothing is set aside.
        """
        rows, numbers = self._checked(X, y, reset=True)
        self._is_single = numbers.ndim == 1
        own = None if sample_weight is None else _check_sample_weight(sample_weight, rows)
        held = None
        if valid is not None:
            x, valid_y = self._checked(*valid, reset=False)
            held = (x, self._targets(valid_y), None)
        return self._fit(rows, self._targets(numbers), own, held)

    def predict(
        self,
        X: ArrayLike,
        return_std: bool = False,
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """E[y | x] for rows X (n, d): (n,) or (n, k), as y was.

        With ``return_std`` also the deviation of y, which ``output=LearnedVariance()`` learns.
        """
        rows = self._rows(X)
        assert isinstance(self.network_, Regressor)
        means = self._as_given(self.network_.predict(rows))
        return (means, self._as_given(self.network_.deviation(rows))) if return_std else means

    def _as_given(self, numbers: Tensor) -> NDArray[np.float64]:
        found = numbers.cpu().numpy().astype(np.float64)
        return found[:, 0] if self._is_single else found

    def _network(self, stack: StackedDenoisingAutoencoder) -> Regressor:
        return Regressor(stack, self._n_targets, seed=self._seed, output=self.output)

    def _checked(
        self,
        X: ArrayLike,
        y: ArrayLike,
        reset: bool,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        rows = validate_data(self, X, dtype=KINDS, reset=reset)
        if y is None:
            raise ValueError("SDARegressor requires y to be passed, but the target y is None")
        holes = "allow-nan" if self.unlabelled != self.unlabelled else True
        numbers = check_array(
            y, dtype=np.float64, ensure_2d=False, ensure_all_finite=holes, input_name="y"
        )
        if numbers.ndim == 2 and numbers.shape[1] == 1:
            numbers = column_or_1d(numbers, warn=True)
        check_consistent_length(rows, numbers)
        return rows, numbers

    def _targets(self, numbers: NDArray[Any]) -> NDArray[np.float32]:
        """Numbers (n, k), NaN without."""
        y = numbers.reshape(len(numbers), -1).astype(np.float32)
        if self.unlabelled is not None:
            y[(numbers == self.unlabelled).reshape(y.shape)] = np.nan
        self._n_targets = y.shape[1]
        return y

    def _has_label(self, y: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray(~np.isnan(y).any(axis=1))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
