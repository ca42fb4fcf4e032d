"""One denoising autoencoder (dA): corrupt, encode, decode, compare with the clean input."""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from sda.common import checks
from sda.nn import exact
from sda.nn.corruption import Corrupted, Corruption, Gaussian
from sda.nn.distributions import CrossEntropy, Reconstruction
from sda.nn.initialisation import Initialisation


class Activation(StrEnum):
    """The encoder's nonlinearity; the papers use the logistic sigmoid."""

    sigmoid = "sigmoid"
    tanh = "tanh"
    relu = "relu"

    def __call__(self, logits: Tensor) -> Tensor:
        """Apply it to every component."""
        function = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[self.value]
        return exact.apply(function, logits)


@dataclass(frozen=True)
class Emphasis:
    """Weights of the loss on corrupted (α) and on intact (β) components; (1, 1) is the plain loss.

    Vincent et al. (2010), §4: (1, ½) is their double, (1, 0) their full emphasis.
    """

    corrupted: float = 1.0
    intact: float = 1.0

    def __post_init__(self) -> None:
        checks.number("emphasis.corrupted", self.corrupted, 0)
        checks.number("emphasis.intact", self.intact, 0)
        if self.corrupted == self.intact == 0:
            raise ValueError("emphasis must weigh something: corrupted and intact are both 0")

    @property
    def is_plain(self) -> bool:
        """Whether this is the loss without emphasis."""
        return self.corrupted == self.intact == 1


class DenoisingAutoencoder(nn.Module):
    """y = s(x̃ W + b), z = s'(y Wᵀ + c); the rows of x are examples. Vincent et al. (2008), §2.3.

    Untied, the decoder has a matrix of its own in place of Wᵀ. The parameters have a leading axis
    of runs, ``runs``: () for the ordinary module that one builds, (R,) while R runs train together.
    x is then (n, d), the same for all runs, or (R, n, d), one batch for each.

    Args:
        n_visible: d, components of an input.
        n_hidden: h, units.
        generator: what the initial weights are drawn from.
        corruption: how training inputs are corrupted.
        reconstruction: the output function and loss.
        activation: of the codes.
        tied: whether the decoder uses the transposed encoder weights. One parameter, not a copy.
        emphasis: weights of the loss on hit and on intact components.
        initialisation: the scale of the initial weights.
    """

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        *,
        generator: torch.Generator,
        corruption: Corruption,
        reconstruction: Reconstruction | None = None,
        activation: Activation | str = Activation.sigmoid,
        tied: bool = True,
        emphasis: Emphasis | None = None,
        initialisation: Initialisation | str = Initialisation.papers,
    ) -> None:
        super().__init__()
        d = checks.whole("n_visible", n_visible, 1)
        h = checks.whole("n_hidden", n_hidden, 1)
        scale = Initialisation(checks.one_of("initialisation", initialisation, (*Initialisation,)))
        self.activation = Activation(checks.one_of("activation", activation, (*Activation,)))
        self.reconstruction = reconstruction or CrossEntropy()
        # One for each run; training, not the network, uses them.
        self.corruptions: tuple[Corruption, ...] = (corruption,)
        self.emphases: tuple[Emphasis, ...] = (emphasis or Emphasis(),)
        self.weight = nn.Parameter(scale.hidden(d, h, generator))
        self.hidden_bias = nn.Parameter(torch.zeros(1, h))
        self.visible_bias = nn.Parameter(torch.zeros(1, d))
        self.decoder_weight = None if tied else nn.Parameter(scale.hidden(h, d, generator))
        self._check()

    @property
    def runs(self) -> tuple[int, ...]:
        """The leading axis of the parameters: () or (R,)."""
        return tuple(self.weight.shape[:-2])

    @property
    def tied(self) -> bool:
        """Whether the decoder uses the transposed encoder weights."""
        return self.decoder_weight is None

    def encode(self, x: Tensor) -> Tensor:
        """Codes y (..., n, h) of inputs x (..., n, d). Nothing is corrupted here."""
        return self.activation(exact.affine(x, self.weight, self.hidden_bias))

    def decode(self, y: Tensor) -> Tensor:
        """Logits (..., n, d) of the reconstruction from codes y (..., n, h)."""
        weight = self.weight.mT if self.decoder_weight is None else self.decoder_weight
        return exact.affine(y, weight, self.visible_bias)

    def reconstruct(self, x: Tensor) -> Tensor:
        """The reconstruction z (..., n, d) of inputs x (..., n, d)."""
        return self.reconstruction.activate(self.decode(self.encode(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Codes: the layer as part of a network."""
        return self.encode(x)

    def cost(self, x: Tensor, corrupted: Corrupted) -> Tensor:
        """Cost of reconstructing the clean x (..., n, d) from its corruption; shape ``runs``.

        Summed over the components of an example, averaged over examples.
        """
        loss = self.reconstruction.loss(self.decode(self.encode(corrupted.x)), x)
        if corrupted.hit is not None and not all(e.is_plain for e in self.emphases):
            loss = loss * self.emphasis_weights(corrupted.hit)
        return loss.sum(-1).mean(-1)

    def emphasis_weights(self, hit: Tensor) -> Tensor:
        """α where ``hit`` (..., n, d), β elsewhere, each run with its own."""
        alpha = self.weight.new_tensor([e.corrupted for e in self.emphases])
        beta = self.weight.new_tensor([e.intact for e in self.emphases])
        shape = (*self.runs, 1, 1)
        return torch.where(hit, alpha.reshape(shape), beta.reshape(shape))

    def check_inputs(self, low: float, high: float, what: str) -> None:
        """Raise ValueError if inputs in [low, high] cannot be reconstructed."""
        self.reconstruction.check(low, high, what)

    def extra_repr(self) -> str:
        """Say what the parameters' shapes do not."""
        tied = "tied" if self.tied else "untied"
        return f"{self.activation}, {tied}, {self.reconstruction}, {self.corruptions}"

    def _check(self) -> None:
        """Raise ValueError for what does not go together."""
        for corruption, emphasis in zip(self.corruptions, self.emphases, strict=True):
            if isinstance(corruption, Gaussian) and not emphasis.is_plain:
                raise ValueError(
                    "emphasis needs a corruption that leaves components intact "
                    f"(masking, salt_and_pepper), got {corruption}"
                )
