"""The variational autoencoder: a Gaussian encoder q(h | x), trained on the evidence lower bound.

    q(h | x) = N(μ(x̃), diag σ²(x̃)),   p(h) = N(0, I),   p(x | h) of the decoder
    log p(x) ≥ E_q[log p(x | h)] − KL(q(h | x) ‖ p(h)) = ELBO
    KL = ½ Σ (μ² + σ² − 1 − log σ²)

Kingma & Welling (2014), eq. 3 and appendix B: without corruption, with KL weighed 1 and a hidden
layer before μ and log σ² and one after h, this is theirs. With a corruption it is the denoising one
of Im et al. (2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sda.common import checks
from sda.nn.corruption import Corrupted, Corruption, Masking
from sda.nn.distributions import CrossEntropy, Distribution, normal
from sda.nn.encoder import Activation, Initialisation
from sda.nn.layer_kind import LayerKind, LayerPlan


@dataclass(frozen=True)
class Variational(LayerPlan):
    """The plan of a variational autoencoder."""

    n_hidden: int  # components of h
    corruption: Corruption = field(default_factory=lambda: Masking(0.0))
    reconstruction: Distribution = field(default_factory=CrossEntropy)
    between: int = 0  # units between x and h, both ways; 0: μ, log σ² and the logits are linear
    activation: Activation | str = Activation.tanh  # of the units between
    kl_weight: float = 1.0  # β of the KL term; at 1 the cost is −ELBO
    initialisation: Initialisation | str = Initialisation.papers

    def build(self, n_visible: int, generator: torch.Generator) -> "VariationalAutoencoder":
        """Make the layer for inputs of n_visible components, with weights from ``generator``."""
        return VariationalAutoencoder(self, n_visible, generator)


class VariationalAutoencoder(LayerKind):
    """One layer with a Gaussian code. Weights of both ways are its own: nothing is tied.

    h = μ + σ ε is drawn while the layer is trained, in the ELBO of the record and in chains of
    samples. Codes for the next layer, fine-tuning and features are μ.

    Args:
        plan: what the layer is.
        n_visible: d, components of an input.
        generator: what the initial weights are drawn from.

    Raises:
        ValueError: an argument is out of range.
    """

    noise = "Gaussian code: h = μ + σ ε"
    mean_weight: nn.Parameter
    encoding_weight: nn.Parameter  # where there are units between

    def __init__(self, plan: Variational, n_visible: int, generator: torch.Generator) -> None:
        super().__init__()
        d = checks.whole("n_visible", n_visible, 1)
        h = checks.whole("n_hidden", plan.n_hidden, 1)
        m = checks.whole("between", plan.between)
        checks.number("kl_weight", plan.kl_weight, 0)
        allowed = (*Initialisation,)
        scale = Initialisation(checks.one_of("initialisation", plan.initialisation, allowed))
        self.activation = Activation(checks.one_of("activation", plan.activation, (*Activation,)))
        self.corruptions = (plan.corruption,)
        self.reconstruction = plan.reconstruction
        self._plan, self._n_visible = plan, d
        logits = self.reconstruction.logits_for(d)
        sizes = {"mean": (m or d, h), "spread": (m or d, h), "visible": (m or h, logits)}
        if m:
            sizes = {"encoding": (d, m), "decoding": (h, m)} | sizes
        for name, (fan_in, fan_out) in sizes.items():
            weight = scale.hidden(fan_in, fan_out, generator)
            if name == "spread":  # σ is 1 at first: an exponential starts where it is safe
                weight.zero_()
            setattr(self, f"{name}_weight", nn.Parameter(weight))
            setattr(self, f"{name}_bias", nn.Parameter(torch.zeros(1, fan_out)))

    @property
    def n_visible(self) -> int:
        """d, components of an input."""
        return self._n_visible

    @property
    def n_hidden(self) -> int:
        """h, components of a code."""
        return self.mean_weight.shape[1]

    def plan(self) -> LayerPlan:
        """What the layer was built from."""
        return self._plan

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ and log σ² (..., n, h) of q(h | x) for inputs x (..., n, d)."""
        units = self._between("encoding", self.filled(x))
        return self._affine("mean", units), self._affine("spread", units)

    def encode(self, x: Tensor) -> Tensor:
        """Codes μ (..., n, h) of inputs x (..., n, d)."""
        return self._affine("mean", self._between("encoding", self.filled(x)))

    def decode(self, y: Tensor) -> Tensor:
        """Logits (..., n, d) of p(x | h) from codes y (..., n, h)."""
        return self._affine("visible", self._between("decoding", y))

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Draw codes (n, h) from q(h | x) for inputs x (n, d)."""
        return self._sampled(*self.posterior(x), generator)

    def prior(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n codes (n, h) from p(h) = N(0, I)."""
        return normal(self.like.new_empty(n, self.n_hidden), generator)

    def cost(self, x: Tensor, corrupted: Corrupted) -> Tensor:
        """Cost with each code at its mean μ, without noise: less than −ELBO."""
        mean, spread = self.posterior(corrupted.x)
        return self._terms(x, mean, divergence(mean, spread))

    def drawn_cost(
        self, x: Tensor, corrupted: Corrupted, draws: Sequence[torch.Generator]
    ) -> Tensor:
        """−ELBO with β, up to the constant of the distribution; one draw of h for each row."""
        mean, spread = self.posterior(corrupted.x)
        return self._terms(x, self._sampled(mean, spread, draws[0]), divergence(mean, spread))

    @torch.no_grad()
    def measures(self, x: Tensor, draws: Sequence[torch.Generator]) -> dict[str, Tensor]:
        """ELBO of clean rows x (n, d), in nats, one draw of h for each row, and its KL term."""
        mean, spread = self.posterior(x)
        kl = divergence(mean, spread)
        logits = self.decode(self._sampled(mean, spread, draws[0]))
        loss = self.reconstruction.loss(logits, x) + self.reconstruction.left_out
        return {"elbo": (-loss.sum(-1) - kl).mean(-1), "kl": kl.mean(-1)}

    def encoder_parameters(self) -> dict[str, nn.Parameter]:
        """Those that μ depends on."""
        names = ("encoding", "mean")
        return {k: p for k, p in self.named_parameters() if k.startswith(names)}

    def filters(self) -> Tensor | None:
        """What each unit of the layer next to the input sees, (d, units)."""
        return self.encoding_weight if self._plan.between else self.mean_weight

    def seen_through(self, weights: Tensor) -> Tensor:
        """What weights (h, m) on codes are on the inputs, (d, m), were the units between linear."""
        weights = self.mean_weight @ weights
        return self.encoding_weight @ weights if self._plan.between else weights

    def _terms(self, x: Tensor, codes: Tensor, kl: Tensor) -> Tensor:
        loss = self.reconstruction.loss(self.decode(codes), x).sum(-1)
        return (loss + self._plan.kl_weight * kl).mean(-1)

    def _sampled(self, mean: Tensor, spread: Tensor, generator: torch.Generator) -> Tensor:
        return mean + torch.exp(0.5 * spread) * normal(mean, generator)

    def _between(self, name: str, x: Tensor) -> Tensor:
        return self.activation(self._affine(name, x)) if self._plan.between else x

    def _affine(self, name: str, x: Tensor) -> Tensor:
        product: Tensor = x @ getattr(self, f"{name}_weight") + getattr(self, f"{name}_bias")
        return product


def divergence(mean: Tensor, spread: Tensor) -> Tensor:
    """KL(N(μ, diag σ²) ‖ N(0, I)) in nats, (...), from μ and log σ² (..., h)."""
    return 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(-1)
