import io

import numpy as np
import pandas as pd
import pytest
from mixed_table import SPECIES, mixed_table

from sda.__main__ import main
from sda.runs import model_file
from sda.runs.model import Model

WORDS = [
    "data=arrays", "init=sda", "stack.hidden=[12,6]", "pretrain.epochs=40", "finetune.epochs=12",
    "finetune.learning_rate=1.0", "tensorboard=false", "corruption.fraction=0.2",
    "pretrain.learning_rate=0.5",
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a table, a run that was trained on it, and new rows."""
    folder = tmp_path_factory.mktemp("models")
    mixed_table(300).to_csv(folder / "mine.csv", index=False)
    with pytest.raises(SystemExit) as ended:
        main([*WORDS, f"data.path={folder / 'mine.csv'}", f"runs_folder={folder / 'runs'}"])
    assert ended.value.code == 0
    (found,) = (folder / "runs" / "mine").glob("init*")
    found.rename(folder / "run")
    mixed_table(40, seed=1).drop(columns="species").to_csv(folder / "new.csv", index=False)
    return folder


@pytest.fixture
def told(place, capsys, monkeypatch):
    """Run a command on the model and the new rows; return the table that it prints."""
    monkeypatch.chdir(place)

    def run(*words, fails=False):
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        out, err = capsys.readouterr()
        if fails:
            assert ended.value.code not in (0, None)
            return str(ended.value.code) + err
        assert ended.value.code == 0, err
        return out if words[0] == "describe" or not out else pd.read_csv(io.StringIO(out))

    return run


def test_predictions_are_names_of_classes_with_their_probabilities(told, place):
    found = told("predict", "run", "new.csv")
    assert list(found.columns) == ["species", *(f"p({name})" for name in SPECIES)]
    chances = found.iloc[:, 1:].to_numpy()
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    assert (np.array(SPECIES)[chances.argmax(axis=1)] == found["species"]).all()
    truth = mixed_table(40, seed=1)["species"]
    assert (found["species"] == truth).mean() > 0.8


def test_a_model_file_alone_serves_wherever_it_is_put(told, place, tmp_path):
    moved = tmp_path / "taken.safetensors"
    moved.write_bytes((place / "run" / "model.safetensors").read_bytes())
    for command in ("predict", "encode", "denoise", "impute", "score"):
        pd.testing.assert_frame_equal(
            told(command, str(moved), "new.csv"), told(command, "run", "new.csv")
        )


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_a_table_may_be_of_any_form_in_any_order_and_go_to_a_file(told, place, suffix):
    rows = mixed_table(40, seed=1)
    rows = rows[["species", "since", "town", "weight", "smooth", "length"]]
    if suffix == "parquet":
        rows.to_parquet(place / "other.parquet")
    else:
        rows.to_csv(place / f"other.{suffix}", index=False, sep={"csv": ";", "tsv": "\t"}[suffix])
    told("predict", "run", f"other.{suffix}", f"to=out.{suffix}")
    read = {"csv": pd.read_csv, "tsv": pd.read_table, "parquet": pd.read_parquet}[suffix]
    pd.testing.assert_frame_equal(
        read(place / f"out.{suffix}"),
        told("predict", "run", "new.csv"),
        check_dtype=False,
        rtol=1e-4,
    )


def test_missing_and_foreign_columns_are_refused_by_name(told, place):
    rows = mixed_table(5).rename(columns={"town": "city"})
    rows.to_csv(place / "wrong.csv", index=False)
    message = told("predict", "run", "wrong.csv", fails=True)
    assert "missing: 'town'; not known to the model: 'city'" in message


def test_a_category_that_was_never_seen_is_told(told, place, caplog):
    mixed_table(5).assign(town="Paris").to_csv(place / "paris.csv", index=False)
    told("predict", "run", "paris.csv")
    assert "column 'town': 1 value that no training row has, such as 'Paris'" in caplog.text


def test_numbers_in_other_units_are_told(told, place, caplog):
    rows = mixed_table(40, seed=1)
    rows.assign(length=rows["length"] * 1000).to_csv(place / "units.csv", index=False)
    told("predict", "run", "units.csv")
    assert "column 'length': its middle is" in caplog.text
    assert "other units?" in caplog.text


def test_a_table_is_never_written_over_by_what_is_made_of_it(told, place):
    mixed_table(5).to_csv(place / "kept.csv", index=False)
    before = (place / "kept.csv").read_bytes()
    assert "is the table itself" in told("predict", "run", "kept.csv", "to=kept.csv", fails=True)
    assert (place / "kept.csv").read_bytes() == before


def test_a_refused_table_leaves_no_file_and_one_without_rows_is_refused(told, place):
    mixed_table(5)[:0].to_csv(place / "empty.csv", index=False)
    mixed_table(5).drop(columns="town").to_csv(place / "lacking.csv", index=False)
    for name, message in (("empty", "has no rows"), ("lacking", "missing: 'town'")):
        assert message in told("predict", "run", f"{name}.csv", "to=none.csv", fails=True)
        assert not (place / "none.csv").exists()


def test_cells_are_quoted_where_they_must_be_alone(tmp_path):
    from sda.cli.apply import write

    rows = pd.DataFrame({"a,b": ["plain", "x"], "day": pd.to_datetime(["2024-05-17", None])})
    odd = rows.assign(**{"a,b": ["x,y", 'say "z"']})
    write(iter([rows, odd]), tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_text()
    assert text.startswith('"a,b",day\nplain,2024-05-17\nx,\n"x,y"')
    assert pd.read_csv(tmp_path / "out.csv")["a,b"].tolist() == ["plain", "x", "x,y", 'say "z"']


def test_words_for_a_missing_cell_may_be_quoted(told, place):
    mixed_table(4).astype({"length": object}).assign(length=["?", "-", "5", "6"]).to_csv(
        place / "words.csv", index=False
    )
    for said in ("missing=?,-", "missing=['?','-']"):
        assert told("impute", "run", "words.csv", said)["length"].notna().all()


def test_codes_are_those_of_the_layer_that_is_asked_for(told, place):
    assert told("encode", "run", "new.csv").shape == (40, 6)
    first = told("encode", "run", "new.csv", "layer=1")
    model = Model.load(place / "run")
    x = model.rows(mixed_table(40, seed=1).drop(columns="species"))
    expected = model.network.stack[0].encode(x).detach().numpy()
    np.testing.assert_allclose(first, expected, atol=1e-5)
    assert "layer must be a whole number of at most 2" in told(
        "encode", "run", "new.csv", "layer=3", fails=True
    )
    assert list(told("encode", "run", "new.csv", "layer=0").columns) == model.encoding.components
    assert "at least 1, got 0" in told("reconstruct", "run", "new.csv", "layer=0", fails=True)


def test_reconstructions_are_in_the_units_and_categories_of_the_table(told):
    found = told("reconstruct", "run", "new.csv")
    rows = mixed_table(40, seed=1).drop(columns="species")
    assert list(found.columns) == list(rows.columns)
    assert set(found["town"]) <= {"Rome", "Oslo", "Bonn"}
    assert found["weight"].between(100, 500).all()
    assert pd.to_datetime(found["since"]).dt.year.isin([2019, 2020]).all()
    assert np.corrcoef(found["length"], rows["length"])[0, 1] > 0.5
    pd.testing.assert_frame_equal(found, told("denoise", "run", "new.csv"))


def test_only_missing_cells_are_filled_and_draws_differ(told, place):
    rows = mixed_table(40, seed=1, holes=True)
    rows.to_csv(place / "holes.csv", index=False)
    given = pd.read_csv(place / "holes.csv", dtype=str, keep_default_na=False)
    told("impute", "run", "holes.csv", "to=filled.csv")
    filled = pd.read_csv(place / "filled.csv", dtype=str, keep_default_na=False)
    there = given.to_numpy() != ""
    assert (filled.to_numpy()[there] == given.to_numpy()[there]).all()
    assert (filled != "").to_numpy().all()
    drawn = told("impute", "run", "holes.csv", "draws=3")
    assert drawn["draw"].tolist() == [k for k in (1, 2, 3) for _ in range(40)]
    missing = rows["length"].isna().to_numpy()
    lengths = drawn["length"].to_numpy().reshape(3, 40)
    assert (lengths[:, ~missing] == lengths[0, ~missing]).all()
    assert (lengths[0, missing] != lengths[1, missing]).all()
    again = told("impute", "run", "holes.csv", "draws=3")
    pd.testing.assert_frame_equal(drawn, again)


def test_the_score_is_the_sum_of_its_columns_and_rows_that_do_not_hang_together_have_more(
    told, place
):
    rows = mixed_table(200, seed=1).drop(columns="species")
    rng = np.random.default_rng(0)
    odd = pd.DataFrame({name: rng.permutation(rows[name]) for name in rows})
    pd.concat([rows, odd]).to_csv(place / "odd.csv", index=False)
    found = told("score", "run", "odd.csv")
    np.testing.assert_allclose(found["score"], found.iloc[:, 2:].sum(axis=1), rtol=1e-4)
    usual, unusual = found["score"].to_numpy().reshape(2, 200)
    assert (usual[:, None] < unusual).mean() > 0.65  # area under the ROC curve
    model = Model.load(place / "run")
    assert (found["is_unusual"] == (found["score"] > model.threshold(0.95))).mean() > 0.99
    loose = told("score", "run", "odd.csv", "quantile=0.5")
    assert loose["is_unusual"].sum() > found["is_unusual"].sum()


def test_the_threshold_is_a_quantile_of_the_scores_of_validation_rows(place):
    from sda.data.tables import arrays

    model, data = Model.load(place / "run"), arrays(str(place / "mine.csv"))
    rows = model.encoding.table(data.valid.x)
    assert model.score(rows, 0.9)["is_unusual"].mean() == pytest.approx(0.1, abs=0.02)


def test_a_model_says_what_it_is(told):
    said = told("describe", "run")
    for part in (
        "classifier, 7 inputs, layers of 12-6", "trained on mine (user), 180 rows, init=sda",
        "classes: setosa, versicolor, virginica", "column 'town': categorical, Bonn, Oslo, Rome",
        "predicts 'species'", "is unusual",
    ):  # fmt: skip
        assert part in said


def test_a_stack_without_labels_encodes_and_imputes_and_predicts_nothing(told, place):
    rows = mixed_table(100).drop(columns="species")
    rows.to_csv(place / "none.csv", index=False)
    told(*WORDS, "data.path=none.csv", "data.label=none", "runs_folder=alone")
    (run,) = (place / "alone" / "none").glob("init*")
    assert told("encode", str(run), "new.csv").shape == (40, 6)
    assert told("impute", str(run), "new.csv").shape == (40, 5)
    assert "only pretrained: it predicts nothing" in told(
        "predict", str(run), "new.csv", fails=True
    )


def test_layers_that_were_pretrained_without_labels_are_fine_tuned_on_few(told, place):
    mixed_table(400, seed=2, holes=True).drop(columns="species").to_csv(
        place / "more.csv", index=False
    )
    mixed_table(60, seed=3).to_csv(place / "few.csv", index=False)
    words = [*WORDS, "data.scaling=standard", "reconstruction=mixed", "corruption=swap"]
    told(*words, "data.path=more.csv", "data.label=none", "runs_folder=start")
    (start,) = (place / "start" / "more").glob("init*")
    told("data=arrays", "data.path=few.csv", f"pretrained={start}", "finetune.epochs=3",
         "runs_folder=tuned", "tensorboard=false")  # fmt: skip
    (run,) = (place / "tuned" / "few").glob("init*")
    before, after = Model.load(start), Model.load(run)
    assert after.encoding.columns == before.encoding.columns
    assert str(after.pretrained.state_dict()) == str(before.network.state_dict())
    assert str(after.network.stack.state_dict()) != str(before.network.state_dict())
    assert told("predict", str(run), "new.csv").shape == (40, 4)
    assert not (run / "metrics.jsonl").read_text().count('"pretrain"')
    message = told("data=arrays", "data.path=few.csv", f"init={start}", fails=True)
    assert f"pretrained={start}" in message
    assert "init=random takes no pretrained layers" in told(
        "data=arrays", "data.path=few.csv", "init=random", f"pretrained={start}", fails=True
    )


def test_holes_are_filled_with_values_of_their_column(told, place):
    mixed_table(400, seed=2, holes=True).to_csv(place / "holes2.csv", index=False)
    words = [*WORDS, "data.scaling=standard", "reconstruction=mixed", "corruption=swap"]
    told(*words, "data.path=holes2.csv", "runs_folder=holes", "finetune.epochs=1")
    (run,) = (place / "holes" / "holes2").glob("init*")
    truth, rows = mixed_table(200, seed=9), mixed_table(200, seed=9)
    rng = np.random.default_rng(0)
    hidden = {name: rng.random(200) < 0.3 for name in ("length", "town", "since")}
    for name, where in hidden.items():
        rows.loc[where, name] = None
    rows.to_parquet(place / "holes.parquet")
    told("impute", str(run), "holes.parquet", "to=filled.parquet")
    filled = pd.read_parquet(place / "filled.parquet")
    towns = filled["town"][hidden["town"]] == truth["town"][hidden["town"]]
    assert towns.mean() > truth["town"].value_counts(normalize=True).max() + 0.1
    error = (filled["length"] - truth["length"])[hidden["length"]].std()
    assert error < 0.8 * truth["length"].std()
    assert filled["since"].dtype.kind == "M"
    for name, where in hidden.items():
        assert (filled[name] == truth[name])[~where].all()


def test_a_network_that_was_never_pretrained_has_no_decoder_to_use(told, place):
    words = [word for word in WORDS if word != "init=sda"]
    told(*words, "init=random", "data.path=mine.csv", "runs_folder=plain")
    (run,) = (place / "plain" / "mine").glob("init*")
    assert told("predict", str(run), "new.csv").shape == (40, 4)
    assert "was never pretrained" in told("denoise", str(run), "new.csv", fails=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predict", "run"], "predict needs MODEL TABLE"),
        (["predict", "run", "nothing.csv"], "no such file: nothing.csv"),
        (["predict", "mine.csv", "new.csv"], "not a file of this program"),
        (["predict", "run", "new.csv", "to=out.doc"], "to= must end in .csv, .tsv, .parquet"),
        (["predict", "run", "new.csv", "layer=1"], "predict has no setting 'layer'"),
        (["impute", "run", "new.csv", "draws=x"], "draws must be a whole number, got 'x'"),
        (["score", "run", "new.csv", "quantile=2"], "quantile must be a number in [0, 1]"),
    ],
)
def test_what_cannot_be_done_is_one_line(told, words, message):
    said = told(*words, fails=True)
    assert message in said
    assert "Traceback" not in said


def test_columns_in_a_file_from_a_stranger_are_checked(place, tmp_path):
    header, tensors = model_file.read(place / "run" / "model.safetensors")
    header["about"]["table"]["columns"][0]["kind"] = "os.system"
    model_file.write(tmp_path / "bad.safetensors", header, tensors)
    with pytest.raises(ValueError, match="its columns cannot be read"):
        Model.load(tmp_path / "bad.safetensors")
