"""Baselines: every setting of a grid, a choice that sees no test row, folders like any other."""

import dataclasses
import json
import signal
from pathlib import Path

import commands
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.svm import SVC

from sda import KernelSVC, Masking, stream
from sda.analysis import comparison, formats
from sda.common.signals import Interrupted
from sda.config import compose, schema
from sda.data.digits import digits
from sda.data.splits import Rows, Splits
from sda.experiment import baseline, baseline_rows, launch
from sda.experiment.job import Job
from sda.runs import identity, ledger, model_file
from sda.runs.folder import RunFolder, RunFolderError
from sda.runs.results import Trained, read
from sda.sweeps import sweep
from sda.sweeps.executors.executor import Local
from sda.training.minibatches import labelled_rows

SVM = ["baseline=svm_rbf", "baseline.grid.C=[1,10]", "baseline.grid.gamma=[0.5,1]"]
NETWORK = ["stack.hidden=[9,8]", "pretrain.epochs=1", "finetune.epochs=2", "tensorboard=false"]
pytestmark = pytest.mark.usefixtures("somewhere")


@pytest.fixture(scope="module")
def every():
    """All digits."""
    return digits(seed=0)


@pytest.fixture(scope="module")
def splits(every):
    """Few of the digits: a setting is fitted in a hundredth of a second."""
    few = {"train": 200, "valid": 100, "test": 150}
    parts = {name: Rows(*(part[:n] for part in getattr(every, name))) for name, n in few.items()}
    return dataclasses.replace(every, **parts)


def run(*words):
    """Run a command; return its message, empty if it did what was asked."""
    return commands.run(*words)[1]


def asked(path, *words, overwrite=False):
    """The job of a baseline, an SVM unless the words say another."""
    words = words if any("baseline=" in word for word in words) else [*SVM, *words]
    plain = compose.settings([*words]) | {"overwrite": overwrite}
    return Job(plain, [], Path(path))


def settle(path, splits, *words, overwrite=False):
    """Choose and test a baseline in a folder; return its plan."""
    job = asked(path, *words, overwrite=overwrite)
    launch.train_together([job], splits)
    return job.plan


def result(path):
    return json.loads((path / "result.json").read_text())


def tried_in(path):
    return [json.loads(line) for line in (path / "search.jsonl").read_text().splitlines()]


def svc(splits, chosen, x, y):
    """Scikit-learn's own machine, of gamma in units of the scale of x."""
    x = x.astype(float)
    return SVC(C=chosen["C"], gamma=chosen["gamma"] / (64 * x.var())).fit(x, y)


def wrong(model, rows):
    return np.mean(model.predict(rows.x.astype(float)) != rows.y)


def test_the_grid_is_tried_as_a_loop_over_scikit_learn_would(tmp_path, splits):
    words = ["baseline=logistic_regression", "baseline.grid.C=[0.01,0.1,1]"]
    settle(tmp_path, splits, *words)
    found, errors = result(tmp_path), []
    for C in (0.01, 0.1, 1):
        own = LogisticRegression(C=C, max_iter=1000).fit(splits.train.x, splits.train.y)
        errors.append(np.mean(own.predict(splits.valid.x) != splits.valid.y))
        if found["chosen"]["C"] == C:
            assert found["test_error"] == np.mean(own.predict(splits.test.x) != splits.test.y)
    assert [row["valid_error"] for row in tried_in(tmp_path)] == errors
    assert found["chosen"]["C"] == (0.01, 0.1, 1)[int(np.argmin(errors))]


