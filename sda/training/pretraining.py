"""The scheduler: each layer is trained, bottom to top, on the clean codes of the layer below."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

import sda.common.progress as display
from sda.common import processes
from sda.common.errors import DivergenceError
from sda.common.rows import in_blocks, wide
from sda.common.seeding import stream
from sda.nn.corruption import Corruption
from sda.nn.layer_kind import LayerKind
from sda.nn.optimisers import Descent
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.training.codes import IN_MEMORY, Storage
from sda.training.early_stopping import EarlyStopping
from sda.training.history import History, LayerEpoch
from sda.training.minibatches import NoisyRows, presentations, shuffled
from sda.training.named_optimisers import planned
from sda.training.preconditions import check_extent, check_pretraining
from sda.training.reconstruction_error import Judge, note_best_depth
from sda.training.settings import Pretraining


@dataclass
class Progress:
    """Where pretraining stands at each yield: with the weights, all to go on; no copies."""

    depth: int = 0
    epoch: int = -1  # of the layer ``depth``; -1: not begun
    optimiser: dict[str, Tensor] = field(default_factory=dict)  # what it remembers
    stopping: dict[str, Any] = field(default_factory=dict)
    remembered: dict[str, Any] = field(default_factory=dict)  # what the layer's updates remember
    finite: Tensor | None = None  # which runs have not diverged in a layer below; None: all
    top: dict[str, Any] = field(default_factory=dict)  # where the top layer ended, to go on there

    def close(self, layer: LayerKind) -> None:
        """Note where a layer ends, before it has its best weights back."""
        names = ("depth", "epoch", "optimiser", "stopping", "remembered")
        weights = {name: p.detach().clone() for name, p in layer.named_parameters()}
        self.top = {name: getattr(self, name) for name in names} | {"weights": weights}
        self.optimiser, self.stopping, self.remembered = {}, {}, {}

    def has_more(self, settings: Sequence[Sequence[Pretraining]]) -> bool:
        """Whether the settings of some run have more epochs for the top layer than it has had."""
        return bool(self.top) and any(run[-1].epochs > self.top["epoch"] for run in settings)

    def reopen(self, layer: LayerKind) -> None:
        """Go back to where the top layer ended."""
        with torch.no_grad():
            for name, weight in self.top.pop("weights").items():
                layer.get_parameter(name).copy_(weight)
        vars(self).update(self.top)
        self.top = {}


def pretrain(
    stack: StackedDenoisingAutoencoder,
    x: Tensor,
    settings: Pretraining | Sequence[Pretraining],
    seed: int,
    valid: Tensor | None = None,
    storage: Storage = IN_MEMORY,
    standing: Progress | None = None,
    progress: bool = False,
) -> History[LayerEpoch]:
    """Pretrain a stack in place on the rows of x (n, d), without labels, and return its epochs.

    Args:
        stack: an ordinary stack, without runs.
        x: training rows (n, d), floats, or uint8 for grey levels k / 255; a file may be mapped.
        settings: for every layer, or one for each.
        seed: names the streams of shuffling and corruption.
        valid: validation rows (m, d); needed for early stopping, and to know how many layers
            denoise best (``stack.best_depth``).
        storage: where codes are kept.
        standing: an empty one is kept up to date; with the same one and more epochs for the top
            layer its training goes on, and ends in the bits of so many epochs at once; not with
            schedule=cosine, whose rates are others then.
        progress: show a bar for each layer; where there is no screen, a line in the log of ``sda``.

    Raises:
        ValueError: data or settings that cannot be trained on, before any work starts.
        DivergenceError: the cost left all bounds; the layer's weights are of no use any more.
    """
    if stack.runs:
        raise ValueError("pretrain takes an ordinary stack; for one with runs: pretraining_epochs")
    each = list(settings) if isinstance(settings, Sequence) else [settings] * len(stack)
    history: History[LayerEpoch] = History()
    epochs = pretraining_epochs(stack, x, [each], [seed], valid, None, standing, storage)
    with display.Progress(quiet=not progress) as bar:
        for epoch in epochs:
            plan = each[epoch.depth]
            if epoch.diverged(0):
                raise DivergenceError(epoch.fault(plan.learning_rate))
            history.append(epoch)
            if epoch.epoch == 0 or not bar.has_begun:
                bar.begin(f"layer {epoch.depth + 1}", plan.epochs, epoch.epoch, epoch.beside())
            bar.show(epoch.epoch, epoch.readable())
    if valid is not None:
        note_best_depth(stack, valid, stack[0].corruptions[0], seed)
    return history


def pretraining_epochs(
    stack: StackedDenoisingAutoencoder,
    x: Tensor,
    settings: Sequence[Sequence[Pretraining]],
    seeds: Sequence[int],
    valid: Tensor | None = None,
    trials: Sequence[Sequence[Corruption]] | None = None,
    progress: Progress | None = None,
    storage: Storage = IN_MEMORY,
) -> Iterator[LayerEpoch]:
    """Train the layers of a stack in place, bottom to top, and yield every epoch.

    Args:
        stack: with runs (R,), or ordinary: then R is 1.
        x: training rows (n, d), the same for all runs.
        settings: for each run, one for each layer. Batch sizes and precisions are the same for all,
            and rows have noise (``corruption``) for all runs or for none.
        seeds: of the runs.
        valid: validation rows (m, d).
        trials: for each layer, the corruption of the validation rows for each run, so that arms
            that train with different corruptions share an axis; None: the layers' own.
        progress: where to go on from.
        storage: where the codes are kept that a layer trains on.
    """
    progress = progress if progress is not None else Progress()
    stack.extent = check_pretraining(stack, x, settings, valid)
    if progress.depth == len(stack) and progress.has_more(settings):
        for run in settings:
            run[-1].check_longer()
        progress.reopen(stack[len(stack) - 1])
    codes, valid_codes = x, valid
    for depth, layer in enumerate(stack):
        if depth >= progress.depth:
            plans = [run[depth] for run in settings]
            judge = None
            if valid_codes is not None:
                own = layer.corruptions if trials is None else trials[depth]
                judge = Judge(layer, valid_codes, depth, seeds, own, storage)
            noise = [plan.corruption for plan in plans if plan.corruption is not None]
            noisy = NoisyRows(x, stack, depth, noise) if noise else None
            progress.top = {}  # that was a layer below
            yield from pretrain_layer(layer, codes, plans, seeds, depth, judge, progress, noisy)
            del judge  # and the rows that it keeps
            progress.depth, progress.epoch = depth + 1, -1
        if depth + 1 < len(stack):
            # Clean codes: corruption trains a layer, it never feeds the next one.
            # (Noise in the rows themselves does: figure 12's other autoencoders, ``NoisyRows``.)
            codes = encode(layer, codes, storage)
            valid_codes = None if valid_codes is None else encode(layer, valid_codes, storage)


def pretrain_layer(
    layer: LayerKind,
    codes: Tensor,
    plans: Sequence[Pretraining],
    seeds: Sequence[int],
    depth: int,
    judge: Judge | None,
    progress: Progress,
    noisy: NoisyRows | None = None,
) -> Iterator[LayerEpoch]:
    """Train one layer in place to undo the corruption of its input ``codes`` (n, d) or (R, n, d).

    Yields epoch 0, then every epoch; at the end, runs with a patience get their best weights back.
    With ``noisy`` the codes of these rows are what it takes for clean; ``codes`` serve epoch 0.
    """
    check_extent(layer, codes, depth)
    parameters = dict(layer.named_parameters())
    precision = plans[0].precision_on(layer.like.device, layer.method == "closed form")
    descent = planned(parameters, plans, progress.optimiser, precision)
    stopping = EarlyStopping(parameters, layer.runs, plans, progress.stopping)
    if progress.finite is not None:
        stopping.finite &= progress.finite.to(stopping.finite.device)
    progress.optimiser, progress.stopping = descent.state(), stopping.state()
    layer.load_state(progress.remembered)
    if progress.epoch < 0:
        progress.epoch = 0
        valid, valid_clean = judge.errors() if judge else (None, None)
        baselines, own = (judge.baselines(codes), judge.measures()) if judge else ({}, {})
        errors = (None, valid, valid_clean)
        yield LayerEpoch(depth, 0, *errors, stopping.active(0), baselines, measures=own)
    # A cost that no layer has that still learns: cross-entropy never overflows by itself.
    bound = layer.reconstruction.hopeless * layer.n_visible
    while (active := stopping.active(progress.epoch)).any():
        epoch = progress.epoch + 1
        descent.only(active, [plan.factor(epoch) for plan in plans])
        rows, seen = (codes, None) if noisy is None else (noisy.x, noisy.seen(seeds, epoch))
        with descent.precision.products():
            loss = _train_one_epoch(
                layer, rows, seen, descent, plans[0].batch_size, seeds, depth, epoch
            )
        stopping.finite &= (loss < bound) | ~active
        valid, valid_clean, own = None, None, {}
        if judge:
            valid, valid_clean = judge.errors()
            score, own = judge.criterion(valid, valid_clean), judge.measures()
            stopping.observe(epoch, score, score, active)
        progress.epoch, progress.stopping = epoch, stopping.state()
        progress.optimiser, progress.remembered = descent.state(), layer.state()
        yield LayerEpoch(depth, epoch, loss, valid, valid_clean, active, bound=bound, measures=own)
    progress.close(layer)
    stopping.restore(~active)
    progress.finite = stopping.finite


def _train_one_epoch(
    layer: LayerKind,
    rows: Tensor,
    seen: Callable[[Tensor], Tensor] | None,
    descent: Descent,
    batch_size: int,
    seeds: Sequence[int],
    depth: int,
    epoch: int,
) -> Tensor:
    """Present every row once, corrupted afresh, and descend; the mean cost, float64, (runs)."""
    n, device = rows.shape[-2], layer.like.device
    orders = [shuffled(n, stream(seed, "order", depth, epoch), rows.device) for seed in seeds]
    noise = [stream(seed, "corruption", depth, epoch, device=device) for seed in seeds]
    total = torch.zeros(layer.runs, dtype=wide(device), device=device)
    draws = [stream(seed, "units", depth, epoch, device=device) for seed in seeds]
    corruptions = [corruption.at(epoch) for corruption in layer.corruptions]
    for clean, corrupted in presentations(
        rows, corruptions, batch_size, orders, noise, layer.runs, seen
    ):
        total += layer.update(descent, clean, corrupted, processes.share(batch_size), draws)
    descent.complete(-(-n // batch_size))
    return processes.add_up(total) / n


@torch.no_grad()
def encode(layer: LayerKind, x: Tensor, storage: Storage = IN_MEMORY) -> Tensor:
    """Clean codes (*runs, n, h) of x (n, d) or (R, n, d), encoded once and kept."""
    codes = (layer.encode(rows) for rows in in_blocks(x, layer.like.device))
    return storage.keep(codes, x.shape[-2])
