"""How this program was called, for messages that say what to type next."""

import os
import shlex
import sys
from pathlib import Path

CALLED = "SDA_CALLED"  # set by the script ./run


def program() -> str:
    """The first words of a command: ``./run``, ``sda`` or ``python -m sda``."""
    installed = "sda" if Path(sys.argv[0]).name == "sda" else "python -m sda"
    return os.environ.get(CALLED) or installed


def go_on(folder: Path) -> str:
    """Say how to go on with the run in a folder."""
    return f"go on with: {program()} resume {shlex.quote(str(folder))}"


def torchrun() -> tuple[int, int]:
    """Which of the processes of torchrun this one is, and how many they are; else 0 of 1."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def refuse_several() -> None:
    """Raise ValueError if torchrun has started several processes for a command."""
    if torchrun()[1] > 1:
        raise ValueError(
            "torchrun trains one run: -m sda key=value ... (no sweep), or -m sda resume FOLDER"
        )
