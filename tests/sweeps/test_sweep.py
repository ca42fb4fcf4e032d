"""Runs that train as one program: one unit, that agrees with its runs alone to rounding."""

import json
import logging
import multiprocessing.forkserver
import os
import shutil
import signal
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from filelock import FileLock

from sda.__main__ import main
from sda.common import threads
from sda.common.signals import Interrupted
from sda.config import schema
from sda.experiment import batching, launch, recorder
from sda.experiment.job import Job
from sda.experiment.launch import train_jobs
from sda.runs.folder import BusyError, RunFolder, RunFolderError
from sda.sweeps import sweep
from sda.sweeps.executors import executor
from sda.sweeps.executors.executor import Local
from sda.sweeps.sweep import Queue
from sda.sweeps.worker import STOPPED, Child
from sda.training import pretraining

QUICK = [
    "stack.hidden=[9,8]", "pretrain.epochs=2", "finetune.epochs=4", "tensorboard=false",
    "finetune.learning_rate=1.0", "finetune.patience=2", "data.seed=1",
]  # fmt: skip
SWEEP = [
    *([f"init={init}", f"seed={seed}"] for init in ("random", "saa") for seed in (0, 1)),
    *(["init=sda", f"seed={k}", f"corruption.fraction={f}"] for k in (0, 1) for f in (0.1, 0.5)),
]


def jobs(folder, *more, sweep=SWEEP):
    return [Job.of([*QUICK, *words, *more, f"runs_folder={folder}"]) for words in sweep]


def record(job):
    """Everything that must be the same bits."""
    path = job.path
    result = json.loads((path / "result.json").read_text())
    kept = {key: result[key] for key in ("status", "valid_error", "test_error", "best_epoch")}
    return kept, (path / "metrics.jsonl").read_bytes(), (path / "model.safetensors").read_bytes()


def figures(job):
    """What must be the same to rounding: the record of every epoch and how it ended."""
    rows = [json.loads(line) for line in (job.path / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if isinstance(v, float)} for row in rows]


def assert_close(asked, other):
    for ours, theirs in zip(asked, other, strict=True):
        assert record(ours)[0] == record(theirs)[0]
        for one, another in zip(figures(ours), figures(theirs), strict=True):
            assert one == pytest.approx(another, rel=1e-4, abs=1e-6)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    asked = jobs(tmp_path_factory.mktemp("alone"))
    for job in asked:
        train_jobs([job])
    return asked


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    asked = jobs(tmp_path_factory.mktemp("together"))
    train_jobs(asked)
    return [record(job) for job in asked]


def test_a_batch_agrees_with_its_runs_alone_to_rounding(tmp_path, alone):
    asked = jobs(tmp_path)
    train_jobs(asked)
    assert_close(asked, alone)


def test_a_batch_ends_in_the_same_bits_every_time(tmp_path, together):
    asked = jobs(tmp_path)
    train_jobs(asked)
    assert [record(job) for job in asked] == together


def die_after_saving(asked, number):
    """Train in a process of its own, that saves whenever it can and dies when it has ``number``."""
    pid = os.fork()
    if pid == 0:
        count = iter(range(1, 100))
        original = recorder.Recorder.after_epoch

        def counted(self, due):
            original(self, True)
            if next(count) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        recorder.Recorder.after_epoch = counted
        train_jobs(asked)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


SLOWLY = [pytest.param(number, marks=pytest.mark.slow) for number in (1, 3, 7, 8, 9)]


@pytest.mark.parametrize("number", [5, *SLOWLY])
def test_a_killed_batch_goes_on_as_the_same_batch_to_its_own_bits(tmp_path, together, number):
    asked = jobs(tmp_path)
    die_after_saving(asked, number)
    train_jobs(asked[3:4])  # one of them is enough to name the batch
    assert [record(job) for job in asked] == together


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """A batch of two, killed, whose folders were named from the current one."""
    (tmp_path / "begun").mkdir()
    monkeypatch.chdir(tmp_path / "begun")
    asked = jobs("runs", sweep=[["init=sda", "seed=0"], ["init=sda", "seed=1"]])
    die_after_saving(asked, 5)
    return asked


