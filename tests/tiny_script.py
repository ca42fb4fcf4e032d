"""A script of the experiments, called as a person calls it, and words of runs of seconds for it."""

import os
import subprocess
import sys

from sda.config import catalogue

ROOT = catalogue.folder().parent
QUICK = ["stack.hidden=[9]", "pretrain.epochs=1", "finetune.epochs=1", "tensorboard=false"]


def called(name, words):
    command = [sys.executable, ROOT / "experiments" / name, *words]
    place = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        list(map(str, command)), env=place, capture_output=True, text=True, timeout=300
    )
