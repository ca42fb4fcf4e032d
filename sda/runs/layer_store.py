"""The store of pretrained layers, which runs share.

A layer's key says all that its bits depend on, the layers below included. Whoever needs a layer
takes it from the store, or trains it and puts it there. While one process trains it the others
wait; if that one stops, the next takes over.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from sda.runs import model_file
from sda.runs.checkpoint import CheckpointError

PAUSE = 0.5  # seconds between two looks for a signal while another process trains


@dataclass(frozen=True)
class Stored:
    """One trained layer: its weights, the rows of its record, the seconds of each epoch."""

    weights: dict[str, Tensor]
    rows: list[dict[str, Any]]
    seconds: list[float]


class LayerStore:
    """A folder of layers, one file each.

    Args:
        folder: made when a layer is first put there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, keys: Sequence[str], while_waiting: Callable[[], None]) -> ExitStack:
        """Keep others from training these layers until the result is closed or this process ends.

        Waits while another process trains one of them; ``while_waiting`` is called meanwhile and
        may raise. Where the folder cannot be written nothing is held: each trains for itself.
        """
        held = ExitStack()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for key in sorted(set(keys)):  # in one order for all: no two wait for each other
                lock = FileLock(self._folder / f"{key}.lock")
                held.callback(lock.release)
                while not _acquired(lock):
                    while_waiting()
        except OSError:
            held.close()
        except BaseException:
            held.close()
            raise
        return held

    def take(self, key: str) -> Stored | None:
        """The layer of a key; None: it is not there, or damaged and to be trained again."""
        path = self._path(key)
        if not path.exists():
            return None
        try:
            header, weights = model_file.read(path)
            rows, seconds = header["rows"], [float(one) for one in header["seconds"]]
            epochs = [row["epoch"] for row in rows if row["phase"] == "pretrain"]
            if header["key"] != key or not rows or epochs != list(range(len(rows))):
                return None
        except (CheckpointError, KeyError, TypeError, ValueError):
            return None
        if not all(bool(torch.isfinite(weight).all()) for weight in weights.values()):
            return None
        return Stored(weights, rows, seconds)

    def put(self, key: str, layer: Stored) -> None:
        """Keep a layer; where the folder cannot be written, the run that trained it goes on."""
        header = {"key": key, "rows": layer.rows, "seconds": layer.seconds}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            model_file.write(self._path(key), header, layer.weights)
        except OSError:  # written whole or not at all
            return

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=PAUSE, poll_interval=0.05)
    except Timeout:
        return False
    return True