def edit(job, change):
    path = job.path / "result.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def statuses(asked, below=Path()):
    paths = [below / job.path / "result.json" for job in asked]
    return [json.loads(path.read_text())["status"] for path in paths]


def test_a_killed_batch_that_was_moved_goes_on_from_anywhere_and_leaves_the_original_alone(
    tmp_path, killed, monkeypatch
):
    before = [(job.path / "result.json").read_text() for job in killed]
    shutil.copytree(tmp_path / "begun", tmp_path / "moved")
    (tmp_path / "third").mkdir()
    for where in ("begun", "third"):  # in the first, the originals are where the record says
        monkeypatch.chdir(tmp_path / where)
        with pytest.raises(SystemExit) as end:
            main(["resume", str(tmp_path / "moved" / killed[1].path)])
        assert not end.value.code
    assert statuses(killed, tmp_path / "moved") == ["finished"] * 2
    monkeypatch.chdir(tmp_path / "begun")
    assert [(job.path / "result.json").read_text() for job in killed] == before


def test_a_run_whose_companion_is_gone_says_so_and_touches_nothing(killed):
    gone, left = killed
    shutil.rmtree(gone.path)
    for train in (train_jobs, lambda jobs: main(["resume", str(jobs[0].path)])):
        with pytest.raises((RunFolderError, SystemExit), match="is not there any more") as no:
            train([left])
        assert "\n" not in str(no.value)
    train_jobs([Job(left.config | {"overwrite": True}, left.overrides)])
    assert statuses([left]) == ["finished"]


def test_a_run_that_another_batch_has_is_computed_with_the_others_and_not_recorded(tmp_path):
    sweep = [["init=sda", f"seed={k}"] for k in range(3)]
    first = jobs(tmp_path / "grown", sweep=sweep[:2])
    train_jobs(first)
    before = [record(job) for job in first]
    grown, whole = (jobs(tmp_path / name, sweep=sweep) for name in ("grown", "whole"))
    train_jobs(grown)
    train_jobs(whole)
    assert [record(job) for job in grown[:2]] == before
    assert record(grown[2]) == record(
        whole[2]
    )  # the batch follows from the words, not from what was


def test_a_batch_that_another_process_trains_is_left_to_it_whole(tmp_path):
    asked = jobs(tmp_path, sweep=[["init=sda", f"seed={k}"] for k in range(2)])
    folder = tmp_path / "layers"
    with ExitStack() as other:
        members = [Path(os.path.abspath(job.path)) for job in asked]
        launch._hold(members, tmp_path, other)
        assert [lock.name.startswith("batch-") for lock in folder.iterdir()] == [True]
        with pytest.raises(BusyError, match="another process is training in"):
            train_jobs(asked)
        assert not asked[1].path.exists()
    train_jobs(asked)
    assert statuses(asked) == ["finished"] * 2


@pytest.mark.slow
def test_a_run_that_was_begun_alone_goes_on_alone_beside_others_like_it(tmp_path):
    asked = jobs(tmp_path, "jobs=1", sweep=[["init=sda", "seed=0"], ["init=sda", "seed=1"]])
    die_after_saving(asked[:1], 5)
    outcomes = sweep.run_all(asked, Local(2), together=True)
    assert [outcome.fault for outcome in outcomes] == [None, None]


def test_runs_of_a_batch_that_differ_in_fine_tuning_share_their_pretraining(tmp_path, monkeypatch):
    widths = []
    original = pretraining.pretrain_layer

    def watched(layer, *rest):
        widths.append(layer.runs)
        return original(layer, *rest)

    monkeypatch.setattr(pretraining, "pretrain_layer", watched)
    asked = jobs(tmp_path, sweep=[
        ["init=sda", "seed=0", "finetune.learning_rate=0.5"],
        ["init=sda", "seed=0", "finetune.learning_rate=1.0"],
    ])  # fmt: skip
    train_jobs(asked)
    assert widths == [(), ()]  # one pretraining of two layers, for two fine-tunings
    assert record(asked[0])[1:] != record(asked[1])[1:]


