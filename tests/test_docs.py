"""Every command in a document is one that the program takes."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

import sda
from sda.cli import train
from sda.cli.main import _help
from sda.cli.options import COMMANDS
from sda.config import compose, schema

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md", ROOT / "experiments" / "README.md", *sorted((ROOT / "docs").glob("*.md")),
]  # fmt: skip
THEIRS = ("executor=mycluster", "codes_of=", "layer=", "pretrained=", "parts=")  # of the reader


def commands(page):
    """What stands after ``./run`` in blocks of a page for the shell."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    split = [shlex.split(line, comments=True) for line in lines if "./run" in line]
    said = [words[words.index("./run") + 1 :] for words in split if "./run" in words]
    return [
        words[words.index("sda") + 1 :] if words[:1] == ["torchrun"] else words for words in said
    ]


EVERY = [
    pytest.param(words, id=f"{page.stem}: {' '.join(words)}")
    for page in PAGES
    for words in commands(page)
]
SCRIPTS = [p for p in EVERY if p.values[0] and p.values[0][0].endswith(".py")]
OTHERS = [p for p in EVERY if p.values[0] and p.values[0][0] in COMMANDS]
NEITHER = [p for p in EVERY if not p.values[0] or p.values[0][0] in ("test", "docs", "--help")]
OWN = [
    p for p in EVERY if "my_conf" in p.values[0]
]  # docs/own_parts.md, which has a test of its own
TRAINING = [p for p in EVERY if p not in (*SCRIPTS, *OTHERS, *NEITHER, *OWN)]


@pytest.mark.slow
@pytest.mark.parametrize("words", TRAINING)
def test_what_a_page_has_one_train_is_a_run_or_a_sweep_of_them(words):
    words = [w for w in words if not w.startswith(("-", *THEIRS)) and "<" not in w and w != "job"]
    aside = [w for w in words if w.startswith("hydra/launcher=")]
    runs, own = train.split([w for w in words if w not in aside], [])
    plan = schema.build(compose.settings([*runs[0], *own]))
    assert plan.init


@pytest.mark.parametrize("words", OTHERS)
def test_a_command_of_a_page_is_one_that_has_its_help(words):
    assert words[0] in _help(words[0]) or words[0] in ("compare", "report", "data")


@pytest.mark.parametrize("words", SCRIPTS)
def test_a_script_of_a_page_is_there(words):
    assert (ROOT / words[0]).exists() or words[0] in ("FILE.py", "mine.py")


def test_every_link_between_pages_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_python_of_the_first_page_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "start.md").read_text(), re.S)
    exec(code.replace("epochs=10", "epochs=1").replace("epochs=20", "epochs=2"), {})
    assert "test error" in capsys.readouterr().out


def test_every_public_name_has_its_place_in_the_reference():
    sections = runpy.run_path(str(ROOT / "docs" / "conf.py"))["SECTIONS"]
    for name in sda.__all__:
        assert getattr(sda, name).__module__.split(".")[1] in sections, name


def test_no_property_of_the_reference_begins_with_what_sphinx_takes_for_a_type():
    for name in sda.__all__:
        for own in vars(getattr(sda, name)).items() if isinstance(getattr(sda, name), type) else ():
            if isinstance(own[1], property) and not own[0].startswith("_"):
                assert ":" not in (own[1].__doc__ or "").splitlines()[0], f"{name}.{own[0]}"


def test_every_file_of_ours_that_a_page_names_is_there():
    for page in PAGES:
        named = r"`((?:sda|conf|tests|experiments|docs)/[\w./-]*\w)`"
        for path in re.findall(named, page.read_text()):
            of_the_reader = Path(path).stem in ("NAME", "mycluster")
            assert of_the_reader or (ROOT / path).exists(), f"{page.name}: {path}"


def test_the_walks_through_the_house_name_what_is_in_its_files():
    text = (ROOT / "docs" / "house.md").read_text()
    steps = re.findall(r"`(sda/[\w/]+\.py)`,((?:\s+`[\w.]+`,?)+)", text)
    assert len(steps) > 10
    for path, names in steps:
        code = (ROOT / path).read_text()
        for name in re.findall(r"\w+", names):
            assert re.search(rf"^\s*((def|class) )?{name}\b", code, re.M), f"{path}: {name}"


def test_the_picture_of_the_packages_is_that_of_their_import_rules():
    drawn = runpy.run_path(str(ROOT / "docs" / "packages.py"))
    assert drawn["OUT"].read_text("utf-8") == drawn["picture"]()
    shown = {package for floor in drawn["floors"]() for package in floor}
    assert shown == {f"sda.{path.parent.name}" for path in (ROOT / "sda").glob("*/__init__.py")}
