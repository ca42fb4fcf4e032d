"""The end of a run: its errors, its model, its line in the ledger.

Only this module and baselines read test rows.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sda import __version__
from sda.common.rows import in_blocks, shared
from sda.common.seeding import stream
from sda.config.plan import Run
from sda.data.splits import Rows, Splits
from sda.nn.corruption import Corruption
from sda.nn.predictor import Predictor
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs import ledger, model_file
from sda.runs.folder import MODEL, PRETRAINED, RunFolder
from sda.runs.likelihood import folds_of, hidden_loss, logits

Labelled = tuple[Tensor, Tensor]
QUANTILES = 1001  # of the scores of validation rows that are kept
TOLD = ("valid_error", "test_error", "n_valid", "n_test", "best_epoch", "epochs")  # of a result


def tested_on(network: Predictor, splits: Splits) -> tuple[dict[str, Any], Tensor]:
    """The one place where a network reads test rows, those with a label.

    Returns their error and number, and what is predicted (n, ...).
    """
    known = splits.test.labelled
    x, y = tensors(splits.test)
    predicted = network.predict(x).cpu()[known]
    error = float(network.error(predicted, y[known]))
    tested: dict[str, Any] = {"test_error": error, "n_test": int(known.sum())}
    if splits.kind == "numbers":
        tested["test_rmse"] = rmse(predicted, y[known], splits)
    return tested, predicted


def untested() -> tuple[dict[str, Any], None]:
    """The same of a run that does not read the test rows."""
    return {"test_error": None, "n_test": None}, None


def rmse(predicted: Tensor, y: Tensor, splits: Splits) -> list[float]:
    """Root mean squared error of each target (n, k), in the units of the table."""
    apart = (predicted.cpu() - y.cpu()).double().numpy()
    scales = [1.0] * splits.n_targets
    if splits.encoding is not None:
        scales = [column.scale for column in splits.encoding.target]
    each = np.sqrt(np.nanmean(np.square(apart), axis=0))
    return [float(one * scale) for one, scale in zip(each, scales, strict=True)]


def names_of(splits: Splits) -> list[str]:
    """The label of each test row."""
    if splits.kind == "numbers":
        return [" ".join(f"{number:.3g}" for number in np.atleast_1d(y)) for y in splits.test.y]
    names = splits.classes or tuple(map(str, range(splits.n_classes)))
    return [names[k] if k >= 0 else "no label" for k in splits.test.y]


def tensors(rows: Rows) -> Labelled:
    """x (n, d), and classes (n,) or numbers (n, k)."""
    y = shared(rows.y)
    return shared(rows.x), y.reshape(len(y), -1) if y.is_floating_point() else y


def judged_on(splits: Splits) -> dict[str, Any]:
    """The number of validation rows, and the error there of one answer for all rows.

    That answer is the commonest class, or the mean, of the training rows.
    """
    train, valid = (part.y[part.labelled] for part in (splits.train, splits.valid))
    if splits.kind == "numbers":
        variance = valid.var(axis=0)
        left = np.square(valid - train.mean(axis=0)).mean(axis=0)
        chance = float(np.mean(left / np.where(variance > 0, variance, 1)))
        return {"n_valid": len(valid), "chance_error": chance}
    chance = float(np.mean(valid != np.bincount(train).argmax()))
    return {"n_valid": len(valid), "chance_error": chance}


def note_end(
    folder: RunFolder, splits: Splits, predicted: Tensor | None, result: dict[str, Any]
) -> None:
    """Write down that a run has finished, in its folder and in the ledger beside it."""
    predictions = None
    if predicted is not None:
        y = splits.test.y[splits.test.labelled].reshape(predicted.shape)
        predictions = (y, predicted.numpy())
        np.savez(folder.path / "test_predictions.npz", y=y, predicted=predictions[1])
    record = folder.result | result | {"status": "finished", "message": None}
    folder.check_attempt()  # a run may be begun twice, where there are no locks; it ends once
    ledger.append(folder.runs_folder, record, predictions)
    folder.update_result(status="finished", message=None, **result)


def columns_of(splits: Splits) -> dict[str, Any]:
    """The columns of a person's table, and the data by name; nothing for a set of pictures."""
    if splits.encoding is None:
        return {}
    return {"table": splits.encoding.plain(), "data": splits.name}


def save(
    classifier: Predictor | None,
    folder: Path,
    plan: Run,
    splits: Splits,
    result: dict[str, Any],
) -> None:
    """Write the model: whatever can be done with new rows can be done from this file alone.

    Without a classifier it is the pretrained stack.
    """
    stack = None
    if plan.is_pretrained:
        loaded = model_file.load(folder / PRETRAINED)
        assert isinstance(loaded, StackedDenoisingAutoencoder)
        stack = loaded
    network = classifier or stack
    assert network is not None
    before = None if classifier is None else stack
    model_file.save(network, folder / MODEL, _of_run(plan, splits, stack, result), before)


def _of_run(
    plan: Run,
    splits: Splits,
    pretrained: StackedDenoisingAutoencoder | None,
    result: dict[str, Any],
) -> dict[str, Any]:
    """All that a model file keeps of its run, in plain types.

    Of the validation rows it keeps the quantiles of their scores, which new rows are compared with,
    and the error of reconstructed noisy cells, by which draws spread.
    """
    about = columns_of(splits) | {
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

    The spread (d,) is the root mean squared error of reconstructed corrupted cells.
    """
    depth, noise = stack.best_depth or 1, stream(seed, "spread")
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
