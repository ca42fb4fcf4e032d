"""Make the paper's table, as far as its runs have come, from the folders of a campaign.

    ./run experiments/table1.py [--runs runs] [--campaign table1]

Writes ``table1.md``, ``table1.csv`` and ``table1_gaps.csv`` beside this file and the means into the
README. Errors in percent; the setting of each cell was chosen on validation error among those
tried; a cell without a finished run says "not run".

The table outlives the folders: where there is one already, a cell that has fewer runs here than its
line rests on keeps that line, and further seeds of the same setting are added to it. ``--afresh``
forgets what it says.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from sda import (
    alignment,
    campaign_gaps,
    campaign_record,
    campaign_table,
    campaign_words,
    choices,
)

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", default="runs", help="the runs_folder of the campaign")
    parser.add_argument("--campaign", default="table1", help="another one wants --out")
    parser.add_argument("--out", type=Path, help="folder to write to (default: beside this file)")
    parser.add_argument("--afresh", action="store_true", help="keep nothing of an earlier table")
    args = parser.parse_args()
    try:
        write(args)
    except ValueError as error:
        sys.exit(f"error: {error}")


def write(args: argparse.Namespace) -> None:
    if args.out is None and args.campaign != "table1":
        raise ValueError(
            f"--campaign {args.campaign} needs --out: table1's table is beside this file"
        )
    out = args.out or HERE
    if not out.is_dir():
        raise ValueError(f"--out wants a folder that exists, got {out}")
    plan = campaign_words.recorded(Path(args.runs) / args.campaign)
    file, beside = out / "table1.csv", out / "table1_gaps.csv"
    kept, kept_gaps = {}, {}
    if file.exists() and not args.afresh:
        kept, kept_gaps = campaign_record.read(file), campaign_gaps.read(beside)
        plan = replace(plan, choices=choices.read(file))
    own = campaign_table.rows(plan)
    if not any(row["seeds"] for row in own):
        raise ValueError(f"no cell of {args.campaign} has a finished run in {args.runs}")
    rows = [campaign_record.joined(row, kept.get(choices.cell_of(row))) for row in own]
    gaps = campaign_gaps.of(plan, rows, kept, kept_gaps)
    campaign_record.write(file, rows, campaign_table.COLUMNS)
    campaign_gaps.write(beside, gaps, rows)
    text = (HERE / "table1_template.md").read_text()
    text = text.replace("{table}", campaign_table.markdown(rows, campaign_table.full))
    heads, *apart = campaign_gaps.lines(rows, gaps)
    text = text.replace("{gaps}", alignment.piped(heads, apart))
    heads, *details = campaign_table.details(rows)
    (out / "table1.md").write_text(text.replace("{details}", alignment.piped(heads, details)))
    brief = campaign_table.markdown(rows, campaign_table.brief)
    if args.out is None:
        before, begin, rest = README.read_text().partition("<!-- table1 -->\n")
        README.write_text(f"{before}{begin}{brief}\n{rest[rest.index('<!-- /table1 -->') :]}")
    print(brief)


if __name__ == "__main__":
    main()
