"""What TensorBoard shows of a network while it trains: filters, reconstructions, histograms."""

import time

import torch
from torch import Tensor

from sda import pictures
from sda.corruption import Corruption
from sda.logbook import Logbook
from sda.presentation import corrupt
from sda.seeding import stream
from sda.stack import StackedDenoisingAutoencoder

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
    """Draws one run's network into its logbook, within a share of the run's time.

    Args:
        book: where to.
        stack: the ordinary stack that trains.
        valid: validation rows (m, d), of which a few are shown.
        image_shape: of a row, or None.
    """

    def __init__(
        self,
        book: Logbook,
        stack: StackedDenoisingAutoencoder,
        valid: Tensor,
        image_shape: tuple[int, int] | None,
    ) -> None:
        self._book = book
        self._stack = stack
        self._valid = valid[:256]
        self._image_shape = image_shape
        self._start = time.monotonic()
        self._spent = 0.0

    @torch.no_grad()
    def layer(self, depth: int, epoch: int, last: int, trial: Corruption) -> None:
        """Show layer ``depth`` after an epoch, if pictures are due and there is time for them."""
        if not self._due(epoch, last):
            return
        begin = time.monotonic()
        where = f"layer{depth}"
        codes = self._stack.encode(self._valid, depth)
        picture = pictures.filters(self._filters(depth).numpy(), self._image_shape, 10, 10)
        self._book.picture(where, epoch, "filters", picture)
        self._book.picture(where, epoch, "clean_corrupted_reconstructed", self._grid(depth, trial))
        layer = self._stack[depth]
        self._book.histogram(where, epoch, "weights", _sample(layer.weight))
        self._book.histogram(where, epoch, "codes", _sample(layer.encode(codes)))
        self._spent += time.monotonic() - begin

    @torch.no_grad()
    def network(self, epoch: int, last: int) -> None:
        """Show what fine-tuning makes of all layers, if due and there is time."""
        if not self._due(epoch, last):
            return
        begin = time.monotonic()
        codes = self._valid
        for depth, layer in enumerate(self._stack):
            codes = layer.encode(codes)
            picture = pictures.filters(self._filters(depth).numpy(), self._image_shape, 10, 10)
            self._book.picture("finetune", epoch, f"filters/layer{depth}", picture)
            self._book.histogram("finetune", epoch, f"weights/layer{depth}", _sample(layer.weight))
            self._book.histogram("finetune", epoch, f"codes/layer{depth}", _sample(codes))
        self._spent += time.monotonic() - begin

    @torch.no_grad()
    def codes(self, x: Tensor, labels: list[str]) -> None:
        """Show top codes of the first rows x in the projector: as many as time allows, at least 50.

        Writing a thousand codes of a thousand units as text takes about a second.
        """
        width = self._stack[len(self._stack) - 1].weight.shape[-1]
        seconds = SHARE / 2 * (time.monotonic() - self._start)
        n = max(50, min(PROJECTED, int(seconds * 1e6 / width)))
        rows = x[:n]
        images = None
        if self._image_shape is not None:
            images = rows.reshape(-1, 1, *self._image_shape).cpu().clamp(0, 1)
        self._book.codes("codes", self._stack.encode(rows).cpu(), labels[:n], images)

    def _due(self, epoch: int, last: int) -> bool:
        if not is_chosen(epoch, last):
            return False
        # The last picture is the one that is looked at: it always comes.
        return epoch == last or self._spent <= SHARE * (time.monotonic() - self._start)

    def _filters(self, depth: int) -> Tensor:
        """Weights of the first units of a layer, seen through the layers below, (d, units).

        A unit of layer k is shown as the sum of the filters below it, weighted by its own weights:
        exact were the layers linear; Erhan et al. (2009) call it linear combination.
        """
        weight = self._stack[depth].weight[:, :UNITS]
        for layer in reversed(list(self._stack)[:depth]):
            weight = layer.weight @ weight
        return weight.cpu()

    def _grid(self, depth: int, trial: Corruption) -> "pictures.Picture":
        """Validation rows, clean, corrupted and reconstructed by a layer, all seen as inputs."""
        codes = self._stack.encode(self._valid[:EXAMPLES], depth)
        corrupted = corrupt(codes, [trial], [stream(0, "pictures", depth)], ()).x
        views = (codes, corrupted, self._stack[depth].reconstruct(corrupted))
        clean, hit, made = (self._stack.decode(view, depth).cpu().numpy() for view in views)
        return pictures.reconstructions(clean, hit, made, self._image_shape)


def _sample(values: Tensor) -> Tensor:
    """At most SAMPLE of the values, evenly spaced: a histogram needs no more."""
    flat = values.detach().reshape(-1)
    return flat[:: max(1, len(flat) // SAMPLE)].cpu()
