"""A command as a person gives it, in this process or in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sda.__main__ import main

ROOT = Path(__file__).parents[1]
QUICK = ["stack.hidden=[9,8]", "pretrain.epochs=1", "finetune.epochs=2"]
SHORT = ["stack.hidden=[4]", "pretrain.epochs=1", "finetune.epochs=2", "tensorboard=false"]


def run(*words):
    """Run a command in this process; return its exit status as the shell sees it, and message."""
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    code = end.value.code
    return (1, code) if isinstance(code, str) else (code or 0, "")


def environment(**more):
    """That of a process of its own, which finds the package here and has one thread."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


def shell(*words, **more):
    """Run a command in a process of its own, with ``more`` in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "sda", *words], env=environment(**more),
        capture_output=True, text=True, timeout=500,
    )  # fmt: skip
