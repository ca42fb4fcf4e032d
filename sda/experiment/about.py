"""What a model file says beside its weights: columns, classes, how it was trained and judged."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sda import __version__
from sda.common.rows import in_blocks, shared
from sda.common.seeding import stream
from sda.config.plan import Run
from sda.data.splits import Splits
from sda.nn.corruption import Corruption
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs.likelihood import best_depth, folds_of, hidden_loss, logits

QUANTILES = 1001  # of the scores of validation rows that are kept
TOLD = ("valid_error", "test_error", "n_valid", "n_test", "best_epoch", "epochs")  # of a result


def of_columns(splits: Splits) -> dict[str, Any]:
    """The columns of a person's table, and the data by name; nothing for a set of pictures."""
    if splits.encoding is None:
        return {}
    return {"table": splits.encoding.plain(), "data": splits.name}


def of_run(
    plan: Run,
    splits: Splits,
    pretrained: StackedDenoisingAutoencoder | None,
    result: dict[str, Any],
) -> dict[str, Any]:
    """All that is kept of a run that has ended, in plain types.

    Of the validation rows that is how unusual they are and how far from the truth a reconstruction
    of noisy cells lies: what new rows are judged by, and draws spread by.
    """
    about = of_columns(splits) | {
        "data": splits.name,
        "source": splits.source,
        "data_hash": splits.digest(),
        "classes": splits.classes,
        "image_shape": splits.image_shape,
        "arm": str(plan.init),
        "seed": plan.seed,
        "run": plan.described(),
        "n_train": len(splits.train.y),
        "version": __version__,
    }
    about |= {key: result[key] for key in TOLD}
    if pretrained is not None:
        valid = shared(splits.valid.x)
        folds = folds_of(splits.encoding, valid.shape[1])
        about |= _of_validation(pretrained, valid, folds, plan.trials[0], plan.seed)
    return about


@torch.no_grad()
def _of_validation(
    stack: StackedDenoisingAutoencoder, valid: Tensor, folds: Tensor, trial: Corruption, seed: int
) -> dict[str, Any]:
    """Quantiles of the scores of validation rows (m, d), and the spread of each component.

    The spread (d,) is the root mean square of what the reconstruction of a corrupted cell lacks.
    """
    depth, noise = best_depth(stack), stream(seed, "spread")
    scores, squares, hits = [], torch.zeros(valid.shape[1]), torch.zeros(valid.shape[1])
    for x in in_blocks(valid, torch.device("cpu")):
        scores.append(hidden_loss(stack, x, folds, depth).sum(-1))
        corrupted = trial(x, noise)
        made = stack[0].reconstruction.mean(logits(stack, corrupted.x, depth))
        hit = ~x.isnan() if corrupted.hit is None else corrupted.hit & ~x.isnan()
        squares += ((made - x).nan_to_num(0.0).square() * hit).sum(0)
        hits += hit.sum(0)
    quantiles = np.quantile(torch.cat(scores).numpy(), np.linspace(0, 1, QUANTILES))
    spread = (squares / hits.clamp(min=1)).sqrt()
    return {"scores": quantiles.tolist(), "spread": spread.tolist()}
