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
