"""Helper: parts of a user's own, in a module of their own: corruption, layer kind, data set."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from sda import Corrupted, Corruption, Distribution, LayerKind, LayerPlan
from sda.data.splits import Rows, Splits


@dataclass(frozen=True)
class Halving(Corruption):
    """Every component loses a share of its value."""

    share: float

    def __call__(self, x, generator):
        """Corrupt the rows of x."""
        return Corrupted(x * (1 - self.share), None)


@dataclass(frozen=True)
class Maxout(LayerPlan):
    """Codes that are the larger of two affine maps, squeezed into [0, 1]."""

    n_hidden: int
    corruption: Corruption
    reconstruction: Distribution

    def build(self, n_visible, generator):
        """Make the layer."""
        return MaxoutLayer(n_visible, self, generator)


class MaxoutLayer(LayerKind):
    """A layer with parameters of three axes, and something to remember."""

    def __init__(self, d, plan, generator):
        super().__init__()
        self.maps = nn.Parameter(0.1 * torch.randn(2, d, plan.n_hidden, generator=generator))
        self.shift = nn.Parameter(torch.zeros(d))
        self.corruptions = (plan.corruption,)
        self.reconstruction = plan.reconstruction
        self.seen = 0

    n_visible = property(lambda self: self.maps.shape[1])
    n_hidden = property(lambda self: self.maps.shape[2])
    reach = (0.0, 1.0)

    def plan(self):
        """What it was built from."""
        return Maxout(self.n_hidden, self.corruptions[0], self.reconstruction)

    def encode(self, x):
        """Codes."""
        return torch.sigmoid((x.unsqueeze(-3) @ self.maps).amax(-3))

    def decode(self, y):
        """Logits."""
        return y @ self.maps[0].mT + self.shift

    def cost(self, x, corrupted):
        """Mean cost over rows."""
        return self.reconstruction.loss(self.decode(self.encode(corrupted.x)), x).sum(-1).mean(-1)

    def update(self, *given):
        """Down the gradient, counting the blocks."""
        self.seen += 1
        return super().update(*given)

    def state(self):
        """Blocks so far."""
        return {"seen": self.seen}

    def load_state(self, state):
        """Go on counting."""
        self.seen = state.get("seen", 0)


def dice(rows: int, seed: int = 0) -> Splits:
    """Rows that say nothing of their class."""
    rng = np.random.default_rng(seed)
    parts = [Rows(rng.random((rows, 4), np.float32), np.arange(rows) % 2) for _ in range(3)]
    return Splits("dice", *parts, 2, "user")


def noise(n: int) -> int:
    """Neither a corruption nor a data set."""
    return n
