"""A corruption that takes its time once in a process: runs of a known duration, for timings."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from sda.nn.corruption import Corrupted, Masking

_rested: list[float] = []


@dataclass(frozen=True)
class Resting(Masking):
    """Masking noise; the first call in a process sleeps for ``seconds``."""

    seconds: float = 0.0

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt rows x (n, d)."""
        if not _rested:
            _rested.append(self.seconds)
            time.sleep(self.seconds)
        return super().__call__(x, generator)
