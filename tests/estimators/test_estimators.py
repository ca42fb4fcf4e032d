"""Estimators: the checks and tools of scikit-learn, and the bits of the command line."""

import os
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_digits, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from tiny_run import plan, splits, train

from sda import (
    Finetuning,
    Gaussian,
    Layer,
    LearnedVariance,
    Pretraining,
    SDAClassifier,
    SDAImputer,
    SDARegressor,
    SDATransformer,
    load,
)

CODES = SDATransformer(hidden=(8,), pretrain_epochs=2)
CLASSES = SDAClassifier(hidden=(20,), pretrain_epochs=1, finetune_learning_rate=1.0)
NUMBERS = SDARegressor(hidden=(20,), pretrain_epochs=1, finetune_learning_rate=0.3)
CLASSES.set_params(finetune_epochs=30)
NUMBERS.set_params(finetune_epochs=30)

X, Y = make_blobs(60, centers=3, n_features=5, random_state=0)
NAMES = np.array(["no", "some", "yes"])[Y]


def weighted(estimator):
    """The one check that two of three fail: rows come in minibatches, and n of them are shuffled.

    A row of weight 2 weighs twice in one step; a row that is there twice takes part in two steps.
    """
    if isinstance(estimator, SDATransformer):
        return {}
    why = "a repeated row takes part in two steps of gradient descent, a heavy one in one"
    return {"check_sample_weight_equivalence_on_dense_data": why}


