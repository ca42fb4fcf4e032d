"""Make the paper's table, as far as its runs have come, from the folders of a campaign.

    ./run experiments/table1.py [--runs runs] [--campaign table1]

Writes ``table1.md`` and ``table1.csv`` beside this file and the means into the README. Errors in
percent; the setting of each cell was chosen on validation error among those tried; a cell without a
finished run says "not run".
"""

import argparse
import csv
import sys
from pathlib import Path

from sda import alignment, campaign_gaps, campaign_table, campaign_words

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", default="runs", help="the runs_folder of the campaign")
    parser.add_argument("--campaign", default="table1", help="another one wants --out")
    parser.add_argument("--out", type=Path, help="folder to write to (default: beside this file)")
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
    rows = campaign_table.rows(plan)
    if not any(row["seeds"] for row in rows):
        raise ValueError(f"no cell of {args.campaign} has a finished run in {args.runs}")
    with (out / "table1.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, campaign_table.COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    text = (HERE / "table1_template.md").read_text()
    text = text.replace("{table}", campaign_table.markdown(rows, campaign_table.full))
    heads, *gaps = campaign_gaps.lines(plan)
    text = text.replace("{gaps}", alignment.piped(heads, gaps))
    heads, *details = campaign_table.details(rows)
    (out / "table1.md").write_text(text.replace("{details}", alignment.piped(heads, details)))
    brief = campaign_table.markdown(rows, campaign_table.brief)
    if args.out is None:
        before, begin, rest = README.read_text().partition("<!-- table1 -->\n")
        README.write_text(f"{before}{begin}{brief}\n{rest[rest.index('<!-- /table1 -->') :]}")
    print(brief)


if __name__ == "__main__":
    main()
