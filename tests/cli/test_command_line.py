"""The command line: what it refuses, what it leaves, what it prints."""

import json
import locale
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import QUICK, ROOT, SHORT, environment, run, shell

import sda
from sda.__main__ import main
from sda.cli import compare, options, report
from sda.common import terminal, threads
from sda.config import catalogue, schema
from sda.data import sources
from sda.experiment import launch
from sda.experiment.job import Job
from sda.experiment.launch import train_jobs
from sda.runs.folder import RunFolder
from sda.sweeps import sweep
from sda.sweeps.executors import executor
from sda.sweeps.executors.executor import Local

LAUNCHERS = [[], ["hydra/launcher=side_by_side"], ["hydra/launcher=batched"]]
pytestmark = pytest.mark.usefixtures("somewhere")


BARE = ["~corruption.fraction", "~corruption.exact", "~corruption.value"]
ONE_CELL = "campaign.tiers=[{data: [rect], arms: [CELL], runs: 1, seeds: 1}]"
REFUSED = [
    (["corruption.fractoin=0.3"], "did you mean corruption.fraction?"),
    (["corruption.rate=0.3"], "did you mean one of fraction, exact, value?"),
    (["data=arrays", "data.path=x,y.csv"], "one value: 'data.path=\"x,y.csv\"'"),
    (["reconstruction=mse"], "there is no reconstruction=mse; allowed: cross_entropy, "),
    (["corruption=maskng"], "did you mean masking?"),
    (["data.path=x.csv"], "did you mean data=table data.path=...; it is a setting of that?"),
    ([*SHORT, "seed", "=3"], "settings are key=value"),
    (["--resolve", "seed=1"], "need it beside them"),
    (["seed=1", "minutes"], "cannot read 'minutes'; settings are key=value"),
    (["data.shuffle=1"], "there is no setting 'data.shuffle'"),
    (["rect", "seed=1"], "did you mean data=rect or data=rect-img?"),
    (["svm", "--help"], "baseline=svm_linear"),
    (["pretrain.lr=1"], "did you mean pretrain.learning_rate?"),
    (["finetune.wd=1"], "did you mean finetune.weight_decay?"),
    (["data=digit"], "did you mean digits?"),
    (["experiment=demmo"], "did you mean demo?"),
    (["corruption.fraction=3"], r"fraction must be a number in [0, 1], got 3"),
    (["corruption.fraction=[0.1,0.2]"], "one value or a list of 3, one for each layer, got 2"),
    (["finetune.learning_rate=-5"], "finetune.learning_rate must be a number above 0, got -5"),
    (["pretrain.epochs=many"], "pretrain.epochs must be a whole number"),
    (["pretrain.schedule=3"], "must be one of constant, inverse_time, cosine, got 3"),
    (["init=sdae"], "init must be one of random, saa, dbn, sda, baseline, got 'sdae'"),
    (["seed=-1"], "seed must be a whole number of at least 0, got -1"),
    (["stack.hidden=[]"], "stack.hidden must list the units of each layer, got []"),
    (["stack.hidden=[0]"], "stack.hidden must be a whole number of at least 1, got 0"),
    (["stack.hidden=[10000000000]"], "stack.hidden must be a whole number of at most 1000000000"),
    (["finetune.batch_size=1" + 20 * "0"], "finetune.batch_size must be a whole number of at most"),
    (["threads=1" + 20 * "0"], "threads must be a whole number of at most 1024, got 1000000"),
    (["frobnicate"], "there is no command 'frobnicate'; commands are resume, compare"),
    (["compar", "x"], "did you mean compare?"),
    (["resume"], "resume needs the folder of a run"),
    (["data=digits", "-m", "seed=x,y"], "seed must be a whole number, got 'x'"),
    (["data=digit"], "there is no data=digit; allowed: arrays, basic, bg-img"),
    (["data.seed=x"], "data.seed must be a whole number, got 'x'"),
    (["data.seed=null"], "data.seed must be a whole number, got None"),
    (["-m", "data.seed=0,1.5"], "data.seed must be a whole number, got 1.5"),
    (["data=arrays", "data.path=5"], "data.path must be text or null, got 5"),
    (["data=arrays", "data.valid_fraction=x"], "data.valid_fraction must be a number, got 'x'"),
    (["data=arrays", "data.image_shape=5"], "data.image_shape must be a list of whole numbers"),
    (["corruption.exact=3"], "corruption.exact must be true or false, got 3"),
    (["data.n=3"], "there is no setting 'data.n'"),
    (["data.seed=-1"], "data.seed must be a whole number of at least 0, got -1"),
    (
        ["experiment=vincent2008_rect", "data=digits"],
        "there is no setting 'data.source'; allowed: seed",
    ),
    (["device=gpu0"], "device must be one of cpu, cuda, cuda:1, mps, auto, got 'gpu0'"),
    (["threads=0"], "threads must be a whole number of at least 1"),
    (["data=basic"], "files not found"),
    (["corruption._target_=os.system"], "must name something in sda, or in a module that"),
    (["corruption=gaussian", "stack.emphasis.intact=0.5"], "emphasis needs a corruption"),
    (["stack.activation=tanh"], "use reconstruction=squared_error"),
    (["init=dbn", "stack.activation=tanh"], "(init=dbn) needs activation=sigmoid, got tanh"),
    (["init=dbn", "reconstruction=squared_error"], "needs reconstruction=cross_entropy"),
    (["init=dbn", "stack.tied=false"], "needs tied=true, got untied weights"),
    (["-m", "init=saa,dbn", "stack.activation=relu"], "needs activation=sigmoid, got relu"),
    (["a=(b"], "error: "),
    (["-m", "init=random,sdae"], "init must be one of"),
    (["-m", "finetune.learning_rate=0.1,0"], "finetune.learning_rate must be a number above 0"),
    (["executor=dask"], "executor=dask trains the runs of a sweep: it needs -m"),
    (["resume", "nowhere"], "nowhere holds no run"),
    (["published=3"], "published must be settings of its own, key: value or null, got 3"),
    (["published={test_error:{sda:3.4},n_test:9}"], "published.test_error.sda must be a number in"),
    (["published={test_error:{sda:0.1}}"], "published.n_test must be a whole number of at least 1"),
    (["+stack.hiden=[3]"], "there is no setting 'stack.hiden'; did you mean stack.hidden?"),
    (["corruption._target_=sda.nn.corruption.torch"], "must name a corruption class"),
    (
        ["corruption._target_=sda.nn.distributions.SquaredError", *BARE],
        "corruption._target_ must name a corruption class, got 'sda.nn.distributions.SquaredError'",
    ),
    (["reconstruction._target_=sda.training.codes.Storage"], "must name a distribution class"),
    (["corruption.value=1e39"], "value of masking must be a number in [-3.4e+38, 3.4e+38]"),
    (["codes_memory=1e300"], "codes_memory must be a number in [0, 1e+06]"),
    (["+epochs=50"], "there is no setting 'epochs'; allowed: init, seed, name"),
    (["++pretrian.epochs=50"], "did you mean pretrain?"),
    (["-m", "+pretrian.epochs=50", "seed=0,1"], "did you mean pretrain?"),
    (["-m", "init=sda,saa", "data=mnist", "data_folder=nowhere"], "error: files not found"),
    (["campaign", "table1", "-m"], "a campaign takes key=value, no options; got -m"),
    (
        ["campaign", "table1", "campaign.hours=1", ONE_CELL.replace("CELL", "5")],
        "campaign.tiers.0.arms must be text, got 5",
    ),
    (
        ["campaign", "table1", "campaign.hours=1", ONE_CELL.replace("CELL", "sda4")],
        "there is no arm=sda4; allowed: dbn1, dbn3, random1, random3, saa3, sda3, svm_poly",
    ),
    (
        [
            "campaign",
            "table1",
            "campaign.hours=1",
            ONE_CELL.replace("CELL", "sda3"),
            "finetune.epochs=1,2",
        ],
        "finetune.epochs=1,2 must set one value: this is no sweep",
    ),
    (["+pretrain.foo=1"], "there is no setting 'pretrain.foo'; allowed: epochs, learning_rate, "),
    (["+finetune.foo=1"], "there is no setting 'finetune.foo'; allowed: epochs, learning_rate, "),
    (["+stack.emphasis.foo=1"], "no setting 'stack.emphasis.foo'; allowed: corrupted, intact"),
    (["stack.emphasis=1"], "stack.emphasis must be settings of its own, key: value, got 1"),
    (["+corruption.layers=[1,1,1]"], "corruption.layers must be settings of its own"),
    (["~pretrain.epochs"], "the setting pretrain.epochs is missing: a run needs it"),
    (["~stack.hidden"], "the setting stack.hidden is missing: a run needs it"),
    (["~threads"], "the setting threads is missing: a run needs it"),
    (["runs_folder=null"], "runs_folder must be text, got None"),
    (["name=null"], "name must be text or a whole number, got None"),
    (
        ["pretrain.learning_rate=1" + 400 * "0"],
        "pretrain.learning_rate must be a number, got",
    ),
]


