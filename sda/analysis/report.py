"""A report: one HTML page of runs, that opens anywhere and needs nothing."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from sda.analysis import blocks, curves, pictures
from sda.analysis.blocks import Block
from sda.analysis.comparison import Arm, Comparison, Table
from sda.nn.convolutional import ConvolutionalAutoencoder
from sda.nn.predictor import Predictor
from sda.runs import model_file
from sda.runs.folder import MODEL, RunFolder
from sda.runs.results import Trained
from sda.runs.settings import depth

TEMPLATE = "report.html"  # beside this file
TILES = 8  # rows and columns of a sheet of filters


@dataclass(frozen=True)
class _Shown:
    """What the page says of one data set; pictures are PNG files, as text in base 64."""

    title: str
    arms: Block  # all of them
    is_part: bool  # what follows is of some arms only
    blocks: list[Block]
    curves: str | None
    filters: list[tuple[str, str]]
    settings: list[tuple[str, dict[str, Any]]]


def page(title: str, found: Comparison, first: Sequence[tuple[str, Block]] = ()) -> str:
    """Tables, curves, filters, settings and versions of runs.

    Args:
        title: of the page.
        found: the runs.
        first: named tables that come before theirs; ``**words**`` in them are bold.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # what the records of runs say is never markup
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(
        title=title,
        first=first,
        tables=[_shown(table) for table in found.tables],
        last=[*_rest(found), ("Versions", _versions(found))],
    )


def best_of_each_kind(table: Table) -> list[Arm]:
    """Of those with the most seeds: what was repeated had been chosen, a single run may be luck."""
    best: dict[tuple[str, int], Arm] = {}
    by_error = sorted(table.arms, key=lambda arm: np.mean([run.valid_error for run in arm.runs]))
    for arm in sorted(by_error, key=lambda arm: -len(arm.runs)):
        run = arm.runs[0]
        best.setdefault((run.init, depth(run.result["settings"])), arm)
    return list(best.values())


def _shown(table: Table) -> _Shown:
    """All arms of one data set, then the best of each kind against each other."""
    arms = best_of_each_kind(table)
    pairs = [pair for pair in table.pairs if pair.first in arms and pair.second in arms]
    best = replace(table, arms=arms, pairs=pairs)
    panels = curves.panels(Comparison([best], [], []))
    sheets = [(arm.label, _filters(arm.runs[0])) for arm in best.arms]
    return _Shown(
        title=blocks.title(table),
        arms=next(blocks.blocks(table, 0)),
        is_part=len(arms) < len(table.arms),
        blocks=list(blocks.blocks(best, len(pairs)))[1:],
        curves=_inline(curves.draw(panels)) if panels else None,
        filters=[(label, _inline(sheet)) for label, sheet in sheets if sheet],
        settings=[(arm.label, arm.runs[0].result["settings"]) for arm in table.arms],
    )


def _filters(run: Trained) -> bytes | None:
    """The first filters of a trained network whose inputs are pictures, as a PNG."""
    try:
        network = model_file.load(run.path / MODEL)
    except (OSError, ValueError):
        return None
    stack = network.stack if isinstance(network, Predictor) else network
    filters = stack[0].filters()
    if filters is None:
        return None
    weight = filters.detach().numpy()
    side = round(len(weight) ** 0.5)
    shape: pictures.ImageShape | None = (side, side) if side * side == len(weight) else None
    if isinstance(stack[0], ConvolutionalAutoencoder):
        weight, shape = pictures.cropped(weight, stack[0].shape)
    return pictures.png(pictures.filters(weight, shape, TILES, TILES))


def _inline(png: bytes) -> str:
    return base64.b64encode(png).decode()


def _rest(found: Comparison) -> Iterator[tuple[str, Block]]:
    for what, heads, rows in blocks.lists(found):
        yield what, Block(heads, rows, "l" * len(heads))


def _versions(found: Comparison) -> Block:
    """What the runs were trained with; a line for each environment, with how many had it."""
    counts: dict[str, int] = {}
    for table in found.tables:
        for run in (run for arm in table.arms for run in arm.runs):
            said = ", ".join(f"{k} {v}" for k, v in RunFolder(run.path).environment.items())
            counts[said or "not recorded"] = counts.get(said or "not recorded", 0) + 1
    rows = [[str(count), said] for said, count in counts.items()]
    return Block(["runs", "environment"], rows, "rl")
