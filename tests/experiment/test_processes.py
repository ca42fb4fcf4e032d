"""One run over several processes, started by torchrun as a person starts them."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import torch
from tiny_run import train

from sda.cli.main import main
from sda.common import processes
from sda.common.seeding import stream
from sda.nn.corruption import Gaussian, Masking, Swap
from sda.runs import model_file
from sda.runs.folder import RunFolder
from sda.runs.results import rows
from sda.training.minibatches import presentations

TWO = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
TINY = [
    "data=digits", "stack.hidden=[30,20]", "pretrain.epochs=3", "finetune.epochs=4",
    "tensorboard=false", "name=tiny",
]  # fmt: skip
ENDLESS = ["finetune.epochs=100000", "finetune.patience=null"]


def start(tmp_path, *words, several=True):
    command = [sys.executable, *(TWO if several else []), "-m", "sda", *words]
    return subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
    )  # fmt: skip


def done(tmp_path, *words, several=True):
    process = start(tmp_path, *words, several=several)
    said = process.communicate(timeout=300)[0]
    return process.returncode, said


def run_of(tmp_path):
    (folder,) = [path.parent for path in tmp_path.glob("runs/tiny/*/lock")]
    return folder


def figures(folder):
    """All numbers that are written down of each epoch, and all weights in the end."""
    record = [row.values() for row in rows(folder / "metrics.jsonl")]
    weights = model_file.load(folder / "model.safetensors").state_dict()
    numbers = [value for row in record for value in row if isinstance(value, float)]
    return numbers, {name: weight.numpy() for name, weight in weights.items()}


def assert_close(one, other, tolerance=2e-4):
    (record, weights), (others, other_weights) = figures(one), figures(other)
    np.testing.assert_allclose(record, others, rtol=tolerance, atol=1e-5)
    for name, weight in weights.items():
        np.testing.assert_allclose(weight, other_weights[name], rtol=tolerance, atol=tolerance)


KINDS = {
    "dense": ["pretrain.momentum=0.5", "finetune.momentum=0.5", "finetune.averaging=0.9"],
    "named, rows left over": [
        "pretrain.optimiser=adam", "pretrain.learning_rate=0.001", "corruption=swap",
        "pretrain.batch_size=27", "finetune.batch_size=14", "finetune.labelled=99",
    ],
    "convolutional": ["stack=convolutional", "pretrain.epochs=1", "finetune.epochs=2",
                      "pretrain.learning_rate=0.01"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_do_what_one_does_to_rounding(tmp_path, kind):
    words = [*TINY, *KINDS[kind]]
    if kind == "convolutional":
        words.remove("stack.hidden=[30,20]")
    for name, several in (("one", False), ("two", True)):
        (tmp_path / name).mkdir()
        status, said = done(tmp_path / name, *words, several=several)
        assert status == 0, said
        assert said.count("in runs/tiny/") == 1, said  # one of them tells
    one, two = run_of(tmp_path / "one"), run_of(tmp_path / "two")
    assert_close(one, two)
    assert RunFolder(two).result["environment"]["threads"] == "2 x 1"
    assert len(list((tmp_path / "two/runs/ledger").glob("*.jsonl"))) == 1


def when_there_are(epochs, folder, run):
    """Wait for so many epochs of fine-tuning; a run that has ended before says why."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        for path in folder.glob("runs/tiny/*/metrics.jsonl"):
            if path.read_text().count('"finetune"') >= epochs:
                return
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.02)
    raise AssertionError("no epochs come")


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(tmp_path):
    words = [*TINY, *KINDS["dense"], "finetune.epochs=120", "finetune.patience=1000"]
    (tmp_path / "straight").mkdir()
    assert done(tmp_path / "straight", *words, several=False)[0] == 0
    first = start(tmp_path, *words)
    when_there_are(5, tmp_path, first)
    first.send_signal(signal.SIGTERM)
    assert "interrupted and saved" in first.communicate(timeout=60)[0]
    folder = run_of(tmp_path)
    before = folder / "checkpoint" / "last.pt"
    second = start(tmp_path, "resume", str(folder), several=False)
    when_there_are(20, tmp_path, second)
    saved = before.read_bytes()
    second.send_signal(signal.SIGTERM)
    assert "interrupted and saved" in second.communicate(timeout=60)[0]
    assert before.read_bytes() != saved
    status, said = done(tmp_path, "resume", str(folder))
    assert status == 0, said
    assert_close(folder, run_of(tmp_path / "straight"))


def processes_of(group):
    """What lives of a session, with the number that torchrun gave it, None: torchrun itself."""
    found = {}
    for place in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if f"SDA_GROUP={group}" in (place / "environ").read_text("utf-8", "replace"):
                number = re.search(r"(?:^|\0)RANK=(\d)", (place / "environ").read_text())
                found[int(place.name)] = number and int(number[1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1, None], ids=["first", "other", "torchrun"])
def test_a_killed_process_ends_all_of_its_run(tmp_path, number, monkeypatch):
    monkeypatch.setenv("SDA_GROUP", group := uuid4().hex)
    run = start(tmp_path, *TINY, *ENDLESS)
    when_there_are(2, tmp_path, run)
    monkeypatch.delenv("SDA_GROUP")
    (victim,) = [pid for pid, own in processes_of(group).items() if own == number]
    os.kill(victim, signal.SIGKILL)
    said = run.communicate(timeout=60)[0]  # when the last of them has closed its output
    assert run.returncode
    assert processes_of(group) == {}
    if number is None:
        assert "interrupted and saved" in said
    elif number:
        assert "another process of this run has ended; go on with: " in said
        assert RunFolder(run_of(tmp_path)).result["status"] == "interrupted"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["init=dbn"], "share layers that draw nothing themselves .* got RestrictedBoltzmann"),
        (["finetune.dropout=0.5"], "need finetune.dropout=0"),
        (["pretrain.batch_size=1"], "need minibatches of at least 2 rows, got 1"),
    ],
)
def test_what_processes_cannot_share_is_refused_at_the_door(tmp_path, monkeypatch, words, said):
    monkeypatch.setitem(processes._place, "count", 2)
    with pytest.raises(ValueError, match=rf"2 processes \(torchrun\) {said}"):
        train(tmp_path / "run", *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("words", [["-m", "seed=0,1"], ["data", "list"], []])
def test_torchrun_is_for_one_run(words, monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="torchrun trains one run"):
        main(words)


@pytest.mark.parametrize("corruption", [Masking(0.25), Gaussian(0.1), Swap(0.25)], ids=str)
@pytest.mark.parametrize("number", [0, 1])
def test_each_process_has_its_rows_with_the_noise_they_have_alone(number, corruption, monkeypatch):
    def block(x):
        order, noise = torch.randperm(101, generator=stream(0, "order")), stream(0, "noise")
        ((clean, corrupted),) = presentations(x, [corruption], 10, [order], [noise], ())
        return order, clean, corrupted.x

    x = torch.rand(101, 8, generator=stream(0, "rows"))
    order, clean, corrupted = block(x)
    monkeypatch.setitem(processes._place, "count", 2)
    monkeypatch.setitem(processes._place, "number", number)
    own = torch.arange(101) % 10 % 2 == number
    if not corruption.mixes_rows:
        x[order[~own]] = torch.nan  # which are not read
    _, own_clean, own_corrupted = block(x)
    assert torch.equal(own_clean, clean[own])
    assert torch.equal(own_corrupted, corrupted[own])