def test_a_sweep_over_noise_has_one_random_arm():
    fractions = [[f"init={init}", f"corruption.fraction={f}"] for init in ("random", "sda")
                 for f in (0.1, 0.5)]  # fmt: skip
    one, same, sda, other = (job.path for job in jobs("runs", sweep=fractions))
    assert one == same
    assert sda != other


def test_batches_follow_from_the_runs_of_the_sweep_alone(tmp_path, monkeypatch):
    asked = jobs(tmp_path, sweep=[["init=sda", f"seed={k}"] for k in range(11)])
    before = sweep._tasks(asked, together=True)
    assert [len(task) for task in before] == [batching.MOST, 11 - batching.MOST]
    train_jobs(before[1])
    monkeypatch.setattr(threads, "cores", lambda: 64)
    assert sweep._tasks(asked, together=True) == before[:1]


def test_runs_of_different_pretraining_are_started_first(tmp_path):
    words = [[f"seed={k}", f"finetune.learning_rate={r}"] for k in (0, 1) for r in (0.5, 1.0)]
    tasks = sweep._tasks(jobs(tmp_path, sweep=words), together=False)
    assert [task[0].config["seed"] for task in tasks] == [0, 1, 0, 1]


def test_a_diverged_run_leaves_the_batch_undisturbed(tmp_path):
    sweep = [
        ["init=sda", f"seed={k}", f"finetune.learning_rate={r}"] for k, r in ((0, 1), (1, 1e9))
    ]
    asked = jobs(tmp_path / "together", sweep=sweep)
    train_jobs(asked)
    by_itself = jobs(tmp_path / "alone", sweep=sweep[:1])
    train_jobs(by_itself)
    assert_close(asked[:1], by_itself)
    result = json.loads((asked[1].path / "result.json").read_text())
    assert result["status"] == "diverged"


@pytest.mark.parametrize("layers", [1, 2])
def test_a_run_that_diverges_in_pretraining_ends_in_company_as_it_does_alone(tmp_path, layers):
    rates = f"[{'0.1,' * (layers - 1)}1e30{',0.1' * (2 - layers)}]"
    sweep = [["init=sda", f"pretrain.learning_rate={rate}"] for rate in (rates, "0.1")]
    together = jobs(tmp_path / "together", sweep=sweep)
    alone = jobs(tmp_path / "alone", sweep=sweep[:1])
    train_jobs(together)
    train_jobs(alone)
    ended = []
    for job in (together[0], alone[0]):
        result = json.loads((job.path / "result.json").read_text())
        ended.append(result["message"])
    assert f"layer {layers}, epoch 1" in ended[0]
    assert ended[0] == ended[1]
    assert statuses(together) == ["diverged", "finished"]


@pytest.mark.slow
def test_machines_train_together_but_never_with_autoencoders(tmp_path):
    words = [
        [f"init={init}", f"seed={seed}", f"pretrain.learning_rate={rate}"]
        for init, seed, rate in (
            ("dbn", 0, 0.1),
            ("saa", 0, 0.1),
            ("dbn", 1, 0.3),
            ("random", 0, 1),
        )
    ]
    asked = jobs(tmp_path / "together", "jobs=1", sweep=words)  # on more cores each trains alone
    cut = batching.batches(asked, lambda _: 64)
    assert cut == [[asked[0], asked[2]], [asked[1], asked[3]]]
    outcomes = sweep.run_all(asked, Local(2), together=True)
    assert [outcome.fault for outcome in outcomes] == [None] * 4
    batches = [json.loads((j.path / "result.json").read_text())["batch"] for j in asked]
    assert [len(batch) for batch in batches] == [2, 2, 2, 2]
    by_itself = jobs(tmp_path / "alone", sweep=words[::2])
    for alone in by_itself:
        train_jobs([alone])
    assert_close(asked[::2], by_itself)


