"""Layers on layers: a stack of denoising autoencoders, and stacks joined to train side by side."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from sda.common import checks
from sda.common.seeding import stream
from sda.nn.autoencoder import Activation, DenoisingAutoencoder, Emphasis
from sda.nn.contrastive_divergence import RestrictedBoltzmannMachine
from sda.nn.corruption import Corruption
from sda.nn.distributions import CrossEntropy, Reconstruction
from sda.nn.initialisation import Initialisation


@dataclass(frozen=True)
class Layer:
    """The plan of one layer: everything but its input size and its initial weights."""

    n_hidden: int  # units
    corruption: Corruption
    reconstruction: Reconstruction = field(default_factory=CrossEntropy)
    activation: Activation | str = Activation.sigmoid
    tied: bool = True
    emphasis: Emphasis = field(default_factory=Emphasis)
    initialisation: Initialisation | str = Initialisation.papers
    boltzmann: bool = False  # a restricted Boltzmann machine, trained by contrastive divergence

    def build(self, n_visible: int, generator: torch.Generator) -> DenoisingAutoencoder:
        """Make the layer for inputs of n_visible components, with weights from ``generator``."""
        kind = RestrictedBoltzmannMachine if self.boltzmann else DenoisingAutoencoder
        return kind(
            n_visible,
            self.n_hidden,
            generator=generator,
            corruption=self.corruption,
            reconstruction=self.reconstruction,
            activation=self.activation,
            tied=self.tied,
            emphasis=self.emphasis,
            initialisation=self.initialisation,
        )


class StackedDenoisingAutoencoder(nn.Module):
    """Encoders on encoders: layer k encodes the codes of layer k − 1. Vincent et al. (2008), §2.4.

    Args:
        layers: bottom to top; the input size of each is the number of units of the one below.

    Raises:
        ValueError: there is no layer, or two neighbours do not fit.
    """

    def __init__(self, layers: Sequence[DenoisingAutoencoder]) -> None:
        super().__init__()
        if not layers:
            raise ValueError("a stack needs at least one layer, got none")
        for below, above in pairwise(layers):
            if below.weight.shape[-1] != above.weight.shape[-2]:
                raise ValueError(
                    f"a layer of {below.weight.shape[-1]} units cannot feed "
                    f"one with {above.weight.shape[-2]} inputs"
                )
        self.layers = nn.ModuleList(layers)

    @classmethod
    def plan(
        cls, n_visible: int, layers: Sequence[Layer], seed: int
    ) -> "StackedDenoisingAutoencoder":
        """Build a stack for inputs of n_visible components, one layer for each plan.

        Layer k draws its weights from ``stream(seed, "weights", k)``, so that its initial weights
        do not depend on how many layers there are or on how they will be trained.
        """
        sizes = [checks.whole("n_visible", n_visible, 1), *(layer.n_hidden for layer in layers)]
        return cls(
            [
                layer.build(n, stream(seed, "weights", depth))
                for depth, (n, layer) in enumerate(zip(sizes, layers, strict=False))
            ]
        )

    def __iter__(self) -> Iterator[DenoisingAutoencoder]:
        return iter(self.layers)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, depth: int) -> DenoisingAutoencoder:
        return self.layers[depth]  # type: ignore[return-value]

    @property
    def runs(self) -> tuple[int, ...]:
        """The leading axis of the parameters: () or (R,)."""
        return self[0].runs

    def encode(self, x: Tensor, depth: int | None = None) -> Tensor:
        """Codes of x (..., n, d) after ``depth`` layers; None: after all of them, 0: x itself."""
        depth = len(self) if depth is None else checks.whole("depth", depth)
        if depth > len(self):
            raise ValueError(
                f"depth must be at most {len(self)}, the number of layers, got {depth}"
            )
        for layer in list(self)[:depth]:
            x = layer.encode(x)
        return x

    def decode(self, y: Tensor, depth: int | None = None) -> Tensor:
        """Bring codes y (..., n, h) of layer ``depth`` (None: the top) back down to the input."""
        for layer in reversed(list(self)[: len(self) if depth is None else depth]):
            y = layer.reconstruction.activate(layer.decode(y))
        return y

    def reconstruct(self, x: Tensor, depth: int | None = None) -> Tensor:
        """Encode x (..., n, d) through ``depth`` layers and decode it again."""
        return self.decode(self.encode(x, depth), depth)

    def forward(self, x: Tensor) -> Tensor:
        """Codes of the top layer."""
        return self.encode(x)


def join(stacks: Sequence[StackedDenoisingAutoencoder]) -> StackedDenoisingAutoencoder:
    """Copy R stacks of one shape into one stack with runs (R,), whose products serve all of them.

    Raises:
        ValueError: there is none, or their kinds, shapes, activations, losses or tying differ.
    """
    if not stacks:
        raise ValueError("join needs at least one stack, got none")
    kinds = {str([_kind(layer) for layer in stack]) for stack in stacks}
    if len(kinds) > 1:
        raise ValueError(
            f"only stacks of one kind can be joined, got {' and '.join(sorted(kinds))}"
        )
    joined = copy.deepcopy(stacks[0])
    for depth, layer in enumerate(joined):
        singles = [stack[depth] for stack in stacks]
        for name, _ in list(layer.named_parameters()):
            parameters = [getattr(single, name).detach() for single in singles]
            setattr(layer, name, nn.Parameter(torch.stack(parameters)))
        layer.corruptions = tuple(c for single in singles for c in single.corruptions)
        layer.emphases = tuple(e for single in singles for e in single.emphases)
    return joined


def select(stack: StackedDenoisingAutoencoder, run: int) -> StackedDenoisingAutoencoder:
    """Copy one run out of a stack with runs: an ordinary stack that shares no memory with it."""
    if not stack.runs:
        raise ValueError("select needs a stack with runs, got an ordinary one")
    single = take(stack, [run])
    for layer in single:
        for name, parameter in list(layer.named_parameters()):
            setattr(layer, name, nn.Parameter(parameter.detach()[0]))
    return single


def single(stack: StackedDenoisingAutoencoder, run: int) -> StackedDenoisingAutoencoder:
    """Return one run as an ordinary stack: a copy, or the stack itself if it is ordinary."""
    return select(stack, run) if stack.runs else stack


def take(stack: StackedDenoisingAutoencoder, runs: Sequence[int]) -> StackedDenoisingAutoencoder:
    """Copy some runs out of a stack with runs, into a smaller one with runs."""
    fewer = copy.deepcopy(stack)
    for layer in fewer:
        for name, parameter in list(layer.named_parameters()):
            setattr(layer, name, nn.Parameter(parameter.detach()[list(runs)].clone()))
        layer.corruptions = tuple(layer.corruptions[run] for run in runs)
        layer.emphases = tuple(layer.emphases[run] for run in runs)
    return fewer


def _kind(layer: DenoisingAutoencoder) -> str:
    shapes = {name: tuple(p.shape) for name, p in layer.named_parameters()}
    return f"{type(layer).__name__} {layer.activation} {layer.reconstruction} {shapes}"
