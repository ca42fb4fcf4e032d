"""The shape of the code: what may import what, how large files may grow."""

import subprocess
import sys
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


def test_importing_the_package_brings_neither_hydra_nor_tensorboard_nor_matplotlib():
    code = (
        "import sys, sda; "
        "print({'hydra', 'omegaconf', 'tensorboard', 'matplotlib', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
