"""The layout of an input's components: columns of a table, or a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Block(NamedTuple):
    """Components that stand together and have one distribution."""

    name: str  # of the column
    kind: str  # numeric, binary or categorical
    size: int  # components
    unit: float = 1.0  # of numbers: what an error counts by, their deviation over training rows
    categories: tuple[object, ...] = ()  # that its components stand for, where they are known


@dataclass(frozen=True)
class Layout:
    """The components of an input, in order. What is not known is empty or None.

    ``blocks`` are a table's; ``image_shape`` is (height, width) or (channels, height, width) of a
    picture, read row-major. Of codes of a layer below, ``reach`` is the interval that they lie in.
    """

    blocks: tuple[Block, ...] = ()
    image_shape: tuple[int, ...] | None = None
    reach: tuple[float, float] | None = None

    @property
    def columns(self) -> tuple[int, ...]:
        """Components of each column, where neighbouring blocks of one name are one column."""
        sizes: list[int] = []
        before = None
        for block in self.blocks:
            if sizes and block.name == before:
                sizes[-1] += block.size
            else:
                sizes.append(block.size)
            before = block.name
        return tuple(sizes)


def spread(of_columns: Tensor, columns: Sequence[int]) -> Tensor:
    """Values of columns (..., C) as values of their components (..., d); no columns: the same."""
    if all(size == 1 for size in columns):
        return of_columns
    sizes = torch.tensor(columns, device=of_columns.device)
    return of_columns.repeat_interleave(sizes, -1)
