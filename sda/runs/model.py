"""A trained network on new rows of a table, in raw units: all that a model file can do."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pandas.api.types import is_string_dtype
from torch import Tensor

from sda.common import checks
from sda.common.rows import in_blocks, shared
from sda.data.columns import numbers
from sda.data.encoding import Encoding
from sda.nn.heads import Classifier, Regressor
from sda.nn.predictor import Predictor
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs import likelihood, model_file
from sda.runs.checkpoint import CheckpointError
from sda.runs.folder import MODEL, no_run

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Model:
    """A network, the columns that it reads, and what is known of it.

    Tables are data frames of raw rows; their columns may stand in any order.
    """

    path: Path
    network: model_file.Network
    pretrained: StackedDenoisingAutoencoder | None  # before fine-tuning: its decoders fit
    encoding: Encoding | None  # None: the columns have no names
    about: Mapping[str, Any]

    @classmethod
    def load(cls, path: str | Path) -> "Model":
        """Load a model file, or that of a run's folder.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        file = Path(path) / MODEL if Path(path).is_dir() else Path(path)
        if file != Path(path) and not file.exists():
            raise CheckpointError(no_run(Path(path), f"finished model, {MODEL}"))
        saved = model_file.load_all(file)
        stack = saved.pretrained
        if stack is None and isinstance(saved.network, StackedDenoisingAutoencoder):
            stack = saved.network
        try:
            table = saved.about.get("table")
            encoding = None if table is None else Encoding.from_plain(table)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{file}: its columns cannot be read: {error}") from None
        return cls(file, saved.network, stack, encoding, saved.about)

    @property
    def width(self) -> int:
        """d, components of an input."""
        return self._encoders[0].n_visible

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes. Raises ValueError if none are predicted."""
        if not isinstance(self.network, Classifier):
            raise ValueError(f"{self.path} predicts no classes")
        known = self.about.get("classes")
        return tuple(known) if known else tuple(map(str, range(self.network.n_classes)))

    def rows(self, frame: pd.DataFrame) -> Tensor:
        """Encode a table: inputs (n, d), NaN where a cell is missing.

        Raises:
            DataFormatError: a column is missing or foreign, or a cell is no number.
        """
        if self.encoding is not None:
            return shared(self.encoding.rows(frame))
        if len(frame.columns) != self.width:
            raise ValueError(
                f"{self.path} knows no names of columns and needs {self.width}, got "
                f"{len(frame.columns)}"
            )
        values = [numbers(str(name), frame[name]) for name in frame.columns]
        return shared(np.stack(values, axis=1).astype(np.float32))

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The class of each row and the probability of each, or the numbers of a regression."""
        if not isinstance(self.network, Predictor):
            raise ValueError(f"{self.path} was only pretrained: it predicts nothing")
        x = self._whole(self.rows(frame), self.network.stack)
        names = self._target_names
        if not isinstance(self.network, Classifier):
            target = () if self.encoding is None else self.encoding.target
            scales, shifts = np.array([(one.scale, one.shift) for one in target] or [(1, 0)]).T
            made = self.network.predict(x).numpy() * scales + shifts
            return pd.DataFrame(made.astype(np.float32), frame.index, names)
        chances = self.network.probabilities(x).numpy()
        found = pd.DataFrame(chances, frame.index, [f"p({name})" for name in self.classes])
        values = pd.Index(self._class_values).take(chances.argmax(axis=1))
        found.insert(0, names[0], values)
        return found

    def encode(self, frame: pd.DataFrame, layer: int | None = None) -> pd.DataFrame:
        """Codes of a layer: 1 is the first, None the last; 0 gives the inputs."""
        stack = self._encoders
        depth = checks.whole("layer", len(stack) if layer is None else layer, 0, len(stack))
        codes = self._codes(stack, self._whole(self.rows(frame), stack), depth).numpy()
        names = [f"code{k}" for k in range(1, codes.shape[1] + 1)]
        if depth == 0 and self.encoding is not None:
            names = self.encoding.components
        return pd.DataFrame(codes, frame.index, names)

    def reconstruct(self, frame: pd.DataFrame, layer: int | None = None) -> pd.DataFrame:
        """What the rows look like without noise, through ``layer`` layers, in their own units."""
        x = self.rows(frame)
        stack = self._decoders
        means = [stack[0].reconstruction.mean(z) for z in self._logits(x, layer)]
        return self._table(torch.cat(means).numpy(), frame)

    def impute(self, frame: pd.DataFrame, generator: torch.Generator | None = None) -> pd.DataFrame:
        """Fill the missing cells, and change no other.

        A number gets the network's mean, a category the most probable one. With a ``generator``
        both are drawn: numbers spread around the mean as they do on validation rows.
        """
        x = self.rows(frame)
        reconstruction = self._decoders[0].reconstruction
        draw = reconstruction.mean if generator is None else partial(self._drawn, generator)
        made = [draw(logits) for logits in self._logits(x, None)]
        table, filled = self._table(torch.cat(made).numpy(), frame), frame.copy()
        for name in frame.columns[frame.isna().any()].intersection(table.columns):
            missing = frame[name].isna().to_numpy()
            values = table[name][missing]
            if is_string_dtype(frame[name].dtype):  # as it stands in a file
                values = values.map(_text)
            filled.loc[missing, name] = values
        return filled

    def score(self, frame: pd.DataFrame, quantile: float = 0.95) -> pd.DataFrame:
        """How unusual a row is: −log p in nats, and the part of each column.

        A fifth of the columns at a time is hidden and judged by the others, so that no network can
        just copy a row. The score is the sum over cells of −log p(cell | cells not hidden).
        ``is_unusual``: its score is above that of a share ``quantile`` of the validation rows.
        """
        x = self.rows(frame)
        stack = self._decoders
        folds = likelihood.folds_of(self.encoding, x.shape[1])
        depth = stack.best_depth or 1
        blocks = in_blocks(x, x.device)
        losses = [likelihood.hidden_loss(stack, rows, folds, depth) for rows in blocks]
        parts = self._by_column(torch.cat(losses).numpy())
        score = parts.sum(axis=1)
        parts.insert(0, "score", score)
        parts.insert(1, "is_unusual", score > self.threshold(quantile))
        return parts.set_index(frame.index)

    def threshold(self, quantile: float) -> float:
        """The score that a share ``quantile`` of the validation rows stays below."""
        share = checks.number("quantile", quantile, 0, 1)
        known = self.about.get("scores")
        if not known:
            raise ValueError(f"{self.path} does not know the scores of its validation rows")
        return float(np.interp(share, np.linspace(0, 1, len(known)), known))

    @property
    def _encoders(self) -> StackedDenoisingAutoencoder:
        network = self.network
        return network.stack if isinstance(network, Predictor) else network

    @property
    def _decoders(self) -> StackedDenoisingAutoencoder:
        if self.pretrained is None:
            raise ValueError(f"{self.path} was never pretrained: it has no decoder to do this with")
        return self.pretrained

    @property
    def _target_names(self) -> list[str]:
        target = () if self.encoding is None else self.encoding.target
        if target or isinstance(self.network, Classifier):
            return [one.name for one in target] or ["class"]
        assert isinstance(self.network, Regressor)
        return [f"value{k}" for k in range(1, self.network.n_targets + 1)]

    @property
    def _class_values(self) -> Sequence[Any]:
        target = () if self.encoding is None else self.encoding.target
        return target[0].categories if target else self.classes

    def _whole(self, x: Tensor, stack: StackedDenoisingAutoencoder) -> Tensor:
        """Inputs of an encoder: one that was not trained on missing cells reads them as 0."""
        if stack[0].reconstruction.missing or not x.isnan().any():
            return x
        rows = int(x.isnan().any(-1).sum())
        _log.warning(
            "missing cells of %d rows are read as 0: train with reconstruction=mixed", rows
        )
        return x.nan_to_num(0.0)

    @torch.no_grad()
    def _codes(self, stack: StackedDenoisingAutoencoder, x: Tensor, depth: int) -> Tensor:
        return torch.cat([stack(rows, depth) for rows in in_blocks(x, x.device)])

    def _logits(self, x: Tensor, layer: int | None) -> list[Tensor]:
        """Logits of x (n, d), block by block, through so many layers and back."""
        stack = self._decoders
        whole = self._whole(x, stack)
        asked = layer if layer is not None else stack.best_depth or 1
        depth = checks.whole("layer", asked, 1, len(stack))
        return [likelihood.logits(stack, rows, depth) for rows in in_blocks(whole, x.device)]

    def _drawn(self, generator: torch.Generator, logits: Tensor) -> Tensor:
        """A draw of each component: categories by their chances, numbers around their mean."""
        reconstruction = self._decoders[0].reconstruction
        drawn = reconstruction.sample(logits, generator)
        spread = self.about.get("spread")
        if spread is None or self.encoding is None:
            return drawn
        noise = torch.randn(drawn.shape, generator=generator) * torch.tensor(spread)
        around = reconstruction.mean(logits) + noise
        kinds = [one.kind == "numeric" for one in self.encoding.blocks for _ in range(one.size)]
        return torch.where(torch.tensor(kinds), around, drawn)

    def _table(self, x: NDArray[Any], frame: pd.DataFrame) -> pd.DataFrame:
        if self.encoding is None:
            return pd.DataFrame(x, frame.index, frame.columns)
        return self.encoding.table(x).set_index(frame.index)

    def _by_column(self, values: NDArray[Any]) -> pd.DataFrame:
        """Sums (n, columns) of values of components (n, d)."""
        if self.encoding is None:
            names = [f"x{k}" for k in range(1, values.shape[1] + 1)]
            return pd.DataFrame(values, columns=names)
        starts = np.cumsum([0, *(one.width for one in self.encoding.used)])[:-1]
        sums = np.add.reduceat(values, starts, axis=1)
        return pd.DataFrame(sums, columns=[one.name for one in self.encoding.used])


def _text(value: Any) -> str:
    """A cell as text: seven digits of single precision, no time for whole days."""
    if isinstance(value, float):
        return f"{value:.7g}"
    return str(value).removesuffix(" 00:00:00")