def test_a_file_in_place_of_a_data_set_is_told_how_to_be_one():
    Path("mine.csv").write_text("a,b\n1,2\n")
    for word in ("mine.csv", "data=mine.csv"):
        assert "data=table data.path=mine.csv" in run(word)[1]


@pytest.mark.parametrize(("words", "message"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_mistake_gets_a_short_message_and_leaves_no_folder(words, message, tmp_path):
    code, said = run(*words)
    assert code == 1
    assert message in said
    assert len(said.splitlines()) <= 6
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["report", "runs", "--out", "."], "--out wants a file, got the folder ."),
        (
            ["data", "make", "digits", "--seed", "-1"],
            "--seed: must be a whole number of at least 0",
        ),
        (
            ["data", "make", "digits", "--source", "original"],
            "digits: it has one source, got --source",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_command_refuses_what_its_options_cannot_mean(words, told, tmp_path, capsys):
    code, _ = run(*words)
    assert code
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_folder_with_the_settings_of_another_program_is_no_run(tmp_path):
    (tmp_path / "config.yaml").write_text("init: sda\n")
    code, said = run("resume", str(tmp_path))
    assert code == 1
    assert "holds no run" in said
    assert len(list(tmp_path.iterdir())) == 1


def no_memory_on_a_gpu():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore.")


@pytest.mark.parametrize(
    ("work", "told"),
    [
        (lambda: torch.empty(2**58), "can't allocate memory"),
        (lambda: torch.empty(2**40, 2**40), "size calculation overflowed"),
        (lambda: np.empty(2**58), "Unable to allocate 2.00 EiB"),
        (no_memory_on_a_gpu, "CUDA out of memory. Tried to allocate 2.00 GiB."),
    ],
    ids=["torch", "beyond any memory", "numpy", "gpu"],
)
def test_too_little_memory_is_one_line_that_says_what_needs_less(monkeypatch, work, told):
    monkeypatch.setattr(launch, "train_together", lambda *_, **__: work())
    code, said = run(*QUICK)
    assert code == 1
    assert said.startswith("error: not enough memory (")
    assert told in said
    assert "smaller pretrain.batch_size, finetune.batch_size, stack.hidden, codes_memory or" in said
    assert len(said.splitlines()) == 1


def test_a_fault_of_the_program_is_not_passed_off_as_a_mistake(monkeypatch):
    monkeypatch.setattr(launch, "train_together", lambda *_, **__: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="size"):
        main(QUICK)


def test_comparing_nothing_is_refused(tmp_path, capsys):
    assert run("compare", "nowhere")[0] == 2
    assert "nowhere" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_of_a_machine_with_a_gpu_is_refused_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(schema.torch.cuda, "is_available", lambda: False)
    elsewhere = Job.of([*SHORT, "device=cuda", "executor=slurm", f"runs_folder={tmp_path}"])
    elsewhere.path.mkdir(parents=True)
    RunFolder(elsewhere.path).write_config(elsewhere.config)
    code, said = run("resume", str(elsewhere.path))
    assert code == 1
    assert "device=cuda is not here" in said


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(schema.torch.cuda, "is_available", lambda: False)
    code, said = run("device=cuda")
    assert code == 1
    assert "device=cuda is not here, or torch was built without it; here: cpu" in said


@pytest.mark.parametrize(
    "text",
    ["fraction: [0.1", "fraction: 0.1\nfraction: 0.2", "_target_: sda.nn.corruption.Nothing"],
)
def test_a_broken_yaml_file_is_named_in_a_few_lines(tmp_path, text):
    (tmp_path / "corruption").mkdir()
    (tmp_path / "corruption" / "mine.yaml").write_text(text)
    code, said = run("--config-dir", str(tmp_path), "corruption=mine")
    assert code == 1
    assert len(said.splitlines()) <= 6
    assert "mine.yaml" in said or "Nothing" in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("inti: saa", "there is no setting 'inti'; did you mean init?"),
        ("fintune: {learning_rate: 9}", "did you mean finetune?"),
        ("stack: {hiden: [3, 4]}", "there is no setting 'stack.hiden'; did you mean stack.hidden?"),
    ],
)
def test_a_misspelt_setting_in_a_file_is_refused(tmp_path, text, told):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}\n")
    code, said = run("--config-dir", str(tmp_path), "experiment=mine", *QUICK)
    assert code == 1
    assert told in said
    assert not (tmp_path / "runs").exists()


