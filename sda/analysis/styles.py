"""How arms are drawn: the same colour and line for an arm in every figure."""

from collections.abc import Sequence
from typing import Any

from sda.runs.identity import Init

COLOURS = (  # Okabe and Ito, without the yellow
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
)  # fmt: skip
LINES = ("-o", "-s", "-^", "-D", "-v", "-P")  # of curves of other things than arms
DASHES = (
    "-",
    (0, (6, 1.5)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (3, 1.5)),
    (0, (1, 1)),
    (0, (8, 3)),
    (0, (2, 2)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
FIRST = (Init.random, Init.saa, Init.sda, Init.dbn)  # whose colours stay, whoever is beside them


def styles(arms: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, dashes and marker of each arm by its name, as matplotlib's keywords.

    An arm of an init that no other has is drawn alike in every figure; where there are several of
    one, colours go by place. Once the colours are used up, another marker tells arms apart.
    """
    inits = [arm.split(" ")[0] for arm in arms]
    fixed = {str(init): place for place, init in enumerate(FIRST)}
    if len(set(inits)) < len(inits):
        places = list(range(len(arms)))
    else:
        free = iter(range(len(FIRST), len(FIRST) + len(arms)))
        places = [fixed[init] if init in fixed else next(free) for init in inits]
    return {arm: _style(place) for arm, place in zip(arms, places, strict=True)}


def _style(k: int) -> dict[str, Any]:
    return {
        "color": COLOURS[k % len(COLOURS)],
        "linestyle": DASHES[k % len(DASHES)],
        "marker": MARKERS[(k + k // len(COLOURS)) % len(MARKERS)],
    }
