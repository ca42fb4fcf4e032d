"""One run as it was asked for: its arm, its layers, its settings."""

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from sda.common.layout import Block, Layout
from sda.common.rows import deviations, shared
from sda.data.splits import Splits
from sda.nn.boltzmann import counterpart
from sda.nn.corruption import Corruption
from sda.nn.encoder import Initialisation
from sda.nn.layer_kind import LayerKind, LayerPlan, Shape
from sda.nn.mixed import Mixed
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs import model_file
from sda.runs.identity import UNREAD, Init, described
from sda.training.settings import Finetuning, Pretraining


@dataclass(frozen=True)
class Start:
    """Layers that were pretrained by another run, which this one fine-tunes."""

    path: Path  # of a model file
    weights: str  # SHA-256 of it

    @classmethod
    def of(cls, path: str) -> "Start":
        """The layers in a model file or a run's folder. Raises ValueError if there are none."""
        start = cls(model_file.file_of(Path(path).expanduser()), "")
        start.stack()
        return dataclasses.replace(start, weights=sha256(start.path.read_bytes()).hexdigest())

    def stack(self) -> StackedDenoisingAutoencoder:
        """Load the layers."""
        saved = model_file.load_all(self.path)
        stack = saved.pretrained or saved.network
        if not isinstance(stack, StackedDenoisingAutoencoder):
            raise ValueError(f"pretrained={self.path} was never pretrained")
        return stack


