import logging

import numpy as np
import pytest

from sda.common.errors import DataFormatError
from sda.data.splits import Rows, Splits, checked


def some(n=20, d=4):
    rng = np.random.default_rng(0)
    return Rows(rng.random((n, d)).astype(np.float32), np.arange(n) % 3)


Y = some().y


def splits(**parts):
    given = {"train": some(), "valid": some(), "test": some(), **parts}
    return Splits("toy", **given, n_classes=3, source="user")


def refusal(**parts):
    with pytest.raises(DataFormatError) as caught:
        checked(splits(**parts))
    message = str(caught.value)
    assert "\n" not in message
    return message


def planted(value, part="train"):
    x, y = some()
    x = x.astype(np.float64)
    x[7, 2] = x[11, 0] = value
    return {part: Rows(x, y)}


def labelled(values, dtype=None):
    x, _ = some()
    return {"test": Rows(x, np.array(values, dtype))}


def test_good_data_comes_back_as_float32_and_int64():
    x, y = some()
    good = checked(splits(train=Rows(x.astype(np.float64), y.astype(np.uint8))))
    assert good.train.x.dtype == np.float32
    assert good.train.y.dtype == np.int64
    np.testing.assert_array_equal(good.train.x, x)


@pytest.mark.parametrize("part", ["train", "valid", "test"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_nan_or_infinity_is_told_with_count_split_row_and_column(part, value):
    message = refusal(**planted(value, part))
    assert f"toy, {part}: 2 values not a number or infinite, first in row 7, column 2" in message


def test_the_first_fault_beyond_the_first_block_is_told_with_its_own_row():
    x = np.zeros((9000, 2))
    x[8500, 1] = np.nan
    message = refusal(train=Rows(x, np.arange(9000) % 3))
    assert "1 value not a number" in message
    assert "row 8500, column 1" in message


@pytest.mark.parametrize("value", [1e300, -3.5e38])
def test_a_value_beyond_float32_is_refused_instead_of_becoming_infinite(value):
    assert "too large for float32, first in row 7, column 2" in refusal(**planted(value))


@pytest.mark.parametrize("value", [1e30, 1e-40, -5.0])
def test_a_value_within_float32_stays_finite(value):
    assert np.isfinite(checked(splits(**planted(value))).train.x).all()


@pytest.mark.parametrize("bad", [3, -2, -100, 0.5, np.nan, np.inf])
def test_a_bad_label_is_told_with_its_value_and_row(bad):
    labels = [0.0] * 20
    labels[5] = bad
    message = refusal(**labelled(labels))
    assert "toy, test" in message
    assert f"got {float(bad)!r} in row 5" in message
    assert "0..2" in message


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (labelled([0] * 19), "(20,), one per row, got (19,)"),
        (labelled(["a"] * 20), "whole numbers, got dtype <U1"),
        (labelled([None] * 20, object), "got dtype object"),
        ({"train": Rows(np.zeros(20), Y)}, "must have shape (rows, columns), got (20,)"),
        ({"train": Rows(np.zeros((20, 2, 2)), Y)}, "(rows, columns), got (20, 2, 2)"),
        ({"valid": Rows(np.zeros((0, 4)), Y[:0])}, "at least 1 row and 1 column"),
        ({"valid": Rows(np.zeros((20, 0)), Y)}, "at least 1 row and 1 column"),
        ({"train": Rows(np.full((20, 4), None), Y)}, "must be numbers, got dtype object"),
        ({"test": some(d=5)}, "train 4, valid 4, test 5"),
        ({"train": Rows(some().x, np.zeros_like(Y))}, "only class 0"),
    ],
)
def test_what_is_no_data_set_is_refused_with_what_came(parts, told):
    assert told in refusal(**parts)


def test_a_class_that_only_the_test_rows_have_is_warned_of(caplog):
    x, y = some()
    with caplog.at_level(logging.WARNING):
        checked(splits(train=Rows(x, y % 2), valid=Rows(x, y % 2)))
    assert "test has rows of class 2 that no training row has" in caplog.text
    assert "valid" not in caplog.text


def test_constant_features_are_counted_in_a_warning(caplog):
    x, y = some()
    x[:, 1:3] = 0.25
    with caplog.at_level(logging.WARNING):
        checked(splits(train=Rows(x, y)))
    assert "2 of 4 features are constant over the training rows, first column 1" in caplog.text


def test_the_digest_tells_one_changed_pixel_and_swapped_splits():
    first = splits()
    x, y = some()
    x[3, 3] += np.float32(1e-6)
    assert first.digest() != splits(test=Rows(x, y)).digest()
    assert first.digest() == splits().digest()
    a, b = some(20), some(10)
    assert splits(train=a, valid=b).digest() != splits(train=b, valid=a).digest()


def test_a_class_that_has_no_rows_is_part_of_what_data_are_known_by():
    rows = Rows(np.zeros((3, 2), np.float32), np.array([0, 1, 1]))
    digests = {Splits("a", rows, rows, rows, n, "user").digest() for n in (2, 3, 9)}
    assert len(digests) == 3
