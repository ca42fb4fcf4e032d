"""What TensorBoard shows of a network while it trains: filters, reconstructions, histograms.

Curves have one card for all runs, pictures and histograms one for each. These are in groups of
their own, ``pictures`` and ``values``, which TensorBoard, sorting by name, puts after the curves.
"""

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sda.analysis import pictures
from sda.common.rows import floats
from sda.common.seeding import stream
from sda.nn.corruption import Corruption
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs.logbook import Logbook
from sda.training.minibatches import corrupt

Picture = NDArray[np.uint8]

SHARE = 0.04  # of a run's time that pictures may take
UNITS = 100  # filters in a picture
EXAMPLES = 8  # rows in a reconstruction picture
SAMPLE = 20_000  # values in a histogram
PROJECTED = 1000  # codes in the projector at most


def is_chosen(epoch: int, last: int) -> bool:
    """Whether pictures are due: epochs 0, 1, 2, 5, 10, 20, 50, ... and the last."""
    power = 10 ** (len(str(max(epoch, 1))) - 1)
    return epoch == last or epoch == 0 or epoch in (power, 2 * power, 5 * power)


class Show:
    """Draws the networks of runs into their logbooks, within a share of the time that passes.

    Args:
        books: of each run; None for one that is not shown.
        valid: validation rows (m, d), of which a few are shown.
        image_shape: of a row, or None.
        device: of the networks.
    """

    def __init__(
        self,
        books: Sequence[Logbook | None],
        valid: Tensor,
        image_shape: tuple[int, ...] | None,
        device: torch.device,
    ) -> None:
        self._books = books
        self._valid = floats(valid[:256].to(device))
        self._image_shape = image_shape
        self._start = time.monotonic()
        self._spent = 0.0

    def is_due(self, epoch: int, last: int) -> bool:
        """Whether to draw after an epoch: it is chosen and there is time, or it is the last."""
        if not any(book is not None and book.shows for book in self._books):
            return False
        elapsed = time.monotonic() - self._start
        return epoch == last or (is_chosen(epoch, last) and self._spent <= SHARE * elapsed)

    @torch.no_grad()
    def layer(
        self,
        run: int,
        stack: StackedDenoisingAutoencoder,
        depth: int,
        epoch: int,
        trial: Corruption,
    ) -> None:
        """Show layer ``depth`` of an ordinary stack: filters, reconstructions, histograms."""
        if (book := self._books[run]) is None:
            return
        begin = time.monotonic()
        layer = stack[depth]
        codes = layer.encode(stack.encode(self._valid, depth))
        seen = {
            "filters": self._filters(stack, depth),
            "clean_corrupted_reconstructed": self._grid(stack, depth, trial),
        }
        for tag, picture in seen.items():
            if picture is not None:
                book.picture(epoch, f"pictures/layer{depth + 1}/{tag}", picture)
        book.histogram(epoch, f"values/layer{depth + 1}/weights", _sample(layer.like))
        book.histogram(epoch, f"values/layer{depth + 1}/codes", _sample(codes))
        self._spent += time.monotonic() - begin

    @torch.no_grad()
    def network(self, run: int, stack: StackedDenoisingAutoencoder, epoch: int) -> None:
        """Show what fine-tuning makes of all layers."""
        if (book := self._books[run]) is None:
            return
        begin = time.monotonic()
        codes = self._valid
        for number, layer in enumerate(stack, 1):
            codes = layer.encode(codes)
            picture = self._filters(stack, number - 1)
            if picture is not None:
                book.picture(epoch, f"pictures/fine-tuning/layer{number}/filters", picture)
            own = f"values/fine-tuning/layer{number}"
            book.histogram(epoch, f"{own}/weights", _sample(layer.like))
            book.histogram(epoch, f"{own}/codes", _sample(codes))
        self._spent += time.monotonic() - begin

    @torch.no_grad()
    def codes(
        self, run: int, stack: StackedDenoisingAutoencoder, x: Tensor, labels: list[str]
    ) -> None:
        """Show top codes of evenly spaced rows x in the projector: as many as time allows.

        At least 50: writing a thousand codes of a thousand units as text takes about a second.
        Evenly spaced, because some test sets are sorted by class.
        """
        if (book := self._books[run]) is None:
            return
        width = stack[len(stack) - 1].n_hidden
        seconds = SHARE / 2 * (time.monotonic() - self._start) / len(self._books)
        n = max(50, min(PROJECTED, int(seconds * 1e6 / width)))
        chosen = torch.linspace(0, len(x) - 1, min(n, len(x))).long()
        rows = floats(x[chosen.to(x.device)].to(stack[0].like.device))
        images = None
        if self._image_shape is not None:
            images = rows.reshape(len(rows), -1, *self._image_shape[-2:]).cpu().clamp(0, 1)
            if images.shape[1] != 3:  # not of colours
                images = images.mean(1, keepdim=True)
        shown = [labels[k] for k in chosen.tolist()]
        book.codes(stack.encode(rows).cpu(), shown, images)

    def _filters(self, stack: StackedDenoisingAutoencoder, depth: int) -> Picture | None:
        """Weights of the first units of a layer, seen through the layers below.

        A unit of layer k is shown as the sum of the filters below it, weighted by its own weights,
        which would be exact if the layers were linear (the "linear combination" of Erhan et al.,
        2009). None for kinds without filters.
        """
        weight = stack[depth].filters()
        for layer in reversed(list(stack)[:depth]):
            weight = None if weight is None else layer.seen_through(weight[:, :UNITS])
        if weight is None:
            return None
        shown, shape = weight[:, :UNITS].cpu().numpy(), self._image_shape
        if shape is not None:
            shown, shape = pictures.cropped(shown, shape)
        return pictures.filters(shown, shape, 10, 10)

    def _grid(self, stack: StackedDenoisingAutoencoder, depth: int, trial: Corruption) -> Picture:
        """Validation rows, clean, corrupted and reconstructed by a layer, all seen as inputs."""
        codes = stack[depth].filled(stack.encode(self._valid[:EXAMPLES], depth))
        corrupted = corrupt(codes, [trial], [stream(0, "pictures", depth)], ()).x
        views = (codes, corrupted, stack[depth].reconstruct(corrupted))
        clean, hit, made = (stack.decode(view, depth).cpu().numpy() for view in views)
        return pictures.reconstructions(clean, hit, made, self._image_shape)


def _sample(values: Tensor) -> Tensor:
    """At most SAMPLE of the values, evenly spaced: a histogram needs no more."""
    flat = values.detach().reshape(-1)
    return flat[:: max(1, len(flat) // SAMPLE)].cpu()
