"""The sets that need no download: digits, rect; and mnist, basic from files that are at hand."""

import os
import struct

import numpy as np
import pytest

from sda.common.errors import DataFormatError, MissingDataError
from sda.data import mnist as mnist_module
from sda.data.digits import digits
from sda.data.generated.basic import BASIC_LABELS, basic
from sda.data.generated.rectangles import rect
from sda.data.mnist import mnist

needs_data = [
    pytest.mark.data,
    pytest.mark.skipif("SDA_DATA" not in os.environ, reason="SDA_DATA is not set"),
]


@pytest.fixture(scope="module")
def rectangles():
    return drawn(seed=0)


def drawn(seed):
    return rect(None, "regenerated", seed)


def idx_of_zeros(shape):
    head = bytes([0, 0, 0x08, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return head + bytes(int(np.prod(shape)))


def bars(row):
    """Height, width and corner of the one outline in a row, measured on the pixels."""
    white = np.argwhere(row.reshape(28, 28))
    (top, left), (bottom, right) = white.min(axis=0), white.max(axis=0)
    return bottom - top + 1, right - left + 1, top, left


def test_digits_are_sixteenths_and_every_row_is_used_once():
    data = digits(seed=0)
    x = np.concatenate([part.x for part in data.parts().values()])
    assert [len(part.y) for part in data.parts().values()] == [1000, 297, 500]
    assert set(np.unique(x * 16)) == set(range(17))
    from sklearn.datasets import load_digits

    whole = np.sort(load_digits().data.sum(axis=1))
    np.testing.assert_array_equal(np.sort(x.sum(axis=1) * 16), whole)


def test_digits_are_the_same_for_the_same_seed_only():
    assert digits(seed=0).digest() == digits(seed=0).digest() != digits(seed=1).digest()


def test_rect_has_the_papers_sizes_and_is_the_same_for_the_same_seed_only(rectangles):
    sizes = [part.x.shape for part in rectangles.parts().values()]
    assert sizes == [(1000, 784), (200, 784), (50000, 784)]
    assert drawn(seed=0).digest() == rectangles.digest() != drawn(seed=1).digest()


def test_every_rectangle_is_one_white_outline_and_its_class_says_whether_it_is_tall(rectangles):
    for row, label in zip(rectangles.train.x, rectangles.train.y, strict=True):
        height, width, top, left = bars(row)
        drawn = np.zeros((28, 28))
        drawn[top : top + height, left : left + width] = 1
        drawn[top + 1 : top + height - 1, left + 1 : left + width - 1] = 0
        np.testing.assert_array_equal(row.reshape(28, 28), drawn)
        assert 4 <= min(height, width) <= max(height, width) <= 28
        assert abs(height - width) >= 3
        assert label == (height > width)


def test_sizes_are_uniform_over_the_allowed_pairs(rectangles):
    pairs = np.array([bars(row)[:2] for row in rectangles.test.x[:20000]])
    counts = np.unique(pairs, axis=0, return_counts=True)[1]
    assert len(counts) == 25 * 25 - 25 - 2 * 24 - 2 * 23  # |h - w| of 0, 1, 2 left out
    expected = 20000 / len(counts)
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi2 - len(counts)) < 4 * np.sqrt(2 * len(counts))  # four standard deviations


def test_missing_mnist_names_the_files_the_folders_and_the_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("SDA_DATA", raising=False)
    with pytest.raises(MissingDataError) as caught:
        basic(str(tmp_path), "auto")
    message = str(caught.value)
    for word in ("train-images-idx3-ubyte.gz", "t10k-labels", str(tmp_path / "mnist"), "SDA_DATA"):
        assert word in message
    assert "\n" not in message
    with pytest.raises(MissingDataError, match="SDA_DATA"):
        mnist(None)


def test_mnist_files_of_another_shape_are_refused_with_the_file_named(tmp_path):
    for name, (_, *picture) in mnist_module.FILES.items():
        (tmp_path / name).write_bytes(idx_of_zeros((5, *picture)))
    with pytest.raises(DataFormatError, match=r"train-images-idx3-ubyte: MNIST has shape"):
        mnist(str(tmp_path))


class TestWithFiles:
    pytestmark = needs_data

    def test_basic_has_the_known_labels_and_class_counts(self):
        data = basic(None, "regenerated")
        y = np.concatenate([part.y for part in data.parts().values()])
        assert {k: y[k] for k in BASIC_LABELS} == BASIC_LABELS
        counts = [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
        assert np.bincount(data.train.y).tolist() == counts
        assert [len(part.y) for part in data.parts().values()] == [10000, 2000, 50000]

    def test_mnist_is_cut_as_in_the_papers_and_no_row_is_in_two_splits(self):
        data = mnist(None)
        assert [len(part.y) for part in data.parts().values()] == [50000, 10000, 10000]
        counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
        assert np.bincount(data.test.y).tolist() == counts
        assert data.train.x.max() == 1
        rows = np.concatenate([(part.x * 255).astype(np.uint8) for part in data.parts().values()])
        assert len(np.unique(rows, axis=0)) == 70000

    def test_digits_in_another_order_are_not_mnist(self, monkeypatch):
        original = mnist_module.read_idx
        monkeypatch.setattr(mnist_module, "read_idx", lambda path: original(path)[::-1])
        with pytest.raises(DataFormatError, match="the four files are not MNIST as published"):
            mnist_module.pooled(None)