def test_a_file_may_have_settings_of_its_own_that_others_point_at(tmp_path):
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\nvars: {is: easy, easy: {seed: 7}}\nseed: ${vars.${vars.is}.seed}\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    assert run("--config-dir", str(tmp_path), "experiment=mine", *QUICK) == (0, "")
    assert list((tmp_path / "runs" / "digits").glob("init-sda_seed-7*"))


def test_a_folder_of_configuration_that_is_not_there_is_refused(tmp_path):
    code, said = run("--config-dir", "nowhere", *QUICK)
    assert (code, said) == (
        1, "error: --config-dir must be a folder of configuration files, got nowhere",
    )  # fmt: skip


def test_the_version_is_told(capsys):
    assert run("--version") == (0, "")
    assert capsys.readouterr().out == f"sda {sda.__version__}\n"


def test_help_names_every_choice(capsys):
    assert run("--help") == (0, "")
    said = capsys.readouterr().out
    for path in catalogue.folder().glob("*/*.yaml"):
        assert path.stem in said
    assert "table1/..." in said
    assert said.isascii()  # a terminal of any encoding can show it


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["campaign", "table1"], "sda campaign NAME campaign.hours=H"),
        (["resume"], "sda resume FOLDER"),
        (["data=rect"], "sda campaign table1"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_who_asks_for_help_anywhere_gets_that_of_the_command(words, told, tmp_path, capsys):
    assert run(*words, "--help") == (0, "")
    assert told in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.flags.utf8_mode, reason="Python was told to heed no locale")
