"""Draw what the layers of one run learned without labels: filters, and pictures that they restore.

    ./run experiments/kernels.py RUN_FOLDER OUT.png

A filter of an upper layer is seen through the layers below, as if these were linear. Validation
pictures are shown clean, corrupted as the first layer's inputs are, and restored: encoded up to a
layer and decoded again, by the first layer alone and by all.
"""

from pathlib import Path

import numpy as np
import torch
from lib.figure import show_sheet
from lib.script import run
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sda.analysis import pictures
from sda.common.rows import floats, shared
from sda.common.seeding import stream
from sda.config import schema
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs import model_file
from sda.runs.folder import PRETRAINED, RunFolder

FILTERS, EXAMPLES = 16, 6


def filters(
    stack: StackedDenoisingAutoencoder, depth: int, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """The first filters of a layer. Raises ValueError for a layer that has none."""
    shown = stack[depth].filters()
    for below in reversed(list(stack)[:depth]):
        shown = None if shown is None else below.seen_through(shown[:, :FILTERS])
    if shown is None:
        raise ValueError(f"layer {depth + 1} has no filters to draw")
    weight, shape = pictures.cropped(shown[:, :FILTERS].numpy(), shape)
    return pictures.filters(weight, shape, 4, 4)


def restored(
    stack: StackedDenoisingAutoencoder, x: torch.Tensor, depth: int, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Pictures clean, corrupted, and restored by the lowest ``depth`` layers."""
    corrupted = stack[0].corruptions[0](x, stream(0, "pictures")).x
    views = (x, corrupted, stack.reconstruct(corrupted, depth))
    return pictures.reconstructions(*(view.numpy() for view in views), shape)


@torch.no_grad()
def main(folder: str, out: str) -> None:
    """Draw a panel of filters for each layer, and one of pictures. Raises ValueError."""
    config = RunFolder(Path(folder)).config
    if not (Path(folder) / PRETRAINED).exists():
        raise ValueError(f"{folder} holds no pretrained run: there is no {PRETRAINED}")
    stack = model_file.load(Path(folder) / PRETRAINED)
    splits = schema.load_data(config)
    if splits.image_shape is None:
        raise ValueError(f"the rows of {splits.name} are no pictures")
    shape, x = splits.image_shape, floats(shared(splits.valid.x[:EXAMPLES]))
    sheets = {f"layer {k + 1}": filters(stack, k, shape) for k in range(len(stack))}
    for depth in dict.fromkeys((1, len(stack))):
        sheets[f"clean, corrupted, restored by {depth}"] = restored(stack, x, depth, shape)
    figure = Figure(figsize=(3 * len(sheets), 3.4), layout="constrained")
    for axis, (title, sheet) in zip(figure.subplots(1, len(sheets)), sheets.items(), strict=True):
        show_sheet(axis, sheet, title)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    run(main, __doc__, "kernels.png")
