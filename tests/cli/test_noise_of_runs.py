"""Kinds with noise of their own from the words of a command: trained, recorded, named by arm."""

import json

import pytest
from tiny_run import plan, train

from sda import GSN, GaussianUnits, Masking, Stochastic, Variational

BERNOULLI = "{_target_: sda.Stochastic, n_hidden: 9, units: {_target_: sda.BernoulliUnits}}"
VAE = "{_target_: sda.Variational, n_hidden: 4, between: 9, corruption: {_target_: sda.Masking, fraction: 0.0}}"  # noqa: E501
TWO_LEVELS = "{_target_: sda.GSN, n_hidden: 9, above: [7], walkback: 3, units: {_target_: sda.GaussianUnits, before: 1.0}}"  # noqa: E501


def words(*layers, init="sda"):
    stack = ["stack.hidden=null", f"stack.layers=[{','.join(layers)}]"]
    return [*stack, f"init={init}", "finetune.epochs=2", "reconstruction=cross_entropy"]


def test_a_run_of_kinds_with_noise_says_which_noise_is_on_when(tmp_path):
    train(tmp_path / "run", *words(BERNOULLI, TWO_LEVELS))
    noise = json.loads((tmp_path / "run" / "result.json").read_text())["noise"]
    masking = {"kind": "Masking", "fraction": 0.25}
    assert noise["training"] == [
        {"inputs": masking, "units": "BernoulliUnits(gradient='straight_through')"},
        {"inputs": masking,
         "units": "GaussianUnits(before=1.0, after=0.0) at the top, walkback 3"},
    ]  # fmt: skip
    assert noise["codes for the next layer"] == noise["features"] == "none"
    assert noise["fine-tuning"] == {"inputs": "none", "units": "none"}


def test_dropout_noise_of_rows_and_a_layer_that_is_not_trained_are_said_too():
    words = ["init=sda", "pretrain.first=1", "pretrain.corruption=${corruption}"]
    noise = plan(*words, "finetune.dropout=0.5")[0].noise
    masking = {"kind": "Masking", "fraction": 0.25}
    assert noise["training"] == [
        {"inputs": masking, "units": "none", "rows": masking},
        {"inputs": "none", "units": "none"},
    ]
    assert noise["fine-tuning"]["dropout"] == {"inputs": 0.0, "units": 0.5}


def test_the_elbo_of_a_run_stands_in_its_record(tmp_path):
    train(tmp_path / "run", *words(VAE))
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["phase"] == "pretrain"]
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert all(row["valid_elbo"] < 0 <= row["valid_kl"] for row in rows)


@pytest.mark.parametrize(
    ("layer", "bare"),
    [
        (BERNOULLI, Stochastic(9, Masking(0.0), units=GaussianUnits(), initialisation="tutorial")),
        (TWO_LEVELS, GSN(9, Masking(0.0), walkback=1, above=(7,), initialisation="tutorial")),
        (VAE, Variational(
            4, Masking(0.0), between=9, initialisation="tutorial", activation="sigmoid",
        )),
    ],
)  # fmt: skip
def test_without_noise_nothing_is_corrupted_and_units_draw_nothing(layer, bare):
    asked, _ = plan(*words(layer, init="saa"))
    assert asked.trained_layers() == (bare,)