@dataclass(frozen=True)
class Run:
    """One run, fully specified but for its data."""

    name: str
    init: Init
    seed: int
    layers: tuple[LayerPlan, ...]
    pretraining: tuple[Pretraining, ...]  # one for each layer; unused by init=random
    finetuning: Finetuning
    initialisation: Initialisation  # of the softmax layer
    device: torch.device
    tensorboard: bool
    codes_memory: int = 10**9  # bytes that the codes of a layer may take; larger ones lie in a file
    test: bool = True  # false: the test rows are not read, as in the runs of a search
    settings: dict[str, Any] = field(default_factory=dict)  # flat, as configured
    published: dict[str, Any] | None = None
    start: Start | None = None  # pretrained layers to fine-tune; None: they are trained here

    @property
    def is_pretrained(self) -> bool:
        """Whether the scheduler may touch this run at all. ``init`` decides, nothing else does."""
        return self.init is not Init.random

    @property
    def step(self) -> str:
        """How its layers are trained; in closed form, the numbers are those of autograd."""
        return " and ".join(dict.fromkeys(layer.method for layer in self._like()))

    @property
    def noise(self) -> dict[str, Any]:
        """Which noise is on when, for the record; what is not named is free of noise.

        Units that draw do so while their own layer trains and in chains of samples. Codes for the
        next layer and features never have noise. Fine-tuning has noise on its inputs, and dropout,
        where they are set. A layer of no epochs has none.
        """
        training: list[dict[str, Any]] = [
            {"inputs": described(layer.corruptions[0]), "units": layer.noise}
            for layer in (self._like() if self.is_pretrained else ())
        ]
        for own, plan in zip(training, self.pretraining, strict=False):  # none, if taken
            if plan.epochs == 0:
                own.update(inputs="none", units="none")
            elif plan.corruption is not None:
                own["rows"] = described(plan.corruption)
        tuning = self.finetuning
        shares = {"inputs": tuning.input_dropout, "units": tuning.dropout}
        dropout = {"dropout": shares} if any(shares.values()) else {}
        asked = tuning.corruption
        return {
            "training": training,
            "codes for the next layer": "none",
            "fine-tuning": {"inputs": described(asked) if asked else "none", "units": "none"}
            | dropout,
            "features": "none",
        }

    def stack(self, n_visible: int | Shape) -> StackedDenoisingAutoencoder:
        """Build the initial stack of this run's arm; of pictures, for their shape."""
        if self.start is not None:
            return self.start.stack()
        return StackedDenoisingAutoencoder.plan(n_visible, self.trained_layers(), self.seed)

    def trained_layers(self) -> tuple[LayerPlan, ...]:
        """The layers as this arm trains them: only sda corrupts, random has no decoder."""
        if self.start is not None:
            return self.layers
        if self.init is Init.dbn:
            return tuple(counterpart(layer) for layer in self.layers)
        if self.init is Init.saa:
            return tuple(layer.without_noise() for layer in self.layers)
        if self.init is Init.random:
            return tuple(layer.unpretrained() for layer in self.layers)
        return self.layers

    @cached_property
    def trials(self) -> tuple[Corruption, ...]:
        """The corruption that each layer is judged on, whatever this arm trains with."""
        return tuple(layer.example().corruptions[0] for layer in self.layers)

    def on(self, splits: Splits) -> "Run":
        """The run with what only its data know: which components are a column, or a picture."""
        reconstruction = getattr(self.layers[0], "reconstruction", None)
        rows = layout(splits, is_measured=isinstance(reconstruction, Mixed))
        below = [Layout(reach=layer.example().reach) for layer in self.layers[:-1]]
        names = splits.classes or tuple(map(str, range(splits.n_classes)))
        layers = (layer.on(own) for layer, own in zip(self.layers, [rows, *below], strict=True))
        return dataclasses.replace(
            self,
            layers=tuple(layers),
            pretraining=tuple(_on_rows(plan, rows) for plan in self.pretraining),
            finetuning=_on_rows(self.finetuning.of_classes(names), rows),
        )

    @property
    def precisions(self) -> list[str]:
        """The precision of each layer's products and of fine-tuning's, on this machine."""
        trained = self.is_pretrained and self.start is None
        pairs = zip(self._like(), self.pretraining, strict=True) if trained else ()
        layers = [
            plan.precision_on(self.device, layer.method == "closed form") for layer, plan in pairs
        ]
        fast = all(layer.encoder is not None for layer in self._like())
        return [*map(str, layers), str(self.finetuning.precision_on(self.device, fast))]

    def reads(self, key: str) -> bool:
        """Whether a setting has an effect on it; noise on rows may come from ``corruption``."""
        noises = [self.finetuning.corruption]
        noises += [part.corruption for part in self.pretraining if self.is_pretrained]
        if key.startswith("corruption.") and any(noise is not None for noise in noises):
            return True
        return not f"{key}.".startswith(UNREAD.get(self.init, ()))

    def computed(self) -> dict[str, Any]:
        """How it is computed, for its record."""
        return {"step": self.step, "noise": self.noise, "precision": self.precisions}

    @property
    def joins_batches(self) -> bool:
        """Whether its layers can train together with those of other runs."""
        return all(layer.joins_batches for layer in self._like())

    def _like(self) -> list[LayerKind]:
        """A small layer of each kind that it has."""
        return [layer.example() for layer in self.trained_layers()]

    def described(self) -> dict[str, Any]:
        """The run as built for its arm, without seed and data: what its numbers follow from."""
        own: dict[str, Any] = {
            "arm": str(self.init),
            "layers": described(self.trained_layers()),
            "finetuning": described(self.finetuning),
            "initialisation": str(self.initialisation),
        }
        if self.start is not None:
            return own | {"start": self.start.weights}
        return own | ({"pretraining": described(self.pretraining)} if self.is_pretrained else {})

    def pretraining_plan(self) -> list[Any]:
        """For each layer, what it is, how it is trained, and by what it is judged."""
        if self.start is not None:
            return [self.start.weights]
        return [
            described(parts)
            for parts in zip(
                self.trained_layers(),
                self.pretraining,
                self.trials,
                strict=True,
            )
        ]


def layout(splits: Splits, is_measured: bool = True) -> Layout:
    """What the data know of the components of a row; with ``is_measured`` also their spread."""
    if splits.encoding is None:
        return Layout(image_shape=splits.image_shape)
    spreads = deviations(shared(splits.train.x)).tolist() if is_measured else []
    known = {column.name: column.categories for column in splits.encoding.used}
    blocks, start = [], 0
    for name, kind, size in splits.encoding.blocks:
        unit = spreads[start] if is_measured and kind == "numeric" else 1.0
        blocks.append(Block(name, kind, size, unit or 1.0, known[name]))
        start += size
    return Layout(tuple(blocks), splits.image_shape)


def _on_rows(plan: Any, rows: Layout) -> Any:
    """Settings whose corruption, if any, knows the layout of the rows."""
    if plan.corruption is None:
        return plan
    return dataclasses.replace(plan, corruption=plan.corruption.on(rows))
