r"""Filters before and after fine-tuning, of each layer: Erhan et al. (2010), figures 3 and 4.

    SDA_DATA=<folder of MNIST> ./run -m experiment=depth_spread stack.hidden='[200,200,200]' \
      seed=0 finetune.learning_rate=0.3 data.n_train=10000 pretrain.epochs=40 name=before_after
    ./run experiments/before_after.py runs/before_after/init*

For the runs given, pretrained or not, what excites the first units of each layer most: of all
pictures of one norm, that of a digit, the one with the highest activation, by gradient ascent from
noise (of the first layer it is the unit's weights). Before: as fine-tuning began. Writes
results/figures/before_after.png and, beside it, a CSV: for each run and layer the median cosine
between a unit's weights before and after, and between its pictures.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from lib.figure import save, show, write_table
from lib.script import FIGURES, png
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sda.common.seeding import stream
from sda.config import schema
from sda.nn.heads import Classifier
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs import model_file
from sda.runs.folder import RunFolder
from sda.runs.model_file import pretrained_stack

SHOWN = 36  # units of a layer
STEPS = 200
NORM = 9.2  # of a digit, on average
Array = NDArray[np.float32]


def main(folders: list[str], out: str) -> None:
    rows, sheets = [], {}
    for folder in map(Path, folders):
        before, after = stacks(folder)
        init = RunFolder(folder).result["init"]
        for depth in range(len(before)):
            pictures = [exciting(stack, depth) for stack in (before, after)]
            sheets[init, depth] = pictures
            weights = [stack[depth].like.detach().T for stack in (before, after)]
            rows.append(
                {
                    "run": init,
                    "layer": str(depth + 1),
                    "weights, cosine": f"{cosine(*weights):.2f}",
                    "pictures, cosine": f"{cosine(*pictures):.2f}",
                }
            )
    write_table(Path(out).with_suffix(".csv"), rows)
    save(draw(sheets), Path(out))


def stacks(folder: Path) -> tuple[StackedDenoisingAutoencoder, StackedDenoisingAutoencoder]:
    """The layers of a finished run before and after fine-tuning. Raises ValueError for another."""
    result = RunFolder(folder).result
    if result.get("status") != "finished":
        raise ValueError(f"{folder} holds no finished run")
    network = model_file.load(folder / "model.safetensors")
    assert isinstance(network, Classifier)
    if result["init"] != "random":
        return pretrained_stack(folder), network.stack
    plan = schema.build_run(RunFolder(folder).config)
    return plan.stack(network.stack[0].n_visible), network.stack


def exciting(stack: StackedDenoisingAutoencoder, depth: int) -> torch.Tensor:
    """Rows (units, d) of one norm with the highest logit of a unit each."""
    weight = stack[depth].filters()
    if weight is None:
        raise ValueError(f"layer {depth + 1} has no filters")
    weight = weight.detach().T[:SHOWN]
    x = torch.randn(len(weight), stack[0].n_visible, generator=stream(0, "exciting", depth))
    for _ in range(STEPS):
        x = (NORM * x / x.norm(dim=1, keepdim=True)).requires_grad_()
        driven = (stack(x, depth) * weight).sum()  # a unit's input, of its own row
        (slope,) = torch.autograd.grad(driven, x)
        x = x.detach() + NORM * slope / slope.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return (NORM * x / x.norm(dim=1, keepdim=True)).detach()


def cosine(first: torch.Tensor, second: torch.Tensor) -> float:
    return float(torch.cosine_similarity(first, second).median())


def draw(sheets: dict[tuple[str, int], list[torch.Tensor]]) -> Figure:
    """A line a layer and run: before, after."""
    figure = Figure(figsize=(9, 1.2 * len(sheets)), layout="constrained")
    axes = figure.subplots(len(sheets), 2, squeeze=False)
    for line, ((init, depth), pictures) in zip(axes, sheets.items(), strict=True):
        for axis, own, when in zip(line, pictures, ("before", "after"), strict=True):
            side = int(own.shape[1] ** 0.5)
            show(axis, own.numpy(), side, 12, f"{init}, layer {depth + 1}, {when} fine-tuning")
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", metavar="RUN_FOLDER")
    parser.add_argument("--out", type=png, default=str(FIGURES / "before_after.png"))
    asked = parser.parse_args()
    try:
        main(asked.folders, asked.out)
    except ValueError as error:
        sys.exit(f"error: {error}")