def test_a_folder_says_what_was_written_there_whatever_the_locale(tmp_path):
    folder = RunFolder(tmp_path)
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, "C")
    try:
        folder.write_config({"data": {"path": "däten.npz"}})
        (tmp_path / "result.json").write_text('{"name": "größer"}', encoding="utf-8")
        assert folder.config == {"data": {"path": "däten.npz"}}
        assert folder.result == {"name": "größer"}
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def test_a_run_leaves_the_promised_files_and_is_not_trained_twice(tmp_path, capsys):
    assert run(*QUICK, "init=sda", "seed=3") == (0, "")
    said = capsys.readouterr()
    assert "test error" in said.out
    assert said.err == ""  # no progress line where there is no terminal
    (folder,) = (tmp_path / "runs" / "digits").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "config.yaml", "result.json", "metrics.jsonl", "times.jsonl",
        "model.safetensors", "test_predictions.npz", "checkpoint",
    }  # fmt: skip
    result = json.loads((folder / "result.json").read_text())
    assert {"data", "source", "init", "seed", "valid_error", "test_error", "n_test"} <= set(result)
    assert set(result["seconds"]) == {"pretrain", "finetune"}
    assert result["status"] == "finished"
    code, message = run(*QUICK, "init=sda", "seed=3")
    assert code == 1
    assert "already has a finished run" in message
    capsys.readouterr()
    assert run("resume", str(folder)) == (0, "")
    assert capsys.readouterr().out.startswith("finished already:")
    for word in ("seed=4", "overwrite=true", "runs_folder=there", "jobs=2"):
        code, message = run("resume", str(folder), word)
        assert code == 1
        assert "a resumed run keeps its settings" in message
        assert message.endswith(f"got {word!r}")
    for said in ("going on with", "finished already:"):
        capsys.readouterr()
        assert run("resume", str(folder), "finetune.epochs=7") == (0, "")
        assert capsys.readouterr().out.startswith(said)
    (other,) = (path for path in folder.parent.iterdir() if path != folder)
    assert "_finetune.epochs-7_" in other.name
    longer = json.loads((other / "result.json").read_text())
    assert longer["settings"]["finetune.epochs"] == 7
    assert longer["epochs"] > result["epochs"]
    assert json.loads((folder / "result.json").read_text()) == result


def test_a_run_whose_data_have_moved_goes_on_with_data_folder(tmp_path, monkeypatch):
    small = replace(sources.PROBLEMS["rect"], n_train=6, n_valid=4, n_test=4)
    monkeypatch.setitem(sources.PROBLEMS, "rect", small)
    (tmp_path / "old").mkdir()
    for file, rows in ((small.train_file, 10), (small.test_file, 4)):
        text = "".join("0 " * 783 + f"1 {k % 2}\n" for k in range(rows))
        (tmp_path / "old" / file).write_text(text)
    monkeypatch.setenv("SDA_CACHE", str(tmp_path / "cache"))
    rect = ["data=rect", "data.source=original", f"data_folder={tmp_path / 'old'}"]
    assert run(*QUICK, *rect, "tensorboard=false") == (0, "")
    (folder,) = (tmp_path / "runs" / "rect").iterdir()
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(result | {"status": "interrupted"}))
    (tmp_path / "old").rename(tmp_path / "new")
    monkeypatch.setenv("SDA_CACHE", str(tmp_path / "another cache"))
    code, said = run("resume", str(folder))
    assert code == 1
    assert "neither in the data folder (SDA_DATA or data_folder)" in said
    assert run("resume", str(folder), f"data_folder={tmp_path / 'new'}") == (0, "")
    assert run("resume", str(folder)) == (0, "")  # it is noted where they are now
    assert json.loads((folder / "result.json").read_text())["status"] == "finished"


