"""Samples of a finished run: of its pretrained stack, from its own validation rows or noise."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sda.common import checks
from sda.common.rows import floats, shared
from sda.common.seeding import stream
from sda.config import schema
from sda.nn import sampling
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs.folder import RunFolder
from sda.runs.model_file import pretrained_stack

READ_BY = {  # the procedures that read a setting, where not all do
    "layer": ("chain",),
    "steps": ("chain",),
    "every": ("chain",),
    "draws": ("top", "prior"),
    "mixing": ("top",),
}


@dataclass(frozen=True)
class Sampling:
    """What is drawn.

    ``chain``: the pseudo-Gibbs chain of one layer; ``top``: from the code that a row has at the
    top, each layer down from the one above; ``prior``: from the prior of a variational layer.
    """

    procedure: Literal["chain", "top", "prior"] = "chain"
    layer: int = 1  # whose chain it is
    start: Literal["valid", "noise"] = "valid"  # validation rows, or uniform noise in their range
    chains: int = 10  # rows that are started from: lines of the picture
    steps: int = 200  # of a chain
    every: int = 10  # steps of a chain from one sample that is kept to the next
    draws: int = 20  # from the top of each row, or from the prior
    mixing: int = 0  # steps of the top layer's chain before each draw from the top
    seed: int = 0  # of all that is drawn

    def __post_init__(self) -> None:
        for name, low in {
            "layer": 1,
            "chains": 1,
            "steps": 1,
            "draws": 1,
            "mixing": 0,
        }.items():
            checks.whole(name, getattr(self, name), low)
        checks.whole("seed", self.seed, high=float("inf"))
        checks.whole("every", self.every, 1, self.steps)
        for name, procedures in READ_BY.items():
            is_set = getattr(self, name) != getattr(Sampling, name)
            if is_set and self.procedure not in procedures:
                raise ValueError(
                    f"{name} is for procedure={' or '.join(procedures)}, not for {self.procedure}"
                )


class Samples(NamedTuple):
    """Rows that were started from (c, d), what was drawn (c, k, d), and the shape of pictures."""

    start: NDArray[np.float32]
    drawn: NDArray[np.float32]
    image_shape: tuple[int, ...] | None


def draw(folder: Path, asked: Sampling) -> Samples:
    """Draw from the pretrained stack of a run.

    Raises:
        ValueError: the folder holds none, or its layers cannot be drawn from as asked.
    """
    stack = pretrained_stack(folder)
    if asked.layer > len(stack):
        raise ValueError(f"layer must be at most {len(stack)}, got {asked.layer}")
    splits = schema.load_data(RunFolder(folder).config)
    generator = stream(asked.seed, "samples")
    start = _start(floats(shared(splits.valid.x)), asked, generator)
    drawn = torch.stack(list(_drawn(stack, start, asked, generator)), 1)
    return Samples(start.numpy(), drawn.numpy(), splits.image_shape)


def _start(valid: Tensor, asked: Sampling, generator: torch.Generator) -> Tensor:
    """The first validation rows, or noise in their range."""
    if asked.start == "valid":
        if asked.chains > len(valid):
            raise ValueError(f"chains must be at most {len(valid)}, the validation rows")
        return valid[: asked.chains]
    low, high = valid.aminmax()
    return low + (high - low) * torch.rand(asked.chains, valid.shape[1], generator=generator)


def _drawn(
    stack: StackedDenoisingAutoencoder, start: Tensor, asked: Sampling, generator: torch.Generator
) -> list[Tensor]:
    """What is drawn of each row (c, d), one after another."""
    if asked.procedure == "chain":
        steps = sampling.chains(stack, start, asked.layer, generator)
        return list(islice(steps, asked.every - 1, asked.steps, asked.every))
    if asked.procedure == "top":
        return [
            sampling.from_the_top(stack, start, generator, asked.mixing) for _ in range(asked.draws)
        ]
    return [sampling.from_the_prior(stack, len(start), generator) for _ in range(asked.draws)]
