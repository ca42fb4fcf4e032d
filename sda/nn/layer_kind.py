"""What a kind of layer is: it encodes, it decodes, and it owns how it is trained."""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from sda.common import checks
from sda.common.layout import Layout
from sda.nn.corruption import Corrupted, Corruption, Emphasis, Masking
from sda.nn.distributions import Distribution
from sda.nn.encoder import Activation
from sda.nn.optimisers import Descent

Shape = tuple[int, int, int]  # (channels, height, width) of a picture


class LayerPlan(ABC):
    """Everything of a layer but its input size and its initial weights; a frozen dataclass.

    Where ``stack.layers`` does not give them, fields ``corruption``, ``reconstruction``,
    ``activation``, ``tied``, ``emphasis`` and ``initialisation`` are those of all layers.
    """

    n_hidden: int  # units, where the plan alone says how many: kinds that join batches need it

    @abstractmethod
    def build(self, n_visible: int, generator: torch.Generator) -> "LayerKind":
        """Make the layer for inputs of n_visible components, with weights from ``generator``."""

    def on(self, layout: Layout) -> Self:
        """The plan, given what only the data know of its inputs."""
        known = {
            name: part.on(layout)
            for name, part in vars(self).items()
            if isinstance(part, Corruption | Distribution)
        }
        return self._with(**known)

    def without_noise(self) -> Self:
        """The plan as init=saa trains it: no corruption, no emphasis, a kind's own noise is off.

        Raises:
            ValueError: it has no field ``corruption``, and does not say how this is done.
        """
        if not hasattr(self, "corruption"):
            kind = type(self).__name__
            raise ValueError(f"init=saa trains without noise, and {kind} has no corruption to set")
        plain = {"emphasis": Emphasis()} if hasattr(self, "emphasis") else {}
        return self._with(corruption=Masking(0.0), **plain)

    def unpretrained(self) -> "LayerPlan":
        """The plan as init=random builds it: what only pretraining reads is left out."""
        return self.without_noise() if hasattr(self, "corruption") else self

    def of_pictures(self, shape: Shape | None) -> "LayerPlan":
        """The plan for inputs that are pictures of this shape, None: of none; most do not care."""
        return self

    def example(self) -> "LayerKind":
        """A layer of one unit, to ask what it can do; what does not fit together is refused."""
        width = getattr(getattr(self, "reconstruction", None), "width", None)
        one = self
        if hasattr(self, "n_hidden"):
            checks.whole("n_hidden", self.n_hidden, 1)
            one = self._with(n_hidden=1)
        return one.build(width or 1, torch.Generator())

    def _with(self, **values: Any) -> Self:
        """The plan with other values."""
        return dataclasses.replace(cast(Any, self), **values)  # type: ignore[no-any-return]


