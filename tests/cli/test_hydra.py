"""Hydra as its users know it: its launchers, --cfg and --info, one's own files and parts."""

import re
import sys
from pathlib import Path

import pytest
from commands import ROOT, SHORT, run, shell

from sda.cli import options
from sda.runs import results

pytestmark = pytest.mark.usefixtures("somewhere")


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [["joblib", "n_jobs=2"], ["submitit_local", "timeout_min=5", "cpus_per_task=1"]],
    ids=lambda words: words[0],
)
def test_a_launcher_of_hydras_trains_the_runs_of_a_sweep(tmp_path, launcher):
    pytest.importorskip(f"hydra_plugins.{options.PLUGINS[launcher[0]].replace('-', '_')}")
    name, *settings = launcher
    chosen = [f"hydra/launcher={name}", *(f"hydra.launcher.{word}" for word in settings)]
    words = ["init=random,sda", "finetune.learning_rate=0.1,1e30", *SHORT]
    ended = shell("-m", *chosen, *words)
    assert ended.returncode == 1, ended.stderr  # two of four diverge
    assert ended.stderr.count("failed: runs/digits/init-") == 2
    assert "fine-tuning diverged: epoch 1" in ended.stderr
    assert re.search(r"^random - sda ", ended.stdout, re.M)
    finished, others = results.read([tmp_path / "runs"])
    assert [run.init for run in finished] == ["random", "sda"]
    assert {one.status for one in others} == {"diverged"}
    beside = shell("-m", "init=random,sda", "finetune.learning_rate=0.1", *SHORT, "name=again")
    assert beside.returncode == 0
    again, _ = results.read([tmp_path / "runs" / "again"])
    assert [run.test_error for run in again] == [run.test_error for run in finished]


def test_a_launcher_whose_plug_in_is_missing_is_told_with_what_to_install(monkeypatch):
    monkeypatch.setattr(options, "find_spec", lambda name: None)
    told = run("-m", "hydra/launcher=joblib", "seed=0,1")[1]
    assert told == "error: hydra/launcher=joblib needs a plug-in: pip install hydra-joblib-launcher"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["hydra/launcher=ray"],
            "there is no launcher ray; there are side_by_side, batched, joblib",
        ),
        (["hydra.launcher.n_jobs=2"], "hydra.launcher.n_jobs needs hydra/launcher=NAME beside it"),
        (["--info", "nothing"], ""),
    ],
)
def test_words_for_a_launcher_that_has_none_are_refused(words, told, capsys):
    code, message = run("-m", *words)
    assert code != 0
    assert told in message


def test_a_configuration_is_shown_in_whole_and_in_part(capsys):
    assert run("--cfg", "job", "-p", "pretrain", "pretrain.epochs=7") == (0, "")
    assert "epochs: 7" in capsys.readouterr().out.splitlines()
    assert run("--cfg", "job", "--resolve", "data=rect") == (0, "")
    assert "name: rect" in capsys.readouterr().out.splitlines()
    assert run("--cfg", "hydra") == (0, "")
    assert capsys.readouterr().out.startswith("hydra:\n")
    assert not Path("runs").exists()


def test_where_a_configuration_comes_from_is_told_with_ones_own_folder_in_it(tmp_path, capfd):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    own = tmp_path / "mine" / "experiment" / "short.yaml"
    own.write_text("# @package _global_\npretrain:\n  epochs: 3\n")
    words = ["--config-dir", "mine", "experiment=short"]
    ended = shell("--info", "searchpath", *words)
    assert f"file://{tmp_path / 'mine'}" in ended.stdout
    assert run("--cfg", "job", "-p", "pretrain", *words) == (0, "")
    assert "epochs: 3" in capfd.readouterr().out


@pytest.mark.slow
def test_the_example_of_parts_of_ones_own_runs_as_it_is_printed(tmp_path, capsys, monkeypatch):
    page = (ROOT / "docs" / "own_parts.md").read_text("utf-8")
    (module,) = re.findall(r"```python\n(.*?)```", page, re.S)
    (tmp_path / "my_parts.py").write_text(module)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    for name, content in re.findall(r"```yaml\n# (\S+)\n(.*?)```", page, re.S):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    (commands,) = re.findall(r"```sh\n(.*?)```", page, re.S)
    for line in commands.splitlines():
        quick = ["hydra/launcher=batched", "tensorboard=false"] if " -m " in line else []
        assert run(*line.removeprefix("./run ").split(), *quick) == (0, "")
    printed = capsys.readouterr().out
    assert "_target_: my_parts.Stripe" in printed
    assert re.search(r"^waves \(user, [0-9a-f]{8}\), 100 test rows$", printed, re.M)
    assert "corruption=Stripe" in printed
