"""A whole run: which rows it may see, which it can learn from, and what it bears."""

import itertools
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_run import in_a_child, outcome, plan, save_every, splits, train

from sda import DivergenceError
from sda.data.splits import Rows
from sda.experiment import launch
from sda.experiment.job import Job
from sda.runs import checkpoint, model_file, results
from sda.runs.folder import RunFolderError


def test_test_rows_have_no_part_in_training_or_stopping(tmp_path):
    data = splits()
    others = replace(data, test=Rows(1 - data.test.x, 1 - data.test.y))
    train(tmp_path / "a", "init=sda", data=data)
    train(tmp_path / "b", "init=sda", data=others)
    (_, *one), (_, *other) = outcome(tmp_path / "a"), outcome(tmp_path / "b")
    metrics, predictions, weights = zip(one, other, strict=True)
    assert metrics[0] == metrics[1]
    assert weights[0] == weights[1]
    assert predictions[0] != predictions[1]


def test_the_errors_of_a_result_are_those_of_its_model_on_their_own_rows(tmp_path):
    result = train(tmp_path / "run", "init=random")
    network, data = model_file.load(tmp_path / "run" / "model.safetensors"), splits()
    for part, rows in (("valid", data.valid), ("test", data.test)):
        error, loss = network.evaluate(*map(torch.from_numpy, rows))
        assert result[f"n_{part}"] == len(rows.y)
        assert result[f"{part}_error"] == float(error)
        assert result.get(f"{part}_loss", float(loss)) == float(loss)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda x, y: (x * float("nan"), y), "test rows must be finite"),
        (lambda x, y: (x[:, 1:], y), r"test rows must be \(n, 6\)"),
        (lambda x, y: (x, y + 1), r"test classes must be in 0\.\.1, .*got 2"),
    ],
)
def test_rows_that_could_not_be_tested_on_are_refused_before_anything_is_trained(
    tmp_path, change, told
):
    data = splits()
    with pytest.raises(ValueError, match=told):
        train(tmp_path / "run", "init=sda", data=replace(data, test=Rows(*change(*data.test))))
    assert not (tmp_path / "run").exists()


def test_rows_of_zeros_and_constant_columns_train(tmp_path):
    data = splits()
    x = data.train.x.copy()
    x[:, 1:3] = 0, 1
    x[0] = 0
    train(tmp_path / "run", "init=sda", data=replace(data, train=Rows(x, data.train.y)))
    metrics = outcome(tmp_path / "run")[1]
    assert not re.search(rb"nan|inf", metrics)


@pytest.mark.parametrize("n", [1, 7])
def test_fewer_rows_than_a_minibatch_train_all_weights(tmp_path, n):
    data = splits()
    few = {part: Rows(rows.x[:n], rows.y[:n]) for part, rows in data.parts().items()}
    train(tmp_path / "run", "init=sda", data=replace(data, **few))
    stacks = [
        plan("init=sda")[0].stack(6),
        model_file.load(tmp_path / "run" / "pretrained.safetensors"),
        model_file.load(tmp_path / "run" / "model.safetensors").stack,
    ]
    for before, after in itertools.pairwise(stacks):
        for one, other in zip(before, after, strict=True):
            assert not torch.equal(one.weight, other.weight)


@pytest.mark.parametrize(
    "rate", ["pretrain.learning_rate=[0.1,1e38]", "finetune.learning_rate=1e38"]
)
def test_what_diverged_is_not_saved(tmp_path, rate, monkeypatch):
    save_every(0.0, monkeypatch)
    with pytest.raises(DivergenceError):
        train(tmp_path / "run", "init=sda", "reconstruction=squared_error", rate)
    for name in ("last.pt", "prev.pt"):
        saved = checkpoint.read(tmp_path / "run" / "checkpoint" / name)
        for network in filter(None, (saved["stack"], saved["classifier"])):
            assert all(weight.isfinite().all() for weight in network.values())


