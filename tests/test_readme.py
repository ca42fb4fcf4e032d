"""What the README says can be done can be done."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from sda.__main__ import main

README = (Path(__file__).parents[1] / "README.md").read_text()
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
    and not {"-m", "compare", "resume", "data", "--help", "--cfg", "svm", "campaign", "report"}
    & set(words)
]


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


@pytest.mark.parametrize("words", SINGLE, ids=" ".join)
def test_the_readmes_single_runs_run(words, monkeypatch):
    # Here without the files of MNIST.
    words = [word.replace("vincent2008_basic", "vincent2008_rect") for word in words]
    if any(word.startswith("pretrain.epochs=") for word in words):
        words = [word for word in words if not word.startswith("pretrain.epochs=")]
    run(*words, *SMALL)


def test_the_readmes_compare_and_resume_work_on_a_finished_run(tmp_path):
    run("init=sda", "seed=0", *SMALL)
    (folder,) = (tmp_path / "runs" / "digits").iterdir()
    run("resume", str(folder))
    run("compare", "runs/digits")
    assert (tmp_path / "runs" / "digits" / "comparison.png").stat().st_size > 10_000


def test_the_readmes_support_vector_machines_run(tmp_path):
    run("init=sda", "seed=0", *SMALL)
    (folder,) = (tmp_path / "runs" / "digits").iterdir()
    folder.rename(folder.with_name("init-sda_seed-0"))
    machines = [words[words.index("./run") + 1 :] for words in COMMANDS if "svm" in words]
    assert len(machines) == 2
    for words in machines:
        run(*(word.replace("data=rect", "data=digits") for word in words), "kernel.C=1")


def test_the_readmes_data_list_names_every_set(capsys):
    run("data", "list")
    said = capsys.readouterr().out
    for path in (Path(__file__).parents[1] / "conf" / "data").glob("*.yaml"):
        assert path.stem in said


def test_the_readmes_python_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(code.replace("epochs=10", "epochs=1").replace("epochs=20", "epochs=2"), {})
    assert "test error" in capsys.readouterr().out