@parametrize_with_checks([CODES])
def test_the_transformer_is_one_of_scikit_learns(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([SDAImputer(8, pretrain_epochs=2)])
def test_the_imputer_is_one_of_scikit_learns(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@parametrize_with_checks([CLASSES, NUMBERS], expected_failed_checks=weighted)
def test_the_predictors_are_two_of_scikit_learns(estimator, check):
    check(estimator)


def small(kind, **choices):
    return clone({"codes": CODES, "classes": CLASSES, "numbers": NUMBERS}[kind]).set_params(
        **choices
    )


@pytest.mark.parametrize("init", ["sda", "random"])
def test_a_classifier_ends_in_the_bits_of_the_command_line(tmp_path, init):
    train(tmp_path, f"init={init}", "seed=3")
    asked, data = plan(f"init={init}", "seed=3")[0], splits()
    own = SDAClassifier(
        asked.trained_layers(),
        pretraining=asked.pretraining,
        pretrain_epochs=0,
        finetuning=asked.finetuning,
        scaling=None,
        random_state=3,
    )
    if init == "random":
        own.set_params(pretraining=None)
    own.fit(*data.train, valid=data.valid)
    ran = load(tmp_path / "model.safetensors")
    for name, weight in ran.state_dict().items():
        assert torch.equal(weight, own.network_.state_dict()[name])
    error = np.load(tmp_path / "test_predictions.npz")["predicted"] != own.predict(data.test.x)
    assert not error.any()


def test_a_transformer_has_the_codes_of_the_command_line(tmp_path):
    train(tmp_path, "init=sda")
    asked, data = plan("init=sda")[0], splits()
    own = SDATransformer(asked.trained_layers(), pretraining=asked.pretraining, scaling=None)
    own.fit(data.train.x, valid=data.valid.x)
    stack = load(tmp_path / "pretrained.safetensors")
    x = torch.from_numpy(data.test.x)
    for layer in (1, 2):
        assert np.array_equal(own.transform(data.test.x, layer), stack.encode(x, layer).numpy())


def test_codes_go_back_to_the_units_of_the_rows():
    own = small("codes", hidden=(20, 20), pretrain_epochs=60, pretrain_learning_rate=0.3).fit(X)
    back = own.inverse_transform(own.transform(X, 1), 1)
    assert np.square(back - X).mean() < 0.3 * X.var(0).mean()
    assert own.transform(X, 0).min() >= 0
    assert np.allclose(own.inverse_transform(own.transform(X, 0), 0), X, atol=1e-5)


def test_rows_without_a_label_are_learned_from_by_pretraining_alone():
    labels = NAMES.astype(object)
    labels[20:] = None
    assert set(small("classes", unlabelled="?").fit(X, NAMES).classes_) == {*NAMES}
    own = small("classes", unlabelled="?").fit(X, np.where(np.arange(60) < 30, NAMES, "?"))
    assert set(own.classes_) == {*NAMES}
    without = small("classes").fit(X[:30], NAMES[:30])
    assert own.history_[1]["loss"] != without.history_[1]["loss"]
    with_minus = small("classes", unlabelled=-1).fit(X, np.where(np.arange(60) < 30, Y, -1))
    assert np.array_equal(with_minus.predict_proba(X), own.predict_proba(X))
    assert -1 in small("classes").fit(X, np.where(Y == 0, -1, Y)).classes_


def test_numbers_that_are_not_known_are_learned_from_by_pretraining_alone():
    y = np.where(np.arange(60) < 30, X[:, 0], np.nan)
    assert np.isfinite(small("numbers", unlabelled=np.nan).fit(X, y).predict(X)).all()
    with pytest.raises(ValueError, match="y contains NaN"):
        small("numbers").fit(X, y)


def test_a_regressor_may_say_how_sure_it_is():
    own = small("numbers", output=LearnedVariance(), finetune_epochs=3)
    y = np.stack([X[:, 0] * 100, X[:, 1]], 1)
    means, deviations = own.fit(X, y).predict(X, return_std=True)
    assert means.shape == deviations.shape == (60, 2)
    assert deviations[:, 0].mean() > 10 * deviations[:, 1].mean() > 0
    with pytest.raises(ValueError, match="only LearnedVariance"):
        small("numbers", finetune_epochs=1).fit(X, y).predict(X, return_std=True)


def test_a_heavy_class_is_named_more_often_by_class_weight_and_by_sample_weight():
    noise = np.random.default_rng(0).integers(2, size=60)
    for heavy in (0, 1):
        weight = np.where(noise == heavy, 9.0, 1.0)
        by_class = small("classes", class_weight={heavy: 9.0, 1 - heavy: 1.0}).fit(X, noise)
        by_row = small("classes").fit(X, noise, sample_weight=weight)
        assert np.allclose(by_class.predict_proba(X), by_row.predict_proba(X), atol=1e-6)
        assert (by_row.predict(X) == heavy).mean() > 0.6


def test_a_warm_start_goes_on_and_ends_in_the_bits_of_all_epochs_at_once():
    at_once = small("classes", finetune_epochs=6).fit(X, Y)
    in_two = small("classes", finetune_epochs=2, warm_start=True).fit(X, Y)
    in_two.set_params(finetune_epochs=6).fit(X, Y)
    assert np.array_equal(at_once.predict_proba(X), in_two.predict_proba(X))
    assert at_once.history_ == in_two.history_
    at_once = small("codes", pretrain_epochs=6).fit(X)
    in_two = small("codes", pretrain_epochs=2, warm_start=True).fit(X)
    assert np.array_equal(
        in_two.set_params(pretrain_epochs=6).fit(X).transform(X), at_once.transform(X)
    )


@pytest.mark.slow
def test_it_is_found_by_a_grid_search_in_a_pipeline():
    pipeline = make_pipeline(small("codes", pretrain_epochs=1), LogisticRegression())
    grid = {"sdatransformer__hidden": [(5,), (5, 4)], "sdatransformer__corruption": [0.0, 0.3]}
    found = GridSearchCV(pipeline, grid, n_jobs=2, cv=2).fit(X, Y)
    assert found.best_score_ > 0.5
    assert len(cross_val_score(small("classes", finetune_epochs=2), X, Y, cv=2)) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what Dask warns of is its own
def test_a_grid_search_on_dask_finds_on_its_workers_the_scores_of_one_here():
    from distributed import Client, LocalCluster

    scores = {"accuracy": "accuracy", "process": lambda *_: os.getpid()}
    search = GridSearchCV(
        small("classes"), {"hidden": [(5,), (5, 4)]}, scoring=scores, refit=False, cv=2
    )
    here = search.fit(X, Y).cv_results_
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster), joblib.parallel_config("dask"):
        there = search.fit(X, Y).cv_results_
    assert np.array_equal(here["mean_test_accuracy"], there["mean_test_accuracy"])
    assert (here["split0_test_process"] == os.getpid()).all()
    assert (there["split0_test_process"] != os.getpid()).all()


def test_it_is_one_of_several_transformers_of_a_table_and_names_its_columns():
    frame = pd.DataFrame(X, columns=list("abcde"))
    columns = ColumnTransformer([("sda", small("codes"), list("abc"))], remainder="passthrough")
    out = columns.set_output(transform="pandas").fit_transform(frame)
    names = [f"sda__sdatransformer{k}" for k in range(8)]
    assert list(out.columns) == [*names, "remainder__d", "remainder__e"]
    assert np.allclose(out["remainder__d"], frame["d"])


@pytest.mark.parametrize("kind", ["codes", "classes", "numbers"])
def test_it_is_the_same_after_a_pickle(kind, tmp_path):
    own = small(kind).fit(X, Y)
    joblib.dump(own, tmp_path / "own.joblib")
    method = "transform" if kind == "codes" else "predict"
    for again in (pickle.loads(pickle.dumps(own)), joblib.load(tmp_path / "own.joblib")):
        assert np.array_equal(getattr(again, method)(X), getattr(own, method)(X))


def test_its_progress_is_told_where_asked(caplog):
    caplog.set_level("INFO")
    small("classes", verbose=True, finetune_epochs=2).fit(X, Y)
    assert "layer 1: epoch 1" in caplog.text
    assert "fine-tuning: epoch 2" in caplog.text


@pytest.mark.slow
def test_it_can_do_what_its_sets_are_known_for():
    digits = load_digits()
    own = SDAClassifier((60,), pretrain_epochs=3, finetune_epochs=15, finetune_learning_rate=1.0)
    own.fit(digits.data[:800], digits.target[:800])
    assert own.score(digits.data[800:], digits.target[800:]) > 0.85
    x, y = load_diabetes(return_X_y=True)
    own = SDARegressor((30,), pretrain_epochs=3, finetune_epochs=40, finetune_learning_rate=0.1)
    assert own.fit(x[:300], y[:300]).score(x[300:], y[300:]) > 0.35


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"scaling": "none"}, "scaling must be unit, standard or None, got 'none'"),
        (
            {"hidden": (5, 4), "pretrain_epochs": (1, 2, 3)},
            "pretrain_epochs must be one value or 2",
        ),
        ({"corruption": 1.5}, "fraction must be a number in"),
        ({"pretraining": Pretraining(1, 0.1, 5, patience=2)}, "needs validation rows"),
        ({"layer": 3}, "depth must be at most 1"),
    ],
)
def test_what_it_cannot_do_is_refused_in_one_line(choices, message):
    with pytest.raises(ValueError, match=message):
        small("codes", **choices).fit(X).transform(X)


