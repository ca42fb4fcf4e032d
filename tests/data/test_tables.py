import gzip
import io
import logging
import pickle
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import datasets

from sda.common.errors import DataError, DataFormatError
from sda.data.formats import parquet
from sda.data.formats.text import text_blocks
from sda.data.reading import in_blocks
from sda.data.tables import arrays
from sda.data.tables import table as own

SPECIES = ("setosa", "versicolor", "virginica")


def table(path, **choices):
    return arrays(str(path), **choices)


def toy(n=60, d=3):
    rng = np.random.default_rng(1)
    return rng.normal(5, 2, (n, d)), np.arange(n) % 3


def npz(path, **named):
    np.savez(path, **named)
    return path


def folder(path, x, y):
    for part in ("train", "valid", "test"):
        np.save(path / f"x_{part}.npy", np.asarray(x, np.float32))
        np.save(path / f"y_{part}.npy", y)
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


def mixed(n=60):
    """A table of every kind, with holes."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n).astype(float),
            "income": rng.normal(3e4, 1e4, n).round(2),
            "smokes": rng.choice(["no", "yes"], n),
            "town": rng.choice(["Rome", "Oslo", "Bonn"], n),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D"),
            "species": np.array(SPECIES)[np.arange(n) % 3],
        }
    )
    frame.loc[3, "age"] = frame.loc[5, "income"] = np.nan
    frame.loc[7, ["town", "since"]] = None
    return frame


def sizes(data):
    return [len(part.y) for part in data.parts().values()]


# What was decided is told


def test_one_line_says_what_was_decided(tmp_path, caplog):
    mixed().to_csv(tmp_path / "mine.csv", index=False)
    with caplog.at_level(logging.INFO):
        data = table(tmp_path / "mine.csv")
    assert caplog.messages == [
        "mine.csv: 60 rows, 5 features (2 numeric, 1 binary, 1 categorical, 1 date), 3 classes of "
        '"species"; header yes; 36/12/12'
    ]
    assert data.classes == SPECIES
    assert data.train.x.shape == (36, 7)


@pytest.mark.parametrize("form", ["csv", "tsv", "semicolons", "parquet", "frame"])
def test_every_form_of_a_table_reads_the_same(tmp_path, form):
    frame = mixed()
    if form == "frame":
        data = own(frame)
    elif form == "parquet":
        frame.to_parquet(tmp_path / "mine.parquet")
        data = table(tmp_path / "mine.parquet")
    else:
        path = tmp_path / ("mine.tsv" if form == "tsv" else "mine.csv")
        frame.to_csv(path, index=False, sep={"tsv": "\t", "semicolons": ";"}.get(form, ","))
        data = table(path)
    frame.to_csv(tmp_path / "plain.csv", index=False)
    assert data.digest() == table(tmp_path / "plain.csv").digest()


# Larger than memory


def test_a_large_parquet_is_read_by_blocks_into_mapped_files_that_are_the_same(
    tmp_path, monkeypatch
):
    frame = mixed(500).set_index(pd.Index(range(500), name="who"))
    frame["age"] = frame["age"].fillna(-9)
    path = tmp_path / "a.parquet"
    frame.to_parquet(path, row_group_size=50)
    whole = table(path, missing=[-9])
    monkeypatch.setattr(parquet, "LARGE", 0)
    for _ in range(2):  # made, and found again
        mapped = table(path, missing=[-9])
        assert (mapped.digest(), mapped.encoding) == (whole.digest(), whole.encoding)
        assert isinstance(mapped.train.x.base, np.memmap)
    frame.to_csv(tmp_path / "a.csv", index=False)
    for labelled in (path, tmp_path / "a.csv"):
        assert "below a GB" in refusal(labelled, unlabelled=str(path))


def test_a_damaged_parquet_is_told_in_one_line_however_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    mixed(5000).to_parquet(path)
    data = bytearray(path.read_bytes())
    data[1000:9000] = bytes(byte ^ 0x5A for byte in data[1000:9000])
    path.write_bytes(data)
    for size in (parquet.LARGE, 0):
        monkeypatch.setattr(parquet, "LARGE", size)
        assert "a.parquet: not a readable .parquet file" in refusal(path)
    with pytest.raises(DataFormatError, match="not a readable"):
        list(in_blocks(path, (), None))


def test_a_large_parquet_needs_memory_for_a_column_and_a_block(tmp_path, monkeypatch):
    x = np.random.default_rng(0).normal(size=(10000, 30)).astype(np.float32)
    frame = pd.DataFrame(x, columns=[f"c{k}" for k in range(30)])
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=500)
    monkeypatch.setattr(parquet, "LARGE", 0)
    monkeypatch.setattr(parquet, "ROWS", 250)
    tracemalloc.start()
    table(tmp_path / "a.parquet", label="none", scaling="standard")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes / 1.5


# A1, A2: headers and saved indexes


@pytest.mark.parametrize("first", [0, 1])
def test_a_header_of_numbers_that_count_up_is_no_row(tmp_path, first):
    x, y = toy(200, 6)
    header = ",".join(str(first + k) for k in range(7)) + "\n"
    data = table(csv(tmp_path / "a.csv", header + lines(x, y)))
    assert (sum(sizes(data)), data.n_classes) == (200, 3)


@pytest.mark.parametrize("header", ["5,6,7,8", "0,1,2", "10,20,30,40", "400.5,401,450,512,600,700"])
def test_a_first_line_that_may_be_either_is_refused_with_what_decides(tmp_path, header):
    x, y = toy(60, header.count(","))
    path = csv(tmp_path / "a.csv", header + "\n" + lines(x, y))
    assert "data.header=yes or data.header=no" in refusal(path)
    assert sum(sizes(table(path, header="yes"))) == 60
    assert sum(sizes(table(path, header=False, task="classes"))) == 61


@pytest.mark.parametrize(
    ("first", "headed"),
    [
        ("0,1,species", True), ("1,2,species", True), ("x,y,species", True), (",b,species", True),
        ("0,1,a", False), ("0,7,c", False), ("3,?,a", False), ("3,NA,a", False), ("4,,b", False),
    ],
)  # fmt: skip
def test_a_header_is_told_from_a_row_above_names_of_classes(tmp_path, first, headed):
    rows = "".join(f"{k * 7 % 20},{k % 3},{'ab'[k % 2]}\n" for k in range(20))
    data = table(csv(tmp_path / "a.csv", first + "\n" + rows), missing=["?"])
    assert sum(sizes(data)) == 20 + (not headed)
    assert data.classes == (("a", "b", "c") if "c" in first.split(",") else ("a", "b"))


def test_a_table_of_words_has_a_header_where_no_cell_of_the_first_line_stands_below(tmp_path):
    rows = "".join(f"{'pq'[k % 2]},{'rst'[k % 3]},{'uv'[k % 2]}\n" for k in range(20))
    assert sum(sizes(table(csv(tmp_path / "a.csv", "cap,odor,class\n" + rows)))) == 20
    assert sum(sizes(table(csv(tmp_path / "b.csv", "p,s,u\n" + rows)))) == 21


@pytest.mark.parametrize(
    ("name", "count", "told"),
    [
        ("", lambda k: k, "it counts the rows, 0 to 59"),
        ("Unnamed: 0", lambda k: k, "it counts the rows, 0 to 59"),
        ("nr", lambda k: k, "it counts the rows, 0 to 59"),
        ("nr", lambda k: 600 - 10 * k, "it counts the rows, 600 to 10"),
        ("", lambda k: 3 * k + k % 2, "a different number in every row"),
        ("PassengerId", lambda k: k * 7 % 61, "a different number in every row"),
    ],
)
def test_a_column_that_counts_the_rows_is_left_out_with_a_word(tmp_path, caplog, name, count, told):
    x, y = toy()
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(kind=np.sort(y))
    frame.index = pd.Index(map(count, range(60)), name=name or None)
    frame.to_csv(tmp_path / "a.csv")
    with caplog.at_level(logging.INFO):
        data = table(tmp_path / "a.csv")
    assert [one.name for one in data.encoding.used] == ["a", "b", "c"]
    assert f"is left out: {told}" in caplog.text


def test_a_number_in_every_row_is_an_input_unless_its_name_says_otherwise():
    frame = mixed().assign(fluid=np.arange(60) * 7 % 61, index_of_mass=np.arange(60) * 7 % 61)
    assert {"fluid", "index_of_mass"} <= {
        one.name for one in own(frame, label="species").encoding.used
    }


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (lambda k: 60 - k, "it counts the rows"),
        (lambda k: f"n{k}", "60 different words in 60 rows, such as 'n0'"),
        (lambda k: f"2024-05-{1 + k % 9:02d}", "dates"),
    ],
)
def test_a_last_column_that_is_hardly_the_label_is_refused_unless_it_is_named(tmp_path, last, told):
    path = csv(tmp_path / "a.csv", "a,end\n" + "".join(f"{k % 7},{last(k)}\n" for k in range(60)))
    assert f"the last column, 'end', is hardly the label: {told}" in refusal(path)
    table(path, label="end")


def test_a_separator_at_the_end_of_each_line_is_no_label(tmp_path):
    x, y = toy()
    for head in ("a,b,c,kind,\n", ""):
        text = head + lines(x, y).replace("\n", ",\n")
        data = table(csv(tmp_path / "a.csv", text))
        assert (data.n_classes, data.train.x.shape[1]) == (3, 3)


def test_an_identifier_and_free_text_are_left_out_and_may_be_kept(tmp_path, caplog):
    frame = mixed().assign(
        person_id=np.random.default_rng(0).permutation(60), note=[f"n {k}" for k in range(60)]
    )
    frame = frame[["person_id", "note", *mixed().columns]]
    with caplog.at_level(logging.INFO):
        assert own(frame).train.x.shape == (36, 7)
    assert "'person_id' is left out: a different number in every row" in caplog.text
    assert "'note' is left out: 60 different words in 60 rows" in caplog.text
    assert own(frame, kinds={"person_id": "numeric"}).train.x.shape == (36, 8)


# A3, A4, A5: labels


def test_labels_that_are_no_plain_numbers_are_names(tmp_path):
    x, _ = toy()
    for labels in (["1_2", "12", "3"], ["01", "1", "2"], ["yes", "no", "1"], ["1000", "1e3", "7"]):
        data = table(csv(tmp_path / "a.csv", "a,b,c,kind\n" + lines(x, labels * 20)))
        assert data.classes == tuple(sorted(labels))


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["Yes", "yes", "no"], "the classes 'Yes' and 'yes' look alike"),
        (["0", "1", "?"], "'?' stands in 20 rows; say data.missing=['?']"),
        (["mild", "unknown", "severe"], "'unknown' stands in 20 rows"),
        (["0", "1", "oops"], "has numbers, and 'oops', which is a class, too"),
    ],
)
def test_classes_that_may_be_a_mistake_are_told(tmp_path, caplog, labels, told):
    with caplog.at_level(logging.INFO):
        assert own(toy()[0], np.array(labels * 20)).n_classes == 3
    assert told in caplog.text


@pytest.mark.parametrize("names", [(1, 2, 3, 4), (1001, 1002), (-5, 7), (2.0, 4.0)])
def test_classes_are_the_values_that_occur(tmp_path, names):
    x, _ = toy()
    y = np.array(names)[np.arange(60) % len(names)]
    for path in (csv(tmp_path / "a.csv", lines(x, y)), npz(tmp_path / "a.npz", x=x, y=y)):
        data = table(path)
        assert data.classes == tuple(f"{name:g}" for name in names)
        assert sorted(set(data.train.y)) == list(range(len(names)))


def test_a_label_column_elsewhere_than_last_is_found_by_its_name_and_told(tmp_path, caplog):
    x, y = toy()
    frame = pd.DataFrame(x, columns=["p0", "p1", "p2"])
    frame.insert(0, "Label", y)
    frame.to_csv(tmp_path / "a.csv", index=False)
    data = table(tmp_path / "a.csv")
    assert (data.n_classes, data.train.x.shape[1]) == (3, 3)
    assert "predicted is the column 'Label', by its name, and not the last one, 'p2'" in caplog.text
    caplog.clear()
    assert table(tmp_path / "a.csv", label="last", task="numbers").kind == "numbers"
    assert "predicted is 'p2', the last column, though one is called 'Label'" in caplog.text
    points = pd.DataFrame({"label": y, "x": x[:, 0], "y": x[:, 1]})  # y is a coordinate
    assert own(points).encoding.target[0].name == "label"
    frame.insert(0, "y", y)
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert "'y' and 'Label' may both be the label" in refusal(tmp_path / "a.csv")


def test_the_label_may_come_first_without_a_header(tmp_path):
    x, y = toy()
    last = table(csv(tmp_path / "a.csv", lines(x, y)))
    text = "".join(f"{k},{','.join(map(repr, r.tolist()))}\n" for r, k in zip(x, y, strict=True))
    assert table(csv(tmp_path / "b.csv", text), label="first").digest() == last.digest()


def test_a_label_column_that_is_not_there_is_told_with_those_that_are(tmp_path):
    path = csv(tmp_path / "a.csv", "a,b,kind\n1,2,0\n3,4,1\n")
    assert "no column 'class' (data.label); the columns are a, b, kind" in refusal(
        path, label="class"
    )


def flagged(name, last):
    """Rows with classes in the middle, under a name, and something else in the last column."""
    x, y = toy()
    words = np.array(["no", "yes", "maybe"])[y]
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], name: words, "end": last(x)})


@pytest.mark.parametrize("name", ["species", "Is_Fraud", "outcome", "diagnosis", "survived"])
def test_a_column_in_the_middle_that_is_called_like_a_label_is_predicted_with_a_word(name, caplog):
    data = own(flagged(name, lambda x: x[:, 2]))
    assert (data.n_classes, data.encoding.target[0].name) == (3, name)
    assert f"predicted is the column {name!r}, by its name, and not the last one" in caplog.text


@pytest.mark.parametrize(
    "last", [lambda x: x[:, 2], lambda x: np.arange(60) * 7 % 61 * 100], ids=["numbers", "whole"]
)
def test_that_numbers_behind_the_only_column_of_classes_are_predicted_is_told(last, caplog):
    frame = flagged("flower", last)
    assert own(frame).kind == "numbers"
    told = "'flower' looks like classes: data.label=flower predicts those"
    assert f"predicted are the numbers of the last column, 'end'; {told}" in caplog.text
    assert own(frame, label="flower").n_classes == 3


def test_names_behind_the_only_column_of_classes_are_not_predicted_unasked():
    frame = flagged("flower", lambda x: [f"n{k}" for k in range(60)])
    with pytest.raises(DataError, match=r"'end', is hardly the label.*say data.label=flower"):
        own(frame)


def ordinary(which):
    """A table as people have them, the label last, and what it is called."""
    if which in ("iris", "wine", "breast_cancer", "digits", "diabetes"):
        frame = getattr(datasets, f"load_{which}")(as_frame=True).frame
        return frame.rename(columns={"target": "kind"}), "kind"
    frame = mixed(200).drop(columns="since").rename(columns={"species": "income_class"})
    if which == "titanic":
        frame.insert(0, "Survived", np.arange(200) % 2)
        return frame, "Survived"
    return frame, "income_class"


@pytest.mark.parametrize(
    "which", ["iris", "wine", "breast_cancer", "digits", "diabetes", "titanic", "adult"]
)
def test_an_ordinary_table_is_read_unasked(which):
    frame, label = ordinary(which)
    assert [one.name for one in own(frame).encoding.target] == [label]


@pytest.mark.parametrize("headed", [True, False])
def test_that_the_last_column_is_predicted_is_told_where_others_may_be_meant(
    tmp_path, caplog, headed
):
    head = "odd,b,end\n" if headed else ""
    rows = "".join(f"{'pq'[k % 2]},{k % 7},{k % 5}\n" for k in range(60))
    with caplog.at_level(logging.INFO):
        table(csv(tmp_path / "a.csv", head + rows))
    names = "'end'; {} such as 'odd' or 'b'" if headed else "'x3'; {} such as 'x1' or 'x2'"
    said = names.format("data.label=COLUMN predicts another,")
    assert f"a.csv: predicted is the last column, {said}" in caplog.messages


# A6, A7, A9: arrays


def test_x_and_y_are_cut_by_the_fractions_without_overlap(tmp_path):
    x = np.random.default_rng(0).permutation(np.arange(100.0))[:, None].repeat(2, axis=1)
    data = table(npz(tmp_path / "a.npz", x=x, y=x[:, 0] % 2), scaling="none")
    rows = [part.x[:, 0].astype(int) for part in data.parts().values()]
    assert [len(r) for r in rows] == [60, 20, 20]
    assert sorted(np.concatenate(rows)) == list(range(100))
    for part in data.parts().values():
        np.testing.assert_array_equal(part.y, part.x[:, 0].astype(int) % 2)


def test_the_cut_depends_on_the_seed_alone(tmp_path):
    x, y = toy()
    path = npz(tmp_path / "a.npz", x=x, y=y)
    assert table(path).digest() == table(path).digest() != table(path, seed=1).digest()


def test_parts_that_a_file_gives_are_used_under_any_name_and_others_are_cut(tmp_path):
    x, y = toy()
    train = {"x_train": x[:30], "y_train": y[:30]}
    test = {"x_test": x[30:], "y_test": y[30:]}
    valid = {"x_val": x[:7], "y_val": y[:7]}
    for held, expected in (
        (train | test, [24, 6, 30]),
        (train | valid | test, [30, 7, 30]),
        ({"X_train": x[:30], "Y_train": y[:30]} | test, [24, 6, 30]),
        ({"x": x[:30], "y": y[:30]} | test, [24, 6, 30]),
        (train | valid, [24, 7, 6]),
        ({"train_images": x[:30], "train_labels": y[:30, None]} | test, [24, 6, 30]),
    ):
        data = table(npz(tmp_path / "a.npz", **held), scaling="none")
        assert sizes(data) == expected
        if expected[2] == 30:
            np.testing.assert_array_equal(data.test.x, x[30:].astype(np.float32))


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ({"x_valid": np.ones((3, 3))}, "there are labels, but no y_valid"),
        ({"x_extra": np.ones((3, 3))}, "needs the arrays x and y"),
        ({"weights": np.ones(3)}, "needs the arrays x and y"),
        ({"X": np.ones((60, 3))}, "X and another array are both x"),
        ({"x_test": np.ones((3, 2)), "y_test": np.ones(3)}, "got train 3, test 2"),
        (
            {"x_test": np.ones((3, 3)), "y_test": np.ones(2)},
            "test: one label per row needed, got 3",
        ),
    ],
)
def test_arrays_that_nothing_would_use_are_refused(tmp_path, extra, told):
    x, y = toy()
    assert told in refusal(npz(tmp_path / "a.npz", x=x, y=y, **extra))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (np.array(SPECIES), SPECIES),
        (np.array(SPECIES).astype("S"), SPECIES),
        (np.array([b"\xe9", b"\xe8", b"e"]), ("e", "\xe8", "\xe9")),
    ],
)
def test_labels_of_an_array_may_be_text(tmp_path, names, expected):
    x, y = toy()
    assert table(npz(tmp_path / "a.npz", x=x, y=names[y])).classes == expected


def test_numbers_of_any_size_in_another_order_of_bytes_or_under_a_mask_are_read():
    x, y = toy()
    assert own(x.astype(">f8"), y.astype(">i4")).digest() == own(x, y).digest()
    assert own(x.astype(np.float16), y).train.x.dtype == np.float32
    data = own(np.ma.masked_less(x, 5), y)
    assert min(np.isnan(part.x).mean() for part in data.parts().values()) > 0.2


def test_grey_levels_of_an_array_stay_what_they_are(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (60, 4), np.uint8)
    data = table(npz(tmp_path / "a.npz", x=x, y=toy()[1]))
    assert data.train.x.dtype == np.uint8
    raw = data.encoding.rows(pd.DataFrame(x, columns=["x1", "x2", "x3", "x4"]))
    np.testing.assert_array_equal(raw, (x / np.float32(255)).astype(np.float32))


def test_a_damaged_header_of_an_array_is_one_line(tmp_path):
    folder(tmp_path, np.ones((4, 2)), np.arange(4) % 2)
    whole = (tmp_path / "x_valid.npy").read_bytes()
    for place in range(10, 70):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        (tmp_path / "x_valid.npy").write_bytes(bytes(damaged))
        with suppress(DataError):  # or it is read: not every byte counts
            table(tmp_path)


def test_splits_of_different_widths_are_told_with_their_widths(tmp_path):
    folder(tmp_path, np.ones((4, 3)), np.arange(4) % 2)
    np.save(tmp_path / "x_test.npy", np.ones((4, 2), np.float32))
    assert "got train 3, valid 3, test 2" in refusal(tmp_path)


def test_a_folder_takes_labels_and_missing_words_as_other_arrays_do_and_no_column(tmp_path):
    x, y = toy()
    data = table(folder(tmp_path, x, np.where(y == 2, -9, y)[:, None]), missing=[-9])
    assert (data.n_classes, (data.train.y == -1).sum()) == (2, 20)
    for choices in ({"group": "g"}, {"part": "p"}, {"unlabelled": "a.csv"}):
        assert next(iter(choices)) in refusal(tmp_path, **choices)


# A8: cuts


def test_a_rare_class_is_in_every_part_and_one_that_cannot_be_is_named(tmp_path, caplog):
    x, _ = toy()
    y = np.array(["a"] * 30 + ["b"] * 25 + ["rare"] * 3 + ["odd"] * 2)
    data = table(csv(tmp_path / "a.csv", "p,q,r,kind\n" + lines(x, y)))
    assert sizes(data) == [36, 12, 12]
    rare = data.classes.index("rare")
    assert [(part.y == rare).sum() for part in data.parts().values()] == [1, 1, 1]
    assert "has no row of class odd" in caplog.text
    assert "class rare" not in caplog.text


def test_classes_keep_their_shares_in_every_part():
    x, _ = toy(1000)
    y = np.random.default_rng(0).choice(4, 1000, p=[0.55, 0.25, 0.15, 0.05])
    for part in own(x, y).parts().values():
        own_share = np.bincount(part.y, minlength=4) / len(part.y)
        assert abs(own_share - np.bincount(y) / 1000).max() < 0.01


def test_a_row_without_a_group_is_one_of_its_own_and_told(caplog):
    a = np.random.default_rng(0).permutation(300)
    frame = pd.DataFrame({"a": a, "patient": [None] * 200 + [*range(50)] * 2})
    data = own(frame.assign(kind=np.arange(300) % 2), group="patient", scaling="none")
    places = {value: place for place, value in enumerate(a)}
    seen = {part: {places[v] for v in rows.x[:, 0]} for part, rows in data.parts().items()}
    assert all(sum(row < 200 for row in rows) > 20 for rows in seen.values())
    assert all({row, row + 50} <= rows or not {row, row + 50} & rows
               for rows in seen.values() for row in range(200, 250))  # fmt: skip
    assert "200 rows without 'patient' (data.group), each a group of its own" in caplog.text


def test_groups_stay_together(tmp_path):
    frame = mixed(120).assign(patient=[f"p{k // 6}" for k in range(120)])
    frame = frame[["patient", *mixed().columns]]
    frame["age"] = np.arange(120) // 6 + 0.5
    data = own(frame, group="patient", scaling="none")
    ages = [set(part.x[:, 0].tolist()) for part in data.parts().values()]
    assert sum(map(len, ages)) == 20 == len(set.union(*ages))
    assert min(map(len, ages)) >= 3


def test_every_row_is_in_the_test_set_of_one_fold_and_repeats_cut_anew():
    x = np.random.default_rng(0).permutation(np.arange(60.0))[:, None]
    y = np.arange(60) % 3
    tests = [own(x, y, folds=5, fold=k, scaling="none").test for k in range(5)]
    assert sorted(np.concatenate([t.x[:, 0] for t in tests]).tolist()) == list(range(60))
    assert all(np.bincount(t.y).tolist() == [4, 4, 4] for t in tests)
    again = own(x, y, folds=5, fold=0, scaling="none", seed=1).test
    assert sorted(again.x[:, 0]) != sorted(tests[0].x[:, 0])
    cuts = [own(x, y, repeats=3, repeat=k) for k in range(3)]
    assert len({data.digest() for data in cuts}) == 3
    assert [data.cut[:3] for data in cuts] == [("repeats", k, 3) for k in range(3)]
    assert len({data.cut.rows for data in [*cuts, own(x, y, folds=5, fold=1)]}) == 1


def test_a_column_says_what_a_row_is_for(tmp_path):
    frame = mixed()
    frame.insert(0, "split", ["train"] * 40 + ["val"] * 8 + ["Test"] * 12)
    assert sizes(own(frame, part="split")) == [40, 8, 12]
    frame.loc[3, "split"] = "other"
    with pytest.raises(DataError, match=r"must say train, valid or test, got 'other'"):
        own(frame, part="split")


def test_parts_may_lie_in_several_files(tmp_path, caplog):
    frame = mixed()
    for name, rows in (("a", slice(0, 40)), ("b", slice(40, 48)), ("c", slice(48, 60))):
        frame[rows].to_csv(tmp_path / f"{name}.csv", index=False)
    names = {"train": "a", "valid": "b", "test": "c"}
    files = {part: str(tmp_path / f"{name}.csv") for part, name in names.items()}
    assert sizes(arrays(None, **files)) == [40, 8, 12]
    assert sizes(arrays(None, train=files["train"], test=files["test"])) == [32, 8, 12]
    frame[40:48].drop(columns="town").to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(DataError, match=r"a.csv and b.csv must have the same columns; 'town'"):
        arrays(None, **files)
    with pytest.raises(DataError, match=r"data.path=FILE"):
        arrays(files["train"], **files)


# A10: faults have a place


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is empty"),
        ("1\n2\n", "line 1: at least two columns needed"),
        ("a,b,k\n1,2,0\n3,four,1\n5,6,1\n7,8,0\n", "line 3, column 'b': 'four' is no number, 3"),
        ("\n1,2,0\n\n3,four,1\n5,6,1\n7,8,0\n", "line 4, column 'x2': 'four' is no number"),
        ('a,b,k\n"x\ny",2,0\nz,four,1\nz,5,0\nx,6,1\n', "line 4, column 'b': 'four'"),
        ("a,b,k\n1,2,0\n3,inf,1\n" + "4,5,1\n6,3,0\n" * 4, "line 3, column 'b': inf is infinite"),
        (
            "a,b,k\n1,2,0\n3,1e39,1\n" + "4,5,1\n6,3,0\n" * 4,
            "line 3, column 'b': 1e+39 is infinite or too large",
        ),
        ("1,2,0\n3,4\n", "line 2: 3 columns in the first line, 2 here"),
        ("a,b,k\n1,2,0\n\n3,4,5,1\n", "line 4: 3 columns in the first line, 4 here"),
        ("a,b,kind\n", "no rows below the header"),
        ("a,a,kind\n1,2,0\n3,4,1\n", "line 1: the column 'a' is there twice"),
        ("a\0,b\n1,2\n", "not a text file"),
        ("a,b,k\n1,\uff11,0\n2,4,1\n5,6,1\n7,8,0\n", "line 2, column 'b': '\uff11' is no number"),
        ("a,k\n" + "1,NA\n2,EU\n" * 9, "got 1; 9 rows have no label"),
    ],
)
def test_a_fault_is_told_with_file_line_and_column(tmp_path, text, told):
    path = csv(tmp_path / "a.csv", text)
    message = refusal(path)
    assert message.split(":")[0].split(",")[0].endswith(("a.csv", "a"))  # the file, or the set
    assert told in message


def test_a_fault_in_one_of_several_files_names_that_file(tmp_path):
    good, bad = "a,b,k\n" + "1,2,0\n3,4,1\n" * 5, "a,b,k\n1,2,0\nx,4,1\n"
    csv(tmp_path / "good.csv", good)
    csv(tmp_path / "bad.csv", bad)
    with pytest.raises(DataError, match=r"bad.csv, line 3, column 'a': 'x' is no number"):
        arrays(None, train=str(tmp_path / "good.csv"), test=str(tmp_path / "bad.csv"))


def test_a_word_for_a_missing_cell_is_suggested_and_taken(tmp_path):
    rows = "".join(f"{k * 7 % 20},{k % 5},{k % 2}\n" for k in range(20))
    path = csv(tmp_path / "a.csv", "a,b,k\n" + rows + "?,3,1\n")
    assert "say data.missing=['?']" in refusal(path)
    data = table(path, missing=["?"])
    assert np.isnan(np.concatenate([part.x[:, 0] for part in data.parts().values()])).sum() == 1


@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
def test_a_number_for_a_missing_cell_is_suggested_and_taken_from_any_form(tmp_path, caplog, form):
    frame = mixed().drop(columns=["town", "since"]).fillna({"age": -999.0})
    frame.loc[9:12, "age"] = -999.0
    path = tmp_path / f"a.{form}"
    if form != "frame":
        (frame.to_csv if form == "csv" else frame.to_parquet)(path, index=False)
    with caplog.at_level(logging.INFO):
        table(path) if form != "frame" else own(frame)
    assert "column 'age': '-999' stands in 5 rows; say data.missing=['-999']" in caplog.text
    said = {"missing": [-999, "?"]}
    data = table(path, **said) if form != "frame" else own(frame, **said)
    assert np.isnan(np.concatenate([part.x[:, 0] for part in data.parts().values()])).sum() == 5
    assert data.encoding.missing == ("-999", "?")


@pytest.mark.parametrize(
    ("separator", "cell", "value"),
    [
        (",", '"{},000"', 1000.0), (",", '"${},000"', 1000.0), (",", '"-{},234.5"', -1234.5),
        (",", "{}.5%", 1.5), (",", "€ {}.5", 1.5), (",", "-${}", -1.0), (",", "{}e3 £", 1000.0),
        (";", "{},5", 1.5), (";", "{},234.5", 1234.5), (";", "{}.234,5", 1234.5),
    ],
)  # fmt: skip
def test_numbers_with_commas_and_signs_are_numbers_and_told(
    tmp_path, caplog, separator, cell, value
):
    """A comma in a number separates thousands in a file of commas, else decimals."""
    lines = [separator.join([cell.format(k % 7 + 1), f"{k % 3}", "ab"[k % 2]]) for k in range(20)]
    text = separator.join(["x", "y", "kind"]) + "\n" + "\n".join(lines)
    with caplog.at_level(logging.INFO):
        data = table(csv(tmp_path / "a.csv", text), scaling="none")
    assert value in data.encoding.rows(next(text_blocks(tmp_path / "a.csv", (), ["x"])))[:, 0]
    assert data.train.x[:, 0].std() > 0
    is_plain = separator == "," and "," in cell and "$" not in cell
    assert ("column 'x' is read as numbers, such as" in caplog.text) != is_plain


def test_numbers_of_several_signs_stay_a_category_with_a_word(caplog):
    frame = mixed().assign(price=np.array(["$5", "€5", "7"])[np.arange(60) % 3])
    with caplog.at_level(logging.INFO):
        data = own(frame, label="species")
    assert "price=€5" in data.encoding.components
    assert "'price' has numbers with different signs (none and $ and €): it stays" in caplog.text


def test_a_target_of_numbers_with_a_sign_is_predicted_as_numbers_with_a_word(caplog):
    frame = mixed().assign(price=[f"${k}.5" for k in range(60)])
    with caplog.at_level(logging.INFO):
        data = own(frame, label="price")
    assert set(data.train.y) <= {k + 0.5 for k in range(60)}
    assert "\"price\" is read as numbers, such as '$0.5' as 0.5" in caplog.text
    few = mixed().assign(share=np.array(["5%", "10%"])[np.arange(60) % 2])
    assert own(few, label="share").classes == ("10%", "5%")


@pytest.mark.parametrize("form", ["latin-1", "utf-16", "gzip"])
def test_text_may_be_latin_1_utf_16_or_gzipped(tmp_path, form):
    text = "ort,x,kind\n" + "Köln,1,a\nUlm,2,b\nBonn,2,b\nBonn,3,a\n" * 5
    path = tmp_path / ("b.csv.gz" if form == "gzip" else "b.csv")
    path.write_bytes(gzip.compress(text.encode()) if form == "gzip" else text.encode(form))
    data = table(path)
    assert "ort=Köln" in data.encoding.components
    assert data.digest() == table(csv(tmp_path / "a.csv", text)).digest()


# Rows without labels


def test_a_row_without_label_stays_for_training_and_is_counted(tmp_path, caplog):
    frame = mixed(80)
    frame.loc[:19, "species"] = None
    with caplog.at_level(logging.INFO):
        data = own(frame)
    assert sizes(data) == [56, 12, 12]
    assert (data.train.y == -1).sum() == 20
    assert (data.valid.y >= 0).all()
    assert '3 classes of "species", 20 rows without label' in caplog.text


def test_minus_one_and_nan_are_no_classes_where_there_are_others(tmp_path):
    x, y = toy()
    for none, labels in ((-1, y), (np.nan, y.astype(float))):
        labels = np.where(np.arange(60) < 20, none, labels)
        data = own(x, labels)
        assert (data.n_classes, (data.train.y == -1).sum()) == (3, 20)
    assert own(x, np.where(y > 0, 1, -1)).classes == ("-1", "1")
    assert own(x, np.where(np.arange(60) < 20, "-1", np.array(SPECIES)[y])).classes == SPECIES


def test_rows_without_labels_may_lie_in_a_file_of_their_own(tmp_path):
    frame = mixed()
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame[:30].drop(columns="species").to_csv(tmp_path / "b.csv", index=False)
    data = table(tmp_path / "a.csv", unlabelled=str(tmp_path / "b.csv"))
    assert sizes(data) == [66, 12, 12]
    assert (data.train.y == -1).sum() == 30


def test_a_table_without_labels_is_for_pretraining_alone(tmp_path, caplog):
    frame = mixed().drop(columns="species")
    with caplog.at_level(logging.INFO):
        data = own(frame, label="none")
    assert (data.kind, data.n_classes, sizes(data)) == ("nothing", 0, [36, 12, 12])
    assert "no labels" in caplog.text
    x, _ = toy()
    assert table(npz(tmp_path / "a.npz", x=x)).kind == "nothing"
    assert table(npz(tmp_path / "a.npz", x=x, y=np.full(60, np.nan))).kind == "nothing"


# Numbers to predict


def test_numbers_that_are_no_classes_are_predicted_in_their_own_units():
    x, _ = toy(100)
    y = np.random.default_rng(0).normal(50, 9, 100)
    y[:5] = np.nan
    data = own(x, y)
    assert (data.kind, data.n_classes, data.encoding.target[0].kind) == ("numbers", 0, "numeric")
    assert data.train.y.dtype == np.float32
    assert (~data.train.labelled).sum() == 5
    assert set(data.test.y) <= set(y.astype(np.float32))


def test_several_columns_are_predicted_together():
    data = own(mixed().drop(columns="species"), label="age,income")
    assert data.train.y.shape == (36, 2)
    assert (~data.train.labelled).sum() + (~data.test.labelled).sum() == 2
    assert data.test.labelled.all()


def test_few_whole_numbers_are_classes_and_many_are_not_unless_said():
    x, _ = toy(300)
    prices = np.random.default_rng(0).integers(0, 5000, 300)
    assert own(x, np.arange(300) % 10).kind == "classes"
    assert own(x, prices).kind == "numbers"
    assert own(x, np.arange(300) % 10, task="numbers").kind == "numbers"


# Scaling, sparse rows, choices


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
    expected = (x + 100 - x.mean(axis=0)) / x.std(axis=0)
    np.testing.assert_allclose(standard.valid.x, expected, rtol=1e-6)


@pytest.mark.parametrize("scaling", ["unit", "standard"])
def test_a_constant_column_is_left_unstretched_and_counted_in_a_warning(tmp_path, caplog, scaling):
    x, y = toy()
    x[:, 1] = 0.1
    with caplog.at_level(logging.WARNING):
        data = table(npz(tmp_path / "a.npz", x=x, y=y), scaling=scaling)
    assert np.isfinite(data.train.x).all()
    assert np.abs(data.train.x[:, 1]).max() < 1e-6
    assert caplog.text.count("1 of 3 features are constant") == 1


def test_sparse_rows_stay_sparse(tmp_path):
    x = sparse.random(60, 50, 0.1, "csr", dtype=np.float32, random_state=0)
    data = own(x, np.arange(60) % 3)
    assert sparse.issparse(data.train.x)
    assert data.train.x.shape == (36, 50)
    for rows in (x, x.tocoo()):
        sparse.save_npz(tmp_path / "a.npz", rows)
        assert table(tmp_path / "a.npz").kind == "nothing"
    x.data[0] = np.inf
    with pytest.raises(DataError, match="sparse rows must be finite"):
        own(x)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"scaling": "minmax"}, "standard, unit, quantiles, none, got 'minmax'"),
        ({"test_fraction": 0.9}, "sum to less than 1, got 0.2 and 0.9"),
        ({"valid_fraction": 0.0}, "above 0"),
        ({"image_shape": [2, 2]}, "needs 4 columns, got 3"),
        ({"image_shape": [3]}, "[height, width]"),
        ({"n_classes": 2}, "0..1 (data.n_classes=2), got 2 in row 2"),
        ({"folds": 3, "fold": 3}, "data.fold must be below data.folds=3, got 3"),
        ({"folds": 90}, "data.folds must be in 2..60"),
        ({"kinds": {"z": "numeric"}}, "there is no column 'z'"),
        ({"kinds": {"x1": "real"}}, "must be one of numeric, binary"),
        ({"group": "g"}, "no column 'g' (data.group)"),
        ({"y": np.zeros(60, int)}, "at least 2 classes"),
        ({"y": np.full(60, -1)}, "at least 2 classes"),
        ({"y": np.arange(59) % 2}, "60 rows, 59 labels"),
        ({"y": np.zeros((60, 2), int)}, "labels must be (n,)"),
    ],
)
def test_impossible_choices_and_labels_are_refused(tmp_path, choices, told):
    x, y = toy()
    path = npz(tmp_path / "a.npz", x=x, y=choices.pop("y", y))
    with pytest.raises(ValueError) as caught:
        table(path, **choices)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "cells", [pd.to_timedelta(np.arange(60), "h"), np.arange(60) + 1j, [[1, 2]] * 60]
)
def test_cells_that_are_none_of_a_table_are_refused_by_the_columns_name(cells):
    with pytest.raises(DataError, match="column 'odd' must have numbers, words, dates"):
        own(mixed().assign(odd=cells), label="species")


def test_what_is_no_table_is_refused_in_one_line():
    frame = mixed()
    several = pd.DataFrame(toy()[0], columns=pd.MultiIndex.from_product([["p"], list("abc")]))
    for x, y, told in (
        (frame[:0], None, "must have rows"),
        (several, None, "columns with one name each"),
        ({"a": [1, 2]}, [0, 1], "features must be numbers"),
        (frame, np.zeros(59), "60 rows, 59 labels"),
        (frame[["species"]], None, "no column is left to learn from$"),
    ):
        with pytest.raises(DataError, match=told):
            own(x, y)
    with pytest.raises(DataError, match="column 'age' has numbers, such as"):
        own(frame, kinds={"age": "date"})


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


def test_a_path_that_is_not_there_or_of_another_kind_is_told(tmp_path):
    assert "data.path=FILE" in refusal("")
    assert "no such file" in refusal(tmp_path / "nothing.npz")
    (tmp_path / "a.pkl").write_bytes(b"")
    assert ".csv, .tsv, .txt, .parquet, .npz" in refusal(tmp_path / "a.pkl")
    for name in ("a.npz", "a.parquet"):
        (tmp_path / name).write_bytes(b"x")
        assert f"not a readable {name[1:]} file" in refusal(tmp_path / name)
    assert "needs the arrays x and y" in refusal(npz(tmp_path / "b.npz", z=np.zeros(3)))