def test_what_is_random_in_a_baseline_is_the_runs_seed(tmp_path, splits):
    words = ["baseline=random_forest", "baseline.n_estimators=5", "baseline.grid.max_features=[1]"]
    words += ["baseline.grid.min_samples_leaf=[1]"]
    for seed in (0, 1):
        settle(tmp_path / str(seed), splits, *words, f"seed={seed}")
        own = RandomForestClassifier(5, max_features=1, random_state=seed)
        own.fit(splits.train.x, splits.train.y)
        error = np.mean(own.predict(splits.test.x) != splits.test.y)
        assert result(tmp_path / str(seed))["test_error"] == error
    assert result(tmp_path / "0")["setting"] == result(tmp_path / "1")["setting"]
    assert result(tmp_path / "0")["identity"] != result(tmp_path / "1")["identity"]


def test_it_learns_from_the_rows_whose_labels_networks_use(tmp_path, splits):
    settle(tmp_path, splits, "baseline=knn", "finetune.labelled=60", "seed=3")
    rows = labelled_rows(len(splits.train.y), 60, 3).numpy()
    chosen = result(tmp_path)["chosen"]
    kept = splits.train.x[rows], splits.train.y[rows]
    own = schema.build(asked("x", "baseline=knn").config).model(chosen).fit(*kept)
    assert result(tmp_path)["test_error"] == np.mean(own.predict(splits.test.x) != splits.test.y)
    assert result(tmp_path)["settings"]["finetune.labelled"] == 60


@pytest.mark.slow
def test_a_sweep_over_arms_has_networks_and_baselines_and_each_once(tmp_path, capsys):
    words = ["-m", "init=random,baseline", "baseline=knn,svm_linear", *NETWORK]
    assert run(*words) == ""
    folders = sorted(path.name for path in (tmp_path / "runs" / "digits").iterdir())
    assert [name.partition("_")[0] for name in folders] == [
        "init-knn", "init-random", "init-svm"
    ]  # fmt: skip
    assert run("compare", "runs") == ""
    said = capsys.readouterr().out
    for arm in ("random ", "knn ", "svm_linear "):
        assert f"\n{arm}" in said


@pytest.mark.slow
def test_one_process_says_how_a_baseline_ended_in_a_sweep(tmp_path):
    jobs = [asked(tmp_path / name, f"baseline={name}") for name in ("knn", "svm_linear")]
    outcomes = sweep.run_all(jobs, Local(2), together=True)
    assert [outcome.fault for outcome in outcomes] == [None, None]
    assert [outcome.result["init"] for outcome in outcomes] == ["knn", "svm_linear"]
    assert not jobs[0].refusal
    assert jobs[0].stays


def test_a_baseline_that_was_not_tested_is_tested_later_without_a_search(
    tmp_path, splits, monkeypatch
):
    settle(tmp_path / "a", splits)
    settle(tmp_path / "b", splits, "test=false")
    assert result(tmp_path / "b")["test_error"] is None
    monkeypatch.setattr(baseline, "search", None)
    settle(tmp_path / "b", splits)
    assert result(tmp_path / "b")["test_error"] == result(tmp_path / "a")["test_error"]


def test_noise_of_one_setting_makes_another_folder_and_what_is_unread_none(tmp_path):
    def folder(*words):
        return Job.of([*SVM, *words]).path.name

    noisy = ["finetune.corruption=${corruption}"]
    assert folder(*noisy, "corruption.fraction=0.1") != folder(*noisy, "corruption.fraction=0.4")
    assert folder("corruption.fraction=0.1", "stack.hidden=[5]", "finetune.epochs=3") == folder()


def test_a_choice_at_the_edge_is_named_unless_only_one_value_was_tried():
    grid = {"C": [1.0, 10.0, 100.0], "gamma": [0.5], "weights": ["a", "b"]}
    for C, named in ((1.0, ["C"]), (10.0, []), (100.0, ["C"])):
        assert baseline.at_edge({"C": C, "gamma": 0.5, "weights": "a"}, grid) == named


def test_of_equally_good_settings_the_first_of_the_grid_is_chosen(tmp_path, splits):
    settle(tmp_path, splits, "baseline=svm_linear", "baseline.grid.C=[100,10]")  # hard margins
    first, second = tried_in(tmp_path)
    assert first["valid_error"] == second["valid_error"]
    assert result(tmp_path)["chosen"] == {"C": 100}


