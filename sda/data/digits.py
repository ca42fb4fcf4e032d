"""The 8 x 8 digits that come with scikit-learn: real data without any file or network."""

import numpy as np

from sda.data.checks import checked
from sda.data.splits import Rows, Splits

_TRAIN, _VALID = 1000, 297  # the remaining 500 rows are the test set


def digits(seed: int) -> Splits:
    """1000 / 297 / 500 handwritten digits of 8 x 8 pixels, values k/16, ten classes.

    The 1797 rows are shuffled once by ``seed``: the file is ordered by writer, and in file order
    validation rows (one group of writers) would say little about test rows (another group).
    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), test part.
    """
    from sklearn.datasets import load_digits  # scikit-learn takes a second to come in

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = (x[order] / 16).astype(np.float32), y[order].astype(np.int64)
    cuts = [_TRAIN, _TRAIN + _VALID]
    train, valid, test = map(Rows, np.split(x, cuts), np.split(y, cuts))
    return checked(Splits("digits", train, valid, test, 10, "embedded", (8, 8)))
