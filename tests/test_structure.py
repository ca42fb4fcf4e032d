"""The shape of the code: what may import what."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
