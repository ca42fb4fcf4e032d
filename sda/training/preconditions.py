"""What cannot be trained on is refused in one line, before any work starts."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sda.common.precision import Precision
from sda.common.rows import check_rows, extent
from sda.nn import closed_form
from sda.nn.autoencoder import Activation, DenoisingAutoencoder
from sda.nn.heads import Classifier
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.training import noisy_rows, steps
from sda.training.settings import Finetuning, Pretraining
from sda.training.steps import Step


def check_pretraining(
    stack: StackedDenoisingAutoencoder,
    x: Tensor,
    settings: Sequence[Sequence[Pretraining]],
    valid: Tensor | None,
    device: torch.device | None = None,
) -> None:
    """Raise ValueError, before any work, for data or settings that cannot be trained on.

    ``device`` is where they will be; None: where x is.
    """
    for what, rows in (("training", x), ("validation", valid)):
        if rows is not None:
            check_rows(what, rows, stack[0].weight)
    for plans in settings:
        if len(plans) != len(stack):
            raise ValueError(
                f"pretraining needs settings for each of {len(stack)} layers, got {len(plans)}"
            )
        for plan, layer in zip(plans, stack, strict=True):
            own = steps.step(layer) is not Step.autograd
            Precision(plan.precision).check(device or x.device, plan.batch_size, own)
        if valid is None and any(plan.patience is not None for plan in plans):
            raise ValueError("early stopping (patience) needs validation rows, got none")
    low, high = extent(x)
    stack[0].check_inputs(low, high, "the inputs of layer 0")
    _check_noise(stack[0], settings, low, high)
    for depth, (below, layer) in enumerate(zip(stack, list(stack)[1:], strict=False), 1):
        # Known before any training: tanh codes lie in [-1, 1], rectified ones in [0, ∞).
        reached = {Activation.tanh: (-1.0, 1.0), Activation.relu: (0.0, torch.inf)}
        low, high = reached.get(below.activation, (0.0, 1.0))
        layer.check_inputs(low, high, f"the inputs of layer {depth}")


def _check_noise(
    lowest: DenoisingAutoencoder,
    settings: Sequence[Sequence[Pretraining]],
    low: float,
    high: float,
) -> None:
    """Rows in [low, high] have noise for all runs or for none, and can be reconstructed with it."""
    for depth, plans in enumerate(zip(*settings, strict=True)):
        if len({plan.corruption is None for plan in plans}) > 1:
            raise ValueError(
                "pretrain.corruption must be null for all runs that train together or for none, "
                f"got both for layer {depth}"
            )
    for plan, *_ in settings:
        if plan.corruption is not None:
            reach = noisy_rows.reach(low, high, plan.corruption)
            lowest.check_inputs(*reach, "rows with the noise of pretrain.corruption")


def check_extent(layer: DenoisingAutoencoder, codes: Tensor, depth: int) -> None:
    """Raise ValueError if a layer cannot reconstruct its input ``codes``."""
    layer.check_inputs(*extent(codes), f"the inputs of layer {depth}")


def check_finetuning(
    classifier: Classifier,
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    settings: Sequence[Finetuning],
    device: torch.device | None = None,
) -> None:
    """Raise ValueError, before any work, for data or settings that cannot be trained on.

    ``device`` is where they will be; None: where the rows are.
    """
    for what, part in (("training", train), ("validation", valid)):
        check_labelled(what, *part, classifier)
    for plan in settings:
        fast = closed_form.applies_to_all(classifier.stack)
        Precision(plan.precision).check(device or train[0].device, plan.batch_size, fast)
        if plan.labelled is not None and plan.labelled > len(train[1]):
            raise ValueError(
                f"finetune.labelled must be at most {len(train[1])}, the training rows, "
                f"got {plan.labelled}"
            )


def check_labelled(what: str, x: Tensor, y: Tensor, classifier: Classifier) -> None:
    """Raise ValueError for rows x (n, d) and classes y (n,) that a classifier cannot be asked."""
    check_rows(what, x, classifier.stack[0].weight)
    if y.shape != x.shape[:1] or y.dtype != torch.int64:
        raise ValueError(
            f"{what} classes must be int64 of shape ({len(x)},), got {y.dtype} {(*y.shape,)}"
        )
    k = classifier.n_classes
    if y.min() < 0 or y.max() >= k:
        wrong = int(((y < 0) | (y >= k)).nonzero()[0])
        raise ValueError(
            f"{what} classes must be in 0..{k - 1}, got {int(y[wrong])} in row {wrong}"
        )
