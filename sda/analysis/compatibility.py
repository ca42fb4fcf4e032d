"""Whether two conditionals, p(h | x) and p(x | h), are those of one joint distribution.

A chain that draws h given x and x given h has a stationary distribution π whatever they are. Only
where the two are compatible is π(x) p(h | x) = m(h) p(x | h), with m the share of h: then the chain
is a Gibbs sampler of that joint. Alain, Bengio, Yao, Yosinski, Thibodeau-Laufer, Zhang & Vincent
(2015), "GSNs: generative stochastic networks". For variables of few states, whose conditionals are
tables.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
STEPS = 60  # squarings of the kernel: 2⁶⁰ steps of the chain


@dataclass(frozen=True)
class Compatibility:
    """How far two conditionals are from one joint."""

    gap: float  # nats: KL(π(x) p(h | x) ‖ m(h) p(x | h)); 0 if and only if they are compatible
    distance: float  # total variation between π and the law of the data, in [0, 1]
    excess: (
        float  # nats by which E[−log p(x | h)] exceeds H(X | H) with the data's law in π's place
    )


def compatibility(encoder: Table, decoder: Table, law: Table) -> Compatibility:
    """Compare p(h | x), (x, h), and p(x | h), (h, x), with a law of the data (x,).

    ``excess`` is what training a decoder can still take away: its cost is H(X | H) + excess.
    """
    stationary = stationary_law(encoder @ decoder)
    return Compatibility(
        divergence(stationary, encoder, decoder),
        float(np.abs(stationary - law).sum() / 2),
        divergence(law, encoder, decoder),
    )


def stationary_law(kernel: Table) -> Table:
    """The stationary distribution (x,) of a chain of kernel (x, x′), all of whose states mix."""
    for _ in range(STEPS):
        kernel = kernel @ kernel
        kernel /= kernel.sum(1, keepdims=True)  # rounding would add up
    return np.asarray(kernel.mean(0))


def divergence(law: Table, encoder: Table, decoder: Table) -> float:
    """KL(p(x) p(h | x) ‖ m(h) p(x | h)) in nats, with m(h) = Σ p(x) p(h | x)."""
    joint = law[:, None] * encoder
    other = joint.sum(0) * decoder.T
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / other[seen])).sum())
