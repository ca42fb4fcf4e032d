"""Corruptions of pictures: blocks hidden, patches exchanged, colour, detail or sharpness lost.

Rows are pictures (channels, height, width), row-major. Their shape is that of the data when a run
begins; in Python it is given.
"""

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from sda.common import checks
from sda.common.layout import Layout
from sda.nn.corruption import Corrupted, Corruption, choose


@dataclass(frozen=True)
class PictureCorruption(Corruption):
    """What corruptions of pictures share: they need to know where the pixels lie."""

    image_shape: tuple[int, ...] = field(default=(), kw_only=True)
    # (height, width) or (channels, height, width); none: the data's

    def on(self, layout: Layout) -> Self:
        """The same for pictures of this shape."""
        if self.image_shape:
            return self
        if layout.image_shape is None:
            raise ValueError(
                f"{type(self).__name__} needs pictures, and these inputs are none: data with an "
                "image_shape, and noise of another kind for the layers above (corruption.above)"
            )
        known = replace(self, image_shape=layout.image_shape)
        known.sides()  # refused now
        return known

    def sides(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        if not self.image_shape:
            raise ValueError(f"{type(self).__name__} needs image_shape=(height, width), got none")
        *channels, height, width = self.image_shape
        return math.prod(channels), height, width

    def pictures(self, x: Tensor) -> Tensor:
        """Rows x (n, d) as (n, channels, height, width)."""
        sides = self.sides()
        if math.prod(sides) != x.shape[-1]:
            raise ValueError(f"pictures of {sides} do not have {x.shape[-1]} components")
        return x.reshape(-1, *sides)


@dataclass(frozen=True)
class BlockMasking(PictureCorruption):
    """Sets one rectangle of each picture, in all channels, to ``value``: to undo it is inpainting.

    Exactly height · width pixels, wherever the rectangle fits, all places equally likely. Pathak et
    al. (2016) paint in the middle or at random.
    """

    height: int = 4  # of the rectangle, in pixels
    width: int = 4
    value: float = 0.0

    def __post_init__(self) -> None:
        checks.whole("height", self.height, 1)
        checks.whole("width", self.width, 1)
        checks.number("value", self.value, -checks.LARGEST, checks.LARGEST)

    def sides(self) -> tuple[int, int, int]:
        """Channels, height and width, in which the rectangle fits."""
        c, h, w = super().sides()
        if self.height > h or self.width > w:
            raise ValueError(
                f"a rectangle of {self.height} x {self.width} does not fit into pictures of "
                f"{h} x {w}"
            )
        return c, h, w

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        c, h, w = self.sides()
        rows = _within(self.height, h, len(x), generator)
        columns = _within(self.width, w, len(x), generator)
        hit = (rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1).expand(-1, c, -1, -1)
        hit = hit.flatten(1).to(x.device)
        self.pictures(x)  # of that shape
        return Corrupted(x.masked_fill(hit, self.value), hit)

    def reach(self, low: float, high: float) -> tuple[float, float]:
        """The range of corrupted values, for clean ones in [low, high]."""
        return min(low, self.value), max(high, self.value)


@dataclass(frozen=True)
class PatchShuffling(PictureCorruption):
    """Lets a share of the square patches of each picture change places.

    Exactly round(fraction · patches), chosen at random, move round in a random circle, so that each
    of them comes to another place; one alone stays. Noroozi & Favaro (2016) make a puzzle of it.
    """

    size: int = 4  # side of a patch, in pixels; it divides height and width
    fraction: float = 0.5  # share of the patches that move, in [0, 1]

    def __post_init__(self) -> None:
        checks.whole("size", self.size, 1)
        checks.number("fraction", self.fraction, 0, 1)

    def sides(self) -> tuple[int, int, int]:
        """Channels, height and width, which are whole patches."""
        c, h, w = super().sides()
        return c, *(_divided(side, self.size, "patches of") for side in (h, w))  # type: ignore

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        patches = F.unfold(self.pictures(x), self.size, stride=self.size)  # (n, c s², patches)
        n, _, count = patches.shape
        moving = round(self.fraction * count)
        chance = torch.rand(n, count, generator=generator, device=generator.device)
        chosen = chance.argsort(1)[:, :moving].to(x.device)
        source = torch.arange(count, device=x.device).repeat(n, 1)
        source.scatter_(1, chosen, chosen.roll(1, 1))
        moved = patches.gather(2, source.unsqueeze(1).expand_as(patches))
        hit = (source != torch.arange(count, device=x.device)).to(x.dtype)
        sides = self.sides()[1:]
        made, where = (
            F.fold(t, sides, self.size, stride=self.size).flatten(1)
            for t in (moved, hit.unsqueeze(1).expand_as(patches))
        )
        return Corrupted(made, where > 0)


@dataclass(frozen=True)
class ColourDropping(PictureCorruption):
    """Gives a share of the pixels of each picture the mean of its channels: undone, it is coloured.

    Exactly round(fraction · pixels), chosen at random; with 1, all of them. Zhang, Isola & Efros
    (2016) colour grey pictures.
    """

    fraction: float = 1.0  # share of the pixels, in [0, 1]

    def __post_init__(self) -> None:
        checks.number("fraction", self.fraction, 0, 1)

    def sides(self) -> tuple[int, int, int]:
        """Channels, more than one, height and width."""
        c, h, w = super().sides()
        if c < 2:
            raise ValueError(f"colour can be dropped of pictures with channels, got {(h, w)}")
        return c, h, w

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        pictures = self.pictures(x)
        c, h, w = self.sides()
        pixels = torch.empty(len(x), h * w, device=x.device)
        hit = choose(pixels, self.fraction, True, generator).repeat(1, c)
        grey = pictures.mean(1, keepdim=True).expand_as(pictures).flatten(1)
        return Corrupted(torch.where(hit, grey, x), hit)


@dataclass(frozen=True)
class Blur(PictureCorruption):
    """Blurs every picture by a Gaussian of deviation ``std``; nothing is random, everything is hit.

    The picture is mirrored at its edges. To undo it is to sharpen.
    """

    leaves_intact: ClassVar[bool] = False

    std: float = 1.0  # in pixels, at least 0

    def __post_init__(self) -> None:
        checks.number("std", self.std, 0)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        pictures = self.pictures(x)
        radius = min(math.ceil(3 * self.std), *(side - 1 for side in pictures.shape[2:]))
        if radius == 0:
            return Corrupted(x.clone(), None)
        places = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
        kernel = torch.exp(-0.5 * (places / self.std).square())
        kernel /= kernel.sum()
        n, c, h, w = pictures.shape
        flat = F.pad(pictures.reshape(n * c, 1, h, w), (radius,) * 4, mode="reflect")
        blurred = F.conv2d(F.conv2d(flat, kernel.reshape(1, 1, 1, -1)), kernel.reshape(1, 1, -1, 1))
        return Corrupted(blurred.reshape(x.shape), None)


@dataclass(frozen=True)
class DownSampling(PictureCorruption):
    """Gives each block of factor x factor pixels its mean; nothing is random, everything is hit.

    The picture keeps its size. To undo it is super-resolution.
    """

    leaves_intact: ClassVar[bool] = False

    factor: int = 2  # side of a block, in pixels; it divides height and width

    def __post_init__(self) -> None:
        checks.whole("factor", self.factor, 1)

    def sides(self) -> tuple[int, int, int]:
        """Channels, height and width, which are whole blocks."""
        c, h, w = super().sides()
        return c, *(_divided(side, self.factor, "blocks of") for side in (h, w))  # type: ignore

    def __call__(self, x: Tensor, generator: torch.Generator) -> Corrupted:
        """Corrupt the rows of x (n, d)."""
        self.sides()
        means = F.avg_pool2d(self.pictures(x), self.factor)
        whole = means.repeat_interleave(self.factor, 2).repeat_interleave(self.factor, 3)
        return Corrupted(whole.reshape(x.shape), None)


def _within(size: int, side: int, n: int, generator: torch.Generator) -> Tensor:
    """Which of ``side`` lines lie in a stretch of ``size`` at a random place: bool (n, side)."""
    first = torch.randint(side - size + 1, (n, 1), generator=generator, device=generator.device)
    places = torch.arange(side, device=generator.device)
    return (places >= first) & (places < first + size)


def _divided(side: int, size: int, what: str) -> int:
    if side % size:
        raise ValueError(f"{what} {size} x {size} pixels do not fill a side of {side}")
    return side