@pytest.mark.slow
def test_a_run_without_its_data_fails_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SDA_CACHE", str(tmp_path / "cache"))  # none has read the originals before
    words = [["init=sda", "seed=0"], ["init=sda", "seed=1"]]
    there = jobs(tmp_path, "jobs=1", sweep=words)
    rect = ["data=rect", "data.source=original", f"data_folder={tmp_path}"]
    gone = jobs(tmp_path, *rect, sweep=words)
    outcomes = sweep.run_all([*gone, *there], Local(2), together=True)
    assert [outcome.fault for outcome in outcomes[2:]] == [None, None]
    for outcome in outcomes[:2]:
        assert outcome.fault.startswith("rect: no original data: rectangles.zip")
        assert "\n" not in outcome.fault


@pytest.mark.slow
def test_a_run_that_no_memory_holds_says_what_needs_less_and_the_others_train(tmp_path):
    huge = jobs(tmp_path, "stack.hidden=[1000000000,1000000000]", sweep=[["seed=0"]])
    outcomes = sweep.run_all([*huge, *jobs(tmp_path, sweep=[["seed=0"]])], Local(2), together=True)
    assert outcomes[0].fault.startswith("not enough memory (")
    assert outcomes[0].fault.endswith("stack.hidden, codes_memory or jobs need less")
    assert outcomes[1].fault is None


def close_when(other, reached):
    """Give a folder back, as another process does when its run has ended."""

    def watch():
        while not reached():
            time.sleep(0.05)
        other.close()

    threading.Thread(target=watch, daemon=True).start()


@pytest.mark.slow
def test_a_run_that_another_process_trains_is_said_and_waited_for_and_the_others_train(
    tmp_path, caplog
):
    caplog.set_level(logging.INFO, "sda")
    asked = jobs(tmp_path, "jobs=1", sweep=[["seed=0"], ["seed=1"], ["seed=2"]])
    other = RunFolder(asked[0].path)
    other.open()
    close_when(other, lambda: all(job.has_finished for job in asked[1:]))
    outcomes = sweep.run_all(asked, Local(2), together=True)
    assert [outcome.fault for outcome in outcomes] == [None, None, None]
    assert "another process is training it" in caplog.text


@pytest.mark.slow
def test_a_run_that_another_process_began_and_ended_unseen_has_an_outcome(tmp_path):
    asked = jobs(tmp_path, sweep=[["seed=0"], ["seed=1"]])

    class Beside(Local):
        def submit(self, task, told):
            super().submit(task, told)
            if told == asked[:1]:
                sweep.run_all(asked[1:], Local(1))

    outcomes = sweep.run_all(asked, Beside(1))
    assert [(o.folder, o.fault) for o in outcomes] == [(str(job.path), None) for job in asked]


@pytest.mark.slow
def test_a_run_that_another_process_takes_at_the_last_moment_has_not_failed(
    tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.INFO, "sda")
    monkeypatch.setattr(RunFolder, "is_held", False)  # it was not, a moment ago
    asked = jobs(tmp_path, sweep=[["seed=0"]])
    other = RunFolder(asked[0].path)
    other.open()
    close_when(other, lambda: "waiting for it" in caplog.text)
    (outcome,) = sweep.run_all(asked, Local(2))
    assert outcome.fault is None


