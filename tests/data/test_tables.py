import io
import logging
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sda.common.errors import DataError, DataFormatError
from sda.data.formats.csv import read_csv
from sda.data.tables import arrays

CHOICES = {
    "label": "last",
    "valid_fraction": 0.2,
    "test_fraction": 0.2,
    "scaling": "none",
    "n_classes": None,
    "image_shape": None,
    "seed": 0,
}


def table(path, **choices):
    return arrays(str(path), **{**CHOICES, **choices})


def toy(n=50, d=3):
    rng = np.random.default_rng(1)
    return rng.normal(5, 2, (n, d)), np.arange(n) % 3


def npz(path, **named):
    np.savez(path, **named)
    return path


def csv(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path, **choices):
    with pytest.raises(DataError) as caught:
        table(path, **choices)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def lines(x, labels):
    return "".join(
        ",".join(map(repr, row.tolist())) + f",{label}\n"
        for row, label in zip(x, labels, strict=True)
    )


def test_x_and_y_are_cut_by_the_fractions_without_overlap(tmp_path):
    x = np.arange(100.0)[:, None].repeat(2, axis=1)
    data = table(npz(tmp_path / "a.npz", x=x, y=np.arange(100) % 2))
    rows = [part.x[:, 0].astype(int) for part in data.parts().values()]
    assert [len(r) for r in rows] == [60, 20, 20]
    assert sorted(np.concatenate(rows)) == list(range(100))
    for part in data.parts().values():
        np.testing.assert_array_equal(part.y, part.x[:, 0].astype(int) % 2)


def test_the_cut_depends_on_the_seed_alone(tmp_path):
    x, y = toy()
    path = npz(tmp_path / "a.npz", x=x, y=y)
    assert table(path).digest() == table(path).digest() != table(path, seed=1).digest()


def test_a_files_own_splits_are_kept_and_only_a_missing_validation_set_is_cut(tmp_path):
    x, y = toy()
    named = {"x_train": x[:30], "y_train": y[:30], "x_test": x[30:], "y_test": y[30:]}
    data = table(npz(tmp_path / "a.npz", **named))
    assert [len(p.y) for p in data.parts().values()] == [24, 6, 20]
    np.testing.assert_array_equal(data.test.x, x[30:].astype(np.float32))
    own = table(npz(tmp_path / "b.npz", **named, x_valid=x[:7], y_valid=y[:7]))
    assert [len(p.y) for p in own.parts().values()] == [30, 7, 20]


def test_scaling_takes_its_statistics_from_the_training_rows_alone(tmp_path):
    x, y = toy(60)
    named = {"x_train": x, "y_train": y, "x_valid": x + 100, "y_valid": y}
    path = npz(tmp_path / "a.npz", **named, x_test=x * 2, y_test=y)
    unit = table(path, scaling="unit")
    np.testing.assert_allclose(unit.train.x.min(axis=0), 0)
    np.testing.assert_allclose(unit.train.x.max(axis=0), 1)
    assert (unit.valid.x == 1).all()
    standard = table(path, scaling="standard")
    np.testing.assert_allclose(standard.train.x.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(standard.train.x.std(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(
        standard.valid.x, (x + 100 - x.mean(axis=0)) / x.std(axis=0), rtol=1e-6
    )


@pytest.mark.parametrize("scaling", ["unit", "standard"])
def test_a_constant_column_is_left_unstretched_and_counted_in_a_warning(tmp_path, caplog, scaling):
    x, y = toy()
    x[:, 1] = 0.1
    with caplog.at_level(logging.WARNING):
        data = table(npz(tmp_path / "a.npz", x=x, y=y), scaling=scaling)
    assert np.isfinite(data.train.x).all()
    assert np.abs(data.train.x[:, 1]).max() < 1e-6
    assert caplog.text.count("1 of 3 features are constant") == 1


@pytest.mark.parametrize("scaling", ["none", "unit", "standard"])
def test_splits_of_different_widths_are_told_with_their_widths(tmp_path, scaling):
    x, y = toy()
    path = npz(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:, :2], y_test=y)
    assert "got train 3, valid 3, test 2" in refusal(path, scaling=scaling)


def test_a_header_is_told_from_data_and_a_label_column_is_found_by_name(tmp_path):
    x, y = toy()
    plain = table(csv(tmp_path / "plain.csv", lines(x, y)))
    headed = table(csv(tmp_path / "headed.csv", "a,b,c,kind\n" + lines(x, y)))
    named = "kind,a,b,c\n" + "".join(
        f"{label}," + ",".join(map(repr, row.tolist())) + "\n"
        for row, label in zip(x, y, strict=True)
    )
    found = table(csv(tmp_path / "named.csv", named), label="kind")
    assert plain.digest() == headed.digest() == found.digest()


def test_a_header_whose_features_are_numbers_is_no_row_and_no_class(tmp_path):
    x, y = toy()
    plain = table(csv(tmp_path / "plain.csv", lines(x, y)))
    headed = table(csv(tmp_path / "headed.csv", "0,1,2,kind\n" + lines(x, y)))
    assert headed.digest() == plain.digest()
    assert (headed.n_classes, headed.classes) == (3, None)


def test_a_header_of_counted_features_above_names_of_classes_is_no_row_and_no_class(tmp_path):
    rows = "".join(f"{k},{k % 3},{'ab'[k % 2]}\n" for k in range(20))
    for name, first, classes in (
        ("from_0", "0,1,species\n", ("a", "b")),
        ("from_1", "1,2,species\n", ("a", "b")),
        ("a_row_of_a_known_class", "0,1,a\n", ("a", "b")),
        ("a_row_of_a_rare_class", "0,7,c\n", ("a", "b", "c")),
    ):
        (tmp_path / f"{name}.csv").write_text(first + rows)
        _, y, found = read_csv(tmp_path / f"{name}.csv", "last")
        assert found == classes
        assert len(y) == 20 + (not name.startswith("from"))


def test_names_of_classes_are_sorted_and_numbered(tmp_path):
    x, y = toy()
    names = np.array(["setosa", "virginica", "versicolor"])[y]
    data = table(csv(tmp_path / "a.csv", lines(x, names)))
    assert data.classes == ("setosa", "versicolor", "virginica")
    by_number = table(csv(tmp_path / "b.csv", lines(x, np.array([0, 2, 1])[y])))
    np.testing.assert_array_equal(data.test.y, by_number.test.y)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: features and a label"),
        ("1\n2\n", "line 1: features and a label"),
        ("1,2,0\n3,four,1\n", "could not convert string 'four' to float64 at row 1, column 2"),
        ("1,2,0\n3,4\n", "row"),
        ("1,2,0\n3,4,5,1\n", "row"),
        ("1,2,0\n3,4,\n5,6,1\n", "no label in row 1"),
        ("1,2,0\n3,,1\n", "could not convert string ''"),
        ("a,b,kind\n", "header"),
        ("a,b,kind\n1,2,0\n3,4,1\n5,6\n", "3 columns, then 2 at row 2 (rows counted from 0 below"),
        ("1,2,0\n3,4,1\n5,6\n", "3 columns, then 2 at row 2 (rows counted from 0 at the first"),
    ],
)
def test_a_faulty_csv_is_told_with_file_and_place(tmp_path, text, told):
    path = csv(tmp_path / "a.csv", text)
    message = refusal(path)
    assert str(path) in message
    assert told in message


