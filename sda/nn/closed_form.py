"""The papers' updates in closed form, in place: five products a minibatch and little else.

For a logistic output with cross-entropy, a linear one with squared error, and blocks of softmax
with theirs, the derivative of an example's loss by the logits a is z − x. One minibatch of B rows,
corrupted x̃, clean x, rate η:

    y = s(x̃ W + b)                 codes
    δ = (z − x) · η/B               a = y Wᵀ + c,  z = s'(a)
    ε = (δ W) ∘ s′(y)               the sigmoid's s′ is y (1 − y)
    W ← W − [x̃; δ]ᵀ [ε; y]          both halves of tied weights at once, no gradient in memory
    b ← b − Σ ε,   c ← c − Σ δ

Vincent et al. (2008), §2; emphasis weighs δ by component. Untied, V takes the place of Wᵀ and each
matrix has one half. A layer on top that predicts y has δ = (E[y | x] − y) · η/B, passed down the
same way: p − 1_y for classes, z − y for squared error; a row's weight multiplies its δ.

Everything here has a leading axis of runs, of length 1 for an ordinary module.
"""

from collections.abc import Sequence
from functools import partial
from itertools import repeat

import torch
from torch import Tensor

from sda.nn.distributions import Distribution
from sda.nn.encoder import Activation
from sda.nn.optimisers import Descent, with_runs

CACHED = 128  # rows whose costs are summed at once, while they are in the cache


