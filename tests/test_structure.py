"""The shape of the code: what may import what."""

import ast
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent.name for path in (ROOT / "sda").glob("*/__init__.py"))
MOST_FLOORS = 5


@pytest.mark.parametrize(
    "tool",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["lint-imports"], ["mypy"]],
    ids=" ".join,
)
@pytest.mark.slow
def test_the_checks_pass(tool):
    program = Path(sys.executable).with_name(tool[0])
    done = subprocess.run([program, *tool[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_importing_the_package_brings_neither_hydra_nor_tensorboard_nor_matplotlib():
    code = (
        "import sys, sda; "
        "print({'hydra', 'omegaconf', 'tensorboard', 'matplotlib', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.slow
def test_a_wheel_carries_its_configuration_and_its_command(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, ROOT]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry = next(name for name in names if name.endswith("entry_points.txt"))
        assert "sda = sda.__main__:main" in archive.read(entry).decode()
    for path in (ROOT / "conf").rglob("*.yaml"):
        assert f"sda/conf/{path.relative_to(ROOT / 'conf')}" in names
    for path in (ROOT / "sda").rglob("*.py"):
        assert str(path.relative_to(ROOT)) in names
    assert "sda/analysis/page.html" in names


def imported(path):
    """The dotted names that a module imports anywhere in its code, but for types alone."""
    tree = ast.parse(path.read_text())
    for branch in ast.walk(tree):
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING":
            branch.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_has_more_than_five_floors(package):
    """A module stands one floor above the highest of its package that it imports."""
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in (ROOT / "sda" / package).rglob("*.py")
    }

    @cache
    def floor(name):
        return 1 + max((floor(o) for o in {*imported(paths[name])} & {*paths} - {name}), default=0)

    assert max(map(floor, paths)) <= MOST_FLOORS
