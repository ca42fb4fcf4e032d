"""Dropout in fine-tuning: inputs and units are left out at random, anew for each row.

Srivastava et al. (2014). What stays is divided by the chance of staying, so that sums over units
are on average what they are without dropout. Validation and prediction leave out nothing and scale
nothing.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sda.nn.predictor import Predictor
from sda.training.settings import Finetuning


def factors(
    network: Predictor, x: Tensor, plans: Sequence[Finetuning], draws: Sequence[torch.Generator]
) -> tuple[Tensor, list[Tensor]]:
    """Draw what inputs x (*runs, n, d) and the codes of each layer (*runs, n, h) are multiplied by.

    0 for what is left out, else 1 / (1 - share), each run by its own share and from its own draws.
    No factors where all shares are 0: x (0,), or no layer.
    """
    inputs = [plan.input_dropout for plan in plans]
    units = [plan.dropout for plan in plans]
    widths = [layer.n_hidden for layer in network.stack] if any(units) else []
    first = _drawn(x, x.shape[-1], inputs, draws) if any(inputs) else x.new_empty(0)
    return first, [_drawn(x, width, units, draws) for width in widths]


def _drawn(
    x: Tensor, width: int, shares: Sequence[float], draws: Sequence[torch.Generator]
) -> Tensor:
    each = [
        (torch.rand(x.shape[-2], width, generator=draw, device=draw.device) >= share) / (1 - share)
        for share, draw in zip(shares, draws, strict=True)
    ]
    return torch.stack(each).reshape(*x.shape[:-1], width).to(x)
