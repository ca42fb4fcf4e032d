"""A campaign, from a command: run until its hours are over, and gone on with.

Tier by tier: of every cell each setting once, then the best one with more seeds. The folders of the
runs, and the proposals beside them, are the only memory, so that the same command goes on where it
stopped. With the table of an earlier campaign (``campaign.choices=FILE``) its choices are taken and
not searched for again.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from sda.common.terminal import clock
from sda.config import compose, schema
from sda.runs import identity
from sda.runs import settings as settings_words
from sda.sweeps import sweep
from sda.sweeps.campaign import campaign, words
from sda.sweeps.campaign.campaign import Campaign, Tier
from sda.sweeps.campaign.cell import Cell, is_done
from sda.sweeps.job import Job
from sda.sweeps.worker import Outcome

_log = logging.getLogger(__name__)


def unobtainable(cells: Iterable[Cell]) -> dict[str, str]:
    """Read or make every data set of the cells; of those that cannot be had, by name, say why."""
    faults: dict[str, str] = {}
    different = {(cell.data_set, repr(cell.config["data"])): cell.config for cell in cells}
    for (data_set, _), plain in different.items():
        try:
            schema.load_data(plain)
        except (ValueError, OSError) as error:
            why = str(error).removeprefix(f"{data_set}: ")
            faults[data_set] = f"{data_set} is left out: {why}"
    return faults


def stages(tiers: Sequence[tuple[Tier, list[Cell]]]) -> Iterator[tuple[str, list[Job]]]:
    """What is to be run, in order; later stages depend on how the earlier ones ended."""
    for number, (tier, those) in enumerate(tiers, 1):
        search: list[Job] = []
        while (further := _search(those, tier.settings)) != search:  # as proposals become known
            search = further
            yield f"tier {number}, search", search
        again = [cell.repeated(tier.seeds) for cell in those]
        yield f"tier {number}, seeds", [job for jobs in again for job in jobs]


def _search(cells: Sequence[Cell], settings: int) -> list[Job]:
    """The runs of a search as far as they are known: the first setting of all cells comes first.

    A cell whose choice an earlier search has made is not searched.
    """
    searched = [cell for cell in cells if cell.choice is None]
    for cell in searched:
        if len(cell.settings()) < settings:
            cell.propose()
    tried = [cell.tried(settings) for cell in searched]
    return [job for k in range(settings) for jobs in tried for job in chain(*jobs[k : k + 1])]


def to_go(tiers: Sequence[tuple[Tier, list[Cell]]]) -> str:
    """Say how many runs all tiers have left, and what they take by the minutes of their cells."""
    last = {cell.name: (cell, tier) for tier, cells in tiers for cell in cells}
    runs, minutes = 0, 0.0
    for cell, tier in last.values():
        due = _due(cell, tier)
        runs += due
        minutes += due * (cell.config["minutes"] or 0)
    return f"{runs} runs, some {minutes / 60:.1f} hours of one core by the minutes of their cells"


def _due(cell: Cell, tier: Tier) -> int:
    """How many runs a cell has left: of its search, of settings not yet proposed, of its seeds."""
    seeds = len([job for job in cell.repeated(tier.seeds) if not is_done(job)])
    if cell.choice is not None:
        return seeds
    search = len([job for job in chain(*cell.tried(tier.settings)) if not is_done(job)])
    if cell.search is None:
        return search
    if cell.search.space:
        search += max(0, tier.settings - len(cell.settings())) * len(cell.search.rates)
    if search and cell.chosen() is None:
        seeds = tier.seeds - 1  # one is of the search
    return search + seeds


def checked(plan: Campaign) -> list[tuple[Tier, list[Cell]]]:
    """Read every cell and its settings: a wrong one is told now, not hours later."""
    tiers = [(tier, campaign.cells(plan, tier)) for tier in plan.tiers]
    for tier, cells in tiers:
        for tried in [jobs for cell in cells for jobs in cell.tried(tier.settings)]:
            _ = tried[0].settings
        for cell in [cell for cell in cells if cell.choice is not None]:
            _check_choice(cell)
    return tiers


def _check_choice(cell: Cell) -> None:
    try:
        chosen = cell.chosen()
        _ = chosen and chosen.settings
    except (ValueError, *compose.FAULTS) as error:
        line = str(error).strip().splitlines()[0]
        raise ValueError(f"the choice of {cell.name} is no good: {line}") from None


def run(plan: Campaign) -> tuple[bool, list[str]]:
    """Run what is not done yet.

    Every cell, its settings and every data set are read before any work starts. The words of the
    call are kept for whoever reads the folder, when all of them have been read.

    Returns:
        Whether all was tried, and a line for every run that failed and for every data set that
        cannot be had.

    Raises:
        HydraException, ValueError: a cell has no configuration, or a faulty one.
        Interrupted: after a signal; the same command goes on.
    """
    until = time.monotonic() + 3600 * plan.hours
    tiers = checked(plan)  # before the words say where the folder is: they may be wrong
    known = words.with_choices(plan, folder_of(plan))
    if known is not plan:
        plan, tiers = known, checked(known)
    if plan.choices:
        _log.info(_repeated(tiers))
    at_once = sweep.slots(_settings(plan))
    words.keep(plan, folder_of(plan))
    _log.info("%s: reading its data sets", plan.name)  # where they are not, making them
    at_hand, absent = _at_hand(tiers)
    ended: dict[str, Outcome] = {}  # of a run that was tried in several stages, the last
    _log.info("to go: %s", to_go(at_hand))
    for title, jobs in stages(at_hand):
        due = [job for job in jobs if not is_done(job)]
        done = f"{len(jobs) - len(due)} of {len(jobs)} runs done"
        left = clock(max(0.0, until - time.monotonic()))
        _log.info("%s: %s, %s left of the hours", title, done, left)
        if not due:
            continue
        outcomes = sweep.run_all(due, together=True, until=until, at_once=at_once)
        ended |= {outcome.folder: outcome for outcome in outcomes}
        if len(outcomes) < len(due):
            _log.info("the hours are over; the same command goes on")
            return False, absent + _faults(ended.values())
    busy = [outcome for outcome in ended.values() if outcome.is_busy]
    if busy:
        _log.info("left to other processes: %d; the same command goes on", len(busy))
    return not busy, absent + _faults(ended.values())


def _at_hand(
    tiers: Sequence[tuple[Tier, list[Cell]]],
) -> tuple[list[tuple[Tier, list[Cell]]], list[str]]:
    """The tiers with the cells whose data can be had; a line for each set that cannot, told too."""
    absent = unobtainable(cell for _, cells in tiers for cell in cells)
    for line in absent.values():
        _log.info(line)
    there = [(tier, [c for c in cells if c.data_set not in absent]) for tier, cells in tiers]
    return there, list(absent.values())


def _faults(outcomes: Iterable[Outcome]) -> list[str]:
    """A line for every run that failed; one that diverged was tried, and is worth knowing."""
    return sweep.faults([o for o in outcomes if o.result.get("status") != "diverged"])


def _repeated(tiers: Sequence[tuple[Tier, list[Cell]]]) -> str:
    """Say which cells are searched though choices were given."""
    cells = {cell.name: cell for _, those in tiers for cell in those if not cell.is_machine}
    searched = [name for name, cell in cells.items() if cell.choice is None]
    repeated = f"the choices of an earlier search for {len(cells) - len(searched)} cells"
    rest = f"; searched: {', '.join(searched)}" if searched else ""
    return f"{repeated}{rest} ({campaign.CHOICES}=null searches all)"


def _settings(plan: Campaign) -> dict[str, Any]:
    """What its words make of the settings that are no cell's."""
    words = [word for word in plan.words if settings_words.key_of(word) in identity.HARMLESS]
    return compose.resolved(compose.compose(words))


def folder_of(plan: Campaign) -> Path:
    """Where the runs of a campaign are."""
    return Path(_settings(plan)["runs_folder"]) / plan.name
