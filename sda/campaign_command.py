"""A campaign, from a command: run until its hours are over, and gone on with.

Tier by tier: of every cell each setting once, then the best one with more seeds. The folders of the
runs are the only memory of what is done, so that the same command goes on where it stopped.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from sda import campaign, checkpoint, composition, sweeping
from sda.campaign import Campaign, is_done
from sda.jobs import Job
from sda.terminal import clock


def stages(plan: Campaign) -> Iterator[tuple[str, list[Job]]]:
    """What is to be run, in order; later stages depend on how the earlier ones ended."""
    for number, tier in enumerate(plan.tiers, 1):
        those = campaign.cells(plan, tier)
        by_setting = [cell.tried(tier.settings) for cell in those]
        search = [
            job
            for k in range(tier.settings)
            for tried in by_setting
            for job in (tried[k] if k < len(tried) else [])
        ]
        yield f"tier {number}, search", search
        again = [cell.repeated(tier.seeds) for cell in those]
        yield f"tier {number}, seeds", [job for jobs in again for job in jobs]


def run(plan: Campaign) -> tuple[bool, list[str]]:
    """Run what is not done yet.

    Returns:
        Whether the hours were enough, and a line for every run that failed.

    Raises:
        Interrupted: after a signal; the same command goes on.
    """
    until = time.monotonic() + 3600 * plan.hours
    at_once = sweeping.slots(composition.resolved(composition.compose(list(plan.words))))
    failed: dict[str, str] = {}
    for title, jobs in stages(plan):
        due = [job for job in jobs if not is_done(job)]
        left = clock(max(0.0, until - time.monotonic()))
        print(f"{title}: {len(jobs) - len(due)} of {len(jobs)} runs done, {left} left", flush=True)
        if not due:
            continue
        outcomes = sweeping.run_all(due, together=True, until=until, at_once=at_once)
        faulty = [o for o in outcomes if o.fault and o.result.get("status") != "diverged"]
        failed |= dict(zip([o.folder for o in faulty], sweeping.faults(faulty), strict=True))
        if len(outcomes) < len(due):
            print("the hours are over; the same command goes on", flush=True)
            return False, list(failed.values())
    return True, list(failed.values())


def main(words: list[str]) -> int:
    """``campaign NAME campaign.hours=H [key=value ...]``.

    Returns 0 if all of it is done, 1 if runs failed, 3 if the hours are over.
    """
    if not words or "=" in words[0]:
        known = sorted(path.stem for path in (composition.folder() / "campaign").glob("*.yaml"))
        raise ValueError(f"campaign needs a name: {', '.join(known)}")
    plan = campaign.read(words[0], words[1:])
    top = Path(composition.resolved(composition.compose(list(plan.words)))["runs_folder"])
    folder = top / plan.name
    folder.mkdir(parents=True, exist_ok=True)
    aside = ("campaign.", "runs_folder=")
    kept = [word for word in words[1:] if not word.startswith(aside)]
    checkpoint.replace(folder / campaign.WORDS, json.dumps(kept).encode())
    enough, failed = run(plan)
    print(f"the runs are in {folder}")
    for line in failed:
        print(line, file=sys.stderr)
    return 3 if not enough else bool(failed)
