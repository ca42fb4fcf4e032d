"""Layers on layers: a stack of denoising autoencoders, and stacks joined to train side by side."""

import copy
import math
import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from sda.common import checks
from sda.common.rows import check_rows, check_shape, floats, in_blocks
from sda.common.seeding import stream
from sda.nn.layer_kind import LayerKind, LayerPlan, Shape

PER_RUN = ("corruptions", "emphases")  # what a layer has one of for each run, no parameters


class StackedDenoisingAutoencoder(nn.Module):
    """Encoders on encoders: layer k encodes the codes of layer k − 1. Vincent et al. (2008), §2.4.

    Args:
        layers: bottom to top; the input size of each is the number of units of the one below.

    Raises:
        ValueError: there is no layer, or two neighbours do not fit.
    """

    extent: tuple[float, float] | None = None  # least and greatest value that it has learned from
    best_depth: int | None = None  # the number of layers that denoise best; None: not measured

    def __init__(self, layers: Sequence[LayerKind]) -> None:
        super().__init__()
        if not layers:
            raise ValueError("a stack needs at least one layer, got none")
        for below, above in pairwise(layers):
            if below.n_hidden != above.n_visible:
                raise ValueError(
                    f"a layer of {below.n_hidden} units cannot feed "
                    f"one with {above.n_visible} inputs"
                )
        self.layers = nn.ModuleList(layers)

    @classmethod
    def plan(
        cls, n_visible: int | Shape, layers: Sequence[LayerPlan], seed: int
    ) -> "StackedDenoisingAutoencoder":
        """Build a stack for inputs of n_visible components, one layer for each plan.

        Of pictures, n_visible is (channels, height, width): layers that need it learn it from here,
        or from the codes of the layer below.

        Layer k draws its weights from ``stream(seed, "weights", k)``, so that its initial weights
        do not depend on how many layers there are or on how they will be trained.
        """
        shape = n_visible if isinstance(n_visible, tuple) else None
        n = checks.whole("n_visible", n_visible if shape is None else math.prod(shape), 1)
        built = []
        for depth, layer in enumerate(layers):
            plan = layer.of_pictures(shape)
            built.append(plan.build(n, stream(seed, "weights", depth)))
            n, shape = built[-1].n_hidden, built[-1].code_shape
        return cls(built)

    def __iter__(self) -> Iterator[LayerKind]:
        return iter(self.layers)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, depth: int) -> LayerKind:
        return self.layers[depth]  # type: ignore[return-value]

    @property
    def runs(self) -> tuple[int, ...]:
        """The leading axes of the parameters, () or (R,)."""
        return self[0].runs

    @torch.no_grad()
    def encode(self, x: Tensor, depth: int | None = None) -> Tensor:
        """Codes of rows x (n, d) after ``depth`` layers; None: after all of them, 0: x itself.

        Rows are what ``pretrain`` takes, wherever they lie. Without a gradient, whatever the mode:
        ``forward`` has one.

        Raises:
            ValueError: x are no finite rows of d components, or there are no so many layers.
        """
        self.check("the", x)
        blocks = [self(rows, depth) for rows in in_blocks(x, self[0].like.device)]
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks, -2)

    @torch.no_grad()
    def decode(self, y: Tensor, depth: int | None = None) -> Tensor:
        """Bring codes y (..., n, h) of layer ``depth`` (None: the top) back down to the input."""
        layers = self._up_to(depth)
        width = layers[-1].n_hidden if layers else self[0].n_visible
        check_shape(f"the codes of layer {len(layers)}:", y, width, self[0].like.dtype)
        for layer in reversed(layers):
            y = layer.reconstruction.mean(layer.decode(y))
        return y

    def reconstruct(self, x: Tensor, depth: int | None = None) -> Tensor:
        """Encode rows x (n, d) through ``depth`` layers and decode them again, without a gradient.

        None: through those that denoise best (``best_depth``), or all if that is not known.
        """
        depth = self.best_depth if depth is None else depth
        return self.decode(self.encode(x, depth), depth)

    def forward(self, x: Tensor, depth: int | None = None) -> Tensor:
        """Codes (..., n, h) of x (..., n, d) after ``depth`` layers, None: all; differentiable."""
        check_shape("the", x, self[0].n_visible, self[0].like.dtype)
        x = floats(x)
        for layer in self._up_to(depth):
            x = layer.encode(x)
        return x

    def check(self, what: str, x: Tensor) -> None:
        """Raise ValueError for what are no rows of its inputs; warn of rows of another scale.

        They may lie as far outside of what it has learned from as that is wide.
        """
        may_miss = self[0].reconstruction.missing
        low, high = check_rows(what, x, self[0].n_visible, self[0].like.dtype, may_miss)
        if self.extent is None:
            return
        least, most = self.extent
        if low < least - (most - least) or high > most + (most - least):
            warnings.warn(
                f"{what} rows lie in [{low:.4g}, {high:.4g}], those that the network has learned "
                f"from in [{least:.4g}, {most:.4g}]: they should be scaled alike",
                stacklevel=3,
            )

    def _up_to(self, depth: int | None) -> list[LayerKind]:
        depth = len(self) if depth is None else checks.whole("depth", depth)
        if depth > len(self):
            raise ValueError(
                f"depth must be at most {len(self)}, the number of layers, got {depth}"
            )
        return list(self)[:depth]


