"""Tables of words: aligned for a terminal, piped for Markdown."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

WIDTH = 100  # characters of a terminal line
GAP = 2  # blanks between columns
NARROWEST = 20  # characters that a column is wrapped to at most


@dataclass(frozen=True)
class Block:
    """A table of words with the sentences that say how to read it.

    ``sides`` has a letter for each column. ``l``: left, wrapped if too wide. ``n``, ``w``: left and
    never wrapped, for names and for text to be copied. ``r``: right.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    sides: str
    notes: list[str] = field(default_factory=list)  # each a line of a terminal, or two

    @property
    def note(self) -> str:
        """The notes as running text."""
        return "; ".join(note.replace("\n", " ") for note in self.notes)

    def aligned(self) -> str:
        """Lines of at most ``WIDTH`` characters, if the columns allow it, and the notes below."""
        plain = [[cell.replace("**", "") for cell in row] for row in (self.heads, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
        flexible = [k for k, side in enumerate(self.sides) if side == "l"]
        while sum(widths) + GAP * (len(widths) - 1) > WIDTH:
            widest = max(flexible, key=lambda k: widths[k], default=None)
            if widest is None or widths[widest] <= NARROWEST:
                break
            widths[widest] -= 1
        head, *body = (_wrapped(row, widths, self.sides) for row in plain)
        lines = [line for row in body for line in row]
        rule = "-" * max(map(len, [*head, *lines]))
        return "\n".join([*head, rule, *lines, *(textwrap.indent(n, "  ") for n in self.notes)])

    def piped(self) -> str:
        """The same table as Markdown, without the notes."""
        rule = ["---:" if side == "r" else "---" for side in self.sides]
        table = (self.heads, rule, *self.rows)
        rows = (" | ".join(cell.replace("|", "\\|") for cell in row) for row in table)
        return "\n".join(f"| {row} |" for row in rows)


def _wrapped(row: Sequence[str], widths: Sequence[int], sides: str) -> list[str]:
    """The lines of one row."""
    cells = [
        textwrap.wrap(cell, width, break_on_hyphens=False, subsequent_indent="  ")
        if side == "l" and len(cell) > width
        else [cell]
        for cell, width, side in zip(row, widths, sides, strict=True)
    ]
    lines = []
    for words in zip_longest(*cells, fillvalue=""):
        placed = zip(words, widths, sides, strict=True)
        parts = [w.rjust(n) if side == "r" else w.ljust(n) for w, n, side in placed]
        lines.append((" " * GAP).join(parts).rstrip())
    return lines