def test_the_choice_does_not_depend_on_the_test_rows(tmp_path, every):
    settle(tmp_path / "a", every)
    shuffled = every.test._replace(y=np.roll(every.test.y, 1), x=every.test.x[::-1].copy())
    settle(tmp_path / "b", dataclasses.replace(every, test=shuffled))
    a, b = result(tmp_path / "a"), result(tmp_path / "b")
    assert a["test_error"] < 0.05 < 0.5 < b["test_error"]
    for key in ("chosen", "valid_error", "at_edge"):
        assert a[key] == b[key]


def test_the_test_rows_are_read_once_and_after_the_choice(tmp_path, splits, monkeypatch):
    read = []
    original = KernelSVC.predict
    monkeypatch.setattr(
        KernelSVC, "predict", lambda self, x: read.append(len(x)) or original(self, x)
    )
    settle(tmp_path / "run", splits)
    assert read == [len(splits.valid.y)] * 5 + [len(splits.test.y)]


def test_a_finished_folder_is_one_that_compare_reads(tmp_path, splits):
    plan = settle(tmp_path / "rbf", splits)
    words = ["baseline=svm_poly", "baseline.grid={C:[1,10],gamma:[0.5,1],degree:[2]}"]
    settle(tmp_path / "poly", splits, *words)
    (poly, rbf), unfinished = read([tmp_path])
    assert not unfinished
    assert isinstance(rbf, Trained)
    assert (poly.init, rbf.init) == ("svm_poly", "svm_rbf")
    labels, predicted = rbf.predictions()
    assert np.mean(labels != predicted) == rbf.test_error == result(tmp_path / "rbf")["test_error"]
    assert rbf.seconds > 0
    best = min(
        json.loads(line)["valid_error"]
        for line in (tmp_path / "rbf" / "search.jsonl").read_text().splitlines()
    )
    assert rbf.valid_error == best
    assert rbf.result["tried"] == len(plan.tried) == 4
    recorded = {line["init"]: line for line in ledger.lines(tmp_path / "ledger")}
    assert recorded["svm_rbf"]["test_error"] == rbf.test_error
    assert recorded["svm_rbf"]["identity"] != recorded["svm_poly"]["identity"]


def test_a_refit_learns_from_the_validation_rows_and_chooses_without_them(tmp_path, splits):
    settle(tmp_path / "a", splits)
    settle(tmp_path / "b", splits, "refit=true")
    a, b = result(tmp_path / "a"), result(tmp_path / "b")
    for key in ("chosen", "valid_error"):
        assert a[key] == b[key]
    x = np.concatenate([splits.train.x, splits.valid.x])
    own = svc(splits, b["chosen"], x, np.concatenate([splits.train.y, splits.valid.y]))
    assert b["test_error"] == wrong(own, splits.test)
    assert a["test_error"] == wrong(
        svc(splits, a["chosen"], splits.train.x, splits.train.y), splits.test
    )
    assert a["test_error"] != b["test_error"]


def _nth(y):
    """For each row, how many of its class stand before it."""
    return np.array([np.sum(y[:k] == label) for k, label in enumerate(y)])


def test_settings_compared_on_some_rows_are_tested_by_a_machine_of_all_rows(tmp_path, every):
    """Of rows in an order of their classes, 0, 1, 2 ..., evenly spaced ones are of a few."""
    own = np.sort(np.concatenate([np.flatnonzero(every.train.y == k)[:90] for k in range(10)]))
    order = own[np.lexsort((every.train.y[own], _nth(every.train.y[own])))]
    train = every.train._replace(x=every.train.x[order], y=every.train.y[order])
    plan = settle(tmp_path, dataclasses.replace(every, train=train), "search_rows=250")
    rows = baseline_rows.compared(plan, train.y)
    assert len(rows) == len(set(rows)) == 250
    assert set(np.bincount(train.y[rows])) <= {24, 25, 26}
    for row in tried_in(tmp_path):
        own = svc(every, row, train.x[rows], train.y[rows])
        assert row["valid_error"] == wrong(own, every.valid)
    found = result(tmp_path)
    own = svc(every, found["chosen"], train.x, train.y)
    assert found["valid_error"] == wrong(own, every.valid)
    assert found["test_error"] == wrong(own, every.test)
    assert found["settings"]["search_rows"] == 250


