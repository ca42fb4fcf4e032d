"""A run that comes later takes the pretraining of a finished one beside it, bit for bit."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from sda.common.signals import Interrupted
from sda.config import compose
from sda.experiment import experiment
from sda.runs import environment
from sda.sweeps.job import Job, place, train_jobs

QUICK = [
    "stack.hidden=[9,8]", "pretrain.epochs=2", "finetune.epochs=3", "tensorboard=false", "init=sda",
    "data.seed=1",
]  # fmt: skip


def job(folder, *words):
    every = [*QUICK, *words]
    plain = compose.resolved(compose.compose([*every, f"runs_folder={folder}"]))
    return Job(plain, every)


def trained(folder, *words):
    asked = job(folder, *words)
    train_jobs([asked])
    return place(asked)


def bits(path):
    return [(path / name).read_bytes() for name in ("metrics.jsonl", "model.pt", "pretrained.pt")]


def result(path):
    return json.loads((path / "result.json").read_text())


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Where a run has been trained."""
    folder = tmp_path_factory.mktemp("once")
    trained(folder)
    return folder


@pytest.fixture
def first(once, tmp_path):
    """That run, in a folder of the test's own."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    return place(job(tmp_path))


@pytest.fixture
def layers_trained(monkeypatch):
    """How often the scheduler was asked for epochs of pretraining."""
    calls = []
    real = experiment.pretraining.pretraining_epochs

    def counted(*args, **kwargs):
        calls.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(experiment.pretraining, "pretraining_epochs", counted)
    return calls


LATER = ["finetune.learning_rate=1.0", "finetune.labelled=300"]


def test_a_later_run_that_differs_in_fine_tuning_has_the_bits_of_one_trained_alone(
    tmp_path, layers_trained
):
    alone = trained(tmp_path / "alone", *LATER)
    first = trained(tmp_path / "both")
    assert len(layers_trained) == 2
    later = trained(tmp_path / "both", *LATER)
    assert len(layers_trained) == 2  # nothing was pretrained
    assert bits(later) == bits(alone) != bits(first)
    assert result(later)["pretrained_in"] == first.name
    assert result(later)["seconds"]["pretrain"] > 0
    assert result(later)["test_error"] == result(alone)["test_error"]


@pytest.mark.parametrize(
    "words",
    [
        ["seed=1"],
        ["corruption.fraction=0.4"],
        ["pretrain.learning_rate=0.05"],
        ["init=saa"],
        ["data.seed=2"],
        ["stack.initialisation=papers"],
    ],
    ids=lambda words: words[0],
)
def test_pretraining_that_differs_is_done(tmp_path, first, layers_trained, words):
    trained(tmp_path, *words, *LATER)
    assert len(layers_trained) == 1


def _cut_weights(path):
    weights = (path / "pretrained.pt").read_bytes()
    (path / "pretrained.pt").write_bytes(weights[:-100])


def _lose_a_row(path):
    rows = (path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (path / "metrics.jsonl").write_text("".join(rows[:1] + rows[2:]))


def _come_from_elsewhere(path):
    there = json.loads((path / "environment.json").read_text())
    assert there["processor"]  # two of the same features need not round alike
    (path / "environment.json").write_text(json.dumps(there | {"processor": "another"}))


def _be_of_other_code(path):
    there = json.loads((path / "environment.json").read_text())
    files = sorted(Path(environment.__file__).parent.rglob("*.py"))
    every = b"".join(file.read_bytes() for file in files)
    assert there["code"] == hashlib.sha256(every).hexdigest()[:12]
    (path / "environment.json").write_text(json.dumps(there | {"code": "000000000000"}))


def _have_seen_other_data(path):
    (path / "result.json").write_text(json.dumps(result(path) | {"data_hash": "another"}))


def _be_unfinished(path):
    (path / "result.json").write_text(json.dumps(result(path) | {"status": "interrupted"}))


@pytest.mark.parametrize(
    "harm",
    [
        _cut_weights,
        _lose_a_row,
        _come_from_elsewhere,
        _be_of_other_code,
        _have_seen_other_data,
        _be_unfinished,
    ],
)
def test_a_run_that_is_not_whole_or_from_elsewhere_is_not_believed(
    tmp_path, first, layers_trained, harm
):
    harm(first)
    trained(tmp_path, *LATER)
    assert len(layers_trained) == 1


def test_a_run_stopped_after_it_took_its_pretraining_resumes_to_the_same_bits(
    tmp_path, first, monkeypatch
):
    whole = bits(trained(tmp_path / "alone", *LATER))

    def stopped(*_, **__):
        raise Interrupted(2, "now")

    with monkeypatch.context() as patch:
        patch.setattr(experiment, "_finetune", stopped)
        with pytest.raises(Interrupted):
            trained(tmp_path, *LATER)
    assert bits(trained(tmp_path, *LATER)) == whole


def test_what_is_trained_over_is_trained(tmp_path, layers_trained):
    for _ in range(2):
        trained(tmp_path, "overwrite=true")
        trained(tmp_path, "overwrite=true", *LATER)
    assert len(layers_trained) == 4


def test_runs_without_pretraining_take_none(tmp_path):
    trained(tmp_path, "init=random")
    assert "pretrained_in" not in result(trained(tmp_path, "init=random", *LATER))


def test_a_batch_takes_the_pretraining_of_all_its_runs_or_of_none(tmp_path, layers_trained):
    train_jobs([job(tmp_path, f"seed={seed}") for seed in (0, 1)])
    batch = [job(tmp_path, f"seed={seed}", *LATER) for seed in (0, 1)]
    train_jobs(batch)
    assert len(layers_trained) == 1
    alone = [trained(tmp_path / "alone", f"seed={seed}", *LATER) for seed in (0, 1)]
    assert [bits(place(job)) for job in batch] == [bits(path) for path in alone]
    more = [job(tmp_path, f"seed={seed}", "finetune.epochs=2") for seed in (1, 2)]
    train_jobs(more)
    assert "pretrained_in" not in result(place(more[0]))