def test_validation_rows_of_an_unknown_class_are_refused():
    with pytest.raises(ValueError, match="no training row is of class maybe"):
        small("classes").fit(X, NAMES, valid=(X[:1], ["maybe"]))


def test_layers_of_any_kind_and_full_settings_may_be_given():
    own = small(
        "classes",
        hidden=[Layer(9, Gaussian(0.1), tied=False)],
        pretraining=Pretraining(2, 0.1, 10, momentum=0.5, patience=1),
        finetuning=Finetuning(2, 0.5, 10, momentum=0.5),
    )
    assert own.fit(X, Y).network_.stack[0].decoder_weight is not None


def holes(share=0.2):
    """Columns that say much of each other, some cells of which are missing."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((150, 2)) @ rng.standard_normal((2, 5)) * 10 + 50
    missing = rng.random(x.shape) < share
    return x, np.where(missing, np.nan, x), missing


def test_missing_cells_are_filled_better_than_by_means_and_others_stay():
    x, given, missing = holes()
    filled = SDAImputer(40, pretrain_epochs=60, pretrain_learning_rate=0.05).fit_transform(given)
    assert np.array_equal(filled[~missing], x[~missing])
    means = np.broadcast_to(np.nanmean(given, axis=0), x.shape)
    error, guess = (np.square(made - x)[missing].mean() for made in (filled, means))
    assert error < 0.5 * guess


def test_every_missing_cell_is_filled_and_columns_keep_their_names():
    _, given, _ = holes()
    given[:, 4] = np.nan
    own = SDAImputer(9, pretrain_epochs=2).fit(given)
    assert np.isfinite(own.transform(given)).all()
    frame = own.set_output(transform="pandas").transform(pd.DataFrame(given))
    assert list(frame.columns) == [f"x{k}" for k in range(5)]


@pytest.mark.parametrize("kind", [SDAClassifier, SDARegressor])
@pytest.mark.parametrize("d", [20, 700])
def test_few_rows_of_many_columns_get_a_word(kind, d, caplog):
    rng = np.random.default_rng(0)
    x, y = rng.random((60, d)), np.arange(60) % 2
    kind(4, pretrain_epochs=1, finetune_epochs=1).fit(x, y)
    assert ("training rows of 700 columns" in caplog.text) == (d == 700)
