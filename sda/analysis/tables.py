"""Tables of words: aligned for a terminal, piped for Markdown."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

GAP = 2  # blanks between columns
NARROWEST = 20  # characters that a column is wrapped to at most


@dataclass(frozen=True)
class Block:
    """A table of words with the sentences that say how to read it."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    sides: str  # l or r for each column
    notes: list[str] = field(default_factory=list)  # each a line of a terminal, or two

    @property
    def note(self) -> str:
        """The notes as running text."""
        return "; ".join(note.replace("\n", " ") for note in self.notes)


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]], sides: str, width: int) -> str:
    """Lay a table out in lines of at most ``width`` characters, if its columns allow it.

    Args:
        heads: of the columns.
        rows: of cells.
        sides: of each column: ``l`` left, wrapped where too wide; ``w`` left, never wrapped, for
            what is copied whole; ``r`` right.
        width: of a line, in characters.
    """
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    flexible = [k for k, side in enumerate(sides) if side == "l"]
    while sum(widths) + GAP * (len(widths) - 1) > width:
        widest = max(flexible, key=lambda k: widths[k], default=None)
        if widest is None or widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    lines = [line for row in (heads, *rows) for line in _wrapped(row, widths, sides)]
    rule = "-" * max(map(len, lines))
    top = len(_wrapped(heads, widths, sides))
    return "\n".join([*lines[:top], rule, *lines[top:]])


def piped(heads: Sequence[str], rows: Sequence[Sequence[str]], sides: str = "") -> str:
    """Lay the same table out as Markdown; without sides, all columns are left."""
    rule = ["---:" if side == "r" else "---" for side in sides or "l" * len(heads)]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (heads, rule, *rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in escaped)


def _wrapped(row: Sequence[str], widths: Sequence[int], sides: str) -> list[str]:
    """The lines of one row."""
    cells = [
        textwrap.wrap(cell, width, break_on_hyphens=False, subsequent_indent="  ")
        if side == "l" and len(cell) > width
        else [cell]
        for cell, width, side in zip(row, widths, sides, strict=True)
    ]
    lines = []
    for k in range(max(map(len, cells))):
        words = [cell[k] if k < len(cell) else "" for cell in cells]
        parts = [
            word.rjust(width) if side == "r" else word.ljust(width)
            for word, width, side in zip(words, widths, sides, strict=True)
        ]
        lines.append((" " * GAP).join(parts).rstrip())
    return lines
