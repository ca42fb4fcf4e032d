"""One run as it was asked for: its arm, its layers, its settings."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import torch

from sda.nn.autoencoder import Emphasis
from sda.nn.corruption import Masking
from sda.nn.distributions import CrossEntropy
from sda.nn.initialisation import Initialisation
from sda.nn.stack import Layer, StackedDenoisingAutoencoder
from sda.runs.arms import Init
from sda.runs.identity import described
from sda.training import steps
from sda.training.settings import Finetuning, Pretraining


@dataclass(frozen=True)
class Run:
    """One run, fully specified but for its data."""

    name: str
    init: Init
    seed: int
    layers: tuple[Layer, ...]
    pretraining: tuple[Pretraining, ...]  # one for each layer; unused by init=random
    finetuning: Finetuning
    initialisation: Initialisation  # of the softmax layer
    device: torch.device
    tensorboard: bool
    codes_memory: int = 10**9  # bytes that the codes of a layer may take; larger ones lie in a file
    test: bool = True  # false: the test rows are not read, as in the runs of a search
    settings: dict[str, Any] = field(default_factory=dict)  # flat, as configured
    published: dict[str, Any] | None = None

    @property
    def is_pretrained(self) -> bool:
        """Whether the scheduler may touch this run at all. ``init`` decides, nothing else does."""
        return self.init is not Init.random

    @property
    def step(self) -> str:
        """How its layers are trained; in closed form, the numbers are those of autograd."""
        return " and ".join(dict.fromkeys(steps.step(layer) for layer in self.stack(1)))

    def stack(self, n_visible: int) -> StackedDenoisingAutoencoder:
        """Build the initial stack of this run's arm."""
        return StackedDenoisingAutoencoder.plan(n_visible, self.trained_layers(), self.seed)

    def trained_layers(self) -> tuple[Layer, ...]:
        """The layers as this arm trains them: only sda corrupts, random has no decoder."""
        if self.init is Init.sda:
            return self.layers
        unread: dict[str, Any] = {}
        if self.init is Init.random:
            unread = {"reconstruction": CrossEntropy(), "tied": True}
        return tuple(
            dataclasses.replace(
                layer,
                corruption=Masking(0.0),
                emphasis=Emphasis(),
                boltzmann=self.init is Init.dbn,
                **unread,
            )
            for layer in self.layers
        )

    def described(self) -> dict[str, Any]:
        """The run as built for its arm, without seed and data: what its numbers follow from."""
        own: dict[str, Any] = {
            "arm": str(self.init),
            "layers": described(self.trained_layers()),
            "finetuning": described(self.finetuning),
            "initialisation": str(self.initialisation),
        }
        return own | ({"pretraining": described(self.pretraining)} if self.is_pretrained else {})

    def pretraining_plan(self) -> list[Any]:
        """For each layer, what it is, how it is trained, and by what it is judged."""
        return [
            described(parts)
            for parts in zip(
                self.trained_layers(),
                self.pretraining,
                [layer.corruption for layer in self.layers],
                strict=True,
            )
        ]
