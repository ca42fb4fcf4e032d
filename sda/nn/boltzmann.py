"""A restricted Boltzmann machine: a layer trained by contrastive divergence."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from sda.nn import contrastive_divergence
from sda.nn.activation import Activation
from sda.nn.autoencoder import DenoisingAutoencoder, Layer
from sda.nn.corruption import Corrupted, Masking
from sda.nn.distributions import CrossEntropy, Distribution
from sda.nn.initialisation import Initialisation
from sda.nn.layer_kind import LayerPlan
from sda.nn.optimisers import Descent


@dataclass(frozen=True)
class Boltzmann(LayerPlan):
    """The plan of a restricted Boltzmann machine; it says what one can be, for a clear refusal."""

    n_hidden: int  # units
    reconstruction: Distribution = field(default_factory=CrossEntropy)
    activation: Activation | str = Activation.sigmoid
    tied: bool = True
    initialisation: Initialisation | str = field(
        default=Initialisation.tutorial, metadata={"unsaid": Initialisation.papers}
    )

    def without_noise(self) -> "Boltzmann":
        """Itself: nothing is corrupted."""
        return self

    def build(self, n_visible: int, generator: torch.Generator) -> "RestrictedBoltzmannMachine":
        """Make the machine for inputs of n_visible components, with weights from ``generator``."""
        return RestrictedBoltzmannMachine(
            n_visible,
            self.n_hidden,
            generator=generator,
            corruption=Masking(0.0),
            reconstruction=self.reconstruction,
            activation=self.activation,
            tied=self.tied,
            initialisation=self.initialisation,
        )


def counterpart(plan: LayerPlan) -> Boltzmann:
    """The machine that init=dbn trains in place of a dense layer.

    Raises:
        ValueError: there is none of the plan's kind.
    """
    if isinstance(plan, Boltzmann):
        return plan
    if type(plan) is not Layer:
        raise ValueError(
            f"init=dbn needs layers that have a Boltzmann machine in their place (sda.Layer), "
            f"got {type(plan).__name__}"
        )
    return Boltzmann(
        plan.n_hidden, plan.reconstruction, plan.activation, plan.tied, plan.initialisation
    )


class RestrictedBoltzmannMachine(DenoisingAutoencoder):
    """A layer with the parameters of a dA, trained by contrastive divergence.

    Codes and reconstructions are probabilities (mean field). Arguments are a dA's, but units are
    sigmoid and weights tied, inputs are in [0, 1] and nothing is corrupted or emphasised.

    Raises:
        ValueError: an argument says otherwise.
    """

    method = "contrastive divergence"
    noise = "units are drawn, Bernoulli"

    def plan(self) -> LayerPlan:
        """What the machine was built from."""
        return Boltzmann(self.n_hidden)

    def update(
        self,
        optimiser: Descent,
        clean: Tensor,
        corrupted: Corrupted,
        batch_size: int,
        draws: Sequence[torch.Generator],
    ) -> Tensor:
        """Go through rows by minibatches, one step of CD-1 each; ``draws`` are its units'."""
        total = contrastive_divergence.descend(optimiser, clean, draws, batch_size)
        return total.reshape(self.runs)

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Draw units h (n, h) from p(h | x), 0 or 1: the chain is the machine's Gibbs chain."""
        return self.reconstruction.sample(x @ self.weight + self.hidden_bias, generator)

    def free_energy(self, x: Tensor) -> Tensor:
        """F(x) = −x c − Σ log(1 + exp(x W + b)), so that p(x) ∝ exp(−F(x)).

        In nats, (*runs, n), of x (n, d) or (*runs, n, d).
        """
        hidden = F.softplus(x @ self.weight + self.hidden_bias)
        return -(x * self.visible_bias).sum(-1) - hidden.sum(-1)

    def check_inputs(self, low: float, high: float, what: str) -> None:
        """Raise ValueError unless inputs are probabilities."""
        if low < 0 or high > 1:
            raise ValueError(
                "a restricted Boltzmann machine (init=dbn) needs values in [0, 1], but "
                f"{what} lie in [{low:.4g}, {high:.4g}]; rescale them: a table of your own with "
                "data.scaling=unit"
            )

    def _check(self) -> None:
        super()._check()
        needed = {
            "activation=sigmoid": (self.activation is Activation.sigmoid, str(self.activation)),
            "reconstruction=cross_entropy (data in [0, 1])": (
                type(self.reconstruction) is CrossEntropy,
                type(self.reconstruction).__name__,
            ),
            "tied=true": (self.tied, "untied weights"),
            "no corruption": (self.corruptions == (Masking(0.0),), str(self.corruptions[0])),
            "no emphasis": (self.emphases[0].is_plain, str(self.emphases[0])),
        }
        for what, (given, got) in needed.items():
            if not given:
                raise ValueError(
                    f"a restricted Boltzmann machine (init=dbn) needs {what}, got {got}"
                )
