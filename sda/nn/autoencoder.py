"""One denoising autoencoder (dA): corrupt, encode, decode, compare with the clean input."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from sda.common import checks
from sda.nn import closed_form
from sda.nn.corruption import Corrupted, Corruption, Emphasis
from sda.nn.distributions import CrossEntropy, Distribution
from sda.nn.encoder import Activation, Initialisation
from sda.nn.layer_kind import LayerKind, LayerPlan
from sda.nn.optimisers import Descent


@dataclass(frozen=True)
class Layer(LayerPlan):
    """The plan of a dense denoising autoencoder: all but its input size and initial weights."""

    n_hidden: int  # units
    corruption: Corruption
    reconstruction: Distribution = field(default_factory=CrossEntropy)
    activation: Activation | str = Activation.sigmoid
    tied: bool = True
    emphasis: Emphasis = field(default_factory=Emphasis)
    initialisation: Initialisation | str = field(
        default=Initialisation.tutorial, metadata={"unsaid": Initialisation.papers}
    )

    def unpretrained(self) -> Self:
        """The plan of an encoder alone; one that reads missing cells as 0 still does."""
        alone = self.without_noise()._with(tied=True)
        return alone if self.reconstruction.missing else alone._with(reconstruction=CrossEntropy())

    def build(self, n_visible: int, generator: torch.Generator) -> "DenoisingAutoencoder":
        """Make the layer for inputs of n_visible components, with weights from ``generator``."""
        return DenoisingAutoencoder(n_visible, **vars(self), generator=generator)


class DenoisingAutoencoder(LayerKind):
    """y = s(x̃ W + b), z = s'(y Wᵀ + c); the rows of x are examples. Vincent et al. (2008), §2.3.

    Untied, the decoder has a matrix of its own in place of Wᵀ.

    Args:
        n_visible: d, components of an input.
        n_hidden: h, units.
        generator: what the initial weights are drawn from.
        corruption: how training inputs are corrupted.
        reconstruction: the output function and loss. Of one with more logits than components, tied
            weights give the first logit of each component, and a matrix of its own the others.
        activation: of the codes.
        tied: whether the decoder uses the transposed encoder weights. One parameter, not a copy.
        emphasis: weights of the loss on hit and on intact components.
        initialisation: the scale of the initial weights.

    Raises:
        ValueError: an argument is out of range, or two do not go together.
    """

    joins_batches = True

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        *,
        generator: torch.Generator,
        corruption: Corruption,
        reconstruction: Distribution | None = None,
        activation: Activation | str = Activation.sigmoid,
        tied: bool = True,
        emphasis: Emphasis | None = None,
        initialisation: Initialisation | str = Initialisation.tutorial,
    ) -> None:
        super().__init__()
        d = checks.whole("n_visible", n_visible, 1)
        h = checks.whole("n_hidden", n_hidden, 1)
        scale = Initialisation(checks.one_of("initialisation", initialisation, (*Initialisation,)))
        self.activation = Activation(checks.one_of("activation", activation, (*Activation,)))
        self.reconstruction = reconstruction or CrossEntropy()
        m = self.reconstruction.logits_for(d)
        # One for each run; training, not the network, uses them.
        self.corruptions = (corruption,)
        self.emphases: tuple[Emphasis, ...] = (emphasis or Emphasis(),)
        self.weight = nn.Parameter(scale.hidden(d, h, generator))
        self.hidden_bias = nn.Parameter(torch.zeros(1, h))
        self.visible_bias = nn.Parameter(torch.zeros(1, m))
        self.decoder_weight = None if tied else nn.Parameter(scale.hidden(h, m, generator))
        self.further_weight = None
        if tied and m > d:  # Wᵀ gives the first logit of each component, this the others
            self.further_weight = nn.Parameter(scale.hidden(h, m - d, generator))
        self._check()

    @property
    def n_visible(self) -> int:
        """d, components of an input."""
        return self.weight.shape[-2]

    @property
    def n_hidden(self) -> int:
        """h, units."""
        return self.weight.shape[-1]

    @property
    def runs(self) -> tuple[int, ...]:  # type: ignore[override]
        """The leading axes of the parameters, () or (R,)."""
        return tuple(self.weight.shape[:-2])

    @property
    def tied(self) -> bool:
        """Whether the decoder uses the transposed encoder weights."""
        return self.decoder_weight is None

    @property
    def reach(self) -> tuple[float, float]:  # type: ignore[override]
        """The interval that codes lie in."""
        return self.activation.reach

    @property
    def encoder(self) -> Activation | None:  # type: ignore[override]
        """Its nonlinearity, by which fine-tuning in closed form knows the encoder."""
        return self.activation if type(self).encode is DenoisingAutoencoder.encode else None

    @property
    def method(self) -> str:  # type: ignore[override]
        """How it is trained. In closed form the numbers are those of autograd."""
        return "closed form" if self._is_in_closed_form() else "autograd"

    def plan(self) -> LayerPlan:
        """What the layer was built from."""
        output = (self.reconstruction, self.activation, self.tied, self.emphases[0])
        return Layer(self.n_hidden, self.corruptions[0], *output)

    def encode(self, x: Tensor) -> Tensor:
        """Codes y (..., n, h) of inputs x (..., n, d). Nothing is corrupted here."""
        return self.activation(self.filled(x) @ self.weight + self.hidden_bias)

    def decode(self, y: Tensor) -> Tensor:
        """Logits (..., n, m) of the reconstruction from codes y (..., n, h)."""
        weight = self.weight.mT if self.decoder_weight is None else self.decoder_weight
        if self.further_weight is not None:
            weight = torch.cat([weight, self.further_weight], -1)
        return y @ weight + self.visible_bias

    def cost(self, x: Tensor, corrupted: Corrupted) -> Tensor:
        """Cost of reconstructing the clean x (..., n, d) from its corruption; shape ``runs``.

        Summed over the components of an example, averaged over examples.
        """
        return self.losses(self.encode(corrupted.x), x, corrupted.hit).mean(-1)

    def losses(self, y: Tensor, x: Tensor, hit: Tensor | None) -> Tensor:
        """Loss (..., n) of each row x (..., n, d) given its codes y; ``hit`` as in Corrupted."""
        loss, weights = self.reconstruction.loss(self.decode(y), x), self.emphasis_weights(hit)
        return (loss if weights is None else loss * weights).sum(-1)

    def update(
        self,
        optimiser: Descent,
        clean: Tensor,
        corrupted: Corrupted,
        batch_size: int,
        draws: Sequence[torch.Generator],
    ) -> Tensor:
        """Go through rows by minibatches, in closed form where its equations are these ones."""
        if not self._is_in_closed_form():
            return super().update(optimiser, clean, corrupted, batch_size, draws)
        inputs, weights = self.filled(corrupted.x), self.emphasis_weights(corrupted.hit)
        total = closed_form.descend_layer(
            optimiser, self.activation, self.reconstruction, clean, inputs, weights, batch_size
        )
        return total.reshape(self.runs)

    @property
    def is_mean_over_rows(self) -> bool:
        """As of any kind, but that the way through minibatches is this class's."""
        own = type(self)
        return own.drawn_cost is LayerKind.drawn_cost and own.update is DenoisingAutoencoder.update

    def emphasis_weights(self, hit: Tensor | None) -> Tensor | None:
        """α where ``hit`` (..., n, d), β elsewhere, each run with its own; None: 1 everywhere."""
        if hit is None or self._is_plain:
            return None
        alpha = self.weight.new_tensor([e.corrupted for e in self.emphases])
        beta = self.weight.new_tensor([e.intact for e in self.emphases])
        shape = (*self.runs, 1, 1)
        return torch.where(hit, alpha.reshape(shape), beta.reshape(shape))

    def encoder_parameters(self) -> dict[str, nn.Parameter]:
        """Those of the encoder: decoders take no part in a network."""
        return {"weight": self.weight, "hidden_bias": self.hidden_bias}

    def filters(self) -> Tensor | None:
        """The weights of each unit, (d, h)."""
        return self.weight

    def extra_repr(self) -> str:
        """Say what the parameters' shapes do not."""
        tied = "tied" if self.tied else "untied"
        return f"{self.activation}, {tied}, {self.reconstruction}, {self.corruptions}"

    @property
    def _is_plain(self) -> bool:
        return all(emphasis.is_plain for emphasis in self.emphases)

    def _is_in_closed_form(self) -> bool:
        """Whether the equations are this layer's: a class derived from it may have others."""
        own = type(self) is DenoisingAutoencoder and self.reconstruction.in_closed_form
        return own and (self._is_plain or self.reconstruction.independent)

    def _check(self) -> None:
        """Raise ValueError for what does not go together."""
        self.emphases[0].check(self.corruptions[0])


class DerivedAutoencoder(DenoisingAutoencoder):
    """A kind with a plan that derives from ``Layer``: built from it, and trained alone.

    Args:
        plan: what the layer is.
        n_visible: d, components of an input.
        generator: what the initial weights are drawn from.

    Raises:
        ValueError: an argument is out of range, or two do not go together.
    """

    joins_batches = False

    def __init__(self, plan: Layer, n_visible: int, generator: torch.Generator) -> None:
        self._plan = plan
        alike: dict[str, Any] = {name: getattr(plan, name) for name in Layer.__dataclass_fields__}
        super().__init__(n_visible, **alike, generator=generator)

    def plan(self) -> LayerPlan:
        """What the layer was built from."""
        return replace(self._plan, **vars(super().plan()))
