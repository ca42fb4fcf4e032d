"""How well a layer reconstructs validation rows, with baselines for it."""

import logging
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sda.common import processes
from sda.common.rows import in_blocks, wide
from sda.common.seeding import stream
from sda.nn.corruption import Corruption
from sda.nn.layer_kind import LayerKind
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.training.codes import IN_MEMORY, Storage
from sda.training.minibatches import corrupt

_log = logging.getLogger(__name__)


class Judge:
    """Measures one layer on validation rows: corrupted by one fixed draw, and as they are.

    Args:
        layer: the layer, with runs or not.
        clean: its input on validation rows, (m, d) or (R, m, d).
        depth: of the layer; names the draw.
        seeds: of the runs.
        corruptions: of the rows, for each run; often those that the layer trains with.
        storage: where the corrupted rows are kept.
    """

    def __init__(
        self,
        layer: LayerKind,
        clean: Tensor,
        depth: int,
        seeds: Sequence[int],
        corruptions: Sequence[Corruption],
        storage: Storage = IN_MEMORY,
    ) -> None:
        self._layer = layer
        self._clean = clean
        self._draws = ("validation units", depth), list(seeds)
        self._device = layer.like.device
        noise = [stream(seed, "validation corruption", depth) for seed in seeds]
        drawn = (corrupt(rows, corruptions, noise, layer.runs).x for rows in self._blocks(clean))
        self._corrupted = storage.keep(drawn, clean.shape[-2])
        own = [a == b for a, b in zip(corruptions, layer.corruptions, strict=True)]
        self._own = torch.tensor(own, device=self._device).reshape(layer.runs)

    def errors(self) -> tuple[Tensor, Tensor]:
        """Mean reconstruction error from the corrupted rows and from the clean ones, each (runs).

        The error of a row is summed over components, but not missing cells. It has no emphasis, so
        that layers with and without it can be compared.
        """
        return self._error(self._corrupted), self._error(self._clean)

    def measures(self) -> dict[str, Tensor]:
        """The kind's own figures on the clean rows, each (runs), by one fixed draw."""
        purpose, seeds = self._draws
        draws = [stream(seed, *purpose, device=self._device) for seed in seeds]
        totals: dict[str, Tensor] = {}
        for rows in self._blocks(self._clean):
            for name, mean in self._layer.measures(rows, draws).items():
                total = totals.setdefault(name, self._zeros())
                total += mean * (rows.shape[-2] / self._clean.shape[-2])
        return totals

    def criterion(self, corrupted: Tensor, clean: Tensor) -> Tensor:
        """The error that a layer is stopped by: the one from the input that it trains with.

        A layer tried with another corruption than its own (an ordinary autoencoder beside a
        denoising one) is judged on clean rows.
        """
        return torch.where(self._own, corrupted, clean)

    @torch.no_grad()
    def baselines(self, codes: Tensor) -> dict[str, Tensor]:
        """Errors (runs) of answers that need no training, given the training inputs ``codes``.

        ``mean``: the mean training input, whatever the input is. ``input``, for squared error: the
        corrupted input itself.
        """
        distribution = self._layer.reconstruction
        loss = distribution.loss
        mean = self._mean(codes).to(self._layer.like.dtype)
        answer = distribution.logits_of(mean)
        totals = {name: self._zeros() for name in ("mean", "input")[: 1 + distribution.linear]}
        for corrupted, clean in self._pairs(self._corrupted):
            given = {"mean": answer.expand(*clean.shape[:-1], -1).contiguous(), "input": corrupted}
            for name, total in totals.items():
                total += loss(given[name], clean).to(total.dtype).sum((-2, -1))
        n = self._clean.shape[-2]
        return {name: processes.add_up(total) / n for name, total in totals.items()}

    @torch.no_grad()
    def _error(self, inputs: Tensor) -> Tensor:
        layer = self._layer
        total = self._zeros()
        for given, clean in self._pairs(inputs):
            logits = layer.decode(layer.encode(given))
            total += layer.reconstruction.loss(logits, clean).sum((-2, -1))
        return processes.add_up(total) / inputs.shape[-2]

    def _mean(self, codes: Tensor) -> Tensor:
        shape = (*codes.shape[:-2], 1, codes.shape[-1])
        total = torch.zeros(shape, dtype=wide(self._device), device=self._device)
        seen = torch.zeros_like(total)
        for rows in self._blocks(codes):  # without missing cells
            total += rows.nansum(-2, keepdim=True, dtype=total.dtype)
            seen += rows.isnan().logical_not_().sum(-2, keepdim=True)
        return total / seen.clamp(min=1)

    def _pairs(self, inputs: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for pair in zip(self._blocks(inputs), self._blocks(self._clean), strict=True):
            given, clean = (rows[..., processes.every(), :] for rows in pair)
            yield given, clean

    def _blocks(self, x: Tensor) -> Iterator[Tensor]:
        return in_blocks(x, self._device)

    def _zeros(self) -> Tensor:
        dtype = wide(self._device)
        return torch.zeros(self._layer.runs, dtype=dtype, device=self._device)


@torch.no_grad()
def denoising_errors(
    stack: StackedDenoisingAutoencoder, clean: Tensor, corruption: Corruption, seed: int
) -> list[float]:
    """How far reconstructions through 0, 1, 2, ... layers are from the clean rows (n, d).

    Mean squared difference of a known component, of rows corrupted by one draw, ``stream(seed,
    "validation corruption", 0)``. The first is that of the corrupted rows themselves. ``stack`` is
    an ordinary one.
    """
    device = stack[0].like.device
    noise = stream(seed, "validation corruption", 0, device=device)
    total = torch.zeros(len(stack) + 1, dtype=wide(device), device=device)
    count = torch.zeros_like(total)
    for rows in in_blocks(clean, device):
        codes = corruption(rows, noise).x
        for depth in range(len(stack) + 1):
            made = stack.decode(codes, depth)
            apart = (made - rows).square()
            total[depth] += apart.nansum()
            count[depth] += apart.isfinite().sum()
            if depth < len(stack):
                codes = stack[depth].encode(codes)
    return [float(one) for one in total / count.clamp(min=1)]


def note_best_depth(
    stack: StackedDenoisingAutoencoder, clean: Tensor, corruption: Corruption, seed: int
) -> list[float]:
    """Have ``stack.reconstruct`` go through the layers that denoise rows (n, d) best.

    Returns ``denoising_errors``.
    """
    errors = denoising_errors(stack, clean, corruption, seed)
    stack.best_depth = 1 + min(range(len(stack)), key=lambda depth: errors[1 + depth])
    figures = ", ".join(f"{error:.4g}" for error in errors[1:])
    _log.info("layers that denoise best: %d (squared errors: %s)", stack.best_depth, figures)
    return errors
