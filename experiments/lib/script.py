"""The command line of a figure's script: a folder of runs, and where the picture goes."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parents[1]
RESULTS = HERE / "results"
FIGURES = RESULTS / "figures"


def run(main: Callable[[str, str], None], says: str | None, picture: str = "") -> None:
    """Call ``main`` with the folder and the picture's path, as ``call`` does.

    Args:
        main: draws.
        says: the script's docstring.
        picture: name of its file in the folder of figures, where no other is given; empty: that
            of the folder with the runs.
    """
    asked = parser(says)
    asked.add_argument("folder", help="with the runs")
    asked.add_argument("out", nargs="?", type=png)
    args = asked.parse_args()
    own = FIGURES / (picture or f"{Path(args.folder).resolve().name}.png")
    call(main, args.folder, args.out or str(own))


def parser(says: str | None) -> argparse.ArgumentParser:
    """A parser that prints the script's docstring as it is."""
    return argparse.ArgumentParser(
        description=says, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def call(main: Callable[..., None], *arguments: object) -> None:
    """Call ``main``; a ValueError ends in one line."""
    try:
        main(*arguments)
    except ValueError as error:
        sys.exit(f"error: {error}")


def png(name: str) -> str:
    """The path of a picture that can be written, for argparse."""
    path = Path(name)
    if path.suffix != ".png" or path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"it wants a .png in a folder that exists, got {name}")
    return name
