"""A restricted Boltzmann machine, trained by one step of contrastive divergence (CD-1).

Visible units x and hidden units h, both 0 or 1, have the energy E(x, h) = −xWh − hb − xc, so that
p(h = 1 | x) = s(x W + b) and p(x = 1 | h) = s(h Wᵀ + c): a dA's encoder and decoder with tied
weights. The gradient of log p(x) would need samples of the model. CD-1 takes the first step of a
Gibbs chain that starts at the data instead. One minibatch of B rows x in [0, 1], rate η:

    h₀ = s(x W + b),   h ~ Bernoulli(h₀)
    h₁ = s(z W + b),   z ~ Bernoulli(s(h Wᵀ + c))
    W ← W + η/B (xᵀ h₀ − zᵀ h₁)
    b ← b + η/B Σ (h₀ − h₁),   c ← c + η/B Σ (x − z)

Hinton (2002); stacked: Hinton, Osindero & Teh (2006), Bengio et al. (2007). What is drawn and what
stays a probability is as in the authors' library (PLearn, DeepBeliefNet): h and z are drawn, the
hidden units' statistics are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from sda.nn.autoencoder import DenoisingAutoencoder, Layer
from sda.nn.corruption import Corrupted, Masking
from sda.nn.distributions import CrossEntropy, Distribution
from sda.nn.encoder import Activation, Initialisation
from sda.nn.layer_kind import LayerPlan
from sda.nn.optimisers import Descent, with_runs


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

    def without_noise(self) -> Self:
        """Itself: nothing is corrupted."""
        return self

    def build(self, n_visible: int, generator: torch.Generator) -> "RestrictedBoltzmannMachine":
        """Make the machine for inputs of n_visible components, with weights from ``generator``."""
        return RestrictedBoltzmannMachine(
            n_visible, corruption=Masking(0.0), **vars(self), generator=generator
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
        total = descend(optimiser, clean, draws, batch_size)
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


@torch.no_grad()
def descend(
    descent: Descent,
    clean: Tensor,
    draws: Sequence[torch.Generator],
    batch_size: int,
) -> Tensor:
    """Go through rows (*runs, n, d) by minibatches, one step of CD-1 each, in place.

    Args:
        descent: of ``weight``, ``hidden_bias`` and ``visible_bias``.
        clean: the rows.
        draws: what the units of each run are drawn from.
        batch_size: rows of a minibatch, the last may be shorter.

    Returns:
        The cross-entropy of x under s(h Wᵀ + c), in nats, before each step, summed over components
        and rows, (R,). It is no cost that CD-1 descends, but falls while a machine learns.
    """
    x = with_runs(clean)
    rows = x.shape[1]
    d, h = descent.lifted["weight"].shape[-2:]
    hidden, visible = (
        torch.stack([torch.rand(rows, n, generator=g, device=g.device) for g in draws]).to(x.device)
        for n in (h, d)
    )
    total = x.new_zeros(x.shape[0])
    minibatches = (t.split(batch_size, 1) for t in (x, hidden, visible))
    for batch, *chances in zip(*minibatches, strict=True):
        step = descent.steps.get(batch.shape[1])
        if step is None:
            step = descent.remember(partial(_step, descent), batch, *chances)
        logits = step(batch, *chances)
        total += F.softplus(logits).sub_(logits * batch).sum(-1).sum(-1)
    return total


def _step(descent: Descent, x: Tensor, hidden: Tensor, visible: Tensor) -> Tensor:
    """Take one step with a minibatch (R, B, d); draw h and z by uniform numbers, theirs in shape.

    Returns h Wᵀ + c (R, B, d) before the step.
    """
    w = descent.operand("weight")
    b, c = descent.lifted["hidden_bias"], descent.lifted["visible_bias"]
    h0 = torch.sigmoid(_affine(x, w, b))
    logits = _affine(hidden < h0, w.mT, c)
    z = (visible < torch.sigmoid(logits)).to(x.dtype)
    h1 = torch.sigmoid(_affine(z, w, b))
    scale = descent.scale(x.shape[1])
    # Downhill, as descents go: both halves with the opposite sign.
    left, right = torch.cat([x, z], 1), torch.cat([-h0 * scale, h1 * scale], 1)
    descent.move("weight", left.to(w.dtype), right.to(w.dtype))
    descent.move_bias("hidden_bias", (h1 - h0) * scale)
    descent.move_bias("visible_bias", (z - x) * scale)
    descent.finish()
    return logits


def _affine(x: Tensor, w: Tensor, c: Tensor) -> Tensor:
    """Compute x W + c, as precise as c whatever the product is rounded to."""
    return torch.baddbmm(c.to(w.dtype), x.to(w.dtype), w).to(c.dtype)
