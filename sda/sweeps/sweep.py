"""Many runs side by side: one process each, so that nothing leaks from one run into another."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from sda.common import threads
from sda.common.signals import Interrupted, Interruption
from sda.common.terminal import clock, say
from sda.config import schema
from sda.experiment import batching
from sda.runs.folder import RunFolder
from sda.runs.identity import differences
from sda.sweeps.job import Job, place, refusal
from sda.sweeps.worker import BUSY, STOPPED, Child, Outcome


def run_all(
    jobs: Sequence[Job],
    together: bool = False,
    until: float = math.inf,
    at_once: int | None = None,
) -> list[Outcome]:
    """Train the runs of a sweep; finished ones are skipped, partial ones gone on with.

    A run that fails leaves the others alone, and so does one that another process is training. A
    signal is passed on to the runs in progress, which save and stop; no further one starts.

    Args:
        jobs: the runs.
        together: train runs that are alike as one program where that pays; else each alone.
        until: when to stop as after a signal, on the clock of ``time.monotonic``.
        at_once: processes side by side; None: as many as the first run says.

    Returns:
        How the runs ended; without those that time ran out for.

    Raises:
        Interrupted: after a signal, when all runs have stopped.
    """
    most = slots(jobs[0].config) if at_once is None else at_once
    asked, jobs = jobs, _distinct(jobs)
    outcomes = _refused(jobs)
    left = [job for job in jobs if str(place(job)) not in outcomes]
    tasks = _grouped(left) if together else [[job] for job in left]
    start = time.monotonic()
    with Interruption() as signals:
        for ended in _train(tasks, most, lambda: signals.requested or time.monotonic() > until):
            outcomes |= {outcome.folder: outcome for outcome in ended}
            _report(ended, len(outcomes), len(jobs), time.monotonic() - start)
    if signals.requested:
        raise Interrupted(signals.requested, "sweep interrupted; the same command goes on with it")
    return [outcomes[path] for job in asked if (path := str(place(job))) in outcomes]


def _distinct(jobs: Sequence[Job]) -> list[Job]:
    """Each run once; two that only share a folder stay two, of which one will be refused."""
    first: dict[str, Job] = {}
    return [
        job
        for job in jobs
        if (same := first.setdefault(str(place(job)), job)) is job
        or differences(same.settings, job.settings)
    ]


def _train(
    tasks: list[list[Job]], most: int, is_over: Callable[[], object]
) -> Iterator[list[Outcome]]:
    """Train tasks side by side; again and again, the outcomes of runs that ended meanwhile.

    When it is over, the runs in progress are stopped, and those that did stop have no outcome.
    """
    running: list[Child] = []
    stopping = False
    while running or (tasks and not stopping):
        if not stopping and is_over():
            stopping = True
            for child in running:
                child.ask_to_stop()
        ended: list[Outcome] = []
        while tasks and len(running) < most and not stopping:
            parts, busy = _parted(tasks.pop(0))
            ended += busy
            running += [Child(part) for part in parts[:1]]
            tasks[:0] = parts[1:]
        ended += _ended(running)
        yield [o for o in ended if not (stopping and o.passing == STOPPED)]


def _parted(task: list[Job]) -> tuple[list[list[Job]], list[Outcome]]:
    """What can train now, and the outcomes of runs that others are training.

    Since the task was made, others may have trained some of its runs: those are tasks of their own.
    """
    free: list[Job] = []
    busy: list[Outcome] = []
    for job in task:
        if RunFolder(place(job)).is_held:
            busy.append(Outcome(str(place(job)), {}, "another process is training it", BUSY))
        else:
            free.append(job)
    begun, fresh = _begun(free)
    return [part for part in (fresh, *begun) if part], busy


def _ended(running: list[Child]) -> Iterator[Outcome]:
    """Wait a little; the outcomes of processes that are over, which leave the list."""
    over = wait([child.report for child in running], timeout=0.2)
    for child in [child for child in running if child.report in over]:
        running.remove(child)
        yield from child.outcomes()


def _refused(jobs: Sequence[Job]) -> dict[str, Outcome]:
    """Tell of the runs whose folders have others in them; those beside them are left alone."""
    outcomes: dict[str, Outcome] = {}
    for job in jobs:
        if fault := refusal(job):
            outcome = Outcome(str(place(job)), {}, fault)
            outcomes[outcome.folder] = outcome
            _report([outcome], len(outcomes), len(jobs), 0.0)
    return outcomes


def faults(outcomes: Sequence[Outcome]) -> list[str]:
    """Name every run that failed, a line each."""
    return [f"failed: {o.folder}: {o.fault}" for o in outcomes if o.failed]


def _grouped(jobs: Sequence[Job]) -> list[list[Job]]:
    """Put runs together that train as one program; what was begun together stays together."""
    place_in_line = {id(job): k for k, job in enumerate(jobs)}
    machines = [[job] for job in jobs if job.is_machine]
    tasks = machines + _networks([job for job in jobs if not job.is_machine])
    return sorted(tasks, key=lambda task: place_in_line[id(task[0])])


def _begun(jobs: Sequence[Job]) -> tuple[list[list[Job]], list[Job]]:
    """Runs that were begun, together as they were then, and those that were not."""
    begun: dict[str, list[Job]] = {}
    fresh = []
    for job in jobs:
        path = str(place(job))
        before = RunFolder(Path(path)).result
        if before and not job.config["overwrite"]:
            begun.setdefault(str(before.get("batch") or path), []).append(job)
        else:
            fresh.append(job)
    return list(begun.values()), fresh


def _networks(jobs: Sequence[Job]) -> list[list[Job]]:
    tasks, jobs = _begun(jobs)
    plans = [schema.build_run(job.config) for job in jobs]
    for runs in batching.alike(plans, [job.config for job in jobs]):
        try:
            width = schema.width(jobs[runs[0]].config)
        except (ValueError, OSError):  # no data: each says so itself, others train
            tasks += [[jobs[k]] for k in runs]
            continue
        most = batching.most_together(plans[runs[0]], width)
        computed = {twins[0]: twins for twins in batching.twins(plans, runs)}
        firsts = list(computed)
        side_by_side = slots(jobs[runs[0]].config)
        if most > 1:
            parts = batching.cut(firsts, min(most, -(-len(firsts) // side_by_side)))
        else:
            parts = batching.sharing(plans, firsts, side_by_side)
        for part in parts:
            tasks.append([jobs[k] for first in part for k in computed[first]])
    return tasks


def slots(settings: dict[str, Any]) -> int:
    """How many runs of a configuration train side by side."""
    if settings.get("jobs", "auto") != "auto":
        return int(settings["jobs"])
    if schema.device(settings.get("device", "cpu")).type != "cpu":
        return 1
    return max(1, threads.cores() // threads.threads(settings["threads"]))


def _report(ended: Sequence[Outcome], done: int, total: int, seconds: float) -> None:
    """Tell of runs that ended together, the last of ``done``, and how long the others take."""
    for number, outcome in enumerate(ended, done - len(ended) + 1):
        head = f"[{number}/{total}] {outcome.folder}"
        if outcome.fault:
            say(f"{head}: {outcome.fault}", error=True)
            continue
        error = f"{100 * outcome.result['valid_error']:.2f} %"
        left = clock(seconds / done * (total - done))
        say(f"{head}: validation error {error}, {left} to go")
