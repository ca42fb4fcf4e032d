"""Threads of this process."""

import os
import warnings

import torch

from sda.common import checks

MOST_THREADS = 1024


def threads(asked: object) -> int:
    """Threads of one run: the number asked for, or all cores for ``auto``."""
    return cores() if asked == "auto" else checks.whole("threads", asked, 1, MOST_THREADS)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def settle(count: int) -> None:
    """Use ``count`` threads for every product of this process, and a line for every warning.

    Numbers below 1e-38 count as zero where the processor can: the gradients of saturated units are
    such numbers, and they made an epoch four times as slow.
    """
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"
    torch.set_flush_denormal(True)
    torch.set_num_threads(count)
    os.environ["OMP_NUM_THREADS"] = str(count)