def test_what_a_resumed_run_changes_holds_for_those_it_trains_together_with(tmp_path, monkeypatch):
    words = [[*QUICK, "init=random", f"seed={seed}", "tensorboard=false"] for seed in (0, 1)]
    asked = [Job.of(own) for own in words]
    train_jobs(asked)
    RunFolder(asked[1].path).update_result(status="interrupted")
    going_on = []
    monkeypatch.setattr(launch, "train_together", lambda batch, *_, **__: going_on.extend(batch))
    assert run("resume", str(asked[1].path), "tensorboard=true") == (0, "")
    assert [one.plan.seed for one in going_on] == [0, 1]
    assert all(one.plan.tensorboard for one in going_on)


def test_a_folder_that_cannot_be_made_is_refused_before_training(tmp_path):
    (tmp_path / "runs").write_text("a file")
    code, message = run(*QUICK)
    assert code == 1
    assert "cannot write to runs/digits" in message


@pytest.mark.slow
def test_a_sweep_skips_what_is_done_and_names_every_run_that_failed(tmp_path, capsys):
    sweep = ["-m", *QUICK, "init=random,sda", "tensorboard=false", "finetune.learning_rate=0.3,1e7"]
    done = shell(*sweep)
    assert done.returncode == 1
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 2
    assert all("fine-tuning diverged" in line for line in failed)
    folders = sorted((tmp_path / "runs" / "digits").glob("init*"))
    status = {f.name: json.loads((f / "result.json").read_text())["status"] for f in folders}
    assert sorted(status.values()) == ["diverged", "diverged", "finished", "finished"]
    good = [f for f in folders if status[f.name] == "finished"]
    before = [(f / "metrics.jsonl").stat().st_mtime_ns for f in good]
    assert shell(*sweep).returncode == 1
    assert [(f / "metrics.jsonl").stat().st_mtime_ns for f in good] == before
    assert run("compare", "runs") == (0, "")
    said = capsys.readouterr().out
    assert "random - sda" in said
    assert "learning rate 1e+07" in " ".join(said.split())


@pytest.mark.slow
def test_a_run_whose_process_dies_is_named_and_leaves_the_others_alone(tmp_path, monkeypatch):
    jobs = []
    for seed, epochs in ((0, 10**6), (1, 2)):
        words = [*QUICK, f"seed={seed}", "tensorboard=false", "init=random"]
        words += [f"finetune.epochs={epochs}", "finetune.patience=null"]
        jobs.append(Job.of(words))

    class Watched(executor.Child):
        def __init__(self, task, told):
            super().__init__(task, told)
            if task[0] is jobs[0]:
                threading.Thread(target=die_in_training, args=(self.process.pid,)).start()

    def die_in_training(pid):
        while not (jobs[0].path / "metrics.jsonl").exists():
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)

    monkeypatch.setattr(executor, "Child", Watched)
    outcomes = sweep.run_all(jobs, Local(2))
    assert "its process died" in outcomes[0].fault
    assert outcomes[0].objective == float("inf")
    assert outcomes[1].fault is None
    assert outcomes[1].objective < 1


@pytest.mark.slow
@pytest.mark.parametrize("words", [["seed=0"], ["-m", "seed=0,1"]], ids=["run", "sweep"])
def test_a_checkout_need_not_be_writable_and_nothing_is_written_there(words, tmp_path):
    checkout = tmp_path / "checkout"
    for name in ("sda", "conf"):
        shutil.copytree(ROOT / name, checkout / name)
    before = {path: path.stat().st_mtime_ns for path in checkout.rglob("*")}
    for path in (checkout, *before):
        path.chmod(path.stat().st_mode & ~0o222)
    here = {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    done = shell(*words, *QUICK, **here)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in checkout.rglob("*")} == before


