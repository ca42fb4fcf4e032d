"""A process that trains runs, and how its runs ended."""

import logging
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from sda.common.errors import LackingError, of_memory
from sda.common.signals import Interrupted, Interruption
from sda.common.terminal import reopen_closed, show_messages
from sda.common.trust import trust, trusted
from sda.experiment import launch
from sda.experiment.job import Job
from sda.experiment.launch import train_jobs
from sda.runs.folder import BusyError, RunFolder

STOPPED, BUSY, LACKING = "stopped", "busy", "lacking"
PATIENCE = 5.0  # seconds for a process with nothing left to do to end
STOP = signal.SIGTERM
PRELOAD = "sda.sweeps.warm"
HELD_BACK = (signal.SIGTERM, signal.SIGHUP)  # from a process until it listens


class Outcome(NamedTuple):
    """How a job ended: its result, or in one line why it has none."""

    folder: str
    result: dict[str, Any]
    fault: str | None
    passing: str | None = None  # STOPPED, BUSY (another process trains it), LACKING: not its fault

    @property
    def objective(self) -> float:
        """Validation error, or infinity where there is none."""
        error = None if self.fault else self.result["valid_error"]
        return math.inf if error is None else float(error)

    @property
    def is_busy(self) -> bool:
        """Whether another process was training it."""
        return self.passing == BUSY


class Child:
    """A process that trains the runs of a task and sends back how each ended.

    Args:
        task: the runs.
        told: those among them whose outcomes are wanted.
    """

    def __init__(self, task: Sequence[Job], told: Sequence[Job]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([PRELOAD])
        launch.ask_ahead(task[0].config)
        _start_server()
        # Tells how it ended; becomes readable too if the process dies.
        self.report, sender = context.Pipe(duplex=False)
        self._asked = False
        self._folders = [str(job.path) for job in told]
        work = (task, list(trusted()), sender)
        self.process: BaseProcess = context.Process(target=_work, args=work)
        self.process.start()
        sender.close()

    def ask_to_stop(self) -> None:
        """Ask its runs to save and end; where there is nothing to save yet it ends at once."""
        self._asked = True
        if self.process.pid is not None:
            with suppress(ProcessLookupError):  # it is over since somebody looked
                os.kill(self.process.pid, STOP)

    def outcomes(self) -> list[Outcome]:
        """How each of its runs ended; waits for it."""
        fault: str | None
        try:
            fault, passing = self.report.recv()
            self.process.join(PATIENCE)
        except EOFError:
            self.process.join(PATIENCE)
            fault = f"its process died (exit status {self.process.exitcode})"
            passing = STOPPED if self._asked and self.process.exitcode == -STOP else None
        ended = []
        for folder in self._folders:
            result = RunFolder(Path(folder)).result
            status = result.get("status")
            if status == "finished" and (fault is None or passing == STOPPED):
                ended.append(Outcome(folder, result, None))
            elif status == "diverged":
                ended.append(Outcome(folder, result, result.get("message") or fault))
            else:
                ended.append(Outcome(folder, result, fault or "did not finish", passing))
        return ended


def _start_server() -> None:
    """Start the process that children are forked from, with Ctrl-C ignored and HELD_BACK blocked.

    The children inherit this; what is held back reaches them once they listen.
    """
    listens = threading.current_thread() is threading.main_thread()  # not in a worker of Dask
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if listens else None
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    resource_tracker.ensure_running()  # which unblocks signals
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    forkserver.ensure_running()
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    if listens:
        signal.signal(signal.SIGINT, before)


def _work(jobs: Sequence[Job], modules: Sequence[str], sender: Connection) -> None:
    """Train the runs of a task in this process; send what went wrong with all of them, or None."""
    os.setpgrp()  # Ctrl-C reaches the sweep alone, which passes it on once
    reopen_closed()
    show_messages(logging.WARNING)  # the sweep shows progress
    threading.Thread(target=_stop_when_orphaned, daemon=True).start()
    fault: BaseException | None = None
    passing = None
    try:
        trust(modules)
        with Interruption(at_once=True):  # training itself listens with more patience
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
            train_jobs(jobs, launch.known_ahead(jobs[0].config))
    except Interrupted as error:
        fault, passing = error, STOPPED
    except BusyError as error:  # the lock was taken since it was looked at
        fault, passing = error, BUSY
    except LackingError as error:  # of this machine
        fault, passing = error, LACKING
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        fault = error
    line = None
    if fault is not None:
        line = " ".join(str(fault).split()) or type(fault).__name__
        if short := of_memory(fault):  # another machine may have more
            line, passing = short, LACKING
    with suppress(BrokenPipeError):  # nobody waits for an orphan
        sender.send((line, passing))


def _stop_when_orphaned() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
