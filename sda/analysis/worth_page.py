"""The page that answers whether pretraining was worth it."""

from collections.abc import Sequence

from sda.analysis import page, worth
from sda.analysis.page import Code, Figure, Folded, Part, Section, Tabular, Text
from sda.analysis.tables import Block
from sda.analysis.versions import versions
from sda.analysis.worth import Claims, Point

CAPTION = "mean over fresh seeds; bars: 95 % intervals over seeds and test rows, crossed"


def html(
    name: str,
    found: Sequence[Point],
    held: Sequence[Claims],
    about: Sequence[str],
    chosen: Block,
    command: str,
) -> str:
    """The verdict, the curve, the tables, what was run and how to repeat it.

    Args:
        name: of the data.
        found: the arms at each number of labels.
        held: what is claimed of them.
        about: what was run, a sentence each.
        chosen: the settings of each.
        command: what was typed.
    """
    runs = [run for point in found for arm in point.arms.values() for run in arm.runs]
    shown: list[Part] = [Figure(worth.curve(found), CAPTION), Tabular(worth.errors(found))]
    ran: list[Part] = [*map(Text, about), Folded("what was chosen", [Tabular(chosen)])]
    return page.page(
        f"Is pretraining worth it on {name}?",
        [
            Section("", [Text(worth.verdict(held), leads=True), *shown]),
            Section("Differences", [Tabular(worth.differences(held))]),
            Section("What was run", ran),
            Section("How to repeat it", [Code([command])]),
            Section("Versions", [Tabular(versions(runs))]),
        ],
    )
