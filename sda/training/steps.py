"""How a layer is trained: by contrastive divergence, in closed form, or down its own gradient."""

from collections.abc import Callable, Sequence
from enum import StrEnum

import torch
from torch import Tensor

from sda.common.seeding import stream
from sda.nn import closed_form, contrastive_divergence
from sda.nn.autoencoder import DenoisingAutoencoder
from sda.nn.contrastive_divergence import RestrictedBoltzmannMachine
from sda.nn.corruption import Corrupted
from sda.nn.optimisers import Descent

Descend = Callable[[DenoisingAutoencoder, Descent, Tensor, Corrupted, int], Tensor]


class Step(StrEnum):
    """What a step of a layer is."""

    contrastive_divergence = "contrastive divergence"
    closed_form = "closed form"
    autograd = "autograd"


def step(layer: DenoisingAutoencoder) -> Step:
    """What the steps of this layer are; one that is not built in has the gradient of its cost."""
    if isinstance(layer, RestrictedBoltzmannMachine):
        return Step.contrastive_divergence
    return Step.closed_form if closed_form.applies(layer) else Step.autograd


def descending(
    layer: DenoisingAutoencoder, seeds: Sequence[int], depth: int, epoch: int, device: torch.device
) -> Descend:
    """Return what goes through the rows of one epoch, as ``closed_form.descend_layer`` does.

    Args:
        layer: what will be trained.
        seeds: of the runs.
        depth: of the layer; with ``epoch`` it names what is drawn.
        epoch: the epoch.
        device: where the rows are.
    """
    kind = step(layer)
    if kind is Step.autograd:
        return descend_by_autograd
    if kind is Step.closed_form:
        return closed_form.descend_layer
    purpose = (str(kind), depth, epoch)
    coins = [stream(seed, *purpose, device=device) for seed in seeds]
    return lambda machine, descent, clean, _, batch_size: contrastive_divergence.descend(
        machine, descent, clean, coins, batch_size
    )


def descend_by_autograd(
    layer: DenoisingAutoencoder,
    descent: Descent,
    clean: Tensor,
    corrupted: Corrupted,
    batch_size: int,
) -> Tensor:
    """Go through rows by minibatches, down the gradient of the cost as the layer defines it.

    Arguments and result: as ``closed_form.descend_layer``.
    """
    total = torch.zeros(layer.runs, dtype=clean.dtype, device=clean.device)
    for first in range(0, clean.shape[-2], batch_size):
        batch = (..., slice(first, first + batch_size), slice(None))
        hit = None if corrupted.hit is None else corrupted.hit[batch]
        cost = layer.cost(clean[batch], Corrupted(corrupted.x[batch], hit))
        descent.step(cost)
        total += cost.detach() * clean[batch].shape[-2]
    return total