def test_the_validation_error_of_a_refit_is_that_of_a_machine_that_has_not_seen_those_rows(
    tmp_path, every
):
    for name, words in (("a", ["refit=true"]), ("b", [])):
        settle(tmp_path / name, every, "search_rows=250", *words)
    assert result(tmp_path / "a")["valid_error"] == result(tmp_path / "b")["valid_error"]


def test_rows_that_leave_out_a_class_are_too_few_to_compare_settings_on(every):
    rare = every.train._replace(y=np.r_[10, every.train.y[1:]])
    plan = asked("x", "search_rows=300").plan
    with pytest.raises(ValueError, match=r"search_rows must .* got 300 of \d+, without 1 of"):
        baseline.check(plan, dataclasses.replace(every, train=rare))


def test_a_search_on_all_rows_goes_by_the_settings_it_had_before_there_was_a_choice(
    tmp_path, splits
):
    settle(tmp_path, splits)
    assert "search_rows" not in result(tmp_path)["settings"]


def test_a_machine_learns_from_rows_with_noise_and_is_chosen_and_tested_on_clean_ones(
    tmp_path, splits
):
    words = ["finetune.corruption=${corruption}", "corruption.fraction=0.4", "seed=3"]
    settle(tmp_path / "a", splits, *words)
    settle(tmp_path / "b", splits, *words, "refit=true")
    noise = Masking(0.4)

    def noisy(rows, what):
        return noise(torch.from_numpy(rows), stream(3, "noisy rows", what)).x.numpy()

    x, y = noisy(splits.train.x, "training"), splits.train.y
    refit = np.concatenate([x, noisy(splits.valid.x, "validation")])
    for name, learned, classes in (
        ("a", x, y), ("b", refit, np.concatenate([y, splits.valid.y]))
    ):  # fmt: skip
        found = result(tmp_path / name)
        assert found["valid_error"] == wrong(svc(splits, found["chosen"], x, y), splits.valid)
        assert found["valid_error"] == min(row["valid_error"] for row in tried_in(tmp_path / name))
        own = svc(splits, found["chosen"], learned, classes)
        assert found["test_error"] == wrong(own, splits.test)
        assert found["settings"]["finetune.corruption.fraction"] == 0.4


def interrupted_after(tmp_path, splits, monkeypatch, tried):
    """Stop a search by a signal during its setting number ``tried``."""
    original, count = KernelSVC.fit, iter(range(1, 100))

    def fit(self, x, y):
        if next(count) == tried:
            signal.raise_signal(signal.SIGTERM)
        return original(self, x, y)

    with monkeypatch.context() as patch:
        patch.setattr(KernelSVC, "fit", fit)
        with pytest.raises(Interrupted, match="go on with: python -m sda resume") as stop:
            settle(tmp_path / "run", splits)
    assert stop.value.code == 143


