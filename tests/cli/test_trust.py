"""A folder from a stranger runs nothing; a person's own parts run where the command names them."""

import json
import shutil
import time

import own_parts
import pytest
import yaml
from commands import QUICK as QUICK_RUN
from commands import run, shell

from sda.config import compose
from sda.runs.folder import RunFolder

QUICK = [*QUICK_RUN, "tensorboard=false"]
HALVING = ["~corruption.fraction", "~corruption.exact", "~corruption.value"]
HALVING += ["corruption._target_=my_parts.Halving", "+corruption.share=0.5"]
DICE = ["data._target_=my_parts.dice", "+data.rows=40"]
pytestmark = pytest.mark.usefixtures("somewhere")


def config(**changes):
    """What a run leaves in its folder, changed by a stranger."""
    return compose.settings(QUICK) | changes


ATTACKS = {
    "the command line, and through it callbacks of Hydra's": {
        "data": {
            "_target_": "sda.__main__.main",
            "argv": [
                "-m", "+hydra.callbacks.x._target_=torch.hub.load",
                "+hydra.callbacks.x.repo_or_dir=FOLDER", "+hydra.callbacks.x.source=local",
                "+hydra.callbacks.x.model=attack",
            ],
        }
    },
    "a function of ours that writes": {
        "data": {"_target_": "sda.common.files.replace", "path": "marker", "content": "x"}
    },
    "a class that is no corruption": {
        "corruption": {"_target_": "sda.runs.folder.RunFolder", "path": "marker"}
    },
    "a module that the folder itself trusts": {
        "parts": ["hubconf"],
        "corruption": {"_target_": "hubconf.Attack"},
    },
    "callbacks of Hydra's": {
        "hydra": {"callbacks": {"x": {"_target_": "hubconf.attack"}}},
    },
    "a value that is to be interpreted": {
        "name": "${oc.env:HOME}",
        "data": {"_target_": "${oc.decode:sda.__main__.main}"},
    },
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_strangers_folder_runs_no_code_of_its_own_when_it_is_resumed(attack, tmp_path):
    folder = tmp_path / "gift"
    folder.mkdir()
    marker = tmp_path / "marker"
    (folder / "hubconf.py").write_text(
        f"open({str(marker)!r}, 'w')\ndef attack(): open({str(marker)!r}, 'w')\n"
    )
    shutil.copy(folder / "hubconf.py", tmp_path)
    text = yaml.safe_dump(config(**attack)).replace("FOLDER", str(folder))
    (folder / "config.yaml").write_text(text)
    code, said = run("resume", "gift")
    assert code == 1
    assert len(said.splitlines()) == 1
    assert said.startswith("error: gift holds no run that can go on: ")
    assert not marker.exists()
    assert not (tmp_path / "runs").exists()


BOMB = "a: &a [1]\n" + "".join(
    f"{chr(98 + k)}: &{chr(98 + k)} [{', '.join(9 * ['*' + chr(97 + k)])}]\n" for k in range(20)
)


@pytest.mark.parametrize(
    "text",
    ["x: " + 200_000 * "[", 200_000 * "{a: ", BOMB, "a: &a [*a]", "- " * 100_000, "x" * 2_000_000],
    ids=["deep", "deep mapping", "alias bomb", "in itself", "deep lists", "long"],
)
def test_a_bomb_for_a_configuration_is_one_line_within_a_second_or_two(text, tmp_path):
    (tmp_path / "config.yaml").write_text(text)
    start = time.process_time()  # other work on the machine does not count
    assert RunFolder(tmp_path).config == {}
    (tmp_path / "result.json").write_text(200_000 * "[")
    assert RunFolder(tmp_path).result == {}
    assert time.process_time() - start < 2


@pytest.mark.slow
def test_a_persons_own_corruption_and_data_set_train_are_swept_and_resumed_where_they_are_named(
    tmp_path,
):
    shutil.copy(own_parts.__file__, tmp_path / "my_parts.py")
    words = [*QUICK, *HALVING, *DICE, "name=mine"]
    refused = shell(*words)
    assert refused.returncode == 1
    assert "a module that the command line trusts (parts=[module])" in refused.stderr
    assert not (tmp_path / "runs").exists()
    ended = shell("-m", *words, "parts=[my_parts]", "seed=0,1")
    assert ended.returncode == 0, ended.stderr
    folders = sorted((tmp_path / "runs" / "mine").iterdir())
    assert len(folders) == 2
    assert "parts" not in RunFolder(folders[0]).config
    assert "holds no run that can go on" in shell("resume", str(folders[0])).stderr
    again = shell("resume", str(folders[0]), "parts=[my_parts]")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("finished already:")


@pytest.mark.parametrize("text", ["parts: [my_parts]", "vars: {}\nparts: my_parts"])
def test_no_file_may_trust_a_module(text, tmp_path):
    shutil.copy(own_parts.__file__, tmp_path / "my_parts.py")
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}\n")
    code, said = run("--config-dir", str(tmp_path), "experiment=mine", *QUICK)
    assert code == 1
    assert "there is no setting 'parts'" in said


@pytest.mark.parametrize("name", ["metrics.jsonl", "times.jsonl", "checkpoint"])
def test_a_strangers_folder_writes_nothing_through_a_link(name, tmp_path):
    assert run(*QUICK, "init=random", "tensorboard=false") == (0, "")
    (path,) = (tmp_path / "runs" / "digits").iterdir()
    target = tmp_path / "target"
    (path / name).is_dir() and shutil.rmtree(path / name)
    (path / name).unlink(missing_ok=True)
    (target.mkdir if name == "checkpoint" else target.touch)()
    (path / name).symlink_to(target)
    result = json.loads((path / "result.json").read_text())
    (path / "result.json").write_text(json.dumps(result | {"status": "interrupted"}))
    code, said = run("resume", str(path))
    assert code == 1
    assert "is a link; a run's folder holds its files itself" in said
    assert not (target.is_dir() and [*target.iterdir()])
    assert target.is_dir() or not target.read_text()


def test_a_strangers_folder_does_not_train_in_others_that_do_not_name_it(tmp_path):
    for words in (["seed=0"], ["seed=1"]):
        assert run(*QUICK, "init=random", "tensorboard=false", *words) == (0, "")
    gift, victim = sorted((tmp_path / "runs" / "digits").iterdir())
    before = (victim / "model.safetensors").read_bytes()
    result = json.loads((gift / "result.json").read_text())
    result |= {"status": "interrupted", "batch": [".", f"../{victim.name}"]}
    (gift / "result.json").write_text(json.dumps(result))
    (victim / "result.json").unlink()
    code, said = run("resume", str(gift))
    assert code == 1
    assert "which does not say so" in said
    assert (victim / "model.safetensors").read_bytes() == before


DAMAGED = (
    {"batch": 5}, {"settings": 5}, {"settings": []}, {"seconds": [1]}, {"published": 5},
    {"environment": 3}, {"status": 1}, {"name": []},
)  # fmt: skip


def test_a_result_of_other_shape_is_no_traceback(tmp_path):
    assert run(*QUICK, "init=random", "tensorboard=false") == (0, "")
    (path,) = (tmp_path / "runs" / "digits").iterdir()
    result = json.loads((path / "result.json").read_text())
    for damage in DAMAGED:
        for command in ("resume", "compare", "report"):
            (path / "result.json").write_text(json.dumps(result | damage))
            _, said = run(command, str(path))
            assert len(said.splitlines()) <= 1, damage
    (path / "result.json").write_text('{"status": "finished"}')
    assert "its result.json lacks data" in run("resume", str(path))[1]
