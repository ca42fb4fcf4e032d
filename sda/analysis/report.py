"""A report of finished runs for a colleague: the verdict first, how to repeat it last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sda.analysis import blocks, confusions, curves, learned
from sda.analysis.comparison import Arm, Comparison, Table
from sda.analysis.page import Code, Figure, Folded, Row, Section, Text, page
from sda.analysis.tables import Block
from sda.analysis.verdict import verdict
from sda.runs.identity import depth

if TYPE_CHECKING:
    from sda.data.splits import Splits

MOST_PAIRS = 45  # of a page: those of ten arms


def report(
    title: str,
    found: Comparison,
    data: Mapping[str, Splits] | None = None,
    commands: Mapping[str, Sequence[str]] | None = None,
    first: Sequence[Section] = (),
) -> str:
    """The page of runs.

    Args:
        title: of the page.
        found: the runs.
        data: the data sets that are at hand, by the hash that a table has.
        commands: what repeats the runs of a table, by its hash.
        first: what comes before.
    """
    sections = [*first]
    for table in found.tables:
        splits = (data or {}).get(table.data_hash)
        sections += _table(table, splits, (commands or {}).get(table.data_hash, ()))
    sections += [Section(what, [block]) for what, block in blocks.lists(found)]
    versions = blocks.versions(run for table in found.tables for run in table.runs)
    return page(title, [*sections, Section("Versions", [versions])])


def best_of_each_kind(table: Table) -> list[Arm]:
    """Of those with the most seeds: what was repeated had been chosen, a single run may be luck."""
    best: dict[tuple[str, int, int | None], Arm] = {}
    for arm in sorted(table.arms, key=lambda arm: (-len(arm.runs), arm.valid_error)):
        run = arm.runs[0]
        best.setdefault((run.init, depth(run.result["settings"]), run.labelled), arm)
    return [arm for arm in table.arms if arm in best.values()]


def _table(table: Table, splits: Splits | None, commands: Sequence[str]) -> Iterator[Section]:
    """All arms of one data set, then the best of each kind in detail."""
    arms = best_of_each_kind(table)
    pairs = [pair for pair in table.pairs if pair.first in arms and pair.second in arms]
    best = replace(table, arms=arms, pairs=pairs)
    each, *others = blocks.blocks(best, MOST_PAIRS)
    told = [Text(words, leads=True) for words in verdict(best)]
    alike = [Text(f"{words[0].upper()}{words[1:]}.")] if (words := blocks.alike(table)) else []
    everything = blocks.arms(table) if len(arms) < len(table.arms) else each
    yield Section(blocks.title(table), [*told, everything, *alike])
    if everything is not each:
        yield Section("Of each kind the best by mean validation error", [each], 3)
    yield from _differences(others)
    if shown := curves.panels([best]):
        caption = "validation error and reconstruction over epochs; thin: runs, thick: their mean"
        yield Section("Curves", [Figure(curves.draw(shown), caption)], 3)
    yield from _pictures(arms, splits)
    if parts := confusions.parts(arms):
        yield Section("Errors by class", parts, 3)
    yield from _settings(table, commands)


def _differences(others: Sequence[Block]) -> Iterator[Section]:
    """Claims are shown; their grounds can be unfolded."""
    claims = [block for block in others if "verdict" in block.heads]
    rest = [block for block in others if block not in claims]
    if claims:
        yield Section("Differences", claims, 3)
    if rest:
        yield Section("", [Folded("run by run", rest)])


def _pictures(arms: Sequence[Arm], splits: Splits | None) -> Iterator[Section]:
    sheets = [sheet for arm in arms if (sheet := learned.filters(arm, splits))]
    if sheets:
        words = (
            "What training changed in the first layer: its weights less the initial ones, of the "
            "units that it changed most. Grey is no change, white more weight, black less; each "
            "unit has its own scale."
        )
        yield Section("First-layer filters", [Text(words), Row(sheets)], 3)
    trial = learned.noise(arms)
    made = [sheet for arm in arms if (sheet := learned.reconstructions(arm, splits, trial))]
    if made:
        words = (
            "Validation rows, on which no weight was trained, through the pretrained layer 1: "
            "clean, with noise, and as the layer makes them of the noisy ones. Rows and noise are "
            "the same for all arms."
        )
        yield Section("Reconstructions", [Text(words), Row(made)], 3)


def _settings(table: Table, commands: Sequence[str]) -> Iterator[Section]:
    if commands:
        words = "What is not said is a default. The folder of each run has its whole configuration."
        yield Section("How to repeat it", [Code(commands), Text(words)], 3)
    said = {arm.label: arm.runs[0].result["settings"].items() for arm in table.arms}
    each = [Folded(arm, [Code([f"{k}: {v}" for k, v in own])]) for arm, own in said.items()]
    yield Section("Settings of the first run of each arm", each, 3)
