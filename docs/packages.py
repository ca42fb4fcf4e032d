"""Draws the packages on their floors, as `.importlinter` orders them: `./run docs/packages.py`.

Writes docs/_static/packages.svg. What a package is stands in the first line of its __init__.py.
"""

import ast
import configparser
import textwrap
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "_static" / "packages.svg"
WIDTH, LEFT, HEIGHT, GAP = 760, 40, 62, 12  # pixels
LETTERS = 6.3  # pixels of a letter, about
FILLS = (
    "#d5e8f5",
    "#d9f0e6",
)  # pale, under dark letters: to be read on a light page and a dark one


def floors() -> list[list[str]]:
    """The packages of each floor, the highest floor first."""
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter", encoding="utf-8")
    lines = rules["importlinter:contract:floors"]["layers"].split("\n")
    named = [[name.strip() for name in line.split("|")] for line in lines if line.strip()]
    return [floor for floor in named if floor != ["sda.__main__"]]


def idea(package: str) -> str:
    """The first sentence of the package's own docstring."""
    code = (ROOT / package.replace(".", "/") / "__init__.py").read_text("utf-8")
    return (ast.get_docstring(ast.parse(code)) or "").splitlines()[0].split(". ")[0].rstrip(".")


def box(package: str, x: float, y: float, width: float, fill: str) -> str:
    """A package: its name, and its idea in at most two lines."""
    words = textwrap.wrap(idea(package), int((width - 128) / LETTERS), max_lines=3)
    first = y + HEIGHT / 2 + 5 - 8 * (len(words) - 1)
    said = "".join(
        f'<text x="{x + 118:.0f}" y="{first + 16 * k:.0f}">{escape(line)}</text>'
        for k, line in enumerate(words)
    )
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{HEIGHT}" rx="6" '
        f'fill="{fill}"/>'
        f'<text class="name" x="{x + 12:.0f}" y="{y + HEIGHT / 2 + 5:.0f}">'
        f"{package.removeprefix('sda.')}</text>{said}"
    )


def picture() -> str:
    """The whole picture."""
    drawn = []
    for row, floor in enumerate(floors()):
        width = (WIDTH - LEFT - GAP * (len(floor) - 1)) / len(floor)
        for column, package in enumerate(floor):
            x, y = LEFT + column * (width + GAP), row * (HEIGHT + GAP)
            drawn.append(box(package, x, y, width, FILLS[row % 2]))
    height = len(floors()) * (HEIGHT + GAP) - GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="13">\n'
        "<title>The packages of sda: each imports from the floors below it only</title>\n"
        "<style>text { fill: #1b1b1b } .name { font-weight: bold; font-size: 15px }</style>\n"
        f'<path d="M16 4 V{height - 10} M8 {height - 20} L16 {height - 6} L24 {height - 20}" '
        'fill="none" stroke="#0072b2" stroke-width="3"/>\n' + "\n".join(drawn) + "\n</svg>\n"
    )


if __name__ == "__main__":
    OUT.write_text(picture(), encoding="utf-8")
