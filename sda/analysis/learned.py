"""Pictures of what finished runs have learned: first-layer filters and reconstructions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from sda.analysis import pictures
from sda.analysis.page import Figure
from sda.common.rows import floats, shared
from sda.common.seeding import stream
from sda.nn.autoencoder import Layer
from sda.nn.boltzmann import Boltzmann
from sda.nn.convolutional import ConvolutionalAutoencoder
from sda.nn.encoder import Initialisation
from sda.nn.predictor import Predictor
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs import model_file
from sda.runs.folder import MODEL, PRETRAINED
from sda.training.minibatches import corrupt

if TYPE_CHECKING:
    from sda.analysis.comparison import Arm
    from sda.data.splits import Splits
    from sda.nn.corruption import Corruption
    from sda.nn.layer_kind import LayerPlan
    from sda.runs.results import Trained

TILES = (3, 5)  # rows and columns of a sheet of filters
EXAMPLES, ACROSS = 8, 2  # reconstructions of a sheet, and how many stand in one of its rows
SCALE = 3  # pixels of a sheet that a pixel of an input takes

Array = NDArray[np.float32]


def filters(arm: Arm, splits: Splits | None) -> Figure | None:
    """The change that training made to the first-layer units that it changed most.

    Before fine-tuning where the arm was pretrained. The initial weights, large and random, are
    taken away: they would hide it. None for networks without filters, and without the files.
    """
    run = arm.runs[0]
    stack, stage = _stack(run)
    if stack is None or (weight := _weight(stack)) is None:
        return None
    before = _initial(stack, run)
    told = f"{arm.label}: {stage}"
    if before is not None:
        weight = weight - before
        told += ", less the initial weights"
    order = np.argsort(-np.linalg.norm(np.nan_to_num(weight), axis=0), kind="stable")
    shown = weight[:, order[: TILES[0] * TILES[1]]]
    shape = _shape(len(weight), splits)
    if isinstance(stack[0], ConvolutionalAutoencoder):
        shown, shape = pictures.cropped(shown, stack[0].shape)
    sheet = pictures.filters(shown, shape, *TILES)
    return Figure(pictures.png(sheet, SCALE), told, "pixels")


def noise(arms: Sequence[Arm]) -> Corruption | None:
    """The corruption of the first layer, of an arm among them."""
    stacks = [_stack(arm.runs[0])[0] for arm in arms if arm.runs[0].init == "sda"]
    return next((stack[0].corruptions[0] for stack in stacks if stack is not None), None)


def reconstructions(arm: Arm, splits: Splits | None, trial: Corruption | None) -> Figure | None:
    """Validation rows, clean, with the noise of a ``trial``, and as the first layer makes them.

    The same rows and noise for every arm; without a trial, its own. None where there are no data or
    no pictures in them, and for arms that were not pretrained.
    """
    run = arm.runs[0]
    if splits is None or splits.image_shape is None or not (run.path / PRETRAINED).exists():
        return None
    stack, _ = _stack(run)
    if stack is None or stack[0].n_visible != splits.valid.x.shape[1]:
        return None
    clean = floats(shared(np.ascontiguousarray(splits.valid.x[:EXAMPLES])))
    own = trial or stack[0].corruptions[0]
    with torch.no_grad():
        corrupted = corrupt(clean, [own], [stream(0, "pictures", 0)], ()).x
        made = stack[0].reconstruct(corrupted)
    x, hit, again = (view.numpy() for view in (clean, corrupted, made))
    sheet = pictures.reconstructions(x, hit, again, splits.image_shape, ACROSS)
    told = f"{arm.label}: clean, with noise, and as the layer makes it"
    return Figure(pictures.png(sheet, SCALE), told, "pixels")


def _stack(run: Trained) -> tuple[StackedDenoisingAutoencoder | None, str]:
    """The stack as pretraining left it, else as it was in the end, and which of them it is."""
    for name, stage in ((PRETRAINED, "after pretraining"), (MODEL, "after fine-tuning")):
        try:
            network = model_file.load(run.path / name)
        except (OSError, ValueError):
            continue
        return (network.stack if isinstance(network, Predictor) else network), stage
    return None, ""


def _weight(stack: StackedDenoisingAutoencoder) -> Array | None:
    found = stack[0].filters()
    return None if found is None else found.detach().numpy()


def _initial(stack: StackedDenoisingAutoencoder, run: Trained) -> Array | None:
    """The weights that the run began with, which follow from its seed; None if not known."""
    plan, drawn = stack[0].plan(), run.result["settings"].get("stack.initialisation")
    if not isinstance(plan, Layer | Boltzmann) or drawn not in list(Initialisation):
        return None
    begun: LayerPlan = dataclasses.replace(plan, initialisation=Initialisation(drawn))
    return _weight(StackedDenoisingAutoencoder.plan(stack[0].n_visible, [begun], run.seed))


def _shape(n: int, splits: Splits | None) -> pictures.ImageShape | None:
    """Height and width of n components, if they are a picture: as the data say, else a square."""
    if splits is not None and splits.train.x.shape[1] == n:
        return splits.image_shape
    side = round(n**0.5)
    return (side, side) if side * side == n else None
