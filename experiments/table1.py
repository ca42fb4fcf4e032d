"""Make the papers' table from ledgers: ``table1.md`` and, in two pages, its means.

    ./run experiments/table1.py [--ledger FOLDER] [--out FOLDER]

The ledger is the committed one beside this file, ``results/ledger``; to add what was run, copy
``runs/ledger`` into it. Errors in percent; the setting of each cell was chosen on validation rows.
"""

import argparse
from pathlib import Path

from lib import script

from sda.common import files
from sda.runs import ledger
from sda.sweeps.campaign import gaps, table

HOUSE = script.HERE.parent
SHORT = ("random3", "saa3", "sda3")  # the arms in the README; the page on the papers has all


def main(folder: Path, out: Path) -> None:
    lines = ledger.lines(folder)
    rows = table.rows(lines)
    if not rows:
        raise ValueError(f"no cell of the table is known in {folder}")
    files.replace(out / "table1.md", page(rows, gaps.of(rows, lines, folder)).encode())
    rows = [row for row in rows if "," not in row.data_set]
    brief = table.as_printed(rows, table.brief).piped()
    if out == script.RESULTS:
        few = [row for row in rows if row.arm in SHORT]
        short = table.as_printed(few, table.brief).piped()
        for shown, text in (HOUSE / "README.md", short), (HOUSE / "docs" / "papers.md", brief):
            files.replace(shown, with_table(shown.read_text(), text).encode())
    print(brief)


def page(rows: list[table.Row], apart: gaps.Gaps) -> str:
    """The table in full, how far the methods are apart, what was chosen."""
    text = (script.HERE / "table1_template.md").read_text()
    text = text.replace("{table}", table.as_printed(rows, table.full).piped())
    text = text.replace("{gaps}", gaps.block(rows, apart).piped())
    return text.replace("{details}", table.details(rows).piped())


def with_table(text: str, brief: str) -> str:
    """A page with another table of means."""
    before, begin, rest = text.partition("<!-- table1 -->\n")
    return f"{before}{begin}{brief}\n{rest[rest.index('<!-- /table1 -->') :]}"


def folder(name: str) -> Path:
    """A folder that exists, for argparse."""
    if not Path(name).is_dir():
        raise argparse.ArgumentTypeError(f"it wants a folder that exists, got {name}")
    return Path(name)


if __name__ == "__main__":
    parser = script.parser(__doc__)
    parser.add_argument("--ledger", type=folder, default=script.RESULTS / "ledger")
    parser.add_argument("--out", type=folder, default=script.RESULTS)
    args = parser.parse_args()
    script.call(main, args.ledger, args.out)
