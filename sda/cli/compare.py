"""Finished runs beside each other: means, intervals, paired differences, published numbers."""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sda.analysis import as_json, comparison, curves, text
from sda.analysis.comparison import Comparison, Table
from sda.analysis.curves import Panel
from sda.common import files
from sda.runs import results

NOTHING = 2  # exit code: there is nothing to compare


def compare(folders: Sequence[Path]) -> Comparison:
    """Read all runs in and below the folders, and contrast what is finished.

    Raises:
        ValueError: a folder is missing, or there is no run at all.
    """
    return comparison.contrast(*results.read(folders))


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write ``comparison.md``, ``comparison.json`` and, if a run has a record, ``comparison.png``.

    The folder is made if need be; each file is written whole or not at all. Returns what was
    written. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "comparison.md": text.markdown(comparison).encode(),
        "comparison.json": as_json.as_json(comparison).encode(),
    }
    shown = panels(comparison)
    if shown:
        contents["comparison.png"] = curves.draw(shown)
    for name, content in contents.items():
        files.replace(folder / name, content)
    return [folder / name for name in contents]


def panels(comparison: Comparison) -> list[Panel]:
    """Curves of every table: validation error of fine-tuning, reconstruction of each layer."""
    several = len(comparison.tables) > 1
    return [
        panel
        for table in comparison.tables
        for panel in _table_panels(table, f"{table.data}, " if several else "")
    ]


def _table_panels(table: Table, prefix: str) -> list[Panel]:
    found: dict[str, Panel] = {}
    for arm in table.arms:
        for run in arm.runs:
            lines: dict[tuple[str, bool], tuple[list[float], list[float]]] = {}
            for row in run.metrics():
                for title, dashed, value in _measures(row):
                    epochs, values = lines.setdefault((title, dashed), ([], []))
                    epochs.append(float(row["epoch"]))
                    values.append(value)
            for (title, dashed), line in lines.items():
                panel = found.setdefault(title, Panel(prefix + title, {}, {}))
                (panel.dashed if dashed else panel.solid).setdefault(arm.label, []).append(line)
    return [panel for title, panel in sorted(found.items(), key=lambda item: _place(item[0]))]


def _place(title: str) -> tuple[int, str]:
    """Fine-tuning first, then the layers from the bottom."""
    words = title.replace(":", "").split()
    return (1 + int(words[1]), "") if words[0] == "layer" else (0, title)


def _measures(row: dict[str, Any]) -> Iterator[tuple[str, bool, float]]:
    """Title, whether dashed, and value of what a row of the record adds to the curves."""
    if row.get("phase") == "finetune":
        shown = [("fine-tuning: validation error (%)", False, row.get("valid_error"), 100)]
    elif row.get("phase") == "pretrain":
        title = f"layer {row.get('layer')}: validation reconstruction"
        shown = [(title, False, row.get("valid"), 1), (title, True, row.get("valid_clean"), 1)]
    else:
        return
    for title, dashed, value, scale in shown:
        if isinstance(value, float | int) and math.isfinite(value) and "epoch" in row:
            yield title, dashed, scale * float(value)


def main(argv: list[str]) -> int:
    """``compare FOLDER [FOLDER ...] [--out FOLDER]``: print the tables, write them and curves.

    Returns 0, or 2 if a folder is missing or there is no run. Raises OSError if the tables cannot
    be written, SystemExit for words that it does not know.
    """
    parser = argparse.ArgumentParser("compare", description="Compare finished runs.")
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders of them")
    parser.add_argument("--out", type=Path, help="where to write; default: the first folder")
    args = parser.parse_args(argv)
    try:
        comparison = compare(args.folders)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOTHING
    _print(text.plain(comparison))
    written = write(comparison, args.out or args.folders[0])
    _print(f"\nwritten: {', '.join(map(str, written))}")
    return 0


def _print(text: str) -> None:
    """Print, on a terminal of any encoding."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.replace("±", "+-").encode(encoding, "replace").decode(encoding)
    print(text)
