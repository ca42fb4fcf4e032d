"""The end of a run: what its error is compared with, and how it is recorded."""

from typing import Any

import numpy as np
from torch import Tensor

from sda.data.splits import Splits
from sda.runs import ledger
from sda.runs.folder import RunFolder


def judged_on(splits: Splits) -> dict[str, Any]:
    """What a validation error is compared with: the rows, and the error of the best constant.

    That is the commonest class, or the mean of the training rows.
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
