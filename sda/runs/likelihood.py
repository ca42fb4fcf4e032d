"""How likely rows are under a stack: what each column costs when it is hidden from the encoder."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sda.nn.distributions import Distribution
from sda.nn.mixed import Mixed
from sda.nn.stack import StackedDenoisingAutoencoder

if TYPE_CHECKING:
    from sda.data.encoding import Encoding  # it imports pandas, which takes a second

FOLDS = 5  # parts of the columns; each is hidden and judged in turn


@torch.no_grad()
def logits(stack: StackedDenoisingAutoencoder, x: Tensor, depth: int) -> Tensor:
    """Logits of p(x | codes) of inputs x (n, d), through ``depth`` layers and back."""
    codes = stack(x, depth)
    for layer in reversed(list(stack)[1:depth]):
        codes = layer.reconstruction.mean(layer.decode(codes))
    return stack[0].decode(codes)


def folds_of(encoding: "Encoding | None", d: int) -> Tensor:
    """For each of d components, which of five parts its column is in, (d,)."""
    if encoding is None:
        return torch.arange(d) % FOLDS
    folds = [place % FOLDS for place, one in enumerate(encoding.used) for _ in range(one.width)]
    return torch.tensor(folds)


@torch.no_grad()
def hidden_loss(stack: StackedDenoisingAutoencoder, x: Tensor, folds: Tensor, depth: int) -> Tensor:
    """−log p of each component (n, d), in nats, hidden with its fold; 0 where x is missing."""
    reconstruction = stack[0].reconstruction
    wanted, known, total = x.nan_to_num(0.0), ~x.isnan(), torch.zeros_like(x)
    for fold in folds.unique():
        hidden = folds == fold
        seen = torch.where(hidden, torch.nan, x)
        made = logits(stack, seen if reconstruction.missing else seen.nan_to_num(0.0), depth)
        total += reconstruction.loss(made, wanted) * hidden
    return (total + _left_out(reconstruction)) * known


def _left_out(reconstruction: Distribution) -> Tensor:
    """The constant that a loss leaves out, for each component or for all of them."""
    if not isinstance(reconstruction, Mixed):
        return torch.tensor(reconstruction.left_out)
    units = reconstruction.units or (1.0,) * len(reconstruction.columns)
    each = zip(reconstruction.columns, reconstruction.sizes, units, strict=True)
    own = [[one.left_out + math.log(unit)] * size for one, size, unit in each]
    return torch.tensor([value for column in own for value in column])
