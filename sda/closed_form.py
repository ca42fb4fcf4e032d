"""The papers' updates in closed form, in place: five products a minibatch and little else.

For a logistic output with cross-entropy, and for a linear one with squared error, the derivative of
an example's loss by the logits a is z − x. One minibatch of B rows, corrupted x̃, clean x, rate η:

    y = s(x̃ W + b)                 codes
    δ = (z − x) · η/B               a = y Wᵀ + c,  z = s'(a)
    ε = (δ W) ∘ s′(y)               the sigmoid's s′ is y (1 − y)
    W ← W − x̃ᵀ ε − δᵀ y            both halves of tied weights, without a gradient in memory
    b ← b − Σ ε,   c ← c − Σ δ

Vincent et al. (2008), §2; emphasis weighs δ by component. Untied, V takes the place of Wᵀ and the
last product. The softmax classifier has δ = (p − 1_y) · η/B, passed down the same way.
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sda import exact
from sda.autoencoder import Activation, DenoisingAutoencoder
from sda.corruption import Corrupted
from sda.descent import Descent
from sda.reconstruction import CrossEntropy, SquaredError
from sda.stack import StackedDenoisingAutoencoder

if TYPE_CHECKING:  # pretraining stands on this module, and must not be able to see a label
    from sda.classifier import Classifier


def applies(layer: nn.Module) -> bool:
    """Whether the equations above are this layer's: built in, not derived from."""
    return type(layer) is DenoisingAutoencoder and type(layer.reconstruction) in (
        CrossEntropy,
        SquaredError,
    )


def applies_to_all(stack: StackedDenoisingAutoencoder) -> bool:
    """Whether every layer of the stack is one that the equations are for."""
    return all(applies(layer) for layer in stack)


@torch.no_grad()
def descend_layer(
    layer: DenoisingAutoencoder, descent: Descent, clean: Tensor, corrupted: Corrupted
) -> Tensor:
    """Take one step with a minibatch (*runs, B, d); return its cost before the step, (runs)."""
    x = corrupted.x
    b, c, w = layer.hidden_bias, layer.visible_bias, layer.weight
    v = w.mT if layer.decoder_weight is None else layer.decoder_weight
    y = _activate(layer.activation, exact.affine(x, w, b))
    logits = exact.affine(y, v, c)
    loss = layer.reconstruction.loss(logits, clean)
    delta = torch.sub(layer.reconstruction.activate(logits), clean)
    if corrupted.hit is not None and not all(e.is_plain for e in layer.emphases):
        weights = layer.emphasis_weights(corrupted.hit)
        loss, delta = loss.mul_(weights), delta.mul_(weights)
    delta.mul_(descent.scale(x.shape[-2]))
    epsilon = _through(layer.activation, exact.product(delta, v.mT), y)
    if layer.decoder_weight is None:
        descent.move("weight", (x.mT, epsilon), (delta.mT, y))
    else:
        descent.move("weight", (x.mT, epsilon))
        descent.move("decoder_weight", (y.mT, delta))
    descent.move_bias("hidden_bias", epsilon)
    descent.move_bias("visible_bias", delta)
    return loss.sum((-2, -1)) / x.shape[-2]


@torch.no_grad()
def descend_classifier(classifier: "Classifier", descent: Descent, x: Tensor, y: Tensor) -> Tensor:
    """Take one step with rows (*runs, B, d) and classes (*runs, B); return the cost, (runs)."""
    layers = list(classifier.stack)
    codes = [x]
    for layer in layers:
        given = exact.affine(codes[-1], layer.weight, layer.hidden_bias)
        codes.append(_activate(layer.activation, given))
    logits = exact.affine(codes[-1], classifier.weight, classifier.bias)
    classes = y.unsqueeze(-1)
    cost = -F.log_softmax(logits, -1).gather(-1, classes).sum((-2, -1)) / x.shape[-2]
    ones = torch.ones_like(classes, dtype=logits.dtype)
    delta = F.softmax(logits, -1).scatter_add_(-1, classes, ones.neg_())
    delta.mul_(descent.scale(x.shape[-2]))
    below = exact.product(delta, classifier.weight.mT)  # before the weight moves
    descent.move("weight", (codes[-1].mT, delta))
    descent.move_bias("bias", delta)
    if "layers.0.weight" not in descent.parameters:
        return cost
    for depth, layer in reversed(list(enumerate(layers))):
        epsilon = _through(layer.activation, below, codes[depth + 1])
        if depth > 0:
            below = exact.product(epsilon, layer.weight.mT)
        descent.move(f"layers.{depth}.weight", (codes[depth].mT, epsilon))
        descent.move_bias(f"layers.{depth}.hidden_bias", epsilon)
    return cost


def _activate(activation: Activation, logits: Tensor) -> Tensor:
    """Apply the nonlinearity, in place where that leaves the same bits."""
    if not exact.is_whole(logits):
        return activation(logits)
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
