"""The page that answers whether pretraining was worth it; it opens anywhere and needs nothing."""

import base64
from collections.abc import Sequence
from pathlib import Path

import jinja2

from sda.analysis import worth
from sda.analysis.tables import Block
from sda.analysis.worth import Claims, Point
from sda.runs.folder import RunFolder

TEMPLATE = "worth.html"  # beside this file
CAPTION = "mean over fresh seeds; bars: 95 % intervals over seeds and test rows, crossed"


def page(
    name: str,
    found: Sequence[Point],
    held: Sequence[Claims],
    about: Sequence[str],
    chosen: Block,
) -> str:
    """The verdict, the curve, the tables, what was run.

    Args:
        name: of the data.
        found: the arms at each number of labels.
        held: what is claimed of them.
        about: what was run, a sentence each.
        chosen: the settings of each.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # what the records of runs say is never markup
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(TEMPLATE).render(
        title=f"Is pretraining worth it on {name}?",
        verdict=worth.verdict(held),
        png=base64.b64encode(worth.curve(found)).decode(),
        caption=CAPTION,
        blocks=[worth.errors(found), worth.differences(held)],
        about=[*about, *_environments(found)],
        chosen=chosen,
    )


def _environments(found: Sequence[Point]) -> list[str]:
    """What the runs were trained with, each once."""
    runs = [run for point in found for arm in point.arms.values() for run in arm.runs]
    known = [RunFolder(run.path).environment for run in runs]
    told = [", ".join(f"{key} {value}" for key, value in one.items()) for one in known]
    return [f"Trained with {one}." for one in dict.fromkeys(told) if one]
