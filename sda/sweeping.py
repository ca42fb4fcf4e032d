"""Many runs side by side: one process each, so that nothing leaks from one run into another."""

import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from sda import config, grouping
from sda.interruption import Interrupted, Interruption
from sda.jobs import Job, place, refusal, train_jobs
from sda.runfolder import RunFolder
from sda.terminal import clock


class Outcome(NamedTuple):
    """How a job ended: its result, or what went wrong in one line."""

    folder: str
    result: dict[str, Any]
    fault: str | None

    @property
    def objective(self) -> float:
        """Validation error, or infinity where there is none."""
        return math.inf if self.fault else float(self.result["valid_error"])


def run_all(
    jobs: Sequence[Job],
    together: bool = False,
    until: float = math.inf,
    at_once: int | None = None,
) -> list[Outcome]:
    """Train the runs of a sweep; finished ones are skipped, partial ones gone on with.

    A run that fails leaves the others alone. A signal is passed on to the runs in progress, which
    save and stop; no further one starts.

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
    outcomes = _refused(jobs)
    left = [job for job in jobs if str(place(job)) not in outcomes]
    tasks = _grouped(left) if together else [[job] for job in left]
    running: list[_Child] = []
    start, passed_on = time.monotonic(), False
    with Interruption() as signals:
        while running or (tasks and not passed_on):
            stopping = signals.requested or time.monotonic() > until
            while tasks and len(running) < most and not stopping:
                running.append(_Child(tasks.pop(0)))
            if stopping and not passed_on:
                passed_on = True
                for child in running:
                    child.ask_to_stop()
            ended = list(_ended(running))
            if passed_on:
                ended = [o for o in ended if o.result.get("status") != "interrupted"]
            outcomes |= {outcome.folder: outcome for outcome in ended}
            _report(ended, len(outcomes), len(jobs), time.monotonic() - start)
    if signals.requested:
        raise Interrupted(signals.requested, "sweep interrupted; the same command goes on with it")
    return [outcomes[path] for job in jobs if (path := str(place(job))) in outcomes]


def _ended(running: list["_Child"]) -> Iterator[Outcome]:
    """Wait a little; the outcomes of processes that are over, which leave the list."""
    wait([child.process.sentinel for child in running], timeout=0.2)
    for child in [child for child in running if not child.process.is_alive()]:
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
    return [f"failed: {o.folder}: {o.fault}" for o in outcomes if o.fault]


def _grouped(jobs: Sequence[Job]) -> list[list[Job]]:
    """Put runs together that train as one program; what was begun together stays together."""
    place_in_line = {id(job): k for k, job in enumerate(jobs)}
    machines = [[job] for job in jobs if job.is_machine]
    tasks = machines + _networks([job for job in jobs if not job.is_machine])
    return sorted(tasks, key=lambda task: place_in_line[id(task[0])])


def _networks(jobs: Sequence[Job]) -> list[list[Job]]:
    plans = [config.build_run(job.config) for job in jobs]
    paths = [str(place(job)) for job in jobs]
    groups: dict[str, list[Job]] = {}
    fresh = []
    for k, path in enumerate(paths):
        before = RunFolder(Path(path)).result
        if before.get("batch") and not jobs[k].config["overwrite"]:
            groups.setdefault(str(before["batch"]), []).append(jobs[k])
        else:
            fresh.append(k)
    tasks = list(groups.values())
    for alike in grouping.alike([plans[k] for k in fresh], [jobs[k].config for k in fresh]):
        runs = [fresh[k] for k in alike]
        try:
            width = config.width(jobs[runs[0]].config)
        except (ValueError, OSError):  # no data: each says so itself, others train
            tasks += [[jobs[k]] for k in runs]
            continue
        most = grouping.most_together(plans[runs[0]], width)
        computed = {twins[0]: twins for twins in grouping.twins(plans, runs)}
        firsts = list(computed)
        side_by_side = slots(jobs[runs[0]].config)
        if most > 1:
            parts = grouping.cut(firsts, min(most, -(-len(firsts) // side_by_side)))
        else:
            parts = grouping.sharing(plans, firsts, side_by_side)
        for part in parts:
            tasks.append([jobs[k] for first in part for k in computed[first]])
    return tasks


class _Child:
    """A process that trains the runs of a task and sends back how each ended."""

    def __init__(self, jobs: list[Job]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["sda.jobs", "sda.sweeping"])
        self._receiver, sender = context.Pipe(duplex=False)
        self._folders = [str(place(job)) for job in jobs]
        self.process: BaseProcess = context.Process(target=_work, args=(jobs, sender))
        self.process.start()
        sender.close()

    def ask_to_stop(self) -> None:
        if self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGINT)

    def outcomes(self) -> list[Outcome]:
        try:
            fault = self._receiver.recv()
        except EOFError:
            fault = f"its process died (exit status {self.process.exitcode})"
        ended = []
        for folder in self._folders:
            result = RunFolder(Path(folder)).result
            done = result.get("status") == "finished" and not fault
            own = result.get("message") if result.get("status") == "diverged" else fault
            ended.append(Outcome(folder, result, None if done else own or "did not finish"))
        return ended


def _work(jobs: list[Job], sender: Connection) -> None:
    """Train the runs of a task in this process; send what went wrong with all of them, or None."""
    os.setpgrp()  # Ctrl-C reaches the sweep alone, which passes it on once
    threading.Thread(target=_stop_when_orphaned, daemon=True).start()
    try:
        train_jobs(jobs)
        sender.send(None)
    except Interrupted as error:
        sender.send(str(error))
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        sender.send(" ".join(str(error).split()) or type(error).__name__)


def _stop_when_orphaned() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def slots(settings: dict[str, Any]) -> int:
    """How many runs of a configuration train side by side."""
    if settings.get("jobs", "auto") != "auto":
        return int(settings["jobs"])
    if config.device(settings.get("device", "cpu")).type != "cpu":
        return 1
    return max(1, config.cores() // config.threads(settings["threads"]))


def _report(ended: Sequence[Outcome], done: int, total: int, seconds: float) -> None:
    """Tell of runs that ended together, the last of ``done``: all of them say what time is left."""
    for number, outcome in enumerate(ended, done - len(ended) + 1):
        head = f"[{number}/{total}] {outcome.folder}"
        if outcome.fault:
            print(f"{head}: {outcome.fault}", file=sys.stderr, flush=True)
            continue
        error = f"{100 * outcome.result['valid_error']:.2f} %"
        left = clock(seconds / done * (total - done))
        print(f"{head}: validation error {error}, {left} left", flush=True)
