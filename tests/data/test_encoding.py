import json

import numpy as np
import pandas as pd
import pytest

from sda.common.errors import DataFormatError
from sda.data.columns import OTHER, Column, fitted
from sda.data.encoding import Block, Encoding

KINDS = {
    "age": "numeric", "smokes": "binary", "town": "categorical", "since": "date", "note": "ignored"
}  # fmt: skip


def frame():
    return pd.DataFrame(
        {
            "age": [20.0, 40.0, np.nan, 60.0],
            "smokes": ["no", "yes", "no", None],
            "town": ["Rome", None, "Oslo", "Rome"],
            "since": pd.to_datetime(["2020-01-01", "2020-01-11", None, "2020-01-21"]),
            "note": ["a", "b", "c", "d"],
        }
    )


def encoding(**choices):
    return Encoding.fit(frame(), KINDS, **choices)


def test_rows_are_standardised_numbers_zeros_and_ones_and_one_hot_with_nan_for_missing():
    nan, wide = np.nan, np.sqrt(1.5)
    expected = [
        [-wide, 0, 0, 1, -wide],
        [0, 1, nan, nan, 0],
        [nan, 0, 1, 0, nan],
        [wide, nan, 0, 1, wide],
    ]
    np.testing.assert_allclose(encoding().rows(frame()), expected, atol=1e-6)
    assert encoding().components == ["age", "smokes", "town=Oslo", "town=Rome", "since"]


@pytest.mark.parametrize("scaling", ["standard", "unit", "quantiles", "none"])
def test_the_table_comes_back_in_its_own_units_and_categories(scaling):
    made = encoding(scaling=scaling)
    back = made.table(made.rows(frame())).astype({"since": "datetime64[us]"})
    pd.testing.assert_frame_equal(back, frame().drop(columns="note"), check_dtype=False, rtol=1e-5)


def test_an_indicator_says_where_a_cell_is_missing_and_is_never_missing_itself():
    made = encoding(indicate=True)
    x = made.rows(frame())
    assert [b for b in made.blocks if b.name == "town"] == [
        Block("town", "categorical", 2), Block("town", "binary", 1)
    ]  # fmt: skip
    place = made.components.index("town is missing")
    assert x[:, place].tolist() == [0, 1, 0, 0]
    assert np.isnan(x[1, place - 2 : place]).all()


def test_blocks_name_the_kind_and_the_components_of_each_column():
    assert encoding().blocks == (
        ("age", "numeric", 1), ("smokes", "binary", 1), ("town", "categorical", 2),
        ("since", "numeric", 1),
    )  # fmt: skip
    assert sum(block.size for block in encoding().blocks) == encoding().width == 5


def test_rare_categories_are_put_together_and_values_never_seen_with_them(caplog):
    cells = pd.Series(["a"] * 50 + ["b"] * 49 + ["c"])
    made = Encoding((fitted("t", "categorical", cells, "none", rare=0.02),))
    assert made.components == ["t=a", "t=b", f"t={OTHER}"]
    x = made.rows(pd.DataFrame({"t": ["c", "d", None]}))
    assert x[:2].tolist() == [[0, 0, 1]] * 2
    assert np.isnan(x[2]).all()
    assert "2 values that no training row has, such as 'c': as rare ones" in caplog.text


def test_a_value_never_seen_counts_as_missing_and_is_told(caplog):
    x = encoding().rows(frame().assign(town=["Bonn", "Rome", "Rome", "Oslo"]))
    assert np.isnan(x[0, 2:4]).all()
    assert "column 'town': 1 value that no training row has, such as 'Bonn'" in caplog.text


def test_columns_may_stand_in_any_order_and_missing_or_foreign_ones_are_refused_by_name():
    made = encoding()
    shuffled = frame()[["note", "town", "since", "smokes", "age"]]
    np.testing.assert_array_equal(made.rows(shuffled), made.rows(frame()))
    made.rows(frame().drop(columns="note"))
    with pytest.raises(DataFormatError, match="missing: 'age'; not known to the model: 'years'"):
        made.rows(frame().rename(columns={"age": "years"}))


def test_a_cell_that_is_no_number_is_told_with_its_line_and_column():
    cells = frame().assign(age=["1", "2", "four", "5"]).rename_axis("line")
    with pytest.raises(DataFormatError, match="line 2, column 'age': 'four' is no number"):
        encoding().rows(cells)
    with pytest.raises(DataFormatError, match="row 1, column 'age': inf is infinite"):
        encoding().rows(frame().assign(age=[1, np.inf, 2, 3]))


def test_an_encoding_survives_json():
    for made in (encoding(), encoding(scaling="quantiles", indicate=True, rare=0.4)):
        again = Encoding.from_plain(json.loads(json.dumps(made.plain())))
        assert again == made
    with pytest.raises(ValueError, match="kind of column 'a' must be one of numeric"):
        Encoding.from_plain({"columns": [{"name": "a", "kind": "exec"}], "target": []})


def test_a_category_is_known_again_whatever_type_a_file_gives_it():
    made = Encoding((fitted("n", "categorical", pd.Series([1, 2, 3]), "none"),))
    for cells in ([1.0, 3.0, np.nan], ["1", "3", None]):
        x = made.rows(pd.DataFrame({"n": cells}))
        assert x[:2].tolist() == [[1, 0, 0], [0, 0, 1]]
    assert made.table(x)["n"][:2].tolist() == [1, 3]


def test_quantiles_spread_training_rows_evenly_whatever_their_units():
    values = np.exp(np.random.default_rng(0).normal(size=2000))
    made = Encoding((fitted("v", "numeric", pd.Series(values), "quantiles"),))
    x = made.rows(pd.DataFrame({"v": values}))
    assert abs(np.sort(x[:, 0]) - np.linspace(0, 1, 2000)).max() < 0.005


def test_classes_are_the_categories_of_the_target_and_numbers_have_none():
    kinds = Column("y", "categorical", categories=(3, "b"))
    assert Encoding((), (kinds,)).classes == ("3", "b")
    assert Encoding((), (Column("y", "numeric"),)).classes is None
