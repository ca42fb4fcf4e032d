"""Random streams by name: the same seed and purpose give the same bits, in any order of runs."""

import hashlib

import torch


def stream(seed: int, *purpose: str | int, device: torch.device | None = None) -> torch.Generator:
    """Return a fresh generator for one purpose of one run.

    ``stream(3, "corruption", 0, 17)`` is the noise of epoch 17 of layer 1 of the run with seed 3.
    Naming replaces state: a checkpoint holds no random state, an epoch can be replayed, and what
    one run draws cannot shift what another one sees. The same name gives other numbers on a GPU
    (``device``) than on the CPU, the default.
    """
    name = "/".join([str(seed), *map(str, purpose)])
    digest = hashlib.sha256(name.encode()).digest()
    number = int.from_bytes(digest[:8], "little", signed=True)
    return torch.Generator(device or torch.device("cpu")).manual_seed(number)
