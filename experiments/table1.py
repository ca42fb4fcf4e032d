"""Make the paper's table, as far as its runs have come, from the folders of a campaign.

    ./run experiments/table1.py [--runs runs] [--campaign table1]

Writes ``table1.md``, ``table1.csv``, ``table1_gaps.csv`` and ``table1_searches.csv`` beside this
file and the means into the README. Errors in percent; the setting of each cell was chosen on
validation error among those tried, which ``table1_searches.csv`` lists; a cell without a finished
run says "not run".

The table outlives the folders: where there is one already, a line stays that rests on more than
there is in the folders, and seeds of the same settings and data come together. ``--afresh`` keeps
nothing. Without folders it is written as it is.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sda.analysis import tables
from sda.cli import errors
from sda.common import files
from sda.config import compose
from sda.sweeps.campaign import campaign, choices, record, searches, table, words
from sda.sweeps.campaign import gaps as campaign_gaps
from sda.sweeps.campaign.campaign import Campaign
from sda.sweeps.campaign.choices import Choice
from sda.sweeps.campaign.gaps import Gap

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", help="the runs_folder of the campaign (default: runs)")
    parser.add_argument("--campaign", default="table1", help="another one wants --out")
    parser.add_argument("--out", type=Path, help="folder to write to (default: results)")
    parser.add_argument("--afresh", action="store_true", help="keep nothing of an earlier table")
    args = parser.parse_args()
    try:
        write(args)
    except compose.FAULTS as error:
        sys.exit(errors.explained(error))
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def write(args: argparse.Namespace) -> None:
    """Write what the folders and the earlier table come to, when all of it is known."""
    out = folder(args)
    kept = {} if args.afresh else record.read(out / "table1.csv")
    plan = planned(args, choices.read(out / "table1.csv") if kept else {})
    cells = table.last_cells(plan)
    own = table.rows(cells)
    if not kept and not any(row["seeds"] for row in own):
        where = args.runs or "runs"
        raise ValueError(f"no cell of {args.campaign} has a finished run in {where}")
    known = [(cell.name, table.searched(cell)) for cell, _ in cells]
    pairs = zip(own, known, strict=True)
    rows = [record.joined(row, kept.get(cell), tried) for row, (cell, tried) in pairs]
    new = [row for row in rows if row != kept.get(choices.cell_of(row))]
    rows += [row for cell, row in kept.items() if cell not in dict(known)]  # given up since
    kept_gaps = campaign_gaps.read(out / "table1_gaps.csv") if kept else {}
    gaps = campaign_gaps.of(cells, rows, kept, kept_gaps)
    searched_file = out / "table1_searches.csv"
    kept_searches = [] if args.afresh else searches.read(searched_file)
    stay = dict(known).keys() - {choices.cell_of(row) for row in new}
    here = searches.of(cell for cell, _ in cells)
    searched = searches.joined(here, kept_searches, stay)
    brief = table.markdown(rows, table.brief)
    texts = {out / "table1.md": page(rows, gaps)}
    if args.out is None:
        texts[README] = with_table(README.read_text(), brief)

    # Of gaps, those stay whose lines do: they come first.
    campaign_gaps.write(out / "table1_gaps.csv", gaps, rows)
    record.write(searched_file, searched, searches.COLUMNS)
    record.write(out / "table1.csv", rows, table.COLUMNS)
    for file, text in texts.items():
        files.replace(file, text.encode())
    print(brief)
    if kept:
        said = ", ".join(map(choices.cell_of, new))
        print(f"new in the table: {said or 'nothing'}", file=sys.stderr)


def folder(args: argparse.Namespace) -> Path:
    """Where to write: in results, where table1's table is."""
    if args.out is None and args.campaign != "table1":
        raise ValueError(f"--campaign {args.campaign} needs --out: table1's table is in results")
    out = args.out or HERE / "results"
    if not out.is_dir():
        raise ValueError(f"--out wants a folder that exists, got {out}")
    return Path(out)


def page(rows: list[dict[str, Any]], gaps: Mapping[str, Gap | str]) -> str:
    """The table in full, how far the methods are apart, what was chosen."""
    heads, *apart = campaign_gaps.lines(rows, gaps)
    text = (HERE / "table1_template.md").read_text()
    text = text.replace("{table}", table.markdown(rows, table.full))
    text = text.replace("{gaps}", tables.piped(heads, apart))
    heads, *details = table.details(rows)
    return text.replace("{details}", tables.piped(heads, details))


def with_table(readme: str, brief: str) -> str:
    """The README with another table of means."""
    before, begin, rest = readme.partition("<!-- table1 -->\n")
    return f"{before}{begin}{brief}\n{rest[rest.index('<!-- /table1 -->') :]}"


def planned(args: argparse.Namespace, known: dict[str, Choice]) -> Campaign:
    """The campaign of the folders, with the choices of whichever search has tried more."""
    folder = Path(args.runs or "runs") / args.campaign
    if args.runs is None and known and not folder.exists():
        return campaign.read(args.campaign, ["campaign.hours=0"])
    plan = words.recorded(folder)
    here = plan.choices or {}
    more = {c: one for c, one in known.items() if c not in here or one.tried >= here[c].tried}
    return replace(plan, choices={**here, **more})


if __name__ == "__main__":
    main()
