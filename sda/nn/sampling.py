"""Samples of a trained stack: chains in the space of one layer, and draws from the top down."""

from collections.abc import Iterator

import torch
from torch import Tensor

from sda.nn.distributions import coin
from sda.nn.stack import StackedDenoisingAutoencoder


@torch.no_grad()
def chains(
    stack: StackedDenoisingAutoencoder, x: Tensor, layer: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Draw by the chain of one layer (``LayerKind.chain``), seen as inputs of the stack; endless.

    The chain of layer k goes over codes of the layer below, which are brought down by their means:
    for k above 1 as in Bengio, Mesnil, Dauphin & Rifai (2013), "Better mixing via deep
    representations".

    Args:
        stack: an ordinary one.
        x: inputs (n, d) to start from, a chain each.
        layer: k, from 1.
        generator: of all that is drawn.

    Yields:
        The means (n, d) of the inputs drawn in each step.
    """
    kind = stack[layer - 1]
    for logits, _ in kind.chain(stack.encode(x, layer - 1), generator):
        yield stack.decode(kind.reconstruction.mean(logits), layer - 1)


@torch.no_grad()
def from_the_top(
    stack: StackedDenoisingAutoencoder, x: Tensor, generator: torch.Generator, steps: int = 0
) -> Tensor:
    """Draw one input (n, d) for each row of x (n, d), from the code that the row has at the top.

    Vincent et al. (2010), §7: encode upwards without noise; at the top draw units, 0 or 1, with the
    codes for probabilities; below, draw each layer from the decoder of the one above; of the inputs
    take the means. The same for autoencoders and Boltzmann machines, whose units are sigmoid.

    Args:
        stack: an ordinary one, of sigmoid units.
        x: where the codes come from.
        generator: of all that is drawn.
        steps: of the top layer's chain before going down; a DBN draws from itself with many.

    Raises:
        ValueError: codes of the top layer are no probabilities.
    """
    top = stack[len(stack) - 1]
    if top.reach != (0.0, 1.0):
        raise ValueError("samples from the top need units in [0, 1] there (activation=sigmoid)")
    below = stack.encode(x, len(stack) - 1)
    for _, (_, drawn) in zip(range(steps), top.chain(below, generator), strict=False):
        below = drawn
    codes = coin(top.encode(below), generator)
    for layer in reversed(list(stack)[1:]):
        codes = layer.reconstruction.sample(layer.decode(codes), generator)
    return stack.decode(codes, 1)


@torch.no_grad()
def from_the_prior(
    stack: StackedDenoisingAutoencoder, n: int, generator: torch.Generator
) -> Tensor:
    """Draw n inputs (n, d): codes from p(h) of the top layer, brought down by their means.

    Raises:
        ValueError: the top layer has no distribution of codes (a variational one has).
    """
    return stack.decode(stack[len(stack) - 1].prior(n, generator))
