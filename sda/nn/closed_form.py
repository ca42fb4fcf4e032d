"""The papers' updates in closed form, in place: five products a minibatch and little else.

For a logistic output with cross-entropy, and for a linear one with squared error, the derivative of
an example's loss by the logits a is z − x. One minibatch of B rows, corrupted x̃, clean x, rate η:

    y = s(x̃ W + b)                 codes
    δ = (z − x) · η/B               a = y Wᵀ + c,  z = s'(a)
    ε = (δ W) ∘ s′(y)               the sigmoid's s′ is y (1 − y)
    W ← W − [x̃; δ]ᵀ [ε; y]          both halves of tied weights at once, no gradient in memory
    b ← b − Σ ε,   c ← c − Σ δ

Vincent et al. (2008), §2; emphasis weighs δ by component. Untied, V takes the place of Wᵀ and each
matrix has one half. The softmax classifier has δ = (p − 1_y) · η/B, passed down the same way.

Everything here has a leading axis of runs, of length 1 for an ordinary module.
"""

from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sda.nn import exact
from sda.nn.autoencoder import Activation, DenoisingAutoencoder
from sda.nn.contrastive_divergence import RestrictedBoltzmannMachine
from sda.nn.corruption import Corrupted
from sda.nn.distributions import CrossEntropy, SquaredError
from sda.nn.optimisers import Descent, with_runs
from sda.nn.stack import StackedDenoisingAutoencoder

if TYPE_CHECKING:  # pretraining stands on this module, and must not be able to see a label
    from sda.nn.heads import Classifier

CACHED = 128  # rows whose costs are summed at once, while they are in the cache


def applies(layer: nn.Module) -> bool:
    """Whether the equations above are this layer's: built in, not derived from."""
    return type(layer) is DenoisingAutoencoder and type(layer.reconstruction) in (
        CrossEntropy,
        SquaredError,
    )


def applies_to_all(stack: StackedDenoisingAutoencoder) -> bool:
    """Whether the equations are for a classifier on this stack: they take its encoders alone."""
    return all(applies(layer) or type(layer) is RestrictedBoltzmannMachine for layer in stack)


