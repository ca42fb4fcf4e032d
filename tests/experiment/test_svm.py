"""Support vector machines: scikit-learn's predictions, a choice that sees no test row, folders."""

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.svm import SVC

from sda import Masking, stream
from sda.__main__ import main
from sda.common.signals import Interrupted
from sda.config import catalogue, compose, schema
from sda.data.digits import digits
from sda.experiment import svm, svm_plan, svm_run
from sda.experiment.svm import Kernel, Setting, Training, Trial
from sda.runs import ledger, model_file
from sda.runs.folder import RunFolder, RunFolderError
from sda.runs.results import Trained, read

KERNELS = catalogue.folder() / "kernel"
SMALL = ["kernel.C=[1,10]", "kernel.gamma=[0.5,1]"]
NETWORK = ["stack.hidden=[9,8]", "pretrain.epochs=1", "finetune.epochs=2", "tensorboard=false"]


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def splits():
    return digits(seed=0)


def run(*words):
    """Run a command; return its message, empty if it did what was asked."""
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return end.value.code or ""


def settle(path, splits, *words, overwrite=False):
    """Choose and test a machine in a folder; return its plan."""
    plain = compose.resolved(compose.compose([*SMALL, *words], "svm")) | {"overwrite": overwrite}
    plan = svm_plan.build(plain)
    svm_run.train(plan, plain, Path(path), splits)
    return plan


def result(path):
    return json.loads((path / "result.json").read_text())