class LayerKind(nn.Module, ABC):
    """A layer that is pretrained without labels. Training owns order, noise, rate and stopping.

    The parameters have a leading axis of runs, ``runs``: () for the ordinary module that one
    builds, (R,) while R runs train together. x is (n, d), the same for all runs, or (R, n, d), one
    batch for each.

    A class of one's own needs ``n_visible``, ``n_hidden``, ``plan``, ``encode``, ``decode`` and
    ``cost``: it is then trained down the gradient of its cost.
    """

    reconstruction: Distribution  # p(x | h)
    corruptions: tuple[Corruption, ...]  # of the training inputs, one for each run
    joins_batches = False  # whether several runs of it can train as one program
    method = "autograd"  # how it is trained, for the record
    noise = "none"  # of its units while it trains and in chains of samples, for the record
    runs: tuple[int, ...] = ()  # the leading axis of the parameters: () or (R,)
    reach: tuple[float, float] = (-math.inf, math.inf)  # of codes, as far as known before training
    code_shape: Shape | None = None  # of a code; None: it is no picture
    encoder: Activation | None = None  # s, if codes are s(x W + b) of ``weight``, ``hidden_bias``

    @property
    @abstractmethod
    def n_visible(self) -> int:
        """d, components of an input."""

    @property
    @abstractmethod
    def n_hidden(self) -> int:
        """h, components of a code, one for each unit."""

    @abstractmethod
    def plan(self) -> LayerPlan:
        """What the layer was built from, but for the scale of its initial weights."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Codes y (..., n, h) of inputs x (..., n, d). Nothing is corrupted here."""

    @abstractmethod
    def decode(self, y: Tensor) -> Tensor:
        """Logits (..., n, m) of p(x | h) from codes y (..., n, h); m is d, or what p needs."""

    @abstractmethod
    def cost(self, x: Tensor, corrupted: Corrupted) -> Tensor:
        """Mean cost over rows of the clean x (..., n, d), given its corruption; shape ``runs``."""

    def drawn_cost(
        self, x: Tensor, corrupted: Corrupted, draws: Sequence[torch.Generator]
    ) -> Tensor:
        """What training descends: ``cost`` with what the kind draws itself, if it draws anything.

        Its gradient is, in the mean or nearly, that of the expected cost.
        """
        return self.cost(x, corrupted)

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Draw codes (n, h) from p(h | x) for inputs x (n, d); without noise, ``encode``."""
        return self.encode(x)

    @torch.no_grad()
    def chain(self, x: Tensor, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Draw inputs by the pseudo-Gibbs chain: corrupt, encode, decode, draw; endless.

        Its stationary distribution estimates that of the training rows: Bengio, Yao, Alain &
        Vincent (2013), "Generalized denoising auto-encoders as generative models", §3.

        Args:
            x: where it starts, (n, d): n chains side by side.
            generator: of the corruption, the units and the inputs.

        Yields:
            The logits (n, d) that each step draws its inputs from, and these inputs (n, d).
        """
        while True:
            logits = self.decode(self.draw(self.corruptions[0](x, generator).x, generator))
            x = self.reconstruction.sample(logits, generator)
            yield logits, x

    def prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n codes (n, h) from p(h), where a kind has one; else raise ValueError."""
        raise ValueError(
            f"a {type(self).__name__} has no distribution of codes to draw from: "
            "use its chain (procedure=chain)"
        )

    def measures(self, x: Tensor, draws: Sequence[torch.Generator]) -> dict[str, Tensor]:
        """Figures of the kind's own on clean rows x (..., n, d), by name, each of shape ``runs``.

        They are means over the rows, and stand in the record beside the reconstruction error.
        """
        return {}

    def update(
        self,
        optimiser: Descent,
        clean: Tensor,
        corrupted: Corrupted,
        batch_size: int,
        draws: Sequence[torch.Generator],
    ) -> Tensor:
        """Go through rows by minibatches, one step each, down the gradient of ``cost``.

        Args:
            optimiser: of all parameters.
            clean: the targets (*runs, n, d).
            corrupted: the inputs.
            batch_size: rows of a minibatch, the last may be shorter.
            draws: what a kind draws itself, one generator for each run.

        Returns:
            The cost summed over rows, each before its step, of shape ``runs``.
        """
        total = torch.zeros(self.runs, dtype=clean.dtype, device=clean.device)
        for first in range(0, clean.shape[-2], batch_size):
            batch = (..., slice(first, first + batch_size), slice(None))
            hit = None if corrupted.hit is None else corrupted.hit[batch]
            cost = self.drawn_cost(clean[batch], Corrupted(corrupted.x[batch], hit), draws)
            optimiser.step(cost, clean[batch].shape[-2])
            total += cost.detach() * clean[batch].shape[-2]
        return total

    @property
    def is_mean_over_rows(self) -> bool:
        """Whether a step is the mean of steps for single rows, so that processes can share it.

        Not where the kind draws, or goes through minibatches in a way of its own.
        """
        own = type(self)
        return own.drawn_cost is LayerKind.drawn_cost and own.update is LayerKind.update

    def state(self) -> dict[str, Any]:
        """What updates remember besides the parameters, as tensors and plain types."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from an earlier ``state``."""

    @property
    def like(self) -> Tensor:
        """A parameter, whose device and type are those of the layer."""
        return next(self.parameters())

    def check_inputs(self, low: float, high: float, what: str) -> None:
        """Raise ValueError if inputs in [low, high] cannot be reconstructed."""
        self.reconstruction.check(low, high, what)

    def filled(self, x: Tensor) -> Tensor:
        """Inputs as an encoder reads them: 0 for NaN, where that stands for a missing cell."""
        return torch.where(x.isnan(), 0.0, x) if self.reconstruction.missing else x

    def encoder_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters that fine-tuning moves, by name: those of the layer, for most."""
        return dict(self.named_parameters())

    def filters(self) -> Tensor | None:
        """What each unit sees of the input, (d, h); None: no picture."""
        return None

    def seen_through(self, weights: Tensor) -> Tensor | None:
        """Weights (h, m) of codes as those of inputs, (d, m), if all were linear; None: unknown."""
        own = self.filters()
        return own @ weights if own is not None and own.shape[1] == len(weights) else None

    def reconstruct(self, x: Tensor) -> Tensor:
        """The reconstruction z (..., n, d) of inputs x (..., n, d)."""
        return self.reconstruction.mean(self.decode(self.encode(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Codes: the layer as part of a network."""
        return self.encode(x)
