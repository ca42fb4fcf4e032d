"""A worker reads and encodes a data set once, however many runs of it come."""

import json
import os
from multiprocessing import forkserver

import numpy as np
import pytest

from sda.config import schema
from sda.experiment import launch
from sda.experiment.job import Job
from sda.sweeps import sweep
from sda.sweeps.executors.executor import Local


def table(path, seed):
    x = np.random.default_rng(seed).random((60, 4))
    lines = [",".join([*(f"{v:.3f}" for v in row), str(int(row[0] > row[1]))]) for row in x]
    path.write_text("\n".join(["a,b,c,d,y", *lines, ""]))


def job(folder, path, seed):
    words = [
        f"seed={seed}", "data=table", f"data.path={path}", "stack.hidden=[5]", "init=random",
        "finetune.epochs=1", "tensorboard=false", f"runs_folder={folder}", "name=t",
    ]  # fmt: skip
    return Job.of(words)


def test_data_that_were_read_ahead_are_those_of_the_files_as_they_are(tmp_path, monkeypatch):
    table(tmp_path / "t.csv", 0)
    config = job(tmp_path, tmp_path / "t.csv", 0).config
    reads = []
    load = schema.load_data
    monkeypatch.setattr(launch, "_known", {})
    monkeypatch.setattr(schema, "load_data", lambda plain: (reads.append(1), load(plain))[1])
    monkeypatch.setenv(launch.ASKED, "")
    launch.ask_ahead(config)
    launch.read_ahead()
    same = job(tmp_path, tmp_path / "t.csv", 1).config
    assert launch.known_ahead(config) is launch.known_ahead(same) is not None
    assert len(reads) == 1
    assert launch.known_ahead(config | {"data": config["data"] | {"scaling": "unit"}}) is None
    os.utime(tmp_path / "t.csv", (0, 0))
    assert launch.known_ahead(config) is None
    monkeypatch.setenv(launch.ASKED, json.dumps({"data": {"_target_": "sda.nothing"}}))
    launch.read_ahead()  # says nothing: the run will


@pytest.mark.slow
def test_the_runs_of_a_worker_share_what_it_has_read(tmp_path):
    path = tmp_path / "t.csv"
    table(path, 0)
    jobs = [job(tmp_path / "runs", path, seed) for seed in range(3)]
    forkserver._forkserver._stop()  # of other tests: a worker that has read nothing yet
    hashes = []
    for one in jobs:
        (ended,) = sweep.run_all([one], Local(1))
        hashes.append(ended.result["data_hash"])
        when = path.stat().st_mtime_ns
        table(path, 1 + len(hashes))  # who reads again reads other numbers
        os.utime(path, ns=(when, when))
    assert len(set(hashes)) == 1
    table(path, 9)
    (ended,) = sweep.run_all([job(tmp_path / "more", path, 0)], Local(1))
    assert ended.result["data_hash"] not in hashes
