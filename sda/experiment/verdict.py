"""The end of a run: its test set is read here and nowhere else, once, and its result written."""

from typing import Any

import numpy as np
from torch import Tensor

from sda.common.rows import shared
from sda.data.splits import Splits
from sda.experiment.recorder import Records
from sda.experiment.tensorboard import Show
from sda.nn.heads import Classifier
from sda.runs import saving


def write(
    run: int,
    classifier: Classifier,
    splits: Splits,
    valid: tuple[Tensor, Tensor],
    result: dict[str, Any],
    records: Records,
    show: Show,
) -> None:
    """Test a trained run, and write its model, its predictions and its result, ``finished``.

    Args:
        run: its place in its batch.
        classifier: its network, as it was at its best epoch.
        splits: its data.
        valid: the validation rows, where the network is.
        result: what else the result says.
        records: the folders and logbooks of the batch.
        show: the pictures of the batch.
    """
    test_x = shared(splits.test.x)
    predicted = classifier.predict(test_x).cpu().numpy()
    valid_error, valid_loss = classifier.evaluate(*valid)
    result = result | {
        "valid_error": float(valid_error),
        "valid_loss": float(valid_loss),
        "test_error": float(np.mean(predicted != splits.test.y)),
        "n_valid": len(splits.valid.y),
        "n_test": len(splits.test.y),
    }
    names = splits.classes or tuple(map(str, range(splits.n_classes)))
    show.codes(run, classifier.stack, test_x, [names[k] for k in splits.test.y])
    classifier = classifier.cpu()
    for folder in records.folders[run]:
        np.savez(folder.path / "test_predictions.npz", y=splits.test.y, predicted=predicted)
        saving.save(classifier, folder.path / "model.pt")
    for book in records.books[run]:
        book.outcome({key: result[key] for key in ("valid_error", "test_error")})
    records.result(run, status="finished", message=None, **result)