@pytest.mark.slow
def test_a_closed_output_or_a_poor_environment_is_no_crash(tmp_path):
    poor = {"LANG": "C", "LC_ALL": "C", "TERM": "dumb", "HOME": "/nonexistent"}
    done = shell(*QUICK, "init=random", "tensorboard=false", **poor)
    assert done.returncode == 0, done.stderr
    command = f"{sys.executable} -m sda --help | head -1"
    piped = subprocess.run(
        ["sh", "-c", command], env=environment(),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert piped.stderr == ""


def test_a_line_that_nobody_reads_is_lost_and_so_are_those_after_it(monkeypatch):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        terminal.say("one")
        terminal.say("two")
        print("three", flush=True)
        monkeypatch.undo()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "-m jobs=1 seed=0,1,2 init=random | head -1",
        "-m jobs=1 init=sda finetune.learning_rate=0.1,0.2,0.3 | head -0",
    ],
)
def test_a_sweep_whose_output_nobody_reads_any_more_trains_all_its_runs(tmp_path, words):
    subprocess.run(
        ["bash", "-c", f"{sys.executable} -m sda {' '.join(QUICK)} tensorboard=false {words}"],
        env=environment(),
        capture_output=True, timeout=120,
    )  # fmt: skip
    results = sorted((tmp_path / "runs" / "digits").glob("*/result.json"))
    assert [json.loads(path.read_text())["status"] for path in results] == ["finished"] * 3


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_sweep_goes_on_after_a_run_that_diverged_names_it_and_exits_1(tmp_path, launcher):
    steps = ["finetune.learning_rate=1e30,0.1", "jobs=1", *launcher]
    ended = shell("-m", *QUICK, "init=random", "tensorboard=false", *steps)
    assert ended.returncode == 1
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("failed: ")]
    assert "finetune.learning_rate-1e+30" in line
    assert "fine-tuning diverged" in line
    results = (tmp_path / "runs" / "digits").glob("*/result.json")
    statuses = {json.loads(path.read_text())["status"] for path in results}
    assert statuses == {"diverged", "finished"}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_sweep_that_ends_well_exits_0_whatever_launches_it(launcher):
    quick = [*QUICK, "init=random", "tensorboard=false", "seed=0,1"]
    ended = shell("-m", *quick, *launcher)
    assert (ended.returncode, ended.stdout.count("validation error")) == (0, 2), ended.stderr
    assert not [path for path in Path("runs/digits").iterdir() if "launcher" in path.name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        f"{' '.join(QUICK)} init=random tensorboard=false >&- 2>&-",
        f"-m {' '.join(QUICK)} seed=0,1 >&- 2>&-",
    ],
)
def test_a_command_with_a_closed_output_does_its_work(line):
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m sda {line}"],
        env=environment(),
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_setting_that_is_said_twice_has_the_last_value_and_one_place_in_the_name():
    words = ["init=sda", "pretrain.epochs=1", "finetune.epochs=2", "pretrain.epochs=3"]
    asked = Job.of(words)
    assert asked.plan.pretraining[0].epochs == 3
    path = asked.path
    assert path.name == "init-sda_seed-0_finetune.epochs-2_pretrain.epochs-3"


def test_folder_names_are_safe_short_and_distinct():
    from sda.runs.folder import LONGEST_NAME, folder_name

    long = folder_name(["init=sda", "data.path=" + "x" * 500])
    assert len(long) <= LONGEST_NAME + 9
    assert long != folder_name(["init=sda", "data.path=" + "x" * 501])
    assert folder_name(["a=é/ü"]) != folder_name(["a=ö/ü"])
    assert folder_name(["init=sda", "seed=3"]) == "init-sda_seed-3"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "send"),
    [(signal.SIGINT, os.kill), (signal.SIGTERM, os.killpg)],
    ids=["Ctrl-C", "SIGTERM to its group, as timeout and batch systems send it"],
)
def test_an_interrupted_sweep_saves_stops_and_the_same_command_goes_on_with_it(
    number, send, tmp_path
):
    words = ["-m", "seed=0,1,2", "stack.hidden=[300,300]", "pretrain.epochs=120", "jobs=2"]
    words += ["finetune.epochs=3", "tensorboard=false"]
    sweep = subprocess.Popen(
        [sys.executable, "-m", "sda", *words],
        env=environment(),
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0,
    )  # fmt: skip
    folders = tmp_path / "runs" / "digits"
    for _ in range(600):
        time.sleep(0.1)
        if len(list(folders.glob("*/metrics.jsonl"))) == 2:
            break
    send(sweep.pid, number)
    _, said = sweep.communicate(timeout=60)
    assert sweep.returncode == 128 + number
    assert "sweep interrupted; the same command goes on with it" in said
    assert "Traceback" not in said
    status = [json.loads(p.read_text())["status"] for p in folders.glob("*/result.json")]
    assert status == ["interrupted"] * 2
    assert shell(*words).returncode == 0
    status = [json.loads(p.read_text())["status"] for p in folders.glob("*/result.json")]
    assert status == ["finished"] * 3


def test_gradients_of_saturated_units_do_not_slow_a_run_down():
    torch.set_flush_denormal(False)
    denormal = torch.full((4,), 1e-39)
    assert (denormal * 0.5).any()
    threads.settle(1)
    assert not (denormal * 0.5).any()


@pytest.mark.slow
def test_an_option_that_is_unknown_is_named_in_two_lines():
    done = shell("data=digits", "--foo")
    assert done.returncode == 2
    usage, message = done.stderr.splitlines()
    assert usage.endswith("more: python -m sda --help")
    assert message == "sda: error: unrecognized arguments: --foo"