def test_a_label_column_that_is_not_there_is_told_with_those_that_are(tmp_path):
    path = csv(tmp_path / "a.csv", "a,b,kind\n1,2,0\n3,4,1\n")
    message = refusal(path, label="class")
    assert "'class'" in message
    assert "a, b, kind" in message


@pytest.mark.parametrize(
    ("y", "told"),
    [
        (np.array([0, 1, -100] + [0, 1] * 24), "got -100"),
        (np.array([0, 1, 0.5] + [0, 1] * 24), "got 0.5"),
        (np.array([0, 1, 10**12] + [0, 1] * 24), "class numbers from 0, got 1000000000000"),
        (np.zeros(51, int), "at least 2 classes"),
        (np.arange(50) % 2, "51 rows, 50 labels"),
    ],
)
def test_bad_labels_are_refused(tmp_path, y, told):
    assert told in refusal(npz(tmp_path / "a.npz", x=np.ones((51, 1)) * [0.5, 1], y=y))


class Touch:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("form", ["pickle", "member", "object"])
def test_a_pickle_in_the_file_is_refused_and_never_run(tmp_path, form):
    marker, path = tmp_path / "marker", tmp_path / "a.npz"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Touch(marker)))
    elif form == "object":
        npz(path, x=np.array([Touch(marker)], object), y=np.zeros(1))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", pickle.dumps(Touch(marker)))
            archive.writestr("y.npy", pickle.dumps(Touch(marker)))
    with pytest.raises(DataFormatError, match=r"a\.npz"):
        table(path)
    assert not marker.exists()


def test_an_array_larger_than_its_file_is_refused_before_allocating(tmp_path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (10**7, 10**5)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, head.getvalue())
    assert "x.npy has shape (10000000, 100000)" in refusal(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"scaling": "minmax"}, "unit, standard, none, got minmax"),
        ({"test_fraction": 0.9}, "sum to less than 1, got 0.2 and 0.9"),
        ({"valid_fraction": 0.0}, "above 0"),
        ({"image_shape": [2, 2]}, "needs 4 columns, got 3"),
        ({"image_shape": [3]}, "[height, width]"),
        ({"n_classes": 2}, "0..1, got 2"),
    ],
)
def test_impossible_choices_are_refused(tmp_path, choices, told):
    x, y = toy()
    assert told in refusal(npz(tmp_path / "a.npz", x=x, y=y), **choices)


def test_a_path_that_is_not_there_or_of_another_kind_is_told(tmp_path):
    assert "data.path=FILE" in refusal("")
    assert "no such file" in refusal(tmp_path / "nothing.npz")
    (tmp_path / "a.pkl").write_bytes(b"")
    assert ".npz or .csv" in refusal(tmp_path / "a.pkl")
    (tmp_path / "a.npz").write_bytes(b"")
    assert "not a readable .npz file" in refusal(tmp_path / "a.npz")
    assert "needs the arrays x and y" in refusal(npz(tmp_path / "b.npz", z=np.zeros(3)))