@pytest.mark.parametrize("path", sorted(KERNELS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_kernel_composes_and_tries_more_than_one_value_of_each_parameter(path):
    plan = svm_plan.build(compose.resolved(compose.compose([f"kernel={path.stem}"], "svm")))
    assert plan.init == f"svm_{path.stem}"
    for name in svm_plan.READ[plan.kernel]:
        assert name == "coef0" or len({getattr(setting, name) for setting in plan.tried}) > 2


SETTINGS = [
    Setting(Kernel.linear, C=0.3),
    Setting(Kernel.rbf, C=3.0, gamma=1.5),
    Setting(Kernel.poly, C=0.2, gamma=2.0, degree=3, coef0=0.5),
]


def theirs(setting, unit):
    return SVC(
        kernel=str(setting.kernel), C=setting.C, gamma=setting.gamma * unit,
        degree=setting.degree, coef0=setting.coef0,
    )  # fmt: skip


@pytest.mark.parametrize("kept", [True, False], ids=["products kept", "products by pair"])
@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: str(s.kernel))
def test_predictions_are_those_of_scikit_learns_own_kernels(
    splits, setting, classes, kept, monkeypatch
):
    monkeypatch.setattr(svm, "MOST_KEPT", 10_000 if kept else 0)
    few = splits.train.y < classes
    x, y = splits.train.x[few], splits.train.y[few]
    training = Training(torch.from_numpy(x), y)
    machine = training.fit(setting)
    own = theirs(setting, training.unit).fit(x.astype(float), y)
    unseen = splits.test.x[splits.test.y < classes]
    predicted = machine.predict(torch.from_numpy(unseen))
    np.testing.assert_array_equal(predicted, own.predict(unseen.astype(float)))
    assert len(machine.support) == pytest.approx(len(own.support_), abs=2)  # float32 rounds
    assert machine.converged


def test_labels_need_neither_be_consecutive_nor_sorted(splits):
    y = np.array([7, 3, 90])[splits.train.y % 3]
    training = Training(torch.from_numpy(splits.train.x), y)
    predicted = training.fit(SETTINGS[1]).predict(torch.from_numpy(splits.test.x))
    own = theirs(SETTINGS[1], training.unit).fit(splits.train.x.astype(float), y)
    np.testing.assert_array_equal(predicted, own.predict(splits.test.x.astype(float)))


def test_gamma_one_is_scikit_learns_scale(splits):
    x = splits.train.x.astype(float)
    own = SVC(gamma="scale").fit(x, splits.train.y)
    assert Training(torch.from_numpy(splits.train.x), splits.train.y).unit == pytest.approx(
        own._gamma
    )


def test_a_machine_that_did_not_converge_says_so(splits, monkeypatch):
    monkeypatch.setattr(svm, "MOST_STEPS", 3)
    training = Training(torch.from_numpy(splits.train.x), splits.train.y)
    assert not training.fit(SETTINGS[1]).converged


def trial(valid_error, support_vectors, **setting):
    return Trial(Setting(Kernel.rbf, **setting), valid_error, support_vectors, True, 0.0)


def test_the_choice_is_the_smallest_validation_error_then_the_fewest_support_vectors():
    trials = [
        trial(0.02, 10, C=1.0), trial(0.01, 30, C=2.0), trial(0.01, 20, C=9.0),
        trial(0.01, 20, C=3.0),
    ]  # fmt: skip
    assert svm.choose(trials).setting.C == 3.0


def test_a_choice_at_the_edge_is_named_unless_only_one_value_was_tried():
    tried = [Setting(Kernel.rbf, C=C, gamma=g) for C in (1.0, 10.0, 100.0) for g in (0.5,)]
    assert svm.at_edge(tried[0], tried) == ["C"]
    assert svm.at_edge(tried[1], tried) == []
    assert svm.at_edge(tried[2], tried) == ["C"]


def test_the_choice_does_not_depend_on_the_test_rows(tmp_path, splits):
    settle(tmp_path / "a", splits)
    shuffled = splits.test._replace(y=np.roll(splits.test.y, 1), x=splits.test.x[::-1].copy())
    settle(tmp_path / "b", dataclasses.replace(splits, test=shuffled))
    a, b = result(tmp_path / "a"), result(tmp_path / "b")
    assert a["test_error"] < 0.05 < 0.5 < b["test_error"]
    for key in ("chosen", "valid_error", "at_edge", "support_vectors"):
        assert a[key] == b[key]


def test_the_test_rows_are_read_once_and_after_the_choice(tmp_path, splits, monkeypatch):
    read = []
    original = svm.Machine.predict
    monkeypatch.setattr(
        svm.Machine, "predict", lambda self, x: read.append(len(x)) or original(self, x)
    )
    settle(tmp_path / "run", splits)
    assert read == [len(splits.valid.y)] * 5 + [len(splits.test.y)]


def test_a_finished_folder_is_one_that_compare_reads(tmp_path, splits):
    plan = settle(tmp_path / "rbf", splits)
    settle(tmp_path / "poly", splits, "kernel=poly", "+kernel.degree=[2]")
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
    chosen = rbf.result["chosen"]
    unit = Training(torch.from_numpy(splits.train.x), splits.train.y).unit
    assert chosen["gamma_absolute"] == pytest.approx(chosen["gamma"] * unit)
    recorded = {line["init"]: line for line in ledger.lines(tmp_path / "ledger")}
    assert recorded["svm_rbf"]["test_error"] == rbf.test_error
    assert recorded["svm_rbf"]["identity"] != recorded["svm_poly"]["identity"]


def test_a_refit_learns_from_the_validation_rows_and_chooses_without_them(tmp_path, splits):
    settle(tmp_path / "a", splits)
    settle(tmp_path / "b", splits, "refit=true")
    a, b = result(tmp_path / "a"), result(tmp_path / "b")
    for key in ("chosen", "valid_error"):
        assert a[key] == b[key]
    gamma = b["chosen"]["gamma_absolute"]
    own = SVC(C=b["chosen"]["C"], gamma=gamma).fit(
        np.concatenate([splits.train.x, splits.valid.x]).astype(float),
        np.concatenate([splits.train.y, splits.valid.y]),
    )
    with np.load(tmp_path / "b" / "test_predictions.npz") as arrays:
        np.testing.assert_array_equal(arrays["predicted"], own.predict(splits.test.x.astype(float)))
    with np.load(tmp_path / "a" / "test_predictions.npz") as arrays:
        assert not np.array_equal(arrays["predicted"], own.predict(splits.test.x.astype(float)))


def _nth(y):
    """For each row, how many of its class stand before it."""
    return np.array([np.sum(y[:k] == label) for k, label in enumerate(y)])


def test_settings_compared_on_some_rows_are_tested_by_a_machine_of_all_rows(tmp_path, splits):
    """Of rows in an order of their classes, 0, 1, 2 ..., evenly spaced ones are of a few."""
    own = np.sort(np.concatenate([np.flatnonzero(splits.train.y == k)[:90] for k in range(10)]))
    order = own[np.lexsort((splits.train.y[own], _nth(splits.train.y[own])))]
    train = splits.train._replace(x=splits.train.x[order], y=splits.train.y[order])
    plan = settle(tmp_path, dataclasses.replace(splits, train=train), "search_rows=250")
    rows = plan.compared(train.y)
    assert len(rows) == len(set(rows)) == 250
    assert set(np.bincount(train.y[rows])) <= {24, 25, 26}
    unit = 1 / (64 * float(train.x.astype(np.float64).var()))
    x, y, valid_x = train.x.astype(float), train.y, splits.valid.x.astype(float)
    for line in (tmp_path / "search.jsonl").read_text().splitlines():
        tried = json.loads(line)
        own = SVC(C=tried["C"], gamma=tried["gamma"] * unit).fit(x[rows], y[rows])
        assert tried["valid_error"] == np.mean(own.predict(valid_x) != splits.valid.y)
    found = result(tmp_path)
    own = SVC(C=found["chosen"]["C"], gamma=found["chosen"]["gamma"] * unit).fit(x, y)
    assert found["valid_error"] == np.mean(own.predict(valid_x) != splits.valid.y)
    assert found["test_error"] == np.mean(own.predict(splits.test.x.astype(float)) != splits.test.y)
    assert found["support_vectors"] == len(own.support_)
    assert found["settings"]["search_rows"] == 250


def test_the_validation_error_of_a_refit_is_that_of_a_machine_that_has_not_seen_those_rows(
    tmp_path, splits
):
    for name, words in (("a", ["refit=true"]), ("b", [])):
        settle(tmp_path / name, splits, "search_rows=250", *words)
    assert result(tmp_path / "a")["valid_error"] == result(tmp_path / "b")["valid_error"]


def test_rows_that_leave_out_a_class_are_too_few_to_compare_settings_on(splits):
    rare = splits.train._replace(y=np.r_[10, splits.train.y[1:]])
    words = [*SMALL, "search_rows=300"]
    plan = svm_plan.build(compose.resolved(compose.compose(words, "svm")))
    with pytest.raises(ValueError, match=r"search_rows must .* got 300 of \d+, without 1 of"):
        plan.check(dataclasses.replace(splits, train=rare))


def test_a_search_on_all_rows_goes_by_the_settings_it_had_before_there_was_a_choice(
    tmp_path, splits
):
    settle(tmp_path, splits)
    assert "search_rows" not in result(tmp_path)["settings"]


def test_a_machine_learns_from_rows_with_noise_and_is_chosen_and_tested_on_clean_ones(
    tmp_path, splits
):
    words = ["corruption=masking", "corruption.fraction=0.4", "seed=3"]
    settle(tmp_path / "a", splits, *words)
    settle(tmp_path / "b", splits, *words, "refit=true")
    noise = Masking(0.4)

    def noisy(rows, what):
        return noise(torch.from_numpy(rows), stream(3, "noisy rows", what)).x.numpy().astype(float)

    x, y = noisy(splits.train.x, "training"), splits.train.y
    refit = np.concatenate([x, noisy(splits.valid.x, "validation")])
    for name, learned, classes in (
        ("a", x, y), ("b", refit, np.concatenate([y, splits.valid.y]))
    ):  # fmt: skip
        found = result(tmp_path / name)
        chosen = {"C": found["chosen"]["C"], "gamma": found["chosen"]["gamma_absolute"]}
        searched = SVC(**chosen).fit(x, y).predict(splits.valid.x.astype(float))
        assert found["valid_error"] == np.mean(searched != splits.valid.y)
        lines = (tmp_path / name / "search.jsonl").read_text().splitlines()
        assert found["valid_error"] == min(json.loads(line)["valid_error"] for line in lines)
        tested = SVC(**chosen).fit(learned, classes).predict(splits.test.x.astype(float))
        assert found["test_error"] == np.mean(tested != splits.test.y)
        assert found["settings"]["corruption.fraction"] == 0.4


def interrupted_after(tmp_path, splits, monkeypatch, tried):
    """Stop a search by a signal during its setting number ``tried``."""
    original, count = Training.fit, iter(range(1, 100))

    def fit(self, setting):
        if next(count) == tried:
            signal.raise_signal(signal.SIGTERM)
        return original(self, setting)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "fit", fit)
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
    fitted, original = [], Training.fit
    monkeypatch.setattr(
        Training, "fit", lambda self, setting: fitted.append(setting) or original(self, setting)
    )
    plan = settle(tmp_path / "run", splits)
    chosen = svm.choose(svm_run._tried(plan, RunFolder(tmp_path / "run"))).setting
    assert fitted == [plan.tried[3], chosen]
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
        settle(tmp_path / "run", splits, "kernel.C=[5]")
    with pytest.raises(RunFolderError, match="SHA-256 differs"):
        settle(tmp_path / "run", digits(seed=1))
    settle(tmp_path / "run", digits(seed=1), overwrite=True)
    assert len((tmp_path / "run" / "search.jsonl").read_text().splitlines()) == 4


