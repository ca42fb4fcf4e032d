"""Generative stochastic networks: autoencoders trained on the steps of their own chain (walkback).

With one level and noise-free units this is the generalized denoising autoencoder of Bengio, Yao,
Alain & Vincent (2013) with walkback (§3.3): a training row is corrupted and reconstructed, a row
is drawn from the reconstruction, corrupted and reconstructed in turn, and so on; every step is to
give back the training row. So the chain learns to come home from where it would wander off to.

With more levels (Bengio, Thibodeau-Laufer, Alain & Yosinski, 2014) h₁ and what lies above it are
the state of the chain. One step, the odd levels first, then the even ones, the input among them:

    h₁ = s(x̃ W₁ + h₂ W₂ᵀ + b₁)
    x ~ p(x | h₁ W₁ᵀ + c),   h₂ ~ p(h₂ | h₁ W₂ + b₂)

The top level alone draws its units, as in the authors' code (noiseless_h1). Hidden units start
from 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Self

import torch
from torch import Tensor, nn

from sda.common import checks
from sda.nn.autoencoder import DerivedAutoencoder, Layer
from sda.nn.corruption import Corrupted
from sda.nn.encoder import Activation
from sda.nn.stochastic import BernoulliUnits, GaussianUnits, Units


@dataclass(frozen=True)
class GSN(Layer):
    """The plan of a generative stochastic network; weights are tied."""

    walkback: int = 5  # steps of the chain that a training row is reconstructed from
    above: tuple[int, ...] = ()  # units of the levels over the first
    units: Units = field(default_factory=GaussianUnits)  # of the top level

    def without_noise(self) -> Self:
        """The plan as init=saa trains it: one step, no corruption, units that draw nothing."""
        return super().without_noise()._with(units=GaussianUnits(), walkback=1)

    def build(self, n_visible: int, generator: torch.Generator) -> "GenerativeStochasticNetwork":
        """Make the layer for inputs of n_visible components, with weights from ``generator``."""
        return GenerativeStochasticNetwork(self, n_visible, generator)


class GenerativeStochasticNetwork(DerivedAutoencoder):
    """A layer whose code is the first level, h₁; further levels feed back into it.

    ``encode`` is free of noise: levels are computed upwards, then down again to the first.
    """

    _plan: GSN

    def __init__(self, plan: GSN, n_visible: int, generator: torch.Generator) -> None:
        super().__init__(plan, n_visible, generator)
        self.walkback = checks.whole("walkback", plan.walkback, 1)
        sizes = (plan.n_hidden, *(checks.whole("above", n, 1) for n in plan.above))
        for level, (below, n) in enumerate(zip(sizes, plan.above, strict=False), 2):
            weight = torch.empty(below, n).uniform_(-1, 1, generator=generator)
            setattr(self, f"weight_{level}", nn.Parameter(weight / max(below, n) ** 0.5))
            setattr(self, f"level_{level}_bias", nn.Parameter(torch.zeros(1, n)))

    @property
    def units(self) -> Units:
        """Those of the top level, p(h | a)."""
        return self._plan.units

    @property
    def levels(self) -> int:
        """Hidden levels."""
        return 1 + len(self._plan.above)

    @property
    def noise(self) -> str:  # type: ignore[override]
        """What its top level draws, and how far its chain is walked."""
        return f"{self.units} at the top, walkback {self.walkback}"

    @property
    def encoder(self) -> Activation | None:  # type: ignore[override]
        """s, where there is one level only."""
        return None if self._plan.above else self.activation

    def encode(self, x: Tensor) -> Tensor:
        """Codes h₁ (..., n, h) of inputs x (..., n, d), without noise."""
        states = [self.filled(x)]
        for level in range(1, self.levels + 1):
            states.append(self.activation(self._given(states, level)))
        for level in range(self.levels - 1, 0, -1):
            states[level] = self.activation(self._given(states, level))
        return states[1]

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Draw codes h₁ (n, h) for inputs x (n, d): the first half step of a fresh chain."""
        return self._level([self.filled(x), *self._rest(x)], 1, generator)

    def drawn_cost(
        self, x: Tensor, corrupted: Corrupted, draws: Sequence[torch.Generator]
    ) -> Tensor:
        """Mean over rows and over the steps of walkback of the loss against the clean x (n, d)."""
        steps = islice(self._walk(corrupted.x, draws[0]), self.walkback)
        losses = [self.reconstruction.loss(logits, x).sum(-1).mean(-1) for logits, _ in steps]
        return torch.stack(losses).mean(0)

    @torch.no_grad()
    def chain(self, x: Tensor, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Draw inputs by the chain that it was trained on, from x (n, d) and hidden units of 0."""
        yield from self._walk(self.corruptions[0](x, generator).x, generator)

    def encoder_parameters(self) -> dict[str, nn.Parameter]:
        """All but the bias of the inputs."""
        return {k: p for k, p in self.named_parameters() if k != "visible_bias"}

    def _walk(self, x: Tensor, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield logits and drawn inputs of each step, from corrupted inputs x (n, d)."""
        states: list[Tensor] = [self.filled(x), *self._rest(x)]
        while True:
            for level in range(1, self.levels + 1, 2):
                states[level] = self._level(states, level, generator)
            logits = self.decode(states[1])
            for level in range(2, self.levels + 1, 2):
                states[level] = self._level(states, level, generator)
            drawn = self.reconstruction.sample(logits.detach(), generator)
            yield logits, drawn
            states[0] = self.corruptions[0](drawn, generator).x

    def _rest(self, x: Tensor) -> list[Tensor]:
        return [x.new_zeros(len(x), n) for n in (self.n_hidden, *self._plan.above)]

    def _level(self, states: Sequence[Tensor], level: int, generator: torch.Generator) -> Tensor:
        """Codes of a level given its neighbours; the top one draws."""
        given = self._given(states, level)
        if level == self.levels:
            return self.units.draw(given, self.activation, generator)
        return self.activation(given)

    def _given(self, states: Sequence[Tensor], level: int) -> Tensor:
        """Logits of a level: from below, and from above where there is a state already."""
        logits = states[level - 1] @ self._weight(level) + self._bias(level)
        if level + 1 < len(states):
            logits = logits + states[level + 1] @ self._weight(level + 1).mT
        return logits

    def _weight(self, level: int) -> Tensor:
        return self.weight if level == 1 else getattr(self, f"weight_{level}")

    def _bias(self, level: int) -> Tensor:
        return self.hidden_bias if level == 1 else getattr(self, f"level_{level}_bias")

    def _check(self) -> None:
        super()._check()
        self.units.check(self.activation)
        if not self.tied or not all(emphasis.is_plain for emphasis in self.emphases):
            raise ValueError(
                "a GSN has tied weights and no emphasis, got tied=false or an emphasis"
            )
        if isinstance(self.units, BernoulliUnits) and self.units.gradient == "score":
            raise ValueError(
                "the score gradient serves Stochastic layers; a GSN takes straight_through"
            )
