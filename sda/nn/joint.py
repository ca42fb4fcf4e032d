"""A deep autoencoder as one layer: all its weights are trained together, not one layer at a time.

What greedy, layer-wise pretraining is compared with: the corrupted input goes up through all
encoders and down through all decoders, and the clean input is what has to come out.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn

from sda.common import checks
from sda.nn.autoencoder import DenoisingAutoencoder
from sda.nn.corruption import Corrupted, Corruption, Emphasis, Masking
from sda.nn.distributions import CrossEntropy, Distribution, SquaredError
from sda.nn.encoder import Activation, Initialisation
from sda.nn.layer_kind import LayerKind, LayerPlan


@dataclass(frozen=True)
class Joint(LayerPlan):
    """The plan of a deep autoencoder: all but its input size and initial weights."""

    hidden: tuple[int, ...]  # units of each of its layers, bottom to top
    corruption: Corruption  # of the input
    reconstruction: Distribution = field(default_factory=CrossEntropy)  # of the input
    activation: Activation | str = Activation.sigmoid  # of encoders, and of decoders but the lowest
    tied: bool = True
    emphasis: Emphasis = field(default_factory=Emphasis)
    initialisation: Initialisation | str = Initialisation.papers

    def __post_init__(self) -> None:
        if not self.hidden:
            raise ValueError("hidden must list the units of each layer, got none")
        object.__setattr__(self, "hidden", tuple(checks.whole("hidden", n, 1) for n in self.hidden))

    def unpretrained(self) -> Self:
        """The plan of encoders alone."""
        return self.without_noise()._with(reconstruction=CrossEntropy(), tied=True)

    def example(self) -> LayerKind:
        """One unit in each layer."""
        one = self._with(hidden=tuple(1 for _ in self.hidden))
        return one.build(self.reconstruction.width or 1, torch.Generator())

    def build(self, n_visible: int, generator: torch.Generator) -> "DeepAutoencoder":
        """Make the layer for inputs of n_visible components, with weights from ``generator``."""
        return DeepAutoencoder(self, n_visible, generator)


class DeepAutoencoder(LayerKind):
    """y = s(… s(x̃ W₁ + b₁) …), z = s'(s(… s(y Vₙ + cₙ) …) V₁ + c₁); tied, Vₖ is Wₖᵀ.

    Args:
        plan: what it is.
        n_visible: d, components of an input.
        generator: what the initial weights are drawn from, bottom to top.

    Raises:
        ValueError: an argument is out of range, or two do not go together.
    """

    def __init__(self, plan: Joint, n_visible: int, generator: torch.Generator) -> None:
        super().__init__()
        self._plan, self.reconstruction = plan, plan.reconstruction
        self.corruptions = (plan.corruption,)
        plan.emphasis.check(plan.corruption)
        self.activation = Activation(checks.one_of("activation", plan.activation, (*Activation,)))
        alike: dict[str, Any] = {
            "generator": generator,
            "corruption": Masking(0.0),
            "activation": plan.activation,
            "tied": plan.tied,
            "initialisation": plan.initialisation,
        }
        layers = [
            DenoisingAutoencoder(d, h, reconstruction=output, **alike)
            for d, h, output in zip(
                (n_visible, *plan.hidden),
                plan.hidden,
                (plan.reconstruction, *(SquaredError() for _ in plan.hidden)),
                strict=False,
            )
        ]
        self.layers = nn.ModuleList(layers)

    @property
    def n_visible(self) -> int:
        """d, components of an input."""
        return self._each[0].n_visible

    @property
    def n_hidden(self) -> int:
        """h, units of its top layer."""
        return self._each[-1].n_hidden

    @property
    def reach(self) -> tuple[float, float]:  # type: ignore[override]
        """The interval that codes lie in."""
        return self.activation.reach

    def plan(self) -> LayerPlan:
        """What it was built from."""
        return self._plan

    def encode(self, x: Tensor) -> Tensor:
        """Codes y (..., n, h) of the top layer."""
        for layer in self._each:
            x = layer.encode(x)
        return x

    def decode(self, y: Tensor) -> Tensor:
        """Logits (..., n, m) of the reconstruction of the input."""
        for layer in reversed(self._each[1:]):
            y = self.activation(layer.decode(y))
        return self._each[0].decode(y)

    def cost(self, x: Tensor, corrupted: Corrupted) -> Tensor:
        """Cost of reconstructing the clean x (n, d) from its corruption through all layers."""
        loss = self.reconstruction.loss(self.decode(self.encode(corrupted.x)), x)
        return self._plan.emphasis.weigh(loss, corrupted.hit).sum(-1).mean(-1)

    def encoder_parameters(self) -> dict[str, nn.Parameter]:
        """Those of the encoders: decoders take no part in a network."""
        return {
            f"layers.{k}.{name}": parameter
            for k, layer in enumerate(self._each)
            for name, parameter in layer.encoder_parameters().items()
        }

    def filters(self) -> Tensor | None:
        """The weights of each unit of the lowest layer, (d, h)."""
        return self._each[0].weight

    def seen_through(self, weights: Tensor) -> Tensor:
        """What weights (h, m) on codes are on the inputs, (d, m), were all layers linear."""
        for layer in reversed(self._each):
            weights = layer.weight @ weights
        return weights

    @property
    def _each(self) -> list[DenoisingAutoencoder]:
        return list(self.layers)  # type: ignore[arg-type]
