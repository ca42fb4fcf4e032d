"""An HTML page that opens anywhere and needs nothing: sections of words, tables and pictures."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import jinja2
import numpy as np
from numpy.typing import NDArray

from sda.analysis.tables import Block

TEMPLATE = "page.html"  # beside this file


@dataclass(frozen=True)
class Text:
    """A paragraph; one that ``leads`` is set larger."""

    words: str
    leads: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture: ``curves`` follow the page into the dark, ``pixels`` keep their greys."""

    png: bytes
    caption: str
    kind: Literal["curves", "pixels"] = "curves"


@dataclass(frozen=True)
class Grid:
    """Shares (k, k) of the rows of each class that are taken for each, as shades."""

    names: Sequence[str]
    shares: NDArray[np.float64]
    caption: str


@dataclass(frozen=True)
class Code:
    """Lines to be copied."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Row:
    """Parts side by side, as many as fit."""

    parts: Sequence["Part"]


@dataclass(frozen=True)
class Folded:
    """Parts that are there for whoever opens them."""

    summary: str
    parts: Sequence["Part"]


Part = Text | Block | Figure | Grid | Code | Row | Folded  # of a block, **words** are bold


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
    environment.filters |= {
        "kind": lambda part: type(part).__name__,
        "base64": lambda content: base64.b64encode(content).decode(),
    }
    return environment.get_template(TEMPLATE).render(title=title, sections=sections)