def test_a_wall_clock_that_goes_backwards_is_not_heeded(tmp_path, monkeypatch):
    saved, save, backwards = [], checkpoint.save, itertools.count(2e9, -3600)
    monkeypatch.setattr(time, "time", lambda: next(backwards))
    monkeypatch.setattr(checkpoint, "save", lambda *given: saved.append(save(*given)))
    save_every(0.0, monkeypatch)
    train(tmp_path / "run", "init=sda")
    rows = (tmp_path / "run" / "times.jsonl").read_text().splitlines()
    assert all(json.loads(row)["seconds"] >= 0 for row in rows)
    assert len(saved) >= len(rows)


@pytest.mark.parametrize("lock", [False, True], ids=["a new run", "one that was begun"])
def test_a_folder_without_write_permission_is_told_in_one_line(tmp_path, lock, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked, data = Job(plan("init=random")[1], [], Path("run")), splits()
    asked.path.mkdir()
    if lock:
        (asked.path / "lock").touch()
        (asked.path / "lock").chmod(0o666)
    asked.path.chmod(0o555)
    tmp_path.chmod(0o755)

    def refused():
        if os.getuid() == 0:
            os.setuid(65534)  # permissions do not bind root
        with pytest.raises((RunFolderError, OSError), match="Permission denied") as error:
            launch.train_together([asked], data)
        assert "\n" not in str(error.value)

    assert in_a_child(refused) == 0


# Rows without labels


def unlabelled(rows, which=slice(None)):
    y = rows.y.copy()
    y[which] = -1
    return Rows(rows.x, y)


def test_rows_without_any_label_are_pretrained_as_those_with_labels_are(tmp_path):
    data = splits()
    parts = {part: unlabelled(rows) for part, rows in data.parts().items()}
    result = train(tmp_path / "a", "init=sda", data=replace(data, n_classes=0, **parts))
    train(tmp_path / "b", "init=sda", data=data)
    files = [tmp_path / name / "pretrained.safetensors" for name in "ab"]
    assert len({file.read_bytes() for file in files}) == 1
    assert (result["status"], result["valid_error"], result["test_error"]) == (
        "finished", None, None
    )  # fmt: skip
    models = [model_file.load(tmp_path / "a" / f"{n}.safetensors") for n in ("model", "pretrained")]
    assert str(models[0].state_dict()) == str(models[1].state_dict())
    with pytest.raises(RunFolderError, match="already has a finished run"):
        train(tmp_path / "a", "init=sda", data=replace(data, n_classes=0, **parts))
    found, others = results.read([tmp_path])
    assert [run.path.name for run in found] == ["b"]
    assert "no labels" in others[0].message


def test_an_arm_that_learns_from_labels_alone_is_refused_where_there_are_none(tmp_path):
    data = splits()
    parts = {part: unlabelled(rows) for part, rows in data.parts().items()}
    with pytest.raises(ValueError, match="toy has no labels: it can only be pretrained"):
        train(tmp_path / "a", "init=random", data=replace(data, n_classes=0, **parts))


def test_pretraining_uses_all_rows_and_each_part_is_judged_on_its_labelled_ones(tmp_path):
    data = splits()
    some = {part: unlabelled(rows, slice(0, 10)) for part, rows in data.parts().items()}
    result = train(tmp_path / "a", "init=sda", data=replace(data, **some))
    train(tmp_path / "b", "init=sda", data=data)
    files = [tmp_path / name / "pretrained.safetensors" for name in "ab"]
    assert len({file.read_bytes() for file in files}) == 1
    assert (result["n_valid"], result["n_test"]) == (20, 40)
    fewer = {part: Rows(rows.x[10:], rows.y[10:]) for part, rows in data.parts().items()}
    alone = train(tmp_path / "c", "init=random", data=replace(data, **fewer))
    both = train(tmp_path / "d", "init=random", data=replace(data, **some))
    assert (alone["chance_error"], alone["n_test"]) == (both["chance_error"], both["n_test"])