SLOW_TO_IMPORT = ("torch", "optuna", "scipy", "sklearn", "matplotlib", "torch.utils.tensorboard")


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["--help"], set()),
        pytest.param([*QUICK, "tensorboard=false"], {"torch"}, marks=pytest.mark.slow),
    ],
    ids=["help", "run"],
)
def test_a_command_imports_only_what_it_needs(words, needed):
    code = (
        f"import sys\nfrom sda.__main__ import main\ntry:\n main({words!r})\n"
        f"except SystemExit as end:\n there = [m for m in {SLOW_TO_IMPORT!r} if m in sys.modules]\n"
        " sys.exit(end.code or ' '.join(there))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert {*done.stderr.split()} == needed


SLOW = ("torch", "sklearn", "scipy.stats", "matplotlib", "tensorboard", "pandas", "optuna")


def without_slow_modules(*words):
    """Run a command in a process that cannot import what takes long to import."""
    code = f"import sys; sys.modules.update(dict.fromkeys({SLOW})); from sda.__main__ import main; "
    command = [sys.executable, "-c", code + "main(sys.argv[1:])", *words]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["data=digits", "init=saa", "seed=3"], "digits: init=saa, seed=3"),
        (["-m", "init=saa,sda", "seed=3"], "a sweep, runs: 2"),
        (["baseline=svm_rbf"], "digits: baseline=svm_rbf, seed=0"),
    ],
    ids=["a run", "a sweep", "a baseline"],
)
def test_what_is_about_to_run_is_said_before_anything_slow_is_imported(words, line):
    assert without_slow_modules(*words).stdout == f"{line}\n"


@pytest.mark.parametrize("command", ["", *options.COMMANDS], ids=lambda word: word or "train")
def test_help_is_there_before_anything_slow_is_imported(command):
    done = without_slow_modules(*filter(None, [command]), "--help")
    assert (done.returncode, bool(done.stdout)) == (0, True), done.stderr


def test_a_line_is_said_for_each_phase_where_there_is_no_terminal(capsys):
    assert run(*QUICK, "init=sda", "tensorboard=false") == (0, "")
    lines = capsys.readouterr().out.splitlines()
    said = [line.split(":")[0] for line in lines]
    phases = ["digits", "layer 1", "layer 2", "layers that denoise best", "fine-tuning"]
    assert said[: len(phases)] == phases
    assert lines[1].startswith("layer 1: epoch 1  loss ")


def test_on_a_terminal_a_bar_is_drawn_instead(monkeypatch, capsys):
    master, end = os.openpty()
    os.set_blocking(master, False)
    with open(end, "w") as stream, open(master, "rb", 0) as seen:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((100, 30)))
        assert run(*QUICK, "init=random", "tensorboard=false") == (0, "")
        monkeypatch.undo()
        drawn = seen.read().decode()
    assert "fine-tuning 2/2 epochs |" in drawn
    assert "fine-tuning: epoch" not in capsys.readouterr().out


def test_a_run_that_is_not_to_be_tested_says_so(capsys):
    assert run(*QUICK, "init=random", "tensorboard=false", "test=false") == (0, "")
    assert "not tested" in capsys.readouterr().out


@pytest.mark.parametrize("again", [(*QUICK, "init=random", "tensorboard=false"), ("resume",)])
def test_a_run_that_was_not_tested_is_tested_when_it_is_asked_for_again(again, capsys):
    words = (*QUICK, "init=random", "tensorboard=false")
    assert run(*words, "test=false") == (0, "")
    (path,) = Path("runs").glob("*/*/result.json")
    before = json.loads(path.read_text())
    words = [*again, str(path.parent), "test=true"] if again == ("resume",) else again
    assert run(*words) == (0, "")
    assert "test error" in capsys.readouterr().out
    result = json.loads(path.read_text())
    assert result["settings"]["test"] is True
    assert result["valid_error"] == before["valid_error"]
    assert RunFolder(path.parent).config["test"] is True
    if again != ("resume",):
        assert "already has a finished run" in run(*again)[1]


def _table(path, rows=60):
    lines = [f"{k % 7},{k % 3},{'ab'[k % 2]}" for k in range(rows)]
    path.write_text("\n".join(["height,width,species", *lines]) + "\n")


def test_a_persons_own_data_are_called_by_their_file(tmp_path, capsys):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    _table(tmp_path / "deep" / "er" / "mine.csv")
    words = ["data=arrays", "data.path=deep/er/mine.csv", *SHORT, "init=random"]
    assert run(*words) == (0, "")
    assert "mine (user)" in capsys.readouterr().out
    (folder,) = (tmp_path / "runs" / "mine").iterdir()
    assert "data.path-mine.csv" in folder.name
    assert "deep" not in folder.name
    (tmp_path / "other").mkdir()
    _table(tmp_path / "other" / "mine.csv", rows=90)
    capsys.readouterr()
    again = ["-m", "data=arrays", "data.path=other/mine.csv", *SHORT, "init=random"]
    assert run(*again)[0] == 1  # it is not taken for the finished one
    assert "other settings (data.path: " in capsys.readouterr().err
    assert run("compare", "runs") == (0, "")
    assert "mine (user, " in capsys.readouterr().out


