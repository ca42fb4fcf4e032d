"""A run of seconds on made rows, in this process or in one that is killed, for tests of runs."""

import functools
import json
import os
import signal
from pathlib import Path

import torch

from sda.common.seeding import stream
from sda.common.signals import Interrupted
from sda.config import compose, schema
from sda.data.splits import Rows, Splits
from sda.experiment import job, launch, recorder
from sda.experiment.job import Job
from sda.runs import model_file

WORDS = [
    "stack.hidden=[9,8]", "pretrain.epochs=2", "finetune.epochs=4", "tensorboard=false",
    "pretrain.momentum=0.5", "finetune.learning_rate=1.0", "finetune.patience=2",
]  # fmt: skip


def splits(name="toy"):
    generator = stream(0, name)
    parts = []
    for n in (60, 30, 50):
        x = torch.rand(n, 6, generator=generator)
        parts.append(Rows(x.numpy(), (x[:, 0] > x[:, 1]).long().numpy()))
    return Splits("toy", *parts, n_classes=2, source="embedded", image_shape=(2, 3))


@functools.cache
def plan(*words):
    plain = compose.settings([*WORDS, *words])
    return schema.build_run(plain), plain


def train(path, *words, resume=False, overwrite=False, data=None):
    run = Job(plan(*words)[1] | {"overwrite": overwrite}, [], Path(path))
    if not resume:
        run.refuse_occupied()
    launch.train_together([run], data or splits())
    return job.outcome(run.path)


def in_a_child(action):
    """Run ``action`` in a forked child; return how it ended (negative: killed by that signal)."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            action()
            code = 0
        except Interrupted as error:
            code = error.code
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed(path, number, *words, event="after the save", data=None):
    """Train in a child that is killed when an event comes for the ``number``-th time."""

    def action():
        at_event(event, number, kill)
        train(path, *(words or ["init=sda"]), data=data)

    assert in_a_child(action) == -signal.SIGKILL


def at_event(event, number, action):
    """Call ``action`` when ``number`` epochs have been dealt with (before or after the save)."""
    count = iter(range(1, 1000))
    original = recorder.Recorder.after_epoch

    def counted(self, due):
        k = next(count)
        if k == number and event == "before the save":
            action()
        original(self, due)
        if k == number and event == "after the save":
            action()

    recorder.Recorder.after_epoch = counted


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def save_every(seconds, monkeypatch):
    monkeypatch.setattr(recorder, "SAVE_EVERY", seconds)
    monkeypatch.setattr(recorder, "SAVE_SHARE", 1e9)


def outcome(path):
    """Everything that must be equal, bit for bit."""
    result = json.loads((path / "result.json").read_text())
    for key in ("seconds", "batch"):  # how long it took, and where it lies
        result.pop(key, None)
    networks = [
        path / name
        for name in ("model.safetensors", "pretrained.safetensors")
        if (path / name).exists()
    ]
    weights = {
        f"{file.name} {name}": weight
        for file in networks
        for name, weight in model_file.load(file).state_dict().items()
    }
    return (
        result,
        (path / "metrics.jsonl").read_bytes(),
        (path / "test_predictions.npz").read_bytes(),
        {name: weight.numpy().tobytes() for name, weight in weights.items()},
    )
