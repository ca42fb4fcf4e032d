"""Runs a campaign until its hours are over; the same command goes on with it.

Tier by tier: every arm is searched, its best settings are confirmed, its choice is repeated with
fresh seeds (`protocol`). The ledger of the runs' folder is the only memory, so that a campaign goes
on also after the folders of its runs are gone. With the ledger of another search
(``campaign.choices=FOLDER``) its choices are repeated without a search.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import fmean

from sda.common.terminal import clock
from sda.config import schema
from sda.experiment.job import Job
from sda.runs import ledger
from sda.sweeps import sweep
from sda.sweeps.campaign import campaign, protocol
from sda.sweeps.campaign.campaign import Campaign, Tier
from sda.sweeps.campaign.cell import Cell
from sda.sweeps.campaign.protocol import Line
from sda.sweeps.executors.choice import executor
from sda.sweeps.worker import Outcome

Tiers = Sequence[tuple[Tier, list[Cell]]]
_log = logging.getLogger(__name__)


def run(plan: Campaign) -> tuple[bool, list[str]]:
    """Run what the ledger does not have yet.

    Every cell, its settings and every data set are read before any work starts.

    Returns:
        Whether all was tried, and a line for every run that failed and for every data set that
        cannot be had.

    Raises:
        HydraException, ValueError: a cell has no configuration, or a faulty one.
        Interrupted: after a signal; the same command goes on.
    """
    until = time.monotonic() + 3600 * plan.hours
    tiers = checked(plan)
    first = next((cell for _, cells in tiers for cell in cells), None)
    if first is None:
        return True, []
    with closing(executor(first.config)) as on:
        _log.info("%s: reading its data sets", plan.name)  # or making them
        tiers, absent = _at_hand(tiers)
        _log.info("to go: %s", to_go(plan, tiers))
        ended: dict[str, Outcome] = {}  # by folder, the latest
        for title, jobs in stages(plan, tiers):
            due = [job for job in jobs if str(job.path) not in ended]  # once in a call
            if not due:
                continue
            left = clock(max(0.0, until - time.monotonic()))
            _log.info("%s: %d runs, %s left of the hours", title, len(due), left)
            outcomes = sweep.run_all(due, on, until=until)
            ended |= {outcome.folder: outcome for outcome in outcomes}
            if len(outcomes) < len(due):
                _log.info("the hours are over; the same command goes on")
                return False, absent + _faults(ended.values())
        return True, absent + _faults(ended.values())


def stages(plan: Campaign, tiers: Tiers) -> Iterator[tuple[str, list[Job]]]:
    """What is to be run next, in order; each stage depends on how the earlier ones ended."""
    for number, (tier, cells) in enumerate(tiers, 1):
        searched = [cell for cell in cells if plan.choices is None or cell.search is None]
        before: list[Job] = []
        while (jobs := _searching(plan, tier, searched)) and jobs != before:
            yield f"tier {number}, search", jobs
            before = jobs
        jobs = [job for cell, lines in _known(plan, searched) for job in cell.to_confirm(lines)]
        yield f"tier {number}, the best with more seeds", jobs
        again = [job for jobs in _repeating(plan, tier, cells) for job in jobs]
        yield f"tier {number}, fresh seeds of what was chosen", again


def _known(plan: Campaign, cells: Iterable[Cell]) -> Iterator[tuple[Cell, list[Line]]]:
    """The cells with what the ledger has of them."""
    lines = ledger.lines(plan.runs_folder / ledger.FOLDER)
    yield from ((cell, cell.own(lines)) for cell in cells)


def _searching(plan: Campaign, tier: Tier, cells: Iterable[Cell]) -> list[Job]:
    """The runs that the searches of a tier lack; the first of all cells come first."""
    missing = [cell.to_search(lines, tier.runs) for cell, lines in _known(plan, cells)]
    most = max(map(len, missing), default=0)
    return [job for k in range(most) for jobs in missing for job in jobs[k : k + 1]]


def _repeating(plan: Campaign, tier: Tier, cells: Sequence[Cell]) -> Iterator[list[Job]]:
    elsewhere = None if plan.choices is None else ledger.lines(plan.choices)
    for cell, lines in _known(plan, cells):
        choosing = lines if elsewhere is None else cell.own(elsewhere)
        yield cell.to_repeat(lines, choosing, tier.seeds)


def to_go(plan: Campaign, tiers: Tiers) -> str:
    """Say how many runs all tiers have left, and their hours as far as the ledger tells them.

    The number is a lower bound: proposals and the runs that follow them are not known yet.
    """
    last = {(cell.data, cell.arm): (cell, tier) for tier, cells in tiers for cell in cells}
    runs, unknown, hours = 0, 0, 0.0
    for cell, lines in _known(plan, [cell for cell, _ in last.values()]):
        tier = last[cell.data, cell.arm][1]
        due = _due(cell, lines, tier, plan.choices is not None)
        times = [sum(line["seconds"].values()) for line in lines if line.get("seconds")]
        runs += due
        unknown += 0 if times else due
        hours += due * fmean(times) / 3600 if times else 0.0
    told = f"; unknown for {unknown}" if unknown else ""
    return f"{runs} runs, {hours:.1f} core-hours by the runs that have ended{told}"


def _due(cell: Cell, lines: Sequence[Line], tier: Tier, is_chosen: bool) -> int:
    """How many runs a cell has left, if all that are tried learn."""
    if cell.search is None:
        return int(not lines)
    seeds = tier.seeds
    if (one := protocol.chosen(lines)) is not None:
        seeds -= min(seeds, len(one.fresh))
    if is_chosen:
        return seeds
    ended = protocol.tried(lines).values()
    learned = sum(protocol.has_learned(one.lines[protocol.SEARCHED]) for one in ended)
    confirmed = sum(
        seed in one.lines for one in protocol.finalists(lines) for seed in protocol.AGAIN
    )
    more = protocol.FINALISTS * len(protocol.AGAIN) - confirmed
    return max(0, tier.runs - learned) + max(0, more) + seeds


def checked(plan: Campaign) -> Tiers:
    """Read every cell and its settings: a wrong one is told now, not hours later."""
    tiers = [(tier, campaign.cells(plan, tier)) for tier in plan.tiers]
    every = [cell for _, cells in tiers for cell in cells]
    for cell in every:
        for words in [()] if cell.search is None else cell.search.settings:
            _ = cell.job(words, protocol.SEARCHED, test=False).settings
    for word in plan.words:
        if word.startswith(campaign.PARTLY) and not any(word in cell.words for cell in every):
            every[0].job((word,), protocol.SEARCHED, test=False)  # which says what is wrong with it
    return tiers


def _at_hand(tiers: Tiers) -> tuple[Tiers, list[str]]:
    """Read or make every data set: the tiers with the cells whose data are there.

    And a line for each set that cannot be had, which is logged too.
    """
    every = [cell for _, cells in tiers for cell in cells]
    absent: dict[str, str] = {}
    for cell in {(cell.data, repr(cell.config["data"])): cell for cell in every}.values():
        try:
            schema.load_data(cell.config)
        except (ValueError, OSError) as error:
            why = str(error).removeprefix(f"{cell.data}: ")
            absent[cell.data] = f"{cell.data} is left out: {why}"
    for line in absent.values():
        _log.info(line)
    there = [(tier, [cell for cell in cells if cell.data not in absent]) for tier, cells in tiers]
    return there, list(absent.values())


def _faults(outcomes: Iterable[Outcome]) -> list[str]:
    """A line for every run that failed; one that diverged has not, it is a result."""
    return sweep.faults([o for o in outcomes if o.result.get("status") != "diverged"])


def folder_of(plan: Campaign) -> Path:
    """Where the runs of a campaign are."""
    return plan.runs_folder / plan.name
