"""Runs that predict numbers: their figures, record, ledger, model and comparison."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import r2_score, root_mean_squared_error
from tiny_run import killed, outcome, splits, train

from sda import Regressor
from sda.analysis import formats
from sda.analysis.comparison import contrast, interval
from sda.cli import single
from sda.config import compose, schema
from sda.data.splits import Rows
from sda.runs import ledger, model_file, results
from sda.runs.model import Model


def numbers(n_targets=1):
    """The rows of the tiny run, with numbers to predict; some training rows have none."""
    known = splits()
    parts = []
    for rows in known.parts().values():
        y = np.stack([3 * rows.x[:, 0] - rows.x[:, 1], rows.x[:, 2]][:n_targets], 1)
        parts.append(Rows(rows.x, np.float32(y[:, 0] if n_targets == 1 else y)))
    parts[0].y[:5] = np.nan
    return dataclasses.replace(known, **dict(zip(known.parts(), parts, strict=True)), n_classes=0)


@pytest.mark.parametrize("n_targets", [1, 2])
def test_its_figures_are_r2_and_rmse_of_its_model_on_their_own_rows(tmp_path, n_targets, capsys):
    data = numbers(n_targets)
    result = train(tmp_path / "run", "init=sda", data=data)
    network = model_file.load(tmp_path / "run" / "model.safetensors")
    assert isinstance(network, Regressor)
    for part, rows in (("valid", data.valid), ("test", data.test)):
        found = network.predict(torch.from_numpy(rows.x)).numpy()
        y = rows.y.reshape(len(rows.y), -1)
        assert 1 - result[f"{part}_error"] == pytest.approx(r2_score(y, found), abs=1e-6)
        rmse = root_mean_squared_error(y, found, multioutput="raw_values")
        assert result[f"{part}_rmse"] == pytest.approx(list(rmse), rel=1e-5)
    assert result["chance_error"] > 1 - 1e-6
    single._print_result(tmp_path / "run", result)
    r2 = f"{1 - result['test_error']:.3f}"
    assert f"test R2 {r2}, RMSE {result['test_rmse'][0]:.4g}" in capsys.readouterr().out


def test_its_predictions_are_in_the_ledger_as_they_are(tmp_path):
    train(tmp_path / "run", "init=sda", data=numbers())
    (line,) = ledger.lines(tmp_path / "ledger")
    y, predicted = ledger.predictions(tmp_path / "ledger", line["predictions"])
    own = np.load(tmp_path / "run" / "test_predictions.npz")
    assert np.array_equal(y, own["y"])
    assert np.array_equal(predicted, own["predicted"])
    assert y.dtype == np.float32
    assert line["kind"] == "numbers"


def test_a_comparison_shows_r2_and_rmse_with_intervals_over_rows_and_seeds(tmp_path):
    for init in ("random", "sda"):
        for seed in (0, 1):
            train(tmp_path / f"{init}{seed}", f"init={init}", f"seed={seed}", data=numbers())
    finished, unfinished = results.read([tmp_path])
    assert not unfinished
    run = finished[0]
    assert np.mean(run.losses()) == pytest.approx(run.test_error, rel=1e-5)
    low, high, _ = interval(run)
    assert (low + high) / 2 == pytest.approx(run.test_error)
    half = 1.96 * np.std(run.losses()) / np.sqrt(run.n_test)
    assert (high - low) / 2 == pytest.approx(half)
    comparison = contrast(finished, unfinished)
    pair = comparison.tables[0].pairs[0]
    ours, theirs = (
        np.mean([run.test_error for run in arm.runs]) for arm in (pair.first, pair.second)
    )
    assert pair.estimate.mean == pytest.approx(ours - theirs, abs=1e-5)
    printed = formats.markdown(comparison, 0.005)
    assert "| test R2 |" in printed
    assert f"{1 - ours:.3f}" in printed
    assert "hundredths of test R2" in printed
    assert "McNemar" not in printed


def test_a_result_that_its_predictions_contradict_is_not_compared(tmp_path):
    train(tmp_path / "run", "init=random", data=numbers())
    file = tmp_path / "run" / "result.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"test_error": 0.123}))
    assert results.in_folder(tmp_path / "run").status == "contradictory"


def test_a_table_of_numbers_is_predicted_in_its_own_units(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((120, 3)), columns=list("abc"))
    frame["price"] = 1000 + 500 * frame["a"] + 20 * rng.standard_normal(120)
    frame.to_csv(tmp_path / "prices.csv", index=False)
    words = [
        "data=arrays", f"data.path={tmp_path / 'prices.csv'}", "data.label=price", "init=random",
        "stack.hidden=[9]", "finetune.epochs=60", "finetune.learning_rate=0.3",
    ]  # fmt: skip
    data = schema.load_data(compose.settings(words))
    result = train(tmp_path / "run", *words, data=data)
    made = Model.load(tmp_path / "run").predict(frame[["c", "a", "b"]])
    assert list(made.columns) == ["price"]
    assert r2_score(frame["price"], made["price"]) > 0.8
    assert 10 < result["test_rmse"][0] < 100


def test_it_ends_in_the_same_bits_when_it_was_killed(tmp_path):
    data = numbers()
    killed(tmp_path / "run", 6, "init=sda", data=data)
    train(tmp_path / "whole", "init=sda", data=data)
    train(tmp_path / "run", "init=sda", data=data, resume=True)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