def join(stacks: Sequence[StackedDenoisingAutoencoder]) -> StackedDenoisingAutoencoder:
    """Copy R stacks of one shape into one stack with runs (R,), whose products serve all of them.

    Raises:
        ValueError: there is none, a layer must train alone, or their kinds, shapes, losses or tying
            differ.
    """
    if not stacks:
        raise ValueError("join needs at least one stack, got none")
    alone = [layer for stack in stacks for layer in stack if not layer.joins_batches]
    if alone and len(stacks) > 1:
        raise ValueError(f"a {type(alone[0]).__name__} is trained alone: it joins no batch")
    kinds = {str([_kind(layer) for layer in stack]) for stack in stacks}
    if len(kinds) > 1:
        raise ValueError(
            f"only stacks of one kind can be joined, got {' and '.join(sorted(kinds))}"
        )
    joined = copy.deepcopy(stacks[0])
    for depth, layer in enumerate(joined):
        singles = [stack[depth] for stack in stacks]
        for name, _ in list(layer.named_parameters()):
            parameters = [getattr(single, name) for single in singles]
            free = all(parameter.requires_grad for parameter in parameters)
            weights = torch.stack([parameter.detach() for parameter in parameters])
            setattr(layer, name, nn.Parameter(weights, free))
        for name in PER_RUN:
            own = [one for single in singles for one in getattr(single, name, ())]
            setattr(layer, name, tuple(own))
    return joined


def select(stack: StackedDenoisingAutoencoder, run: int) -> StackedDenoisingAutoencoder:
    """Copy one run out of a stack with runs: an ordinary stack that shares no memory with it."""
    if not stack.runs:
        raise ValueError("select needs a stack with runs, got an ordinary one")
    single = take(stack, [run])
    for layer in single:
        for name, parameter in list(layer.named_parameters()):
            setattr(layer, name, nn.Parameter(parameter.detach()[0], parameter.requires_grad))
    return single


def single(stack: StackedDenoisingAutoencoder, run: int) -> StackedDenoisingAutoencoder:
    """Return one run as an ordinary stack: a copy, or the stack itself if it is ordinary."""
    return select(stack, run) if stack.runs else stack


def take(stack: StackedDenoisingAutoencoder, runs: Sequence[int]) -> StackedDenoisingAutoencoder:
    """Copy some runs out of a stack with runs, into a smaller one with runs."""
    fewer = copy.deepcopy(stack)
    for layer in fewer:
        for name, parameter in list(layer.named_parameters()):
            weights = parameter.detach()[list(runs)].clone()
            setattr(layer, name, nn.Parameter(weights, parameter.requires_grad))
        for name in PER_RUN:
            own = getattr(layer, name, ())
            setattr(layer, name, tuple(own[run] for run in runs) if own else ())
    return fewer


def _kind(layer: LayerKind) -> str:
    shapes = {name: tuple(p.shape) for name, p in layer.named_parameters()}
    return f"{type(layer).__name__} {layer.encoder} {layer.reconstruction} {shapes}"
