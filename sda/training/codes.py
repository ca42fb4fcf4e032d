"""Where computed rows are kept: in memory, or on disk if they would take too much of it."""

import io
import math
import mmap
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor


class StorageError(OSError):
    """There is no room for rows on disk; what was trained is not touched."""


@dataclass(frozen=True)
class Storage:
    """Keeps arrays of up to ``memory`` bytes in memory and larger ones in files in ``folder``.

    A file has no name in the folder. It goes when its tensor goes, or with the process, however
    that ends: nothing is ever left behind. The system keeps in memory what it has room for.
    """

    folder: Path | None = None  # None: everything stays in memory
    memory: int = 0  # bytes that one array may take there

    def keep(self, blocks: Iterable[Tensor], n: int) -> Tensor:
        """Put blocks (..., b, h) of together n rows into one tensor (..., n, h).

        Only one block is in memory beside it. What is kept in memory stays on the blocks' device,
        what is kept on disk is a tensor of the CPU.

        Raises:
            StorageError: the folder is full or cannot be written to.
        """
        rest = iter(blocks)
        first = next(rest)
        shape = (*first.shape[:-2], n, first.shape[-1])
        size = math.prod(shape) * first.element_size()
        placed = _placed(chain([first], rest))
        if self.folder is None or size <= self.memory:
            kept = first.new_empty(shape)
            for start, block in placed:
                kept[..., start : start + block.shape[-2], :] = block
            return kept
        try:
            return _on_disk(self.folder, shape, size, placed)
        except OSError as error:
            raise StorageError(
                f"{size / 1e9:.3g} GB of codes do not fit in {self.folder}: {error.strerror}; "
                "make room there and resume, or keep more in memory (codes_memory=GB)"
            ) from None


IN_MEMORY = Storage()


def _placed(blocks: Iterable[Tensor]) -> Iterator[tuple[int, Tensor]]:
    start = 0
    for block in blocks:
        yield start, block
        start += block.shape[-2]


def _on_disk(
    folder: Path, shape: tuple[int, ...], size: int, placed: Iterable[tuple[int, Tensor]]
) -> Tensor:
    """Write rows and map them. Written, not mapped for writing: then a full disk is an error."""
    *runs, n, width = shape
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for start, block in placed:
            rows = block.detach().cpu().reshape(math.prod(runs), -1, width)
            for run, own in enumerate(rows):
                file.seek((run * n + start) * width * own.element_size())
                _write(file, own)
            dtype = rows.dtype
        mapping = mmap.mmap(file.fileno(), size)
    return torch.frombuffer(mapping, dtype=dtype).reshape(shape)


def _write(file: io.FileIO, rows: Tensor) -> None:
    left = rows.contiguous().numpy().data.cast("B")
    while left.nbytes:
        left = left[file.write(left) :]
