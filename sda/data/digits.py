"""The 8 x 8 digits that come with scikit-learn: real data without any file or network."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sda.data.splits import Rows, Splits, checked

_TRAIN, _VALID = 1000, 297  # the remaining 500 rows are the test set


def digits(seed: int) -> Splits:
    """1000 / 297 / 500 handwritten digits of 8 x 8 pixels, values k/16, ten classes.

    The 1797 rows are shuffled once by ``seed``: the file is ordered by writer, and in file order
    validation rows (one group of writers) would say little about test rows (another group).
    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), test part.
    """
    found = find_spec("sklearn")  # importing it to ask where they are would take a second
    assert found is not None
    assert found.origin is not None
    file = Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(file, delimiter=",")
    table = table[np.random.default_rng(seed).permutation(len(table))]
    x, y = (table[:, :-1] / 16).astype(np.float32), table[:, -1].astype(np.int64)
    cuts = [_TRAIN, _TRAIN + _VALID]
    train, valid, test = map(Rows, np.split(x, cuts), np.split(y, cuts))
    return checked(Splits("digits", train, valid, test, 10, "embedded", (8, 8)))
