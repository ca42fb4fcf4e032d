"""A comparison in words: for the terminal and as Markdown."""

import textwrap

from sda.analysis import blocks, tables
from sda.analysis.blocks import MARGIN, WIDTH
from sda.analysis.comparison import Comparison

MOST_PAIRS = 15  # in the terminal; the files have all


def plain(comparison: Comparison, margin: float = MARGIN) -> str:
    """For a terminal of 100 columns; arms less than ``margin`` apart, a fraction, are level."""
    parts = []
    for table in comparison.tables:
        head = [blocks.title(table), "=" * len(blocks.title(table))]
        head += textwrap.wrap(blocks.alike(table), WIDTH, break_on_hyphens=False)
        parts.append("\n".join(head))
        for block in blocks.blocks(table, MOST_PAIRS, margin):
            text = tables.aligned(block.heads, block.rows, block.sides, WIDTH)
            parts.append("\n".join([text, *(textwrap.indent(note, "  ") for note in block.notes)]))
    for what, heads, rows in blocks.lists(comparison):
        parts.append(f"{what}\n{tables.aligned(heads, rows, 'llw', WIDTH)}")
    return "\n\n".join(parts)


def markdown(comparison: Comparison, margin: float = MARGIN) -> str:
    """The same as Markdown, with every pair."""
    parts = ["# Comparison"]
    for table in comparison.tables:
        parts += [f"## {blocks.title(table)}", *filter(None, [blocks.alike(table)])]
        for block in blocks.blocks(table, len(table.pairs), margin):
            parts.append(tables.piped(block.heads, block.rows, block.sides))
            parts += [block.note] if block.notes else []
    for what, heads, rows in blocks.lists(comparison):
        parts += [what, tables.piped(heads, rows, "llw")]
    return "\n\n".join(parts) + "\n"