def test_the_command_refuses_what_is_finished_and_resumes_what_is_not(
    tmp_path, splits, monkeypatch, capsys
):
    assert run("svm", *SMALL, "seed=3", "name=mine") == ""
    said = capsys.readouterr().out
    assert "test error" in said
    assert "C is at the edge of what was tried: a wider kernel.C may do better" in said
    (folder,) = (tmp_path / "runs" / "mine").iterdir()
    assert folder.name.startswith("init-svm_rbf_seed-3")
    finished = result(folder)
    assert "already has a finished run" in run("svm", *SMALL, "seed=3", "name=mine")
    assert run("svm", *SMALL, "seed=3", "name=mine", "overwrite=true") == ""
    changes = finished | {"status": "interrupted"}
    (folder / "result.json").write_text(json.dumps(changes))
    assert f"go on with: python -m sda resume {folder.relative_to(tmp_path)}" in run(
        "svm", *SMALL, "seed=3", "name=mine"
    )
    tried = (folder / "search.jsonl").stat().st_mtime_ns
    assert run("resume", str(folder), "threads=1") == ""
    assert result(folder)["chosen"] == finished["chosen"]
    assert (folder / "search.jsonl").stat().st_mtime_ns == tried  # it had said overwrite=true
    for word in ("seed=4", "tensorboard=true", "overwrite=true"):
        refused = "keeps its settings; threads, data_folder may change, got"
        assert f"{refused} '{word}'" in run("resume", str(folder), word)


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
    command = [sys.executable, "-m", "sda", *NETWORK, f"runs_folder={folder}", "seed=5"]
    subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[2])
    return next((folder / "digits").iterdir())


