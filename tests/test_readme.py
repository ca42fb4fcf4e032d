"""What the README says can be done can be done."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sda.__main__ import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SMALL = [
    "stack.hidden=[9,8,7]", "pretrain.epochs=1", "finetune.epochs=1", "tensorboard=false",
]  # fmt: skip
COMMANDS = [
    shlex.split(line.split("#")[0])
    for block in re.findall(r"```sh\n(.*?)```", README, re.S)
    for line in block.splitlines()
    if "./run" in line
]
SINGLE = [
    words[words.index("./run") + 1 :]
    for words in COMMANDS
    if len(words) > 1
    and words[-1] != "test"
    and "codes_of=" not in " ".join(words)
    and not {
        "-m",
        "compare",
        "resume",
        "data",
        "--help",
        "--cfg",
        "campaign",
        "report",
        "worth",
        "predict",
        "tensorboard",
    }
    & set(words)
]

SCRIPTS = sorted(
    {
        name
        for path in ROOT.rglob("*")
        if path.suffix in (".md", ".yaml") and ".venv" not in path.parts
        for name in re.findall(r"\./run\s+(experiments/[a-z]\w*\.py)", path.read_text("utf-8"))
    }
)


def run(*words):
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert not end.value.code, end.value.code


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text(
        "height,width,species\n" + "".join(f"{k % 7},{k % 3},{'ab'[k % 2]}\n" for k in range(60))
    )
    (tmp_path / "pixels").mkdir()
    for part in ("train", "valid", "test"):
        np.save(
            tmp_path / "pixels" / f"x_{part}.npy", np.arange(240, dtype=np.uint8).reshape(60, 4)
        )
        np.save(tmp_path / "pixels" / f"y_{part}.npy", np.arange(60) % 2)


def test_there_are_commands():
    assert len(COMMANDS) >= 10
    assert len(SINGLE) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("words", SINGLE, ids=" ".join)
def test_the_readmes_single_runs_run(words, monkeypatch):
    # Here without the files of MNIST.
    words = [word.replace("vincent2008_basic", "vincent2008_rect") for word in words]
    words = [word.replace("experiment=table1/basic", "data=digits") for word in words]
    if any(word.startswith("pretrain.epochs=") for word in words):
        words = [word for word in words if not word.startswith("pretrain.epochs=")]
    run(*words, *SMALL)


@pytest.mark.slow
def test_the_readmes_table_goes_to_predictions_with_the_layers_and_rates_that_nobody_set(tmp_path):
    own = README.partition("## Your own data")[2].partition("```sh")[2].splitlines()[1:3]
    train, predict = (shlex.split(line, comments=True)[1:] for line in own)
    (tmp_path / "new.csv").write_text("height,width\n3,1\n,2\n")
    run(*train, "pretrain.epochs=3", "finetune.epochs=2", "tensorboard=false")
    (folder,) = (tmp_path / "runs" / "mine").iterdir()
    folder.rename(folder.with_name(Path(predict[1]).name))
    run(*predict)
    assert len((tmp_path / "predicted.csv").read_text().splitlines()) == 3


def test_the_readmes_compare_and_resume_work_on_a_finished_run(tmp_path):
    run("init=sda", "seed=0", *SMALL)
    (folder,) = (tmp_path / "runs" / "digits").iterdir()
    run("resume", str(folder))
    run("compare", "runs/digits")
    assert (tmp_path / "runs" / "digits" / "comparison.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_readmes_baselines_run(tmp_path):
    run("init=sda", "seed=0", *SMALL)
    (folder,) = (tmp_path / "runs" / "digits").iterdir()
    folder.rename(folder.with_name("init-sda_seed-0"))
    lines = [words for words in COMMANDS if "baseline=" in " ".join(words) and "-m" not in words]
    assert lines
    for words in (words[words.index("./run") + 1 :] for words in lines):
        few = "knn" if "knn" in " ".join(words) else "svm"
        grid = "baseline.grid.n_neighbors=[1]" if few == "knn" else "baseline.grid.C=[1]"
        run(*(word.replace("data=rect", "data=digits") for word in words), grid)


def test_the_readmes_data_list_names_every_set(capsys):
    run("data", "list")
    said = capsys.readouterr().out
    made = {"bits", "curve"}  # whose law is known, for the figures of docs/views.md
    for path in (ROOT / "conf" / "data").glob("*.yaml"):
        assert path.stem in said or path.stem in made


def test_the_readmes_python_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(code.replace("epochs=10", "epochs=1").replace("epochs=20", "epochs=2"), {})
    assert "test error" in capsys.readouterr().out


@pytest.fixture
def run_script(tmp_path):
    """``./run`` with another Python in place of its environment's."""

    def call(*words, python=sys.executable):
        binary = tmp_path / "venv" / "bin"
        binary.mkdir(parents=True)
        (binary / "python").write_text(f'#!/bin/sh\n{python} "$@"\n')
        (binary / "python").chmod(0o755)
        wanted = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
        done = subprocess.run(["cksum"], input=b"".join(wanted), capture_output=True, check=True)
        (tmp_path / "venv" / "set-up").write_bytes(done.stdout)
        return subprocess.run(
            [ROOT / "run", *words], capture_output=True, text=True,
            env={"PATH": "/usr/bin:/bin", "SDA_VENV": str(tmp_path / "venv")},
        )  # fmt: skip

    return call


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ("experiments/labels.py runs/labels", "experiments/labels.py runs/labels"),
        ("name=mine.py seed=1", "-m sda name=mine.py seed=1"),
        ("compare runs/demo", "-m sda compare runs/demo"),
        ("", "-m sda"),
    ],
)
def test_run_calls_the_program_or_a_script_and_either_finds_the_package(given, called, run_script):
    done = run_script(*given.split(), python='echo "$PYTHONPATH"')
    assert done.stdout.split() == [str(ROOT), *called.split()], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_that_a_document_names_says_how_it_is_called(name, run_script):
    done = run_script(ROOT / name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"./run {name}" in done.stdout


@pytest.mark.slow
def test_a_benchmark_on_a_device_that_is_not_there_is_refused_in_one_line(run_script):
    done = run_script(ROOT / "experiments" / "benchmark_step.py", "--quick", "--device", "nosuch")
    assert done.returncode == 2
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("benchmark_step.py: error: argument --device: ")
    assert "device must be one of cpu, cuda, cuda:1, mps, auto, got 'nosuch'" in last


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_told_of_a_folder_that_is_not_there_says_so_in_one_line(name, run_script):
    given = {
        "table1": ["--ledger"], "filters": ["out.png"], "benchmark_step": ["--json"],
        "large_data": ["--folder"],
    }  # fmt: skip
    done = run_script(ROOT / name, *given.get(Path(name).stem, []), "no/where")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith(("error: ", f"{Path(name).name}: error"))