def test_what_was_tried_before_an_interruption_is_not_tried_again(tmp_path, splits, monkeypatch):
    settle(tmp_path / "straight", splits)
    interrupted_after(tmp_path, splits, monkeypatch, 3)
    assert result(tmp_path / "run")["status"] == "interrupted"
    before = (tmp_path / "run" / "search.jsonl").read_text()
    assert len(before.splitlines()) == 3
    (tmp_path / "run" / "search.jsonl").write_text(before + '{"C": 10')  # torn
    learned, original = [], KernelSVC.fit
    monkeypatch.setattr(
        KernelSVC, "fit", lambda self, *rows: learned.append(self) or original(self, *rows)
    )
    plan = settle(tmp_path / "run", splits)
    wanted = [plan.tried[3], result(tmp_path / "run")["chosen"]]
    assert [{key: getattr(one, key) for key in ("C", "gamma")} for one in learned] == wanted
    assert (tmp_path / "run" / "search.jsonl").read_text().startswith(before)
    ended, straight = result(tmp_path / "run"), result(tmp_path / "straight")
    for one in (ended, straight):
        del one["seconds"]
    assert ended == straight
    predictions = [tmp_path / name / "test_predictions.npz" for name in ("run", "straight")]
    assert predictions[0].read_bytes() == predictions[1].read_bytes()


def test_a_search_of_other_settings_or_other_rows_is_not_gone_on_with(
    tmp_path, splits, monkeypatch
):
    interrupted_after(tmp_path, splits, monkeypatch, 2)
    with pytest.raises(RunFolderError, match=r"svm_rbf\.C: \[1, 10\] there, \[5\] now"):
        settle(tmp_path / "run", splits, "baseline.grid.C=[5]")
    with pytest.raises(RunFolderError, match="SHA-256 differs"):
        settle(tmp_path / "run", digits(seed=1))
    settle(tmp_path / "run", digits(seed=1), overwrite=True)
    assert len((tmp_path / "run" / "search.jsonl").read_text().splitlines()) == 4


def test_the_command_refuses_what_is_finished_and_resumes_what_is_not(
    tmp_path, splits, monkeypatch, capsys
):
    assert run(*SVM, "seed=3", "name=mine") == ""
    said = capsys.readouterr().out
    assert "test error" in said
    assert "C is at the edge of what was tried: a wider baseline.grid.C may do better" in said
    (folder,) = (tmp_path / "runs" / "mine").iterdir()
    assert folder.name.startswith("init-svm_rbf_seed-3")
    finished = result(folder)
    assert "already has a finished run" in run(*SVM, "seed=3", "name=mine")
    assert run(*SVM, "seed=3", "name=mine", "overwrite=true") == ""
    changes = finished | {"status": "interrupted"}
    (folder / "result.json").write_text(json.dumps(changes))
    assert f"go on with: python -m sda resume {folder.relative_to(tmp_path)}" in run(
        *SVM, "seed=3", "name=mine"
    )
    tried = (folder / "search.jsonl").stat().st_mtime_ns
    assert run("resume", str(folder), "threads=1") == ""
    assert result(folder)["chosen"] == finished["chosen"]
    assert (folder / "search.jsonl").stat().st_mtime_ns == tried  # it had said overwrite=true
    for word in ("seed=4", "overwrite=true", "baseline.grid.C=[2]"):
        assert "keeps its settings; threads, device, tensorboard" in run(
            "resume", str(folder), word
        )


