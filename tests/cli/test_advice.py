"""What a message advises is itself accepted."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from sda.__main__ import main

QUICK = ["stack.hidden=[6,5]", "pretrain.epochs=1", "finetune.epochs=1", "tensorboard=false"]
TABLE = ["data=arrays", "data.path=table.npz"]
SPREAD = [*TABLE, "data.scaling=standard"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for name in ("table.npz", "epoch=9.npz", "a#b.npz"):
        np.savez(tmp_path / name, x=rng.normal(size=(60, 4)), y=np.arange(60) % 2)
    (tmp_path / "FOLDER" / "experiment").mkdir(parents=True)
    (tmp_path / "FOLDER" / "experiment" / "NAME.yaml").write_text("# @package _global_\nseed: 4\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


def run(*words):
    with pytest.raises(SystemExit) as end:
        main(list(words))
    code = end.value.code
    return (1, code) if isinstance(code, str) else (code or 0, "")


ADVICE = [
    (SPREAD, "reconstruction=squared_error", []),
    ([*SPREAD, "init=dbn"], "data.scaling=unit", []),
    ([*TABLE, "stack.activation=tanh"], "reconstruction=squared_error", []),
    (["init=dbn", "stack.activation=tanh"], "activation=sigmoid", ["stack.activation=sigmoid"]),
    (["init=dbn", "stack.tied=false"], "tied=true", ["stack.tied=true"]),
    (["init=dbn", "reconstruction=squared_error"], "reconstruction=cross_entropy", []),
    (["hydra.run.dir=there"], "runs_folder=FOLDER", []),
    (["hydra.sweep.dir=there"], "name=NAME", []),
    (["hydra.searchpath=[x]"], "--config-dir FOLDER", ["--config-dir", "FOLDER"]),
    (["--config-name=x"], "experiment=NAME", ["--config-dir", "FOLDER", "experiment=NAME"]),
    (["pretrain.lr=0.2"], "pretrain.learning_rate", ["pretrain.learning_rate=0.2"]),
    (["-m", "hydra/launcher=joblib"], "batched", ["hydra/launcher=batched"]),
]


@pytest.mark.parametrize(("words", "advised", "instead"), ADVICE, ids=lambda v: str(v)[:40])
def test_what_a_message_advises_is_accepted(words, advised, instead):
    code, told = run(*QUICK, *words)
    assert code == 1
    assert advised in told
    followed = instead or [advised]
    keys = {word.partition("=")[0] for word in followed}
    wrong = ("hydra.", "hydra/", "--config-name", "pretrain.lr")
    kept = [w for w in words if w.partition("=")[0] not in keys and not w.startswith(wrong)]
    assert run(*QUICK, *kept, *followed) == (0, "")


@pytest.mark.parametrize("path", ["epoch=9.npz", "a#b.npz", "~/table.npz"])
def test_a_value_that_must_be_quoted_is_shown_as_it_is_to_be_typed(path):
    code, told = run(*QUICK, "data=arrays", f"data.path={path}")
    assert code == 1
    assert told.startswith(f"error: cannot read 'data.path={path}'; quote")
    (typed,) = shlex.split(told.rpartition(": ")[2])
    assert run(*QUICK, "data=arrays", typed) == (0, "")


def test_the_way_to_go_on_is_a_command_that_can_be_typed(monkeypatch, capsys):
    monkeypatch.setenv("SDA_CALLED", "./run")
    monkeypatch.setattr("sda.runs.folder.RunFolder.clear", lambda _: None)
    assert run(*QUICK, "init=random", "name=a b") == (0, "")
    (folder,) = Path("runs").glob("a_b*/*")
    result = folder / "result.json"
    result.write_text(re.sub('"status": "finished"', '"status": "interrupted"', result.read_text()))
    code, told = run(*QUICK, "init=random", "name=a b")
    assert code == 1
    command = re.search(r"go on with: (\S+) resume (.+) \(overwrite=true", told)
    assert command[1] == "./run"
    (path,) = shlex.split(command[2])
    assert run("resume", path) == (0, "")
    assert run("resume", path) == (0, "")
    assert "finished already:" in capsys.readouterr().out
