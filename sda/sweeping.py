"""Many runs side by side: one process each, so that nothing leaks from one run into another."""

import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

from sda import command, config
from sda.interruption import Interrupted, Interruption
from sda.terminal import clock


class Job(NamedTuple):
    """One run of a sweep: its resolved configuration and the words that set it apart."""

    config: dict[str, Any]
    overrides: list[str]


class Outcome(NamedTuple):
    """How a job ended: its result, or what went wrong in one line."""

    folder: str
    result: dict[str, Any]
    fault: str | None

    @property
    def objective(self) -> float:
        """Validation error, or infinity where there is none."""
        return math.inf if self.fault else float(self.result["valid_error"])


def run_all(jobs: Sequence[Job]) -> list[Outcome]:
    """Train the runs of a sweep; finished ones are skipped, partial ones gone on with.

    A run that fails leaves the others alone. A signal is passed on to the runs in progress, which
    save and stop; no further one starts.

    Raises:
        Interrupted: after a signal, when all runs have stopped.
    """
    slots = _slots(jobs[0].config)
    outcomes: dict[int, Outcome] = {}
    running: dict[int, _Child] = {}
    waiting = list(range(len(jobs)))
    start, passed_on = time.monotonic(), False
    with Interruption() as signals:
        while running or (waiting and not signals.requested):
            while waiting and len(running) < slots and not signals.requested:
                job = waiting.pop(0)
                running[job] = _Child(jobs[job])
            if signals.requested and not passed_on:
                passed_on = True
                for child in running.values():
                    child.ask_to_stop()
            wait([child.process.sentinel for child in running.values()], timeout=0.2)
            for job in [job for job, child in running.items() if not child.process.is_alive()]:
                outcomes[job] = running.pop(job).outcome()
                _report(outcomes[job], len(outcomes), len(jobs), time.monotonic() - start)
    if signals.requested:
        raise Interrupted(signals.requested, "sweep interrupted; the same command goes on with it")
    return [outcomes[job] for job in range(len(jobs))]


def faults(outcomes: Sequence[Outcome]) -> list[str]:
    """Name every run that failed, a line each."""
    return [f"failed: {o.folder}: {o.fault}" for o in outcomes if o.fault]


class _Child:
    """A process that trains one run and sends back how it ended."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["sda.command", "sda.config", "sda.sweeping"])
        self._receiver, sender = context.Pipe(duplex=False)
        self._folder = str(_place(job))
        self.process: BaseProcess = context.Process(target=_work, args=(job, sender))
        self.process.start()
        sender.close()

    def ask_to_stop(self) -> None:
        if self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGINT)

    def outcome(self) -> Outcome:
        try:
            return Outcome(self._folder, *self._receiver.recv())
        except EOFError:
            code = self.process.exitcode
            return Outcome(self._folder, {}, f"its process died (exit status {code})")


def _work(job: Job, sender: Connection) -> None:
    """Train one run in this process; send (result, fault)."""
    os.setpgrp()  # Ctrl-C reaches the sweep alone, which passes it on once
    threading.Thread(target=_stop_when_orphaned, daemon=True).start()
    try:
        sender.send((train_job(job), None))
    except Interrupted as error:
        sender.send(({}, str(error)))
    except (ValueError, ArithmeticError, OSError, RuntimeError, MemoryError) as error:
        sender.send(({}, " ".join(str(error).split()) or type(error).__name__))


def train_job(job: Job) -> dict[str, Any]:
    """Train the run of a job, or go on with it; return its result."""
    command.quiet_threads(config.threads(job.config["threads"]))
    plan = config.build_run(job.config)
    splits = config.load_data(job.config)
    return command.train(
        plan,
        splits,
        job.config,
        _place(job),
        overwrite=job.config["overwrite"],
        resume=not job.config["overwrite"],
    )


def _place(job: Job) -> Any:
    plan = config.build_run(job.config)
    return command.place(plan, job.config["runs_folder"], job.overrides)


def _stop_when_orphaned() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _slots(settings: dict[str, Any]) -> int:
    if settings["jobs"] != "auto":
        return int(settings["jobs"])
    return max(1, config.cores() // config.threads(settings["threads"]))


def _report(outcome: Outcome, done: int, total: int, seconds: float) -> None:
    if outcome.fault:
        print(f"[{done}/{total}] {outcome.folder}: {outcome.fault}", file=sys.stderr, flush=True)
        return
    left = clock(seconds / done * (total - done))
    error = 100 * outcome.result["test_error"]
    print(f"[{done}/{total}] {outcome.folder}: test error {error:.2f} %, {left} left", flush=True)