@torch.no_grad()
def descend_layer(
    layer: DenoisingAutoencoder,
    descent: Descent,
    clean: Tensor,
    corrupted: Corrupted,
    batch_size: int,
) -> Tensor:
    """Go through rows (*runs, n, d) by minibatches; return their cost, each before its step.

    Args:
        layer: trained in place.
        descent: of all its parameters.
        clean: the targets.
        corrupted: the inputs.
        batch_size: rows of a minibatch, the last may be shorter.

    Returns:
        The cost summed over components and rows, (runs).
    """
    targets, inputs = with_runs(clean), with_runs(corrupted.x)
    emphases = targets[:, :0]  # nothing is emphasised
    if corrupted.hit is not None and not all(e.is_plain for e in layer.emphases):
        emphases = with_runs(layer.emphasis_weights(corrupted.hit))
    total = clean.new_zeros(targets.shape[0])
    chunk = batch_size * max(1, CACHED // batch_size)
    for first in range(0, targets.shape[1], chunk):
        x, target, emphasis = (t[:, first : first + chunk] for t in (inputs, targets, emphases))
        logits = torch.empty_like(target, memory_format=torch.contiguous_format)
        weights = emphasis.split(batch_size, 1) if emphasis.shape[1] else repeat(emphasis)
        splits = (t.split(batch_size, 1) for t in (logits, x, target))
        for own, *batch in zip(*splits, weights, strict=False):
            step = descent.steps.get(batch[0].shape[1])
            if step is None:
                step = descent.remember(_LayerStep(layer, descent, batch[0]), *batch)
            own.copy_(step(*batch))
        loss = layer.reconstruction.loss(logits, target)
        if emphasis.shape[1]:
            loss.mul_(emphasis)
        total += loss.sum(-1).sum(-1)
    return total.reshape(layer.runs)


class _LayerStep:
    """One step of a layer with minibatches (R, B, d), and the memory that it needs.

    The operands of the two halves of the weights' step lie one below the other, [x̃; δ] and [ε; y],
    each computed where it has to be; rounded, if products are.
    """

    def __init__(self, layer: DenoisingAutoencoder, descent: Descent, like: Tensor) -> None:
        self._activation, self._descent = layer.activation, descent
        self._logistic = type(layer.reconstruction) is CrossEntropy
        self._tied = layer.decoder_weight is None
        runs, rows, _ = like.shape
        w = descent.operand("weight")
        self._left, self._right = (exact.matrices(w, runs, 2 * rows, n) for n in w.shape[1:])
        self._x, delta = self._left.split(rows, 1)
        epsilon, y = self._right.split(rows, 1)
        self._rounded = (delta, epsilon, y)
        if w.dtype != like.dtype:  # rounded operands beside the exact values
            delta, epsilon, y = (like.new_empty(t.shape) for t in self._rounded)
        self._exact = (delta, epsilon, y)
        self._logits = exact.matrices(like, *like.shape)

    def __call__(self, x: Tensor, target: Tensor, weights: Tensor) -> Tensor:
        """Take the step; return the logits (R, B, d) from before it, in memory used again."""
        descent, x16, logits = self._descent, self._x, self._logits
        (delta, epsilon, y), (delta16, epsilon16, y16) = self._exact, self._rounded
        w, b = descent.operand("weight"), descent.lifted["hidden_bias"]
        v = w.mT if self._tied else descent.operand("decoder_weight")
        x16.copy_(x)
        _affine(x16, w, b, out=y)
        _activate(self._activation, y)
        _round(y, y16)
        _affine(y16, v, descent.lifted["visible_bias"], out=logits)
        if self._logistic:
            torch.sigmoid(logits, out=delta)
            delta.sub_(target)
        else:
            torch.sub(logits, target, out=delta)
        if weights.shape[1]:
            delta.mul_(weights)
        delta.mul_(descent.scale(x.shape[1]))
        _round(delta, delta16)
        _product(delta16, v.mT, out=epsilon)
        _through(self._activation, epsilon, y)
        _round(epsilon, epsilon16)
        if self._tied:
            descent.move("weight", self._left, self._right)
        else:
            descent.move("weight", x16, epsilon16)
            descent.move("decoder_weight", y16, delta16)
        descent.move_bias("hidden_bias", epsilon)
        descent.move_bias("visible_bias", delta)
        return logits


@torch.no_grad()
def descend_classifier(
    classifier: "Classifier", descent: Descent, x: Tensor, y: Tensor, batch_size: int
) -> Tensor:
    """Go through rows (*runs, n, d) of classes (*runs, n) by minibatches.

    Returns the cost summed over rows, (runs), that of each minibatch before its step. Encoders that
    ``descent`` does not move are a fixed map: then the softmax layer learns on codes.
    """
    frozen = "layers.0.weight" not in descent.parameters
    inputs = with_runs(classifier.stack.encode(x) if frozen else x)
    inputs = inputs.to(descent.operand("weight").dtype)
    classes = y.reshape(-1, y.shape[-1], 1)
    weight = classifier.weight
    wanted = weight.new_zeros(*classes.shape[:-1], weight.shape[-1]).scatter_(-1, classes, 1.0)
    activations = [] if frozen else [layer.activation for layer in classifier.stack]
    logits = []
    for batch in zip(inputs.split(batch_size, 1), wanted.split(batch_size, 1), strict=True):
        step = descent.steps.get(batch[0].shape[1])
        if step is None:
            step = descent.remember(partial(_step_classifier, activations, descent), *batch)
        logits.append(step(*batch).clone())
    cost = -F.log_softmax(torch.cat(logits, 1), -1).gather(-1, classes)
    return cost.sum((-2, -1)).reshape(classifier.runs)


def _step_classifier(
    activations: list[Activation], descent: Descent, x: Tensor, wanted: Tensor
) -> Tensor:
    """Take one step with a minibatch (R, B, d) and its classes, one of k, (R, B, k).

    Returns the logits (R, B, k) before the step.
    """
    product = x.dtype
    codes, rounded = [x], [x]
    for depth, activation in enumerate(activations):
        w = descent.operand(f"layers.{depth}.weight")
        given = _affine(rounded[-1], w, descent.lifted[f"layers.{depth}.hidden_bias"])
        codes.append(_activate(activation, given) if exact.is_whole(given) else activation(given))
        rounded.append(codes[-1].to(product))
    v = descent.operand("weight")
    logits = _affine(rounded[-1], v, descent.lifted["bias"])
    delta = F.softmax(logits, -1).sub_(wanted).mul_(descent.scale(x.shape[1]))
    delta_rounded = delta.to(product)
    below = exact.product(delta_rounded, v.mT)  # before the weight moves
    descent.move("weight", rounded[-1], delta_rounded)
    descent.move_bias("bias", delta)
    for depth, activation in reversed(list(enumerate(activations))):
        epsilon = _through(activation, below.to(logits.dtype), codes[depth + 1])
        epsilon_rounded = epsilon.to(product)
        if depth > 0:
            w = descent.operand(f"layers.{depth}.weight")
            below = exact.product(epsilon_rounded, w.mT)
        descent.move(f"layers.{depth}.weight", rounded[depth], epsilon_rounded)
        descent.move_bias(f"layers.{depth}.hidden_bias", epsilon)
    return logits


def _affine(x: Tensor, w: Tensor, c: Tensor, out: Tensor | None = None) -> Tensor:
    """Compute x W + c, float32 (or as precise as c) whatever the product is rounded to."""
    if x.dtype == c.dtype:
        into = exact.matrices(c, len(x), x.shape[1], w.shape[2]) if out is None else out
        return exact.affine(x, w, c, into)
    rounded = torch.baddbmm(c.to(x.dtype), x, w)
    return rounded.to(c.dtype) if out is None else out.copy_(rounded)


def _product(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    if a.dtype == out.dtype:
        return exact.product(a, b, out)
    return out.copy_(torch.bmm(a, b))


def _round(x: Tensor, rounded: Tensor) -> None:
    if x is not rounded:
        rounded.copy_(x)


def _activate(activation: Activation, logits: Tensor) -> Tensor:
    """Apply the nonlinearity in place."""
    if activation is Activation.sigmoid:
        return logits.sigmoid_()
    return logits.tanh_() if activation is Activation.tanh else logits.relu_()


def _through(activation: Activation, gradient: Tensor, y: Tensor) -> Tensor:
    """Multiply by the derivative of the nonlinearity where its value is y, in place."""
    aten = torch.ops.aten
    if activation is Activation.sigmoid:
        aten.sigmoid_backward.grad_input(gradient, y, grad_input=gradient)
    elif activation is Activation.tanh:
        gradient.mul_((y * y).neg_().add_(1))  # one operation at a time: no fused rounding
    else:
        aten.threshold_backward.grad_input(gradient, y, 0, grad_input=gradient)
    return gradient