def test_a_run_on_a_file_that_was_named_from_one_folder_goes_on_in_another(
    tmp_path, monkeypatch, capsys
):
    _table(tmp_path / "mine.csv")
    words = ["data=arrays", "data.path=mine.csv", *SHORT, "init=random"]
    assert run(*words) == (0, "")
    (folder,) = (tmp_path / "runs" / "mine").iterdir()
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(result | {"status": "interrupted"}))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert run("resume", str(folder)) == (0, "")
    (tmp_path / "mine.csv").rename(tmp_path / "moved.csv")
    (folder / "result.json").write_text(json.dumps(result | {"status": "interrupted"}))
    assert "no such file" in run("resume", str(folder))[1]
    assert run("resume", str(folder), "data.path=../moved.csv") == (0, "")
    _table(tmp_path / "moved.csv", rows=50)
    (folder / "result.json").write_text(json.dumps(result | {"status": "interrupted"}))
    said = run("resume", str(folder), "data.path=../moved.csv")[1]
    assert "the data: their SHA-256 differs" in said


def test_tensorboard_is_only_named_where_there_is_something_to_look_at(tmp_path, capsys):
    assert run(*SHORT, "data=digits", "init=random") == (0, "")
    assert "tensorboard" not in capsys.readouterr().out
    assert "no run in runs has written events" in run("tensorboard")[1]
    assert "there is no folder nowhere" in run("tensorboard", "nowhere")[1]
    assert run(*SHORT, "data=digits", "init=saa", "tensorboard=true") == (0, "")
    said = capsys.readouterr().out
    assert "look at it with: " in said
    assert re.search(r"tensorboard runs/digits/init-saa_seed-0\S*$", said, re.M)


def test_tensorboard_is_started_on_the_folder(tmp_path, monkeypatch):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "events.out.tfevents.1").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a package that it sanitises with
        from tensorboard.program import TensorBoard
    asked = []
    monkeypatch.setattr(TensorBoard, "configure", lambda self, argv: asked.append(argv))
    monkeypatch.setattr(TensorBoard, "main", lambda self: 0)
    assert run("tensorboard", "runs/a", "--port", "6007") == (0, "")
    assert run("tensorboard", "--port", "6007") == (0, "")
    assert asked == [
        ["tensorboard", "--logdir", folder, "--port", "6007"] for folder in ("runs/a", "runs")
    ]


@pytest.mark.slow
def test_a_sweep_of_several_arms_ends_in_their_table_and_what_to_type_next(capsys):
    words = [*SHORT, "hydra/launcher=batched", "seed=0,1"]
    assert run("-m", "init=random,sda", *words) == (0, "")
    printed = capsys.readouterr().out
    assert re.search(r"^random - sda +2 ", printed, re.M)
    assert "all with finetune.epochs=2, pretrain.epochs=1, stack.hidden=[4]" in printed
    for command in ("compare", "report"):
        (line,) = [line for line in printed.splitlines() if f" sda {command} " in line]
        assert run(*line.partition(" sda ")[2].split()) == (0, "")
    capsys.readouterr()
    assert run("-m", "init=sda", *words) == (0, "")
    assert "test %" not in capsys.readouterr().out


def small_table(path):
    rng = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'xy'[int(a > 0.5)]}" for a, b in rng.random((45, 2))]
    path.write_text("\n".join(["a,b,kind", *rows]) + "\n")


@pytest.mark.slow
def test_small_data_are_cut_several_times_and_every_row_is_tested_once(tmp_path, capsys):
    small_table(tmp_path / "mine.csv")
    words = ["data=arrays", "data.path=mine.csv", "init=random,sda", "hydra/launcher=batched"]
    assert run("-m", "folds=3", *words, *SHORT) == (0, "")
    printed = capsys.readouterr().out
    assert re.search(r"^mine \(user, [0-9a-f]{8}\), 45 rows in 3 folds$", printed, re.M)
    assert re.search(r"^random - sda +3 +\S+ ±\S+", printed, re.M)
    assert "Nadeau and Bengio" in printed
    (table,) = compare.compare([tmp_path / "runs"]).tables
    assert sum(run.n_test for run in table.arms[0].runs) == 45
    (command,) = report.commands(table)
    assert "folds=3" in command.split()
    assert "data.fold" not in command


@pytest.mark.parametrize("word", ["folds=1", "repeats=many"])
def test_a_number_of_cuts_that_is_none_is_refused_in_one_line(word):
    assert "must be how many cuts of the data" in run("data=arrays", word)[1]