def test_a_run_keeps_the_stack_as_it_was_before_fine_tuning(network):
    pretrained = model_file.load(network / "pretrained.safetensors")
    tuned = model_file.load(network / "model.safetensors").stack
    assert len(pretrained) == 2
    assert not torch.equal(pretrained[0].weight, tuned[0].weight)
    initial = schema.build_run(compose.resolved(compose.compose([*NETWORK, "seed=5"]))).stack(64)
    assert not torch.equal(pretrained[0].weight, initial[0].weight)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_features_are_the_codes_of_the_pretrained_stack(network, layer, splits):
    words = [f"codes_of={network}", f"layer={layer}"]
    plan = svm_plan.build(compose.resolved(compose.compose(words, "svm")))
    x = torch.from_numpy(splits.test.x)
    codes = model_file.load(network / "pretrained.safetensors").encode(x, layer)
    torch.testing.assert_close(plan.features(splits.test.x), codes.detach())
    assert plan.seed == 5  # the label is that of the stack


def test_a_machine_on_codes_is_told_from_one_on_the_input_and_on_another_layer(
    tmp_path, network, capsys
):
    words = ["svm", "kernel=linear", "kernel.C=1"]
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
    def identity(weights, *words):
        words = [f"codes_of={network}", "layer=1", *words]
        plan = svm_plan.build(compose.resolved(compose.compose(words, "svm")))
        plan = dataclasses.replace(plan, settings=plan.settings | {"codes_of.weights": weights})
        return svm_run._identity(plan, splits)

    assert identity("a") != identity("b")
    assert identity("a") == identity("a", "name=other")


