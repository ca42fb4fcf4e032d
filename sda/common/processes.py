"""One run over several processes: which rows are whose, and sums over all of them.

torchrun starts the processes, on one machine or several. The first one records the run, the others
follow it. Where nobody has joined them there is one process, and nothing here takes any time.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from sda.common.program import torchrun

WAIT = timedelta(days=1)  # for one that is busy: the death of one is noticed at once
_place = {"count": 1, "number": 0}


def join() -> None:
    """Meet the processes that torchrun has started beside this one, if it has."""
    number, several = torchrun()
    if several > count():
        with _others():
            dist.init_process_group("gloo", timeout=WAIT)
        _place.update(count=several, number=number)
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def leave() -> None:
    """End the meeting; this process is the only one again."""
    if count() > 1:
        dist.destroy_process_group()
        _place.update(count=1, number=0)


def count() -> int:
    """How many processes train this run."""
    return _place["count"]


def is_first() -> bool:
    """Whether this is the process that records the run."""
    return _place["number"] == 0


def share(batch_size: int) -> int:
    """How many rows of a whole minibatch are this process's."""
    return len(range(batch_size)[every()])


def every() -> slice:
    """Which rows of a minibatch are this process's: all, or one out of so many."""
    return slice(_place["number"], None, count())


def own(n: int, batch_size: int) -> Tensor | None:
    """Which of n rows in minibatches are this process's, int64; None: all of them."""
    if count() == 1:
        return None
    places = torch.arange(n)
    return places[places % batch_size % count() == _place["number"]]


def add_up(x: Tensor) -> Tensor:
    """Put the sum over all processes in the place of x, the same bits in each; return x.

    Raises:
        ConnectionError: another process has ended.
    """
    if count() > 1:
        with _others():
            dist.all_reduce(x)
    return x


def of_first(*values: Tensor) -> tuple[Tensor, ...]:
    """Put the values that the first process has in the place of all others'. As ``add_up``."""
    if count() > 1:
        with _others():
            for value in values:
                dist.broadcast(value, 0)
    return values


def told(message: Any = None) -> Any:
    """What the first process says, of any type, in all of them. As ``add_up``."""
    box = [message]
    if count() > 1:
        with _others():
            dist.broadcast_object_list(box, 0)
    return box[0]


def _end_with(parent: int) -> None:
    """Ask this process to save and end when torchrun is there no more, however it went."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _others() -> Iterator[None]:
    try:
        yield
    except RuntimeError:
        raise ConnectionError("another process of this run has ended") from None
