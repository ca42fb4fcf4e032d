"""A report: one HTML page of everything under a folder, that opens anywhere and needs nothing."""

import argparse
import base64
import html
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sda.analysis import curves, pictures, text
from sda.analysis.comparison import Arm, Comparison, Table
from sda.cli import compare
from sda.common import files
from sda.config import catalogue
from sda.nn.heads import Classifier
from sda.runs import ledger, model_file
from sda.runs.folder import RunFolder
from sda.runs.results import Trained
from sda.sweeps.campaign import gaps
from sda.sweeps.campaign import table as campaign_table

NOTHING = 2  # exit code: there is nothing to report
TILES = 8  # rows and columns of a sheet of filters
STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h1, h2, h3 { line-height: 1.2 }
h2 { margin-top: 3rem; border-top: 1px solid #ccc; padding-top: 1rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: 13px; margin: 1rem 0 }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }
th { text-align: left; background: #f4f4f4 } td.r, th.r { text-align: right }
.r, .n { white-space: nowrap }
p.note { color: #555; font-size: 13px; max-width: 60rem } img { max-width: 100% }
figure { display: inline-block; margin: 0 1rem 1rem 0 } figcaption { font-size: 13px; color: #555 }
summary { cursor: pointer }
pre { font-size: 12px; background: #f8f8f8; padding: 1rem; overflow: auto }
"""


def page(folder: Path) -> str:
    """Tables, curves, filters, settings and versions of the runs in and below a folder.

    Raises:
        ValueError: the folder is missing, or there is no run at all.
    """
    found = compare.compare([folder])
    parts = [f"<h1>{_said(folder.resolve().name)}</h1>", *_campaign(folder)]
    for table in found.tables:
        parts += [f"<h2>{_said(text.title(table))}</h2>", *_table(table)]
    parts += _rest(found)
    parts += ["<h2>Versions</h2>", *_versions(found)]
    head = f'<meta charset="utf-8"><title>{_said(folder.resolve().name)}</title>'
    width = '<meta name="viewport" content="width=device-width">'
    body = "\n".join(parts)
    start = f'<!doctype html><html lang="en"><head>{head}{width}<style>{STYLE}</style></head>'
    return f"{start}<body>\n{body}\n</body></html>\n"


def _campaign(folder: Path) -> Iterator[str]:
    """The table of a campaign, if the folder is one's, from the ledger beside it."""
    name = folder.resolve().name
    if not (catalogue.folder() / "campaign" / f"{name}.yaml").exists():
        return
    record = folder.resolve().parent / ledger.FOLDER
    lines = ledger.lines(record)
    rows = campaign_table.rows(lines, name)
    if not rows:
        return
    yield _plain(campaign_table.as_printed(rows, campaign_table.full))
    yield _note(
        "Test error in percent: mean over fresh seeds, which had no part in the choice, of the "
        "setting with the best mean validation error. Of this ledger alone: the table in "
        "experiments/results/table1.md may rest on more."
    )
    yield "<h2>Gaps</h2>"
    yield _plain(gaps.lines(rows, gaps.of(rows, lines, record)))
    yield _note(
        "Percentage points of test error, positive: SdA-3 is better, ± the 95 % interval over "
        "seeds and test rows; in brackets the paper's gap."
    )
    yield "<h2>What was chosen</h2>"
    yield _plain(campaign_table.details(rows))


def _plain(lines: list[list[str]]) -> str:
    """A table of text whose first column names its rows; Markdown's bold is bold."""
    heads, *rows = lines
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", _tabled(heads, rows, "n" + "l" * len(heads)))


def _table(table: Table) -> Iterator[str]:
    """All arms of one data set, then the best of each kind against each other."""
    yield from _block(next(text.blocks(table, 0)))
    arms = _best_of_each_kind(table)
    pairs = [pair for pair in table.pairs if pair.first in arms and pair.second in arms]
    best = replace(table, arms=arms, pairs=pairs)
    if len(arms) < len(table.arms):
        yield "<h3>Of each kind, with the most seeds, the best by mean validation error</h3>"
    for block in list(text.blocks(best, len(pairs)))[1:]:
        yield from _block(block)
    panels = compare.panels(Comparison([best], [], []))
    if panels:
        yield "<h3>Curves</h3>"
        yield _image(curves.draw(panels), "validation error and reconstruction over epochs")
    sheets = [(arm.label, sheet) for arm in best.arms if (sheet := _filters(arm.runs[0]))]
    if sheets:
        yield "<h3>First-layer filters</h3>"
        yield from (_image(sheet, label, scale=2) for label, sheet in sheets)
    yield "<h3>Settings</h3>"
    for arm in table.arms:
        settings = "\n".join(f"{k}: {v}" for k, v in arm.runs[0].result["settings"].items())
        summary = f"<summary>{_said(arm.label)}</summary>"
        yield f"<details>{summary}<pre>{_said(settings)}</pre></details>"


def _block(block: text.Block) -> Iterator[str]:
    yield _tabled(block.heads, block.rows, block.sides)
    yield _note(block.note)


def _best_of_each_kind(table: Table) -> list[Arm]:
    """Of those with the most seeds: what was repeated had been chosen, a single run may be luck."""
    best: dict[tuple[str, int], Arm] = {}
    by_error = sorted(table.arms, key=lambda arm: np.mean([run.valid_error for run in arm.runs]))
    for arm in sorted(by_error, key=lambda arm: -len(arm.runs)):
        depth = len(arm.runs[0].result["settings"].get("stack.hidden", []))
        best.setdefault((arm.runs[0].init, depth), arm)
    return list(best.values())


def _filters(run: Trained) -> bytes | None:
    """The first filters of a trained network whose inputs are square pictures, as a PNG."""
    try:
        network = model_file.load(run.path / "model.safetensors")
    except (OSError, ValueError):
        return None
    stack = network.stack if isinstance(network, Classifier) else network
    filters = stack[0].filters()
    if filters is None:
        return None
    weight = filters.detach().numpy()
    side = round(len(weight) ** 0.5)
    shape = (side, side) if side * side == len(weight) else None
    return pictures.png(pictures.filters(weight, shape, TILES, TILES))


def _rest(found: Comparison) -> Iterator[str]:
    for what, heads, rows in text.lists(found):
        yield f"<h2>{_said(what)}</h2>"
        yield _tabled(heads, rows, "l" * len(heads))


def _versions(found: Comparison) -> Iterator[str]:
    """What the runs were trained with; a line for each environment, with how many had it."""
    counts: dict[str, int] = {}
    for table in found.tables:
        for run in (run for arm in table.arms for run in arm.runs):
            said = ", ".join(f"{k} {v}" for k, v in RunFolder(run.path).environment.items())
            counts[said or "not recorded"] = counts.get(said or "not recorded", 0) + 1
    rows = [[str(count), said] for said, count in counts.items()]
    yield _tabled(["runs", "environment"], rows, "rl")


def _tabled(heads: Sequence[str], rows: Sequence[Sequence[str]], sides: str) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        marks = ("" if side == "l" else f' class="{side}"' for side in sides)
        inner = "".join(
            f"<{tag}{mark}>{_said(cell)}</{tag}>" for cell, mark in zip(cells, marks, strict=False)
        )
        return f"<tr>{inner}</tr>"

    lines = [line("th", heads), *(line("td", row) for row in rows)]
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _note(words: str) -> str:
    return f'<p class="note">{_said(words)}</p>'


def _image(png: bytes, caption: str, scale: int = 1) -> str:
    data = base64.b64encode(png).decode()
    style = ' style="image-rendering: pixelated; width: 27rem"' if scale > 1 else ""
    image = f'<img src="data:image/png;base64,{data}" alt="{_said(caption)}"{style}>'
    return f"<figure>{image}<figcaption>{_said(caption)}</figcaption></figure>"


def _said(words: str) -> str:
    return html.escape(words)


def main(argv: list[str]) -> int:
    """``report FOLDER [--out FILE]``: write ``FOLDER/report.html``.

    Returns 0, or 2 if the folder is missing or there is no run. Raises OSError if the page cannot
    be written, SystemExit for words that it does not know.
    """
    parser = argparse.ArgumentParser("report", description="Write one page about finished runs.")
    parser.add_argument("folder", type=Path, help="of a campaign, a sweep or a run")
    parser.add_argument("--out", type=Path, help="default: report.html in the folder")
    args = parser.parse_args(argv)
    try:
        if args.out is not None and args.out.is_dir():
            raise ValueError(f"--out wants a file, got the folder {args.out}")
        content = page(args.folder)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOTHING
    out = args.out or args.folder / "report.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    files.replace(out, content.encode())
    print(f"written: {out}")
    return 0