def test_a_stack_that_changed_meanwhile_is_not_gone_on_with(tmp_path, network, splits):
    changed = tmp_path / "changed"
    changed.mkdir()
    for name in ("result.json", "pretrained.safetensors"):
        (changed / name).write_bytes((network / name).read_bytes())
    words = [f"codes_of={changed}", "layer=1"]
    settle(tmp_path / "run", splits, *words)
    stack = model_file.load(network / "pretrained.safetensors")
    stack[0].weight.data += 1
    model_file.save(stack, changed / "pretrained.safetensors")
    with pytest.raises(RunFolderError, match=r"codes_of\.weights"):
        settle(tmp_path / "run", splits, *words)


REFUSED = [
    (["kernel=rbff"], "did you mean rbf?"),
    (["kernel.gama=3"], "did you mean kernel.gamma?"),
    (["kernel.C=[]"], "kernel.C must list at least one value"),
    (["kernel.C=[1,-1]"], "kernel.C must be a number above 0, got -1"),
    (["kernel=poly", "kernel.degree=1.5"], "kernel.degree must be a whole number"),
    (["kernel=linear", "+kernel.gamma=1"], "kernel=linear has the parameters C, got"),
    (["layer=1"], "layer needs codes_of=FOLDER"),
    (["codes_of=nowhere", "layer=1"], "nowhere holds no run"),
    (["codes_of=NETWORK"], "layer must be a whole number of at least 0, got None"),
    (["codes_of=NETWORK", "layer=3"], "layer must be at most 2"),
    (["codes_of=NETWORK", "layer=1", "data.seed=1"], "was trained on other rows: digits"),
    (["codes_of=RANDOM", "layer=1"], "has no pretrained stack: its arm is random"),
    (["codes_of=UNTRAINED", "layer=1"], "needs the folder of a run that has been pretrained"),
    (["search_rows=1"], "search_rows must be a whole number of at least 2, got 1"),
    (["search_rows=100000"], "search_rows must be a whole number of at most"),
    (["seed=-1"], "seed must be a whole number"),
    (["corruption=masking", "corruption.fraction=2"], "fraction must be a number in [0, 1], got 2"),
    (["corruption=by_layer"], "corruption must be null or one for all layers"),
    (["threads=0"], "threads must be a whole number"),
    (["-m", "seed=1,2"], "svm does one machine at a time, got -m"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_mistake_gets_a_short_message_and_leaves_no_folder(words, message, tmp_path, network):
    for name, init in (("RANDOM", "random"), ("UNTRAINED", "sda")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps({"init": init}))
    said = run("svm", *[word.replace("NETWORK", str(network)) for word in words])
    assert message in said
    assert len(said.splitlines()) <= 6
    assert not (tmp_path / "runs").exists()


def test_rows_of_one_class_are_refused(splits):
    only = splits.train._replace(y=np.zeros_like(splits.train.y))
    plan = svm_plan.build(compose.resolved(compose.compose([], "svm")))
    with pytest.raises(ValueError, match="rows of two classes, got one"):
        plan.check(dataclasses.replace(splits, train=only))