@pytest.mark.slow
def test_a_batch_that_was_stopped_before_all_of_it_was_described_trains_all_the_same(
    tmp_path, monkeypatch
):
    asked = jobs(tmp_path, sweep=[["seed=0"], ["seed=1"]])
    original = launch._describe

    def stopped(folder, *rest):
        if folder.path == asked[1].path:
            raise Interrupted(signal.SIGTERM, "stopped")
        original(folder, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(launch, "_describe", stopped)
        with pytest.raises(Interrupted):
            train_jobs(asked)
    outcomes = sweep.run_all(asked, Local(2), together=True)
    assert [outcome.fault for outcome in outcomes] == [None, None]


def test_who_looks_whether_a_folder_is_in_use_does_not_keep_a_run_from_starting_in_it(tmp_path):
    (job,) = jobs(tmp_path, sweep=[["seed=0"]])
    folder = RunFolder(job.path)
    folder.open()
    folder.close()
    looking = FileLock(job.path / "lock", thread_local=False)  # as is_held has for an instant
    looking.acquire()
    threading.Timer(0.1, looking.release).start()
    folder.open()
    assert RunFolder(job.path).is_held
    folder.close()
    assert not RunFolder(job.path).is_held


@pytest.mark.slow
def test_a_process_that_is_stopped_while_it_starts_has_not_failed(tmp_path):
    asked = jobs(tmp_path, sweep=[["seed=0"]])
    child = Child(asked, asked)
    os.kill(child.process.pid, signal.SIGINT)  # as Ctrl-C does, to whoever is of its group yet
    child.ask_to_stop()
    child.process.join()
    (outcome,) = child.outcomes()
    assert outcome.passing == STOPPED


@pytest.mark.slow
def test_a_process_that_is_over_can_still_be_asked_to_stop(tmp_path):
    asked = jobs(tmp_path, sweep=[["seed=0", "finetune.epochs=1"]])
    child = Child(asked, asked)
    child.process.join()
    child.ask_to_stop()
    (outcome,) = child.outcomes()
    assert outcome.fault is None


def test_a_run_that_is_listed_twice_trains_once_and_has_two_outcomes(tmp_path):
    asked = jobs(tmp_path, sweep=[["seed=0"], ["seed=0"]])
    assert len(sweep._distinct([*asked, asked[0]])) == 1
    ended = sweep.run_all(asked, Local(2), together=True)
    assert [outcome.fault for outcome in ended] == [None, None]
    assert ended[0] == ended[1]


@pytest.mark.slow
def test_a_process_that_is_stopped_before_it_trains_tidies_up_and_has_not_failed(
    tmp_path, monkeypatch
):
    (job,) = jobs(tmp_path, sweep=[["seed=0"]])
    read = job.path / "config.yaml"  # a pipe: whoever reads it waits
    read.parent.mkdir(parents=True)
    os.mkfifo(read)
    asked, processes = [], []

    class Waiting(Child):
        def ask_to_stop(self):
            while self.process.is_alive() and not asked:
                with suppress(OSError):  # nobody reads yet
                    asked.append(os.open(read, os.O_WRONLY | os.O_NONBLOCK))
            super().ask_to_stop()
            os.close(asked[0])  # a signal may come just before the read: it would wait for ever
            processes.append(self.process)

    monkeypatch.setattr(executor, "Child", Waiting)
    over = iter([False, True])
    ended = list(sweep._train(Queue([[job]]), Local(1), lambda: next(over)))
    assert [outcome for some in ended for outcome in some] == []
    assert processes[0].exitcode == 0  # it was not killed


@pytest.mark.slow
def test_a_sweep_listens_on_when_what_its_processes_are_forked_from_is_killed(tmp_path):
    long = ["init=random", "finetune.epochs=3000", "finetune.patience=null"]
    words = [[f"seed={seed}", *long] for seed in (0, 1)]
    asked = jobs(tmp_path, "jobs=2", sweep=words)
    begun = [job.path / "metrics.jsonl" for job in asked]
    killed = []

    def is_over():
        if all(path.exists() for path in begun) and not killed:
            killed.append(multiprocessing.forkserver._forkserver._forkserver_pid)
            os.kill(killed[0], signal.SIGKILL)
            return False
        return killed

    tasks = [[job] for job in asked]
    ended = [some for some in sweep._train(Queue(tasks), Local(2), is_over) if some]
    assert ended == []  # stopped, not failed
    assert [RunFolder(job.path).result["status"] for job in asked] == ["interrupted"] * 2
    (outcome,) = sweep.run_all(jobs(tmp_path, sweep=[["seed=2"]]), Local(2))  # from another one
    assert outcome.fault is None


@pytest.mark.slow
def test_a_sweep_in_batches_goes_on_beside_runs_that_were_trained_alone(tmp_path, alone):
    asked = jobs(tmp_path, "jobs=1", sweep=SWEEP[-4:])
    train_jobs(asked[:1])
    outcomes = sweep.run_all(asked, Local(2), together=True)
    assert [outcome.fault for outcome in outcomes] == [None] * 4
    assert_close(asked, alone[-4:])


@pytest.mark.slow
def test_a_folder_with_another_run_is_refused_and_the_runs_beside_it_train(tmp_path):
    words = [["seed=0"], ["seed=1"]]
    train_jobs(jobs(tmp_path, sweep=words))
    changed = [Job(job.config | {"finetune": dict(job.config["finetune"], epochs=5)}, job.overrides)
               for job in jobs(tmp_path, sweep=[*words, ["seed=2"]])]  # fmt: skip
    before = [record(job) for job in changed[:2]]
    outcomes = sweep.run_all(changed, Local(2), together=True)
    for outcome in outcomes[:2]:
        assert outcome.fault.endswith(
            "has a run with other settings (finetune.epochs: 4 there, 5 now); "
            "overwrite=true starts it afresh"
        )
    assert outcomes[2].fault is None
    assert [record(job) for job in changed[:2]] == before


LABELS = [
    [f"init={init}", f"finetune.labelled={n}", f"finetune.learning_rate={rate}"]
    for init in ("random", "sda")
    for n in (40, 15, "null")
    for rate in (0.3, 1.0)
] + [["init=sda", "finetune.labelled=15", "finetune.corruption=${corruption}"]]


@pytest.mark.slow
@pytest.mark.parametrize("number", [None, 3])
def test_runs_with_other_labels_train_in_batches_of_their_own(tmp_path, number):
    asked = jobs(tmp_path / "together", sweep=LABELS)
    alone = jobs(tmp_path / "alone", sweep=LABELS)
    if number is not None:
        die_after_saving(asked[:2], number)
    outcomes = sweep.run_all(asked, Local(2), together=True)
    assert [outcome.fault for outcome in outcomes] == [None] * len(asked)
    sweep.run_all(alone, Local(2))
    assert_close(asked, alone)


@pytest.mark.slow
def test_only_runs_that_are_alike_but_for_numbers_train_together():
    base = jobs("runs", sweep=[["seed=0"], ["seed=1", "corruption=gaussian"]])
    other = [
        jobs("runs", sweep=[words])[0]
        for words in (
            ["stack.hidden=[9,7]"], ["pretrain.batch_size=10"], ["data.seed=2"],
            ["pretrain.corruption=${corruption}"], ["stack.tied=false"],
            ["stack.activation=tanh", "reconstruction=squared_error"],
        )
    ]  # fmt: skip
    everything = [*base, *other]
    groups = batching.batches(everything, lambda _: 64)
    assert groups == [everything[:2], *[[job] for job in everything[2:]]]


def test_groups_are_cut_to_what_pays():
    small, large = (
        schema.build_run(jobs("runs", f"stack.hidden={hidden}", sweep=[["seed=0"]])[0].config)
        for hidden in ("[100,100]", "[1000,1000,1000]")
    )
    assert batching.most_together(large, 784) == 1
    assert batching.most_together(small, 64) == batching.MOST
    assert batching.most_together(large, 784, memory=140 * 2**30) > 500


@pytest.mark.slow
def test_a_sweep_in_batches_is_the_sweep_run_by_run(tmp_path, alone):
    asked = jobs(tmp_path)
    outcomes = sweep.run_all(asked, Local(2), together=True)
    assert [outcome.fault for outcome in outcomes] == [None] * len(asked)
    assert_close(asked, alone)
    before = [(Path(o.folder) / "metrics.jsonl").stat().st_mtime_ns for o in outcomes]
    again = sweep.run_all(asked, Local(2), together=True)
    assert [(Path(o.folder) / "metrics.jsonl").stat().st_mtime_ns for o in again] == before


def test_runs_that_ended_together_all_say_what_time_the_others_take(caplog):
    caplog.set_level(logging.INFO, "sda")
    ended = [sweep.Outcome(f"run{k}", {"valid_error": 0.25}, None) for k in range(3)]
    sweep._report(ended, 3, 6, 60.0)  # three of six in a minute: another minute
    lines = caplog.messages
    assert [line.split(":")[0] for line in lines] == ["[1/6] run0", "[2/6] run1", "[3/6] run2"]
    assert [line.partition(", ")[2] for line in lines] == ["1:00 to go"] * 3