@torch.no_grad()
def descend_layer(
    descent: Descent,
    activation: Activation,
    distribution: Distribution,
    clean: Tensor,
    corrupted: Tensor,
    weights: Tensor | None,
    batch_size: int,
) -> Tensor:
    """Go through rows (*runs, n, d) by minibatches; return their cost, each before its step.

    Args:
        descent: of ``weight``, ``hidden_bias``, ``visible_bias`` and, untied, ``decoder_weight``.
        activation: of the codes.
        distribution: a canonical one.
        clean: the targets.
        corrupted: the inputs.
        weights: of the loss of each component, like ``clean``; None: 1.
        batch_size: rows of a minibatch, the last may be shorter.

    Returns:
        The cost summed over components and rows, (R,).
    """
    targets, inputs = with_runs(clean), with_runs(corrupted)
    emphases = targets[:, :0] if weights is None else with_runs(weights)
    total = clean.new_zeros(targets.shape[0])
    chunk = batch_size * max(1, CACHED // batch_size)
    for first in range(0, targets.shape[1], chunk):
        x, target, emphasis = (t[:, first : first + chunk] for t in (inputs, targets, emphases))
        logits = torch.empty_like(target, memory_format=torch.contiguous_format)
        parts = emphasis.split(batch_size, 1) if emphasis.shape[1] else repeat(emphasis)
        splits = (t.split(batch_size, 1) for t in (logits, x, target))
        for own, *batch in zip(*splits, parts, strict=False):
            step = descent.steps.get(batch[0].shape[1])
            if step is None:
                made = _LayerStep(descent, activation, distribution, batch[0])
                step = descent.remember(made, *batch)
            own.copy_(step(*batch))
        if emphasis.shape[1]:
            total += distribution.loss(logits, target).mul_(emphasis).sum(-1).sum(-1)
        else:
            total += distribution.total(logits, target)
    return total


class _LayerStep:
    """One step of a layer with minibatches (R, B, d), and the memory that it needs.

    The operands of the two halves of the weights' step lie one below the other, [x̃; δ] and [ε; y],
    each computed where it has to be; rounded, if products are.
    """

    def __init__(
        self, descent: Descent, activation: Activation, distribution: Distribution, like: Tensor
    ) -> None:
        self._descent, self._activation, self._distribution = descent, activation, distribution
        self._tied = "decoder_weight" not in descent.parameters
        runs, rows, _ = like.shape
        w = descent.operand("weight")
        self._left, self._right = (w.new_empty(runs, 2 * rows, n) for n in w.shape[1:])
        self._x, delta = self._left.split(rows, 1)
        epsilon, y = self._right.split(rows, 1)
        self._rounded = (delta, epsilon, y)
        if w.dtype != like.dtype:  # rounded operands beside the exact values
            delta, epsilon, y = (like.new_empty(t.shape) for t in self._rounded)
        self._exact = (delta, epsilon, y)
        self._logits = torch.empty_like(like, memory_format=torch.contiguous_format)

    def __call__(self, x: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """Take the step; return the logits (R, B, d) from before it, in memory used again."""
        descent, x16, logits = self._descent, self._x, self._logits
        (delta, epsilon, y), (delta16, epsilon16, y16) = self._exact, self._rounded
        w, b = descent.operand("weight"), descent.lifted["hidden_bias"]
        v = w.mT if self._tied else descent.operand("decoder_weight")
        x16.copy_(x)
        _affine(x16, w, b, out=y)
        self._activation.apply_(y)
        _round(y, y16)
        _affine(y16, v, descent.lifted["visible_bias"], out=logits)
        self._distribution.residual(logits, target, out=delta)
        if weights.shape[1]:
            delta.mul_(weights)
        delta.mul_(descent.scale(x.shape[1]))
        _round(delta, delta16)
        _product(delta16, v.mT, out=epsilon)
        self._activation.backward_(epsilon, y)
        _round(epsilon, epsilon16)
        if self._tied:
            descent.move("weight", self._left, self._right)
        else:
            descent.move("weight", x16, epsilon16)
            descent.move("decoder_weight", y16, delta16)
        descent.move_bias("hidden_bias", epsilon)
        descent.move_bias("visible_bias", delta)
        descent.finish()
        return logits


@torch.no_grad()
def descend_network(
    descent: Descent,
    activations: Sequence[Activation],
    distribution: Distribution,
    x: Tensor,
    y: Tensor,
    weights: Tensor | None,
    factors: Sequence[Tensor],
    batch_size: int,
) -> Tensor:
    """Go through rows (R, n, d) of targets (R, n, k) by minibatches.

    Args:
        descent: of ``layers.<k>.weight`` and ``layers.<k>.hidden_bias`` for each activation, and of
            the top layer's ``weight`` and ``bias``.
        activations: of the encoders, bottom to top; none where x are codes.
        distribution: p(y | x), a canonical one.
        x: inputs.
        y: targets.
        weights: of the rows' losses, (R, n, 1); None: 1.
        factors: of the codes of each layer, (R, n, h), as dropout has them; none: 1.
        batch_size: rows of a minibatch.

    Returns:
        The cost summed over rows, (R,), that of each minibatch before its step.
    """
    inputs = x.to(descent.operand("weight").dtype)
    given = y[:, :0] if weights is None else weights
    parts = repeat(given) if weights is None else given.split(batch_size, 1)
    splits = (t.split(batch_size, 1) for t in (inputs, y, *factors))
    logits = []
    for own, *batch in zip(parts, *splits, strict=weights is not None):
        step = descent.steps.get(batch[0].shape[1])
        if step is None:
            taken = partial(_step_network, activations, distribution, descent)
            step = descent.remember(taken, batch[0], batch[1], own, *batch[2:])
        logits.append(step(batch[0], batch[1], own, *batch[2:]).clone())
    loss = distribution.loss(torch.cat(logits, 1), y)
    if weights is not None:
        loss.mul_(weights)
    return loss.sum(-1).sum(-1)


def _step_network(
    activations: Sequence[Activation],
    distribution: Distribution,
    descent: Descent,
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    *factors: Tensor,
) -> Tensor:
    """Take one step with a minibatch (R, B, d), its targets (R, B, k) and its weights (R, B, 1).

    No weights, (R, 0, k), are weights of 1; ``factors`` (R, B, h) of the codes of each layer, none:
    of 1. Returns the logits (R, B, k) before the step.
    """
    product = x.dtype
    codes, rounded = [x], [x]
    for depth, activation in enumerate(activations):
        w = descent.operand(f"layers.{depth}.weight")
        given = _affine(rounded[-1], w, descent.lifted[f"layers.{depth}.hidden_bias"])
        codes.append(activation.apply_(given))
        passed = codes[-1] * factors[depth] if factors else codes[-1]
        rounded.append(passed.to(product))
    v = descent.operand("weight")
    logits = _affine(rounded[-1], v, descent.lifted["bias"])
    delta = distribution.residual(logits, y, out=torch.empty_like(logits))
    if weights.shape[1]:
        delta.mul_(weights)
    delta.mul_(descent.scale(x.shape[1]))
    delta_rounded = delta.to(product)
    below = torch.bmm(delta_rounded, v.mT)  # before the weight moves
    descent.move("weight", rounded[-1], delta_rounded)
    descent.move_bias("bias", delta)
    for depth, activation in reversed(list(enumerate(activations))):
        below = below.to(logits.dtype)
        if factors:
            below.mul_(factors[depth])
        epsilon = activation.backward_(below, codes[depth + 1])
        epsilon_rounded = epsilon.to(product)
        if depth > 0:
            w = descent.operand(f"layers.{depth}.weight")
            below = torch.bmm(epsilon_rounded, w.mT)
        descent.move(f"layers.{depth}.weight", rounded[depth], epsilon_rounded)
        descent.move_bias(f"layers.{depth}.hidden_bias", epsilon)
    descent.finish()
    return logits


def _affine(x: Tensor, w: Tensor, c: Tensor, out: Tensor | None = None) -> Tensor:
    """Compute x W + c, float32 (or as precise as c) whatever the product is rounded to."""
    if x.dtype == c.dtype:
        return torch.baddbmm(c, x, w, out=out)
    rounded = torch.baddbmm(c.to(x.dtype), x, w)
    return rounded.to(c.dtype) if out is None else out.copy_(rounded)


def _product(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    if a.dtype == out.dtype:
        return torch.bmm(a, b, out=out)
    return out.copy_(torch.bmm(a, b))


def _round(x: Tensor, rounded: Tensor) -> None:
    if x is not rounded:
        rounded.copy_(x)
