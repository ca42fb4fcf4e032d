"""A report: one HTML page of everything under a folder."""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sda.analysis.comparison import Arm, Comparison, Table
from sda.cli import compare
from sda.common import files
from sda.common.program import program
from sda.config import catalogue, compose
from sda.runs import identity
from sda.runs.folder import RunFolder
from sda.runs.identity import flat
from sda.runs.results import Trained

if TYPE_CHECKING:
    from sda.analysis.page import Section
    from sda.data.splits import Splits

NOTHING = 2  # exit code: there is nothing to report
# Given beside the words of a run, or no setting of one.
ASIDE = {*identity.HARMLESS, "init", "seed", "published", "search", "minutes", "vars"}
CUT = ("data.folds", "data.fold", "data.repeats", "data.repeat")  # given by folds= or repeats=


def page(folder: Path) -> str:
    """The page of the runs in and below a folder.

    Raises:
        ValueError: the folder is missing, or there is no run at all.
    """
    from sda.analysis import report  # slow: it imports torch; --help does not need it

    found = compare.compare([folder])
    known = list(_campaign(folder))
    repeated = {table.data_hash: commands(table) for table in found.tables}
    return report.report(folder.resolve().name, found, _data(found), repeated, known)


def _data(found: Comparison) -> dict[str, "Splits"]:
    """The data sets of runs that are at hand, by the hash of their table."""
    from sda.config import schema  # as above

    known = {}
    for table in found.tables:
        run = table.arms[0].runs[0]
        with suppress(ValueError, OSError):  # the page does without
            splits = schema.load_data(RunFolder(run.path).config)
            if splits.digest() == run.result["data_hash"]:
                known[table.data_hash] = splits
    return known


def _campaign(folder: Path) -> Iterator["Section"]:
    """The tables of a campaign, if the folder is one's."""
    name = folder.resolve().name
    if not (catalogue.folder() / "campaign" / f"{name}.yaml").exists():
        return
    from sda.analysis.page import Section  # as above
    from sda.runs import ledger
    from sda.sweeps.campaign import gaps
    from sda.sweeps.campaign import table as campaign_table

    record = folder.resolve().parent / ledger.FOLDER
    lines = ledger.lines(record)
    rows = campaign_table.rows(lines, name)
    if not rows:
        return
    errors = (
        "Test error in percent: mean over fresh seeds, which had no part in the choice, of the "
        "setting with the best mean validation error. Of this ledger alone: the table in "
        "experiments/results/table1.md may rest on more."
    )
    apart = (
        "Percentage points of test error, positive: SdA-3 is better, ± the 95 % interval over "
        "seeds and test rows; in brackets the paper's gap."
    )
    shown = {
        "": campaign_table.as_printed(rows, campaign_table.full, errors),
        "Gaps": gaps.block(rows, gaps.of(rows, lines, record), apart),
        "What was chosen": campaign_table.details(rows),
    }
    yield from (Section(title, [block]) for title, block in shown.items())


def commands(table: Table) -> list[str]:
    """The fewest commands that repeat the runs of a table; each is checked."""
    groups: dict[tuple[str, ...], list[Arm]] = {}
    for arm in table.arms:
        words = words_of(arm.runs[0])
        if words is not None:
            words = [word for word in words if identity.key_of(word) not in CUT]
            words += ["=".join(reversed(table.cuts.split()))] if table.cuts else []
            seeds = _seeds(sorted({run.seed for run in arm.runs}))
            groups.setdefault((seeds, *words), []).append(arm)
    return [_command(arms, *said) for said, arms in groups.items()]


def words_of(run: Trained) -> list[str] | None:
    """The words that ask for a run, without init and seed; None if it is not sure that they do."""
    folder = RunFolder(run.path)
    wanted, said = folder.config, folder.result.get("words") or ()
    places, aside = flat(wanted), {*identity.HARMLESS, "init", "seed"}
    words = []
    for one in said:
        key = identity.key_of(one)
        path = places.get(key) if key in identity.PLACES else None
        if not {key, identity.top(key)} & aside:
            words.append(one if path is None else f"{key}={identity.word(path)}")
    try:
        found = compose.settings(words)
    except (ValueError, *compose.FAULTS):
        return None
    lacking = identity.changed(flat(found), identity.relevant(flat(wanted), ASIDE))
    return sorted(words) if said and not lacking else None


def _command(arms: Sequence[Arm], seeds: str, *words: str) -> str:
    inits = ",".join(dict.fromkeys(arm.runs[0].init for arm in arms))
    said = [*words, f"init={inits}", f"seed={seeds}"]
    sweep = ["-m"] if "," in inits or not seeds.isdigit() else []
    return " ".join([program(), *sweep, *map(shlex.quote, said)])


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"range({seeds[0]},{seeds[-1] + 1})" if seeds[0] else f"range({len(seeds)})"
    return ",".join(map(str, seeds))


def main(argv: list[str]) -> int:
    """``report FOLDER [--out FILE]``: write ``FOLDER/report.html``.

    Returns 0, or 2 if the folder is missing or there is no run. Raises OSError if the page cannot
    be written, SystemExit for unknown words.
    """
    parser = argparse.ArgumentParser(
        f"{program()} report", description="One page about finished runs."
    )
    parser.add_argument("folder", type=Path, help="of a campaign, a sweep or a run")
    parser.add_argument("--out", type=Path, help="default: report.html in the folder")
    args = parser.parse_args(argv)
    try:
        if args.out is not None and args.out.is_dir():
            raise ValueError(f"--out wants a file, got the folder {args.out}")
        content = page(args.folder)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOTHING
    out = args.out or args.folder / "report.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    files.replace(out, content.encode())
    print(f"written: {out}")
    return 0
