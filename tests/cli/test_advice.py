"""What a message advises is itself accepted."""

import ast
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from commands import run

import sda
from sda.cli.options import COMMANDS

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
    (["-m", "hydra/launcher=ray"], "batched", ["hydra/launcher=batched"]),
]


@pytest.mark.slow
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


def sentences(tree):
    """The strings that a program can print, with {name} for what is put in; no docstrings."""
    silent = {
        id(statement.value) for statement in ast.walk(tree) if isinstance(statement, ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            silent |= {id(part) for part in ast.walk(node) if part is not node}
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value)
                if isinstance(part, ast.Constant)
                else "{" + ast.unparse(part.value) + "}"
                for part in node.values
            )


def named():
    """Every command that a message names, with what stands before it and after it."""
    called = (
        rf"(.{{0,12}})(?<![\w./=-])({'|'.join(COMMANDS)}) (?=[A-Z]{{3,}}|runs/|fetch|\{{)([^\s]*)"
    )
    for file in sorted(Path(sda.__path__[0]).rglob("*.py")):
        for said in sentences(ast.parse(file.read_text("utf-8"))):
            for before, command, after in re.findall(called, said):
                yield f"{file.stem}: {command} {after}", before


COLLECTED = dict(named())


@pytest.mark.parametrize("message", COLLECTED)
def test_every_command_that_a_message_names_can_be_pasted(message):
    """It is preceded by how the program was called: ./run, or sda."""
    assert COLLECTED[message].endswith(("{program()} ", "sda "))


def test_there_are_commands_in_messages():
    assert len(COLLECTED) >= 8
