"""Codes of a stack, pretrained without labels."""

from dataclasses import KW_ONLY, dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from sda.estimators.scaling import Scaling
from sda.estimators.stacked import KINDS, Stacked, of_extent
from sda.nn.stack import StackedDenoisingAutoencoder


@dataclass(eq=False, repr=False)
class SDATransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Stacked):  # type: ignore[misc]
    """Codes of a stack of denoising autoencoders, pretrained without labels.

    Vincent et al. (2008), section 2.4. Parameters have the names and defaults of the command line;
    a value is for all layers, a sequence gives each its own.

    Args:
        hidden: units of each layer, bottom to top; or plans such as ``Layer(200, Masking(0.25))``,
            ``Boltzmann(200)``, which say all of a layer.
        corruption: the fraction of components that are masked, or a ``Corruption``.
        layer: whose codes ``transform`` gives, 1 the lowest, 0 the input; None: the top.
        scaling: of each column by its training rows: ``unit`` to [0, 1], clipped; ``standard`` to
            mean 0 and deviation 1; None: rows are taken as they are, uint8 as grey levels k / 255.
        pretrain_epochs: passes over the rows, for each layer.
        pretrain_learning_rate: of the mean over a minibatch.
        batch_size: rows of a minibatch.
        pretraining: everything about it, in place of the three above.
        random_state: a whole number names the streams of random numbers as ``seed`` does on the
            command line; anything else of scikit-learn's draws one.
        warm_start: ``fit`` goes on with the top layer where ``pretrain_epochs`` has grown.
        verbose: show progress; a bar on a terminal.

    Attributes:
        stack_: the ``StackedDenoisingAutoencoder``.
        history_: the record, a dictionary for each epoch.
    """

    _: KW_ONLY
    layer: int | None = None

    def fit(self, X: ArrayLike, y: object = None, valid: ArrayLike | None = None) -> Self:
        """Pretrain on rows X (n, d).

        Args:
            X: training rows.
            y: not read.
            valid: validation rows (m, d), for early stopping (``Pretraining(patience=...)``) and to
                know how many layers denoise best.
        """
        rows = validate_data(self, X, dtype=KINDS)
        if not self._goes_on():
            self._scaling = Scaling.of(rows, self.scaling)
        self._begin()
        x = self._scaling(rows)
        if not self.history_:
            plans = self._layers(of_extent(x))
            self.stack_ = StackedDenoisingAutoencoder.plan(x.shape[1], plans, self._seed)
        self._pretrain(self.stack_, x, None if valid is None else self._rows(valid))
        return self

    def transform(self, X: ArrayLike, layer: int | None = None) -> NDArray[np.float32]:
        """Codes (n, h) of rows X (n, d), of ``layer``; None: of the one it was made with."""
        x = self._rows(X)
        codes: NDArray[np.float32] = self.stack_.encode(x, self._depth(layer)).cpu().numpy()
        return codes

    def inverse_transform(
        self,
        X: ArrayLike,
        layer: int | None = None,
    ) -> NDArray[np.float32]:
        """Rows (n, d), in their own units, that codes X (n, h) of ``layer`` stand for."""
        check_is_fitted(self)
        codes = torch.from_numpy(np.asarray(X, np.float32))
        return self._scaling.undone(self.stack_.decode(codes, self._depth(layer)))

    @property
    def _n_features_out(self) -> int:
        depth = self._depth(None)
        return self.stack_[depth - 1].n_hidden if depth else self.stack_[0].n_visible

    def _depth(self, layer: int | None) -> int:
        depth = self.layer if layer is None else layer
        return len(self.stack_) if depth is None else depth

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