def test_a_folder_that_is_in_use_is_refused(tmp_path, splits):
    folder = RunFolder(tmp_path / "run")
    folder.open()
    with pytest.raises(RunFolderError, match="another process"):
        settle(tmp_path / "run", splits)
    folder.close()


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The folder of a trained stack."""
    folder = tmp_path_factory.mktemp("network")
    assert run(*NETWORK, f"runs_folder={folder}", "seed=5") == ""
    return next((folder / "digits").iterdir())


def test_a_run_keeps_the_stack_as_it_was_before_fine_tuning(network):
    pretrained = model_file.load(network / "pretrained.safetensors")
    tuned = model_file.load(network / "model.safetensors").stack
    assert len(pretrained) == 2
    assert not torch.equal(pretrained[0].weight, tuned[0].weight)
    initial = schema.build_run(compose.settings([*NETWORK, "seed=5"])).stack(64)
    assert not torch.equal(pretrained[0].weight, initial[0].weight)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_features_are_the_codes_of_the_pretrained_stack(network, layer, splits):
    plan = asked("x", f"codes_of={network}", f"layer={layer}").plan
    stack = model_file.load(network / "pretrained.safetensors")
    codes = stack.encode(torch.from_numpy(splits.test.x), layer).detach()
    torch.testing.assert_close(torch.from_numpy(baseline_rows._seen(plan, splits.test.x)), codes)
    assert plan.seed == 5  # that of the stack


def test_a_machine_on_codes_is_told_from_one_on_the_input_and_on_another_layer(
    tmp_path, network, capsys
):
    words = ["baseline=svm_linear", "baseline.grid.C=[1]"]
    assert run(*words) == ""
    for layer in (1, 2):
        assert run(*words, f"codes_of={network}", f"layer={layer}") == ""
    assert f"on layer 2 of {network}" in capsys.readouterr().out
    assert len(list((tmp_path / "runs" / "digits").iterdir())) == 3
    assert run("compare", "runs") == ""
    said = capsys.readouterr().out
    assert "svm_linear on codes of layer 1" in said
    assert "svm_linear on codes of layer 2" in said


def test_machines_on_the_codes_of_two_stacks_are_two_and_a_name_makes_no_other(network, splits):
    def known(weights, *words):
        plan = asked("x", f"codes_of={network}", "layer=1", *words).plan
        encoder = dataclasses.replace(plan.encoder, weights=weights)
        return identity.digest(dataclasses.replace(plan, encoder=encoder).described())

    assert known("a") != known("b")
    assert known("a") == known("a", "name=other")


def test_a_stack_that_changed_meanwhile_is_not_gone_on_with(tmp_path, network, every):
    changed = tmp_path / "changed"
    changed.mkdir()
    for name in ("result.json", "pretrained.safetensors"):
        (changed / name).write_bytes((network / name).read_bytes())
    words = [f"codes_of={changed}", "layer=1"]
    settle(tmp_path / "run", every, *words)
    stack = model_file.load(network / "pretrained.safetensors")
    stack[0].weight.data += 1
    model_file.save(stack, changed / "pretrained.safetensors")
    with pytest.raises(RunFolderError, match=r"codes_of\.weights"):
        settle(tmp_path / "run", every, *words)


REFUSED = [
    (["baseline=svm_rbff"], "did you mean svm_rbf?"),
    (["baseline=svm_rbf", "baseline.grid.gama=3"], "did you mean baseline.grid.gamma?"),
    (["baseline=svm_rbf", "+baseline.grid.gama=3"], "did you mean baseline.grid.gamma?"),
    (["baseline=svm_rbf", "+baseline.costs=3"], "there is no setting 'baseline.costs'"),
    (["baseline=svm_rbf", "baseline.grid.C=[]"], "baseline.grid.C must list at least one value"),
    (["baseline=svm_rbf", "baseline.grid.C=[1,-1]"], "C must be a number above 0, got -1"),
    (["baseline=logistic_regression", "baseline.grid.C=[-1]"], "The 'C' parameter of Logistic"),
    (["baseline=svm_poly", "baseline.grid.degree=1.5"], "degree must be a whole number"),
    (["init=baseline"], "init=baseline needs one: baseline=svm_rbf"),
    (["baseline=svm_rbf", "init=sda", "refit=true"], "refit is for a baseline (baseline=svm_rbf)"),
    (["baseline=knn", "baseline._target_=os.system"], "must name something in sda or sklearn"),
    (["baseline=knn", "baseline._target_=sklearn.utils.Bunch"], "must name a classifier or regres"),
    (["baseline=knn", "baseline._target_=sda.Masking"], "must name a classifier or regressor"),
    (["baseline=knn", "baseline._target_=sklearn.nowhere.A"], "names nothing"),
    (
        ["baseline=knn", "baseline._target_=sklearn.neighbors.KNeighborsRegressor"],
        "knn predicts numbers, and the rows of digits have classes; baseline=random_forest",
    ),
    (
        ["baseline=knn", "baseline._target_=sklearn.multiclass.OneVsRestClassifier"],
        "baseline.grid.n_neighbors",
    ),
    (["baseline=svm_rbf", "layer=1"], "layer needs codes_of=FOLDER"),
    (["baseline=svm_rbf", "codes_of=nowhere", "layer=1"], "nowhere holds no run"),
    (["baseline=svm_rbf", "codes_of=NETWORK"], "layer must be a whole number of at least 0"),
    (["baseline=svm_rbf", "codes_of=NETWORK", "layer=3"], "layer must be at most 2"),
    (
        ["baseline=svm_rbf", "codes_of=NETWORK", "layer=1", "data.seed=1"],
        "was trained on other rows: digits",
    ),
    (["baseline=svm_rbf", "codes_of=RANDOM", "layer=1"], "has no pretrained stack: its arm is ran"),
    (["baseline=svm_rbf", "codes_of=UNTRAINED", "layer=1"], "a run that has been pretrained"),
    (["baseline=svm_rbf", "search_rows=1"], "search_rows must be a whole number of at least 2"),
    (["baseline=svm_rbf", "search_rows=100000"], "search_rows must be a whole number of at most"),
    (["baseline=svm_rbf", "finetune.labelled=100000"], "finetune.labelled must be a whole number"),
    (["baseline=svm_rbf", "seed=-1"], "seed must be a whole number"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_mistake_gets_a_short_message_and_leaves_no_folder(words, message, tmp_path, network):
    for name, init in (("RANDOM", "random"), ("UNTRAINED", "sda")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps({"init": init}))
    said = run(*[word.replace("NETWORK", str(network)) for word in words])
    assert message in said
    assert len(said.splitlines()) <= 6
    assert not (tmp_path / "runs").exists()


def test_rows_of_one_class_are_refused(splits):
    only = splits.train._replace(y=np.zeros_like(splits.train.y))
    with pytest.raises(ValueError, match="rows of two classes, got one"):
        baseline.check(asked("x").plan, dataclasses.replace(splits, train=only))


def test_rows_without_a_label_are_neither_learned_from_nor_judged_on(tmp_path, splits):
    def forgotten(rows, every):
        y = rows.y.copy()
        y[::every] = -1
        return rows._replace(y=y)

    words = ["baseline=knn", "baseline.grid.n_neighbors=[1]"]
    parts = {name: forgotten(rows, 3) for name, rows in splits.parts().items()}
    settle(tmp_path / "holes", dataclasses.replace(splits, **parts), *words)
    kept = {
        name: rows._replace(x=rows.x[rows.labelled], y=rows.y[rows.labelled])
        for name, rows in parts.items()
    }
    settle(tmp_path / "kept", dataclasses.replace(splits, **kept), *words)
    found, own = result(tmp_path / "holes"), result(tmp_path / "kept")
    for key in ("valid_error", "test_error", "n_test", "n_valid", "chance_error"):
        assert found[key] == own[key]


def test_who_can_take_no_missing_cell_gets_the_mean_of_its_column(tmp_path, splits):
    parts = {name: part.x.copy() for name, part in splits.parts().items()}
    rng = np.random.default_rng(0)
    for x in parts.values():
        x[rng.random(x.shape) < 0.5] = np.nan
    kept = {name: getattr(splits, name)._replace(x=x) for name, x in parts.items()}
    holes = dataclasses.replace(splits, **kept)
    words = ["baseline=logistic_regression", "baseline.grid.C=[0.1]"]
    settle(tmp_path, holes, *words)
    mean = np.nan_to_num(np.nanmean(parts["train"], axis=0, dtype=np.float64))
    filled = {name: np.where(np.isnan(x), mean, x) for name, x in parts.items()}
    own = LogisticRegression(C=0.1, max_iter=1000).fit(filled["train"], splits.train.y)
    assert result(tmp_path)["test_error"] == np.mean(own.predict(filled["test"]) != splits.test.y)
    assert not asked("x", "baseline=hist_gradient_boosting").plan.on(holes).fills
    assert not asked("x").plan.on(splits).fills


REGRESSORS = {
    "ridge": [{"alpha": 1000}, {"alpha": 0.01}],
    "random_forest_regressor": [{"n_estimators": 5}],
    "hist_gradient_boosting_regressor": [{"max_iter": 5}],
    "knn_regressor": [{"n_neighbors": 3}],
    "svr_rbf": [{"C": 10}],
}


@pytest.fixture(scope="module")
def numbers():
    """A table whose numbers are thousands, in the units of the table."""
    rng = np.random.default_rng(0)
    parts = []
    for n in (200, 60, 80):
        x = rng.random((n, 4), np.float32)
        y = 1000 * (5 + x[:, 0] - 2 * x[:, 1] * x[:, 2]) + rng.normal(0, 50, n)
        parts.append(Rows(x, y.astype(np.float32)))
    return Splits("heights", *parts, n_classes=0, source="user")


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor_does_as_scikit_learns_in_units_of_the_target(name, tmp_path, numbers):
    fixed, *_ = REGRESSORS[name]
    grid = [f"baseline.grid.{key}=[{value}]" for key, value in fixed.items() if "n_est" not in key]
    more = ["baseline.n_estimators=5"] if "n_estimators" in fixed else []
    settle(tmp_path, numbers, f"baseline={name}", *grid, *more)
    found = result(tmp_path)
    own = clone(asked("x", f"baseline={name}", *grid, *more).plan.estimator)
    own.set_params(**found["chosen"])
    (x, y), (valid_x, valid_y), (test_x, test_y) = numbers.parts().values()
    own.fit(x, (y - y.mean()) / y.std())
    for part, rows, truth in (("valid", valid_x, valid_y), ("test", test_x, test_y)):
        answers = own.predict(rows) * y.std() + y.mean()
        assert 1 - found[f"{part}_error"] == pytest.approx(r2_score(truth, answers), abs=1e-4)
        (rmse,) = found[f"{part}_rmse"]
        assert rmse == pytest.approx(root_mean_squared_error(truth, answers), rel=1e-3)
    assert found["chance_error"] == pytest.approx(1, abs=0.1)


def test_regressors_and_networks_stand_in_one_table_with_r2_and_rmse(tmp_path, numbers):
    settle(tmp_path / "ridge", numbers, "baseline=ridge")
    settle(tmp_path / "network", numbers, "init=random", *NETWORK)
    found = comparison.contrast(*read([tmp_path]))
    assert not found.unfinished
    said = formats.plain(found)
    assert "valid R2" in said
    assert "RMSE" in said
    assert "ridge" in said
    assert "random - ridge" in said or "ridge - random" in said


def test_several_targets_are_for_regressors_that_predict_several(tmp_path, numbers):
    def two(rows):
        return rows._replace(y=np.stack([rows.y, -(rows.y**2)], axis=1))

    parts = {name: two(rows) for name, rows in numbers.parts().items()}
    both = dataclasses.replace(numbers, **parts)
    settle(tmp_path, both, "baseline=ridge", "search_rows=50")
    assert len(result(tmp_path)["test_rmse"]) == 2
    with pytest.raises(ValueError, match=r"svr_rbf predicts one number.*baseline=ridge"):
        baseline.check(asked("x", "baseline=svr_rbf").plan, both)


def test_a_classifier_of_numbers_is_refused_with_one_that_would_do(numbers):
    with pytest.raises(ValueError, match=r"svm_rbf predicts classes.*baseline=ridge predicts them"):
        baseline.check(asked("x").plan, numbers)
