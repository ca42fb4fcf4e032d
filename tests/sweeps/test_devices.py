"""Where runs train when there are several GPUs, or none. None of this has run on a GPU: fakes."""

from contextlib import closing
from multiprocessing import Pipe
from types import SimpleNamespace

import pytest
import torch

from sda.common.errors import LackingError
from sda.config import schema
from sda.experiment.job import Job
from sda.runs import environment
from sda.sweeps import sweep, worker
from sda.sweeps.executors import choice, executor

SHORT = ["stack.hidden=[9]", "pretrain.epochs=1", "finetune.epochs=1", "tensorboard=false"]


def job(folder, *words):
    return Job.of([*SHORT, *words, f"runs_folder={folder}"])


@pytest.fixture
def two_gpus(monkeypatch):
    """A machine that says it has two."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    known = SimpleNamespace(total_memory=8 * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: known)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")


def test_a_device_is_named_by_its_number(two_gpus):
    assert schema.device("cuda:1") == torch.device("cuda", 1)
    assert environment.of(schema.device("cuda:1"))["device"] == "GPU 1"
    with pytest.raises(
        LackingError, match=r"device=cuda:2 is not here.*; here: cuda:0, cuda:1, cpu"
    ):
        schema.device("cuda:2")
    with pytest.raises(ValueError, match="device must be one of"):
        schema.device("cuda:x")


def test_a_command_that_sends_its_runs_elsewhere_needs_no_gpu_itself(tmp_path):
    with pytest.raises(LackingError):
        _ = job(tmp_path, "device=cuda").plan
    assert job(tmp_path, "device=cuda", "executor=slurm").plan.device.type == "cuda"


class Placed:
    """A child that only notes where it was to train."""

    places: tuple[str, ...] = ()

    def __init__(self, task, told):
        Placed.places += tuple(one.config["device"] for one in task)


def test_runs_of_several_gpus_go_to_the_one_with_the_fewest(tmp_path, two_gpus, monkeypatch):
    monkeypatch.setattr(executor, "Child", Placed)
    asked = job(tmp_path, "device=cuda", "devices=[0,1]", "jobs=4")
    on = choice.executor(asked.config)
    while on.is_free:
        on.submit([asked], [asked])
    assert Placed.places == ("cuda:0", "cuda:1", "cuda:0", "cuda:1")
    auto = job(tmp_path, "device=cuda", "devices=[0,1]")
    assert choice.slots(auto.config) == 2  # one process each
    assert auto.path == asked.path == job(tmp_path, "device=cuda").path


@pytest.mark.parametrize(
    "words", [["devices=[0]"], ["device=cuda", "devices=[]"],
              ["device=cuda", "devices=[0]", "executor=dask"]],
)  # fmt: skip
def test_devices_that_would_have_no_effect_are_refused(tmp_path, two_gpus, words):
    with pytest.raises(ValueError, match="devices"):
        _ = job(tmp_path, *words).plan


def test_a_run_for_which_memory_does_not_suffice_may_go_to_another_worker(tmp_path, monkeypatch):
    def full(jobs, splits):
        raise MemoryError("Unable to allocate 9.1 TiB")

    monkeypatch.setattr(worker, "train_jobs", full)
    monkeypatch.setattr(worker.os, "setpgrp", lambda: None)
    report, sender = Pipe(duplex=False)
    worker._work([job(tmp_path)], [], sender)
    line, passing = report.recv()
    assert line.startswith("not enough memory (Unable to allocate 9.1 TiB)")
    assert passing == worker.LACKING


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what the engine warns of is its own
def test_a_worker_without_what_a_run_needs_leaves_it_to_another_and_the_last_says_so(tmp_path):
    engine = pytest.importorskip("sda.sweeps.executors.dask")
    asked = job(tmp_path / "runs", "device=cuda", "executor=dask")
    with closing(engine.Dask(None, "local", 2, {}, str(tmp_path / "runs"))) as on:
        sent = []
        original = on._send
        on._send = lambda task, lacking, others: (
            sent.append(lacking), original(task, lacking, others)
        )  # fmt: skip
        (fault,) = sweep.faults(sweep.run_all([asked], on))
    assert "device=cuda is not here" in fault
    assert [len(lacking) for lacking in sent] == [0, 1]
