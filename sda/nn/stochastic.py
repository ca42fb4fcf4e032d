"""A denoising autoencoder whose units draw their codes: p(h | x) beside p(x | h)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from sda.nn.autoencoder import DenoisingAutoencoder, Layer, dense
from sda.nn.corruption import Corrupted
from sda.nn.layer_kind import LayerPlan
from sda.nn.units import BernoulliUnits, GaussianUnits, Units


@dataclass(frozen=True)
class Stochastic(Layer):
    """The plan of a dense denoising autoencoder with units that draw (``sda.nn.units``)."""

    units: Units = field(default_factory=BernoulliUnits)

    def without_noise(self) -> Self:
        """The plan as init=saa trains it: no corruption, no emphasis, units that draw nothing."""
        return super().without_noise()._with(units=GaussianUnits())

    def build(self, n_visible: int, generator: torch.Generator) -> "StochasticAutoencoder":
        """Make the layer for inputs of n_visible components, with weights from ``generator``."""
        return StochasticAutoencoder(self, n_visible, generator)


class StochasticAutoencoder(DenoisingAutoencoder):
    """h ~ p(h | x̃ W + b), z = s'(h Wᵀ + c): a dA trained on the expected loss over its codes.

    ``encode`` is free of noise, as is ``cost``; ``drawn_cost``, which training descends, and
    ``draw``, of which chains of samples are made, are not.

    Args:
        plan: what the layer is.
        n_visible: d, components of an input.
        generator: what the initial weights are drawn from.

    Raises:
        ValueError: an argument is out of range, or two do not go together.
    """

    joins_batches = False

    def __init__(self, plan: Stochastic, n_visible: int, generator: torch.Generator) -> None:
        self.units = plan.units
        super().__init__(n_visible, **dense(plan), generator=generator)

    @property
    def noise(self) -> str:  # type: ignore[override]
        """What its units draw."""
        return str(self.units)

    def plan(self) -> LayerPlan:
        """What the layer was built from."""
        return Stochastic(**vars(super().plan()), units=self.units)

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Draw codes (n, h) from p(h | x) for inputs x (n, d)."""
        return self.units.draw(self._given(x), self.activation, generator)

    def drawn_cost(
        self, x: Tensor, corrupted: Corrupted, draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Mean over rows of the expected loss over codes, estimated by a draw."""
        return self.units.expected(
            self._given(corrupted.x),
            self.activation,
            draws[0],
            lambda h: self.losses(h, x, corrupted.hit),
        ).mean(-1)

    def _given(self, x: Tensor) -> Tensor:
        """What the units are given: x W + b."""
        return self.filled(x) @ self.weight + self.hidden_bias

    def _check(self) -> None:
        super()._check()
        self.units.check(self.activation)
