"""worth DATA [minutes=M] [key=value ...]: whether pretraining is worth it.

DATA is a data set (data list) or a file of your own: worth digits minutes=5; worth mine.csv
data.label=species. Random weights, stacked autoencoders without and with noise, and baselines learn
from more and more labels, each with the same small search on validation rows. A probe of a minute
plans what fits into the minutes, 20 unless said; the same command goes on after a stop.
"""

import logging
import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from sda.common import checks, files
from sda.common.program import program
from sda.config import catalogue

if TYPE_CHECKING:
    from sda.sweeps.worth.plan import Plan

MINUTES = 20.0
TABLES = (".csv", ".tsv", ".parquet")  # their columns may be of several kinds
_OWN = ("minutes=", "overwrite=")
_log = logging.getLogger(__name__)


def main(words: list[str]) -> int:
    """Plan, run and judge. Returns 1 if runs failed."""
    own = dict(word.split("=", 1) for word in words if word.startswith(_OWN))
    words = _with_data([word for word in words if not word.startswith(_OWN)])
    minutes = _minutes(own.get("minutes", str(MINUTES)))
    _log.info("is pretraining worth it on %s?", _name(words))
    from sda.sweeps.worth import plan, probe  # torch takes seconds: say first what for

    known = plan.read(_name(words), plan.job(words).config["runs_folder"])
    if known is not None and own.get("overwrite") != "true":
        if known.words != words:
            raise ValueError(
                f"{known.folder} has a plan for {' '.join(known.words)}; name=OTHER beside it, "
                "overwrite=true in its place"
            )
        _log.info("the plan in %s is followed", known.folder)
        made = known
    else:
        made = probe.plan(_name(words), words, minutes)
        made.write()
    _say(made)
    faults = probe.run(made)
    for line in faults:
        _log.error(line)
    _judge(made)
    return int(bool(faults))


def _with_data(words: list[str]) -> list[str]:
    """The words, the data as a setting: a data set by its name, a file by its path."""
    first = words[0] if words else "data="
    if "=" not in first and not first.startswith("-"):
        is_set = (catalogue.folder() / "data" / f"{first}.yaml").exists()
        if not is_set and not Path(first).exists():
            raise ValueError(f"there is no data set and no file {first}; data list names the sets")
        kind = "table" if Path(first).suffix in TABLES else "arrays"
        named = [f"data={first}"] if is_set else [f"data={kind}", f'data.path="{first}"']
        return [*named, *words[1:]]
    if not any(word.startswith("data=") for word in words):
        raise ValueError(
            f"worth needs data: {program()} worth digits, or {program()} worth FILE.csv"
        )
    return words


def _name(words: list[str]) -> str:
    """The folder's name: ``name=``, or that of the data."""
    said = {word.partition("=")[0]: word.partition("=")[2] for word in words}
    return said.get("name") or Path(said.get("data.path", said["data"]).strip('"')).stem


def _minutes(word: str) -> float:
    try:
        return checks.positive("minutes", float(word))
    except ValueError:
        raise ValueError(f"minutes must be a number above 0, got {word}") from None


def _say(made: "Plan") -> None:
    """Say what is about to run, and what is left out."""
    _log.info("%s", made.told())
    for arm, why in made.left_out.items():
        _log.info("without %s: %s", arm, why)
    short = "" if made.expected <= made.minutes else f", the least there is; {made.minutes:g} asked"
    _log.info("about %g minutes%s; written down in %s", made.expected, short, made.folder)


def _judge(made: "Plan") -> None:
    """Print the verdict and its tables, and write the page."""
    from sda.analysis import worth
    from sda.runs import results
    from sda.sweeps.worth import probe

    finished, _ = results.read([made.folder / "tested"])
    found = worth.points(finished, made.n_train)
    if not found:
        raise ValueError(f"{made.folder} has no runs of random weights and of SdA to compare")
    for block in (worth.errors(found), worth.differences(found)):
        print(f"\n{block.aligned()}")
    print(f"\n{textwrap.fill(worth.verdict(found), 100)}")
    about = [f"{made.told()}. About {made.expected:g} minutes were planned."]
    for why in dict.fromkeys(made.left_out.values()):
        arms = [arm for arm, own in made.left_out.items() if own == why]
        about.append(f"Left out: {', '.join(arms)} ({why}).")
    chosen = worth.choices(probe.choices(made), made.n_train)
    page = worth.html(made.name, found, about, chosen, _command(made))
    files.replace(made.folder / "worth.html", page.encode())
    print(f"\nwritten: {made.folder / 'worth.html'}")


def _command(made: "Plan") -> str:
    """The command that repeats it."""
    words = [*made.words, f"minutes={made.minutes:g}"]
    return " ".join([program(), "worth", *map(shlex.quote, words)])
