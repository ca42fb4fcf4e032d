"""Refuse data that cannot be trained on, in one line, before any work starts."""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from sda.common import processes
from sda.common.rows import check_rows, extent, extents
from sda.nn.layer_kind import LayerKind
from sda.nn.optimisers import check_free
from sda.nn.predictor import Predictor
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.training.minibatches import Labelled, Pairs
from sda.training.settings import Finetuning, Pretraining

WIDE = 10  # columns for each row, from which on there is a word
_log = logging.getLogger(__name__)


def check_kind(settings: Sequence[object], kind: type) -> None:
    """Raise ValueError unless all are settings of a kind: Pretraining or Finetuning."""
    for one in settings:
        if not isinstance(one, kind):
            raise ValueError(f"settings must be {kind.__name__}(...), got {one!r}")


def check_pretraining(
    stack: StackedDenoisingAutoencoder,
    x: Tensor,
    settings: Sequence[Sequence[Pretraining]],
    valid: Tensor | None,
    device: torch.device | None = None,
) -> tuple[float, float]:
    """Raise ValueError, before any work, for data or settings that cannot be trained on.

    ``device`` is where they will be; None: where x is. Returns the extent of x.
    """
    lowest, may_miss = stack[0], stack[0].reconstruction.missing
    low, high = check_rows("training", x, lowest.n_visible, lowest.like.dtype, may_miss)
    if valid is not None:
        check_rows("validation", valid, lowest.n_visible, lowest.like.dtype, may_miss)
    check_free(dict(stack.named_parameters()))
    for plans in settings:
        if len(plans) != len(stack):
            raise ValueError(
                f"pretraining needs settings for each of {len(stack)} layers, got {len(plans)}"
            )
        check_kind(plans, Pretraining)
        for plan, layer in zip(plans, stack, strict=True):
            plan.check_precision(device or x.device, layer.method != "autograd")
        if valid is None and any(plan.patience is not None for plan in plans):
            raise ValueError("early stopping (patience) needs validation rows, got none")
    lowest.check_inputs(low, high, "the inputs of layer 1")
    if may_miss:
        lowest.reconstruction.check_columns(*extents(x), "the inputs of layer 1")
    _check_noise(lowest, settings, low, high)
    for depth, (below, layer) in enumerate(zip(stack, list(stack)[1:], strict=False), 1):
        layer.check_inputs(*below.reach, f"the inputs of layer {depth + 1}")
    return low, high


def check_finetuning(
    network: Predictor,
    train: Pairs,
    valid: Pairs,
    settings: Sequence[Finetuning],
    device: torch.device | None = None,
) -> tuple[float, float]:
    """Raise ValueError, before any work, for data or settings that cannot be trained on.

    ``device`` is where they will be; None: where the rows are. Returns the extent of the training
    rows.
    """
    check_kind(settings, Finetuning)
    extent = check_labelled("training", train, network)
    check_labelled("validation", valid, network)
    check_free(network.trained_parameters(settings[0].encoders))
    for plan in settings:
        plan.check_precision(device or train[0].device, network.is_in_closed_form)
        if plan.class_weight is not None and not network.n_classes:
            raise ValueError("finetune.class_weight is of classes, and numbers are predicted")
        known = int(network.has_target(train[1]).sum())
        if plan.labelled is not None and plan.labelled > known:
            which = "the training rows" + (" with labels" if known < len(train[1]) else "")
            raise ValueError(
                f"finetune.labelled must be at most {known}, {which}, got {plan.labelled}"
            )
    return extent


def check_labelled(what: str, part: Pairs, network: Predictor) -> tuple[float, float]:
    """Raise ValueError for rows x (n, d) with targets that a network cannot be asked for.

    Returns the extent of x.
    """
    x, y, weights = Labelled(*part)
    lowest = network.stack[0]
    may_miss = lowest.reconstruction.missing
    extent = check_rows(what, x, lowest.n_visible, network.weight.dtype, may_miss)
    network.check_targets(what, y, len(x))
    known = network.has_target(y)
    if not known.any():
        raise ValueError(f"{what} rows need labels, at least one of them; none has one")
    if weights is None:
        return extent
    if weights.shape != (len(x),) or not bool((weights >= 0).all() & weights.isfinite().all()):
        raise ValueError(f"{what} weights must be finite numbers of at least 0, one for each row")
    if not float(weights[known].sum()) > 0:
        raise ValueError(f"{what} weights are 0 in all rows with labels")
    return extent


def check_shared(
    stack: StackedDenoisingAutoencoder,
    trained: Sequence[Pretraining],
    plan: Finetuning,
    device: torch.device,
) -> None:
    """Raise ValueError for what several processes cannot train together; one can train anything.

    ``trained`` has the settings of each layer that is pretrained, or none.
    """
    if (count := processes.count()) == 1:
        return
    head = f"{count} processes (torchrun)"
    if device.type != "cpu":
        raise ValueError(f"{head} train on device=cpu, got device={device}")
    for layer in stack if trained else ():
        if not layer.is_mean_over_rows:
            raise ValueError(
                f"{head} share layers that draw nothing themselves and whose cost is a mean over "
                f"rows, such as sda.Layer and sda.Convolutional, got {type(layer).__name__}"
            )
    least = min([plan.batch_size, *(part.batch_size for part in trained)])
    if least < count:
        raise ValueError(f"{head} need minibatches of at least {count} rows, got {least}")
    if plan.dropout or plan.input_dropout:
        raise ValueError(f"{head} need finetune.dropout=0 and finetune.input_dropout=0")


def _check_noise(
    lowest: LayerKind,
    settings: Sequence[Sequence[Pretraining]],
    low: float,
    high: float,
) -> None:
    """Rows in [low, high] have noise for all runs or for none, and can be reconstructed with it."""
    for depth, plans in enumerate(zip(*settings, strict=True)):
        if len({plan.corruption is None for plan in plans}) > 1:
            raise ValueError(
                "pretrain.corruption must be null for all runs that train together or for none, "
                f"got both for layer {depth + 1}"
            )
    for plan, *_ in settings:
        if plan.corruption is not None:
            reach = plan.corruption.reach(low, high)
            lowest.check_inputs(*reach, "rows with the noise of pretrain.corruption")


def check_extent(layer: LayerKind, codes: Tensor, depth: int) -> None:
    """Raise ValueError if a layer cannot reconstruct its input ``codes``."""
    layer.check_inputs(*extent(codes), f"the inputs of layer {depth + 1}")


def warn_of_wide_rows(x: Tensor) -> None:
    """Warn of training rows x (n, d) that are few for their columns."""
    n, d = x.shape
    if d <= WIDE * n:
        return
    low, high = extent(x)
    told = "so few may teach a network nothing, with pretraining or without"
    if low >= 0 and high <= 1:
        told = (
            "numbers in [0, 1] teach a network nothing then, standardised ones do (data=table; in "
            "Python scaling='standard', pretrain_learning_rate=0.02)"
        )
    _log.warning(
        "%d training rows of %d columns: %s; hold it against a linear model "
        "(baseline=logistic_regression), and keep the columns that matter",
        n, d, told,
    )  # fmt: skip
