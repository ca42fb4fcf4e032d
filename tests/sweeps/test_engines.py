"""Sweeps on real engines, whose workers are killed: nothing is lost and nothing done twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from sda.experiment.job import Job
from sda.runs import ledger
from sda.runs.folder import RunFolder
from sda.sweeps import sweep, worker
from sda.sweeps.executors import choice, executor
from sda.sweeps.executors.executor import Executor, Local

pytestmark = pytest.mark.filterwarnings("ignore")  # what engines warn of is theirs
ROOT = Path(__file__).parents[2]
LONG = [
    "stack.hidden=[60,40]", "pretrain.epochs=150", "finetune.epochs=40", "finetune.patience=40",
    "finetune.learning_rate=0.1", "tensorboard=false",
]  # fmt: skip
SHORT = [
    "stack.hidden=[9]", "pretrain.epochs=1", "finetune.epochs=1", "tensorboard=false",
]  # fmt: skip


def jobs(folder, words, seeds=(0, 1)):
    return [Job.of([*words, f"seed={seed}", f"runs_folder={folder}"]) for seed in seeds]


def record(job):
    """Everything that must be the same bits."""
    files = ("metrics.jsonl", "model.safetensors", "test_predictions.npz")
    return [(job.path / name).read_bytes() for name in files]


def rows(job):
    try:
        return (job.path / "metrics.jsonl").read_text().count("\n")
    except OSError:
        return 0


def when(reached, action):
    """Call ``action`` in a thread when ``reached`` is true; the thread, begun."""

    def watch():
        while not reached():
            time.sleep(0.05)
        action()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    asked = jobs(tmp_path_factory.mktemp("alone"), LONG)
    with closing(Local(2)) as on:
        assert not sweep.faults(sweep.run_all(asked, on))
    return [record(job) for job in asked]


@pytest.fixture
def dask(tmp_path):
    engine = pytest.importorskip("sda.sweeps.executors.dask")
    with closing(engine.Dask(None, "local", 2, {}, str(tmp_path / "runs"))) as on:
        yield on


@pytest.fixture
def slurm(tmp_path):
    engine = pytest.importorskip("sda.sweeps.executors.slurm")
    with closing(engine.Slurm("local", 2, {"timeout_min": 20}, str(tmp_path / "runs"))) as on:
        yield on


def assert_once(folder, asked, alone):
    assert [record(job) for job in asked] == alone
    assert len(ledger.lines(folder / "ledger")) == len(asked)


@pytest.mark.slow
def test_a_run_whose_dask_worker_is_killed_twice_ends_in_the_same_bits(tmp_path, dask, alone):
    asked = jobs(tmp_path / "runs", LONG)

    def kill_a_worker():
        for pid in list(dask._client.run(os.getpid).values())[:1]:
            os.kill(pid, signal.SIGKILL)

    when(lambda: rows(asked[0]) > 60, kill_a_worker)
    when(lambda: rows(asked[0]) > 220, kill_a_worker)
    assert not sweep.faults(sweep.run_all(asked, dask))
    assert_once(tmp_path / "runs", asked, alone)


@pytest.mark.slow
def test_a_run_that_is_preempted_is_requeued_and_ends_in_the_same_bits(tmp_path, slurm, alone):
    asked = jobs(tmp_path / "runs", LONG)

    def preempt():
        for job in list(slurm._running):
            job._interrupt(timeout=False)

    when(lambda: min(map(rows, asked)) > 60, preempt)
    assert not sweep.faults(sweep.run_all(asked, slurm))
    assert_once(tmp_path / "runs", asked, alone)


@pytest.mark.slow
def test_when_the_command_is_killed_its_runs_end_saved_and_the_same_command_goes_on(
    tmp_path, alone
):
    asked = jobs(tmp_path / "runs", LONG)
    words = ["-m", *LONG, "seed=0,1", "jobs=2", "runs_folder=runs"]

    def begin():
        return subprocess.Popen(
            [sys.executable, "-m", "sda", *words], cwd=tmp_path, stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    command = begin()
    when(lambda: min(map(rows, asked)) > 60, command.kill).join(120)
    command.wait()
    over = time.monotonic() + 60
    while any(RunFolder(job.path).is_held for job in asked) and time.monotonic() < over:
        time.sleep(0.1)
    for job in asked:
        assert RunFolder(job.path).result["status"] == "interrupted"
        assert (job.path / "checkpoint" / "last.pt").exists()
    assert begin().wait() == 0
    assert_once(tmp_path / "runs", asked, alone)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["dask", "slurm"])
def test_one_wish_to_stop_saves_all_runs_and_the_same_sweep_goes_on(
    tmp_path, engine, alone, request
):
    on: Executor = request.getfixturevalue(engine)
    asked = jobs(tmp_path / "runs", LONG)
    when(lambda: min(map(rows, asked)) > 60, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(BaseException, match="the same command goes on"):
        sweep.run_all(asked, on)
    for job in asked:
        said = json.loads((job.path / "result.json").read_text())
        assert said["status"] == "interrupted"
        assert (job.path / "checkpoint" / "last.pt").exists()
    on.close() if engine == "slurm" else on._stop.unlink()
    assert not sweep.faults(sweep.run_all(asked, Local(2)))
    assert_once(tmp_path / "runs", asked, alone)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["dask", "slurm"])
def test_a_terminals_ctrl_c_reaches_the_command_alone_which_stops_all_runs(tmp_path, engine):
    asked = jobs(tmp_path / "runs", [*LONG, "finetune.epochs=4000", "finetune.patience=4000"])
    words = [*LONG, "finetune.epochs=4000", "finetune.patience=4000", "seed=0,1", "jobs=2"]
    command = subprocess.Popen(
        [sys.executable, "-m", "sda", "-m", *words, f"executor={engine}", "executor.cluster=local"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, start_new_session=True,
    )  # fmt: skip
    when(lambda: min(map(rows, asked)) > 60, lambda: os.killpg(command.pid, signal.SIGINT))
    said = command.communicate(timeout=120)[0]
    assert command.returncode == 130, said
    assert "the same command goes on" in said
    assert "KeyboardInterrupt" not in said
    assert {RunFolder(job.path).result["status"] for job in asked} == {"interrupted"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["executor=dask", "executor.address=nonsense"], "executor.address=nonsense .*tcp://host:"),
        (["executor=dask", "executor.options={n_worker: 1}"], "n_worker"),
        (["executor=dask", "executor.cluster=ssh"], "executor.cluster=ssh cannot .*hosts"),
        (["executor=slurm", "executor.options={timeout_min: soon}"], "expected type .*'int'"),
    ],
)
def test_settings_of_an_engine_that_are_none_are_refused_in_one_line(tmp_path, words, said):
    pytest.importorskip("submitit" if "slurm" in words[0] else "distributed")
    local = ["executor.cluster=local"] * ("slurm" in words[0])
    (asked,) = jobs(tmp_path, [*SHORT, *words, *local, "jobs=1"], [0])
    with pytest.raises(ValueError, match=said) as told:
        choice.executor(asked.config)
    assert "\n" not in str(told.value)


def test_what_sbatch_says_of_a_wrong_partition_is_told_in_one_line(tmp_path, monkeypatch):
    engine = pytest.importorskip("sda.sweeps.executors.slurm")
    said = "echo 'error: invalid partition: shrt' >&2; echo more >&2; exit 1"
    for name, text in {"srun": "", "sbatch": said}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    asked = jobs(tmp_path / "runs", SHORT)
    on = engine.Slurm("slurm", 9, {"slurm_partition": "shrt"}, str(tmp_path / "runs"))
    on.submit(asked, asked)
    with pytest.raises(ValueError, match=r"executor=slurm: .*invalid partition: shrt more"):
        on.ended()


@pytest.mark.slow
def test_a_scheduler_that_is_gone_is_told_with_how_to_go_on(dask, monkeypatch):
    def gone():
        raise OSError("ConnectionPool closing.")

    monkeypatch.setattr(dask._client, "nthreads", gone)
    with pytest.raises(ConnectionError, match=r"scheduler does not answer .* the same command"):
        dask.ended()


@pytest.mark.slow
def test_two_sweeps_of_the_same_runs_at_once_do_each_run_once(tmp_path, dask):
    asked = jobs(tmp_path / "runs", SHORT, seeds=range(6))
    ended = {}

    def train(name, on):
        ended[name] = list(sweep._train(sweep.Queue([[job] for job in asked]), on, lambda: False))

    other = threading.Thread(target=train, args=("local", Local(1)))
    other.start()
    train("dask", dask)
    other.join()
    for outcomes in ended.values():
        assert not [o for some in outcomes for o in some if o.fault]
    assert len(ledger.lines(tmp_path / "runs" / "ledger")) == 6


class Sleeping(Executor):
    """An executor of many workers, that does nothing and takes its time."""

    def __init__(self, workers):
        self.workers, self.running, self.most = workers, [], 0

    @property
    def is_free(self):
        return len(self.running) < self.workers

    @property
    def is_idle(self):
        return not self.running

    def submit(self, task, told):
        self.running.append(task)
        self.most = max(self.most, len(self.running))

    def ended(self):
        over, self.running = self.running[:500], self.running[500:]
        return [sweep.Outcome(str(job.path), {"valid_error": 0.1}, None) for t in over for job in t]

    def stop(self):
        pass


class Queued:
    """A job that costs nothing to look at."""

    def __init__(self, number):
        self.path, self.stays = Path("no/where", str(number)), False


def test_a_queue_of_ten_thousand_runs_costs_the_scheduler_well_under_a_second_for_each_hundred():
    tasks = [[Queued(number)] for number in range(10_000)]
    on = Sleeping(1000)
    start = time.process_time()
    ended = sum(map(len, sweep._train(sweep.Queue(tasks), on, lambda: False)))
    assert ended == 10_000
    assert on.most == 1000
    assert time.process_time() - start < 100  # a second a hundred


def test_a_task_travels_as_plain_values_with_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = jobs("runs", SHORT)
    task = executor.Task.of(asked, asked[:1], tmp_path / "stop")
    again = executor.Task(**json.loads(json.dumps(asdict(task))))
    assert [folder for _, _, folder in again.runs] == [str(tmp_path / job.path) for job in asked]
    assert again.told == {str(tmp_path / asked[0].path): str(asked[0].path)}
    assert again.runs[0][0]["runs_folder"] == str(tmp_path / "runs")


@pytest.mark.slow
def test_a_run_that_failed_elsewhere_is_told_by_the_folder_that_was_asked_for(
    tmp_path, slurm, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    asked = jobs("runs", [*SHORT, "precision=tf32"], [0])  # which no processor has
    (fault,) = sweep.faults(sweep.run_all(asked, slurm))
    assert fault.startswith(f"failed: {asked[0].path}: precision=tf32 needs a GPU")


def test_where_runs_are_trained_is_no_part_of_their_folders_names(tmp_path):
    engine = ["executor=slurm", "executor.cluster=local", "executor.options={timeout_min: 20}"]
    (here,), (there,) = (jobs(tmp_path, words, [0]) for words in (SHORT, [*SHORT, *engine]))
    assert here.path == there.path


@pytest.mark.slow
def test_what_runs_are_forked_from_knows_the_code_that_they_all_would_read():
    known = "from sda.runs import environment as e; print(e.revision.cache_info().currsize)"
    code = f"import {worker.PRELOAD}; {known}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


def test_a_sweep_tidies_up_after_writers_that_were_killed_but_not_after_those_at_work(tmp_path):
    (tmp_path / "layers").mkdir()
    old, young = (tmp_path / "layers" / f"{name}.safetensors.1.tmp" for name in "ab")
    for path in (old, young):
        path.touch()
    os.utime(old, (0, 0))
    (job,) = jobs(tmp_path, [*SHORT, "init=random"], [0])
    sweep.run_all([job], Sleeping(1))
    assert (old.exists(), young.exists()) == (False, True)


def test_a_task_that_comes_when_all_are_to_stop_trains_nothing(tmp_path):
    asked = jobs(tmp_path, SHORT)
    stop = tmp_path / "stop"
    stop.touch()
    assert executor.train(asdict(executor.Task.of(asked, asked, stop))) == []
    assert not asked[0].path.exists()
