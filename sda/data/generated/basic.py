"""`basic`: MNIST cut in another way."""

import numpy as np

from sda.data.mnist import pooled
from sda.data.sources import Made, choose
from sda.data.splits import Splits

# Labels of single rows of the original mnist_train.amat and mnist_test.amat, counted through both
# files: they tell the order that was used from every other. Source: the test suite of skdata.
BASIC_LABELS = {0: 5, 9999: 7, 10000: 3, 11999: 3, 12000: 7, 50000: 3, 61989: 4}


def basic(folder: str | None, source: str) -> Splits:
    """Return the papers' `basic`, 10000 / 2000 / 50000: rows 0..61999 of MNIST's train, then t10k.

    The published ``mnist.zip`` if ``folder`` has it, else rebuilt exactly from the idx files
    (see `sources.choose`). Larochelle et al. (2007).
    """

    def rebuild() -> Made:
        images, labels = pooled(folder)
        return Made(images[:62000], labels[:62000].astype(np.int64))

    return choose(
        "basic", folder, source, lambda: {"rule": "basic 1"}, rebuild, made_as="reconstructed"
    )
