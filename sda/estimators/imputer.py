"""Missing numbers filled in by a denoising autoencoder: to it a missing cell is one more noise."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from sda.estimators.scaling import Scaling
from sda.estimators.stacked import KINDS, Stacked
from sda.nn.corruption import Corruption
from sda.nn.distributions import SquaredError
from sda.nn.layer_kind import LayerPlan
from sda.nn.mixed import Mixed
from sda.nn.stack import StackedDenoisingAutoencoder


@dataclass(eq=False, repr=False)
class SDAImputer(OneToOneFeatureMixin, TransformerMixin, Stacked):  # type: ignore[misc]
    """Fills missing cells of a table of numbers, NaN, and changes no other.

    A missing cell is corrupted input and no target. For tables with categories see ``sda.Model``
    and the command ``impute``.

    Args:
        hidden: as for ``SDATransformer``, like all that is not named here; plans must reconstruct
            missing cells (``Mixed``).
        scaling: of each column by its known cells.
        pretrain_epochs: more than of other estimators: tables are small.

    Attributes:
        stack_: the ``StackedDenoisingAutoencoder``.
        history_: the record, a dictionary for each epoch.
    """

    hidden: int | Sequence[int | LayerPlan] = 100
    _: KW_ONLY
    corruption: float | Corruption | Sequence[float | Corruption] = 0.4
    scaling: str | None = "standard"
    pretrain_epochs: int | Sequence[int] = 300
    pretrain_learning_rate: float | Sequence[float] = 0.02

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn from rows X (n, d), NaN where a cell is missing; y is not read."""
        rows = validate_data(self, X, dtype=KINDS[:2], ensure_all_finite="allow-nan")
        if not self._goes_on():
            self._scaling = Scaling.of(rows, self.scaling)
        self._begin()
        x = self._scaling(rows)
        if not self.history_:
            d = x.shape[1]
            plans = self._layers(Mixed((SquaredError(),) * d, (1,) * d))
            self.stack_ = StackedDenoisingAutoencoder.plan(d, plans, self._seed)
        self._pretrain(self.stack_, x, None)
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Rows X (n, d) with each missing cell as the network reconstructs it."""
        check_is_fitted(self)
        rows = validate_data(
            self, X, dtype=KINDS[:2], ensure_all_finite="allow-nan", reset=False, copy=True
        )
        missing = np.isnan(rows)
        made = self._scaling.undone(self.stack_.reconstruct(self._scaling(rows)))
        rows[missing] = made[missing]
        return np.asarray(rows)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
