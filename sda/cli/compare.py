"""Compare finished runs: means, intervals, paired differences, published numbers."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from sda.analysis import comparison, curves, formats
from sda.analysis.comparison import MARGIN, Comparison
from sda.common import checks, files
from sda.common.program import program
from sda.runs import results

NOTHING = 2  # exit code: there is nothing to compare


def compare(folders: Sequence[Path]) -> Comparison:
    """Read all runs in and below the folders, and contrast what is finished.

    Raises:
        ValueError: a folder is missing, or there is no run at all.
    """
    from sda.config import compose  # slow: it imports Hydra; --help does not need it

    finished, unfinished = results.read(folders)
    return comparison.contrast(finished, unfinished, compose.defaults())


def write(comparison: Comparison, folder: Path, margin: float = MARGIN) -> list[Path]:
    """Write ``comparison.md``, ``comparison.json`` and, if a run has a record, ``comparison.png``.

    The folder is made if need be; each file is written whole or not at all. Returns what was
    written. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "comparison.md": formats.markdown(comparison, margin).encode(),
        "comparison.json": formats.as_json(comparison).encode(),
    }
    shown = curves.panels(comparison.tables)
    if shown:
        contents["comparison.png"] = curves.draw(shown)
    for name, content in contents.items():
        files.replace(folder / name, content)
    return [folder / name for name in contents]


def conclude(paths: Sequence[Path]) -> None:
    """After a sweep, print the table of its runs, if they are of several arms on one data set."""
    there = [path for path in paths if path.is_dir()]
    if not there:
        return
    found = compare(there)
    if not any(len(table.arms) > 1 for table in found.tables):
        return
    _print(f"\n{formats.plain(found)}")
    above = shlex.quote(os.path.relpath(os.path.commonpath([path.absolute() for path in paths])))
    _print(f"\nin files, with curves: {program()} compare {above}")
    _print(f"as a page: {program()} report {above}")


def main(argv: list[str]) -> int:
    """``compare FOLDER [FOLDER ...] [--margin M] [--out FOLDER]``: print and write the tables.

    Returns 0, or 2 if a folder is missing or there is no run. Raises OSError if the tables cannot
    be written, SystemExit for unknown words.
    """
    parser = argparse.ArgumentParser(f"{program()} compare", description="Compare finished runs.")
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders of them")
    parser.add_argument("--out", type=Path, help="where to write; default: the first folder")
    parser.add_argument(
        "--margin",
        type=_margin,
        default=MARGIN,
        help="percentage points; arms that are surely closer count as level; default: 0.5",
    )
    args = parser.parse_args(argv)
    try:
        comparison = compare(args.folders)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOTHING
    _print(formats.plain(comparison, args.margin))
    written = write(comparison, args.out or args.folders[0], args.margin)
    _print(f"\nwritten: {', '.join(map(str, written))}")
    return 0


def _margin(word: str) -> float:
    """Points of a word as a fraction, for argparse."""
    try:
        return checks.number("--margin", float(word), 0, 100) / 100
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be points from 0 to 100, got {word}") from None


def _print(text: str) -> None:
    """Print, on a terminal of any encoding."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.replace("±", "+-").encode(encoding, "replace").decode(encoding)
    print(text)
