"""Random streams by name: the same seed and purpose give the same bits, in any order of runs."""

import hashlib

import torch


def stream(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a fresh CPU generator for one purpose of one run.

    ``stream(3, "corruption", 0, 17)`` is the noise of epoch 17 of layer 0 of the run with seed 3.
    Naming replaces state: a checkpoint holds no random state, an epoch can be replayed, and what
    one run draws cannot shift what another one sees.
    """
    name = "/".join([str(seed), *map(str, purpose)])
    digest = hashlib.sha256(name.encode()).digest()
    # Streams are drawn on the CPU whatever trains, so that every device sees the same numbers.
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))
