"""A convolutional denoising autoencoder: one set of kernels at every place of a picture.

Masci, Meier, Cireşan & Schmidhuber (2011), with the denoising cost of Vincent et al. (2008). Rows
stay rows: x (n, d) is the pictures (n, c, h, w), channel after channel, line by line.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sda.common import checks
from sda.nn.corruption import Corrupted, Corruption, Emphasis
from sda.nn.distributions import CrossEntropy, Distribution
from sda.nn.encoder import Activation, Initialisation
from sda.nn.layer_kind import LayerKind, LayerPlan, Shape

POOLS = ("max", "mean")
CACHED = 256  # rows at once: the maps of more leave the cache and take twice the time


@dataclass(frozen=True)
class Convolutional(LayerPlan):
    """The plan of a convolutional denoising autoencoder: all but its initial weights.

    Raises:
        ValueError: a number is out of range.
    """

    channels: int  # of the codes: kernels
    corruption: Corruption
    kernel: int = 5  # side of a kernel, in pixels
    stride: int = 1  # pixels from one place of a kernel to the next
    padding: int = 0  # pixels of 0 around the picture, fewer than the kernel has
    pooling: int = 1  # side of the blocks of places that give one code; 1: every place gives one
    pool: Literal["max", "mean"] = "max"  # the code of a block
    reconstruction: Distribution = field(default_factory=CrossEntropy)
    activation: Activation | str = Activation.sigmoid
    tied: bool = True
    emphasis: Emphasis = field(default_factory=Emphasis)
    initialisation: Initialisation | str = Initialisation.papers
    shape: Shape | None = None  # of the input; None: that of the data, or of the layer below

    def __post_init__(self) -> None:
        for name in ("channels", "kernel", "stride", "pooling"):
            checks.whole(name, getattr(self, name), 1)
        checks.whole("padding", self.padding, high=self.kernel - 1)
        checks.one_of("pool", self.pool, POOLS)
        if self.shape is not None:
            for side in self.shape:
                checks.whole("shape", side, 1)

    def unpretrained(self) -> "Convolutional":
        """The plan of an encoder alone."""
        return self.without_noise()._with(reconstruction=CrossEntropy(), tied=True)

    def of_pictures(self, shape: Shape | None) -> "Convolutional":
        """The plan with the shape of its input, unless it has one of its own."""
        return self if self.shape is not None else self._with(shape=shape)

    def example(self) -> "LayerKind":
        """One kernel at as few places as give a code."""
        side = (self.pooling - 1) * self.stride + self.kernel
        distribution = self.reconstruction if self.reconstruction.width is None else CrossEntropy()
        one = self._with(channels=1, padding=0, shape=(1, side, side), reconstruction=distribution)
        return one.build(side * side, torch.Generator())

    def build(self, n_visible: int, generator: torch.Generator) -> "ConvolutionalAutoencoder":
        """Make the layer for pictures of ``shape``, together n_visible components.

        Raises:
            ValueError: the shape is not known, or does not go together with something.
        """
        if self.shape is None:
            raise ValueError(
                "a convolutional layer needs pictures: data with an image_shape, or a layer below "
                "whose codes are pictures; or say its shape=[channels,height,width]"
            )
        if math.prod(self.shape) != n_visible:
            raise ValueError(f"pictures of {self.shape} do not have {n_visible} components")
        return ConvolutionalAutoencoder(self, self.shape, generator)


class ConvolutionalAutoencoder(LayerKind):
    """y = pool(s(x̃ * W + b)), z = s'(unpool(y) ⊛ W + c), ⊛ the transposed convolution.

    Max pooling leaves the largest code of each block, mean pooling its mean; unpooling repeats a
    code over its block, in both: where the largest one was is not kept, so that codes alone can be
    decoded. Biases are of channels. Untied, the decoder has kernels of its own.

    Args:
        plan: all of it but what follows.
        shape: (channels, height, width) of an input.
        generator: what the initial weights are drawn from.

    Raises:
        ValueError: kernels do not fit into the picture, or blocks not into what they leave of it.
    """

    def __init__(self, plan: Convolutional, shape: Shape, generator: torch.Generator) -> None:
        super().__init__()
        self._plan = plan._with(shape=shape, initialisation=Initialisation.papers)
        self.shape = shape
        self.activation = Activation(checks.one_of("activation", plan.activation, (*Activation,)))
        self.reconstruction, self.corruptions = plan.reconstruction, (plan.corruption,)
        plan.emphasis.check(plan.corruption)
        c, k, d = shape[0], plan.kernel, math.prod(shape)
        m = c * plan.reconstruction.logits_for(d) // d  # channels of logits
        self._places = tuple(_places(side, plan) for side in shape[1:])
        scale = Initialisation(plan.initialisation)
        kernels = (plan.channels, c, k, k)
        self.weight = nn.Parameter(scale.kernels(kernels, generator))
        self.hidden_bias = nn.Parameter(torch.zeros(plan.channels))
        self.visible_bias = nn.Parameter(torch.zeros(m))
        further = m - c if plan.tied else m  # channels that Wᵀ does not give
        own = scale.kernels((plan.channels, further, k, k), generator) if further else None
        self.decoder_weight = None if own is None else nn.Parameter(own)

    @property
    def n_visible(self) -> int:
        """d, components of an input, channels x height x width."""
        return math.prod(self.shape)

    @property
    def n_hidden(self) -> int:
        """h, components of a code, channels x height x width."""
        return math.prod(self.code_shape)

    @property
    def code_shape(self) -> Shape:  # type: ignore[override]
        """(channels, height, width) of a code."""
        height, width = (n // self._plan.pooling for n in self._places)
        return self._plan.channels, height, width

    @property
    def reach(self) -> tuple[float, float]:  # type: ignore[override]
        """The interval that codes lie in."""
        return self.activation.reach

    def plan(self) -> LayerPlan:
        """What the layer was built from, with the shape of its input."""
        return self._plan

    def encode(self, x: Tensor) -> Tensor:
        """Codes y (..., n, h) of inputs x (..., n, d). Nothing is corrupted here."""
        blocks = _blocks(x.reshape(-1, self.n_visible))
        codes = torch.cat([self._codes(rows).flatten(1) for rows in blocks])
        return codes.reshape(*x.shape[:-1], self.n_hidden)

    def decode(self, y: Tensor) -> Tensor:
        """Logits (..., n, m) of the reconstruction from codes y (..., n, h)."""
        blocks = _blocks(y.reshape(-1, self.n_hidden))
        pictures = [self._logits(_images(rows, self.code_shape)) for rows in blocks]
        return torch.cat([one.flatten(1) for one in pictures]).reshape(*y.shape[:-1], -1)

    def cost(self, x: Tensor, corrupted: Corrupted) -> Tensor:
        """Cost of reconstructing the clean x (n, d): summed over components, averaged over rows."""
        logits = self._logits(self._codes(corrupted.x)).reshape(len(x), -1)
        loss = self.reconstruction.loss(logits, x)
        return self._plan.emphasis.weigh(loss, corrupted.hit).sum(-1).mean(-1)

    def encoder_parameters(self) -> dict[str, nn.Parameter]:
        """Those of the encoder: decoders take no part in a network."""
        return {"weight": self.weight, "hidden_bias": self.hidden_bias}

    def filters(self) -> Tensor | None:
        """The kernels, each in the middle of a picture of 0, (d, channels)."""
        middle = self.weight.new_zeros(self._plan.channels, self._plan.channels, *self._places)
        rows, columns = self._places
        middle[:, :, rows // 2, columns // 2] = torch.eye(len(middle)).to(middle)
        return self._convolved(middle, self.weight, None).flatten(1).T

    def seen_through(self, weights: Tensor) -> Tensor | None:
        """What weights (h, m) on codes are on the inputs, (d, m), were the layer linear."""
        maps = self._unpooled(_images(weights.T, self.code_shape))
        return self._convolved(maps, self.weight, None).flatten(1).T

    def extra_repr(self) -> str:
        """Say what the parameters' shapes do not."""
        return f"{self._plan}"

    def _codes(self, x: Tensor) -> Tensor:
        """The codes of rows x (..., n, d) as pictures (n, *code_shape)."""
        plan, images = self._plan, _images(x, self.shape)
        maps = F.conv2d(images, self.weight, self.hidden_bias, plan.stride, plan.padding)
        maps = maps.contiguous(memory_format=torch.channels_last)  # of one channel it was not
        if plan.pooling > 1 and plan.pool == "max":  # the same before s, which rises, and faster
            maps = F.max_pool2d(maps, plan.pooling)
        codes = self.activation(maps)
        if plan.pooling > 1 and plan.pool == "mean":
            codes = F.avg_pool2d(codes, plan.pooling)
        return codes

    def _logits(self, codes: Tensor) -> Tensor:
        """The logits of codes (n, *code_shape), as pictures (n, channels, height, width)."""
        kernels: list[Tensor] = [self.weight] if self._plan.tied else []
        if self.decoder_weight is not None:
            kernels.append(self.decoder_weight)
        weight = kernels[0] if len(kernels) == 1 else torch.cat(kernels, 1)
        return self._convolved(self._unpooled(codes), weight, self.visible_bias)

    def _unpooled(self, codes: Tensor) -> Tensor:
        """Each code at every place of its block."""
        size = self._plan.pooling
        return F.interpolate(codes, scale_factor=size) if size > 1 else codes

    def _convolved(self, maps: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The transposed convolution, with the last pixels that no kernel reaches."""
        k, stride, padding = self._plan.kernel, self._plan.stride, self._plan.padding
        left = [(side + 2 * padding - k) % stride for side in self.shape[1:]]
        return F.conv_transpose2d(maps, weight, bias, stride, padding, left)


def _blocks(rows: Tensor) -> Sequence[Tensor]:
    """Some rows at a time; all at once where a program for any number of them is exported."""
    return (rows,) if torch.compiler.is_compiling() else rows.split(CACHED)


def _images(x: Tensor, shape: Shape) -> Tensor:
    """Rows (..., n, d) as pictures (n, c, h, w), in the memory order that convolutions like."""
    return x.reshape(-1, *shape).contiguous(memory_format=torch.channels_last)


def _places(side: int, plan: Convolutional) -> int:
    """Places of a kernel along a side. Raises ValueError where it does not fit, or blocks not."""
    wide = side + 2 * plan.padding
    if plan.kernel > wide:
        raise ValueError(f"kernel={plan.kernel} does not fit into {wide} pixels, padding included")
    places = (wide - plan.kernel) // plan.stride + 1
    if places % plan.pooling:
        raise ValueError(
            f"pooling={plan.pooling} must divide the {places} places along a side that "
            f"kernel={plan.kernel}, stride={plan.stride} and padding={plan.padding} leave of "
            f"{side} pixels"
        )
    return places
