"""An HTML page that opens anywhere and needs nothing: sections of words, tables and pictures."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import jinja2
import numpy as np
from numpy.typing import NDArray

from sda.analysis.tables import Block

TEMPLATE = "page.html"  # beside this file


@dataclass(frozen=True)
class Text:
    """A paragraph; one that ``leads`` is set larger."""

    part: ClassVar = "text"
    words: str
    leads: bool = False


@dataclass(frozen=True)
class Tabular:
    """A table; ``**words**`` in its cells are bold."""

    part: ClassVar = "table"
    block: Block


@dataclass(frozen=True)
class Figure:
    """A picture: ``curves`` follow the page into the dark, ``pixels`` keep their greys."""

    part: ClassVar = "figure"
    png: bytes
    caption: str
    kind: Literal["curves", "pixels"] = "curves"

    @property
    def inline(self) -> str:
        """The file in base 64."""
        return base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Grid:
    """Shares (k, k) of the rows of each class that are taken for each, as shades."""

    part: ClassVar = "grid"
    names: Sequence[str]
    shares: NDArray[np.float64]
    caption: str

    def cell(self, share: float) -> str:
        """A share in percent, nothing for none."""
        return f"{100 * share:.1f}" if share else ""


@dataclass(frozen=True)
class Code:
    """Lines to be copied."""

    part: ClassVar = "code"
    lines: Sequence[str]


@dataclass(frozen=True)
class Row:
    """Parts side by side, as many as fit."""

    part: ClassVar = "row"
    parts: Sequence["Part"]


@dataclass(frozen=True)
class Folded:
    """Parts that are there for whoever opens them."""

    part: ClassVar = "folded"
    summary: str
    parts: Sequence["Part"]


Part = Text | Tabular | Figure | Grid | Code | Row | Folded


@dataclass(frozen=True)
class Section:
    """Parts under a title; without one they go on with the section before."""

    title: str
    parts: Sequence[Part] = field(default_factory=list)
    level: Literal[2, 3] = 2


def page(title: str, sections: Sequence[Section]) -> str:
    """The whole page as HTML, its pictures in it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # what the records of runs say is never markup
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(title=title, sections=sections)
