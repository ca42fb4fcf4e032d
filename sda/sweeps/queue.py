"""Tasks of a sweep, in order; those with runs that another process trains come back later."""

import logging
import time
from collections import deque
from collections.abc import Sequence

from sda.experiment.job import Job
from sda.runs.folder import RunFolder
from sda.sweeps.worker import Outcome

AGAIN = 2.0  # seconds between two looks at what other processes train

_log = logging.getLogger(__name__)


class Queue:
    """What is left to train.

    Args:
        tasks: each the runs of one process.
    """

    def __init__(self, tasks: Sequence[list[Job]]) -> None:
        self._tasks = deque(tasks)
        self._of = {str(job.path): task for task in tasks for job in task}
        self._waiting: deque[list[Job]] = deque()
        self._told: set[str] = set()  # folders of runs that others are training
        self._look = 0.0

    def __bool__(self) -> bool:
        return bool(self._tasks or self._waiting)

    def next(self) -> list[Job] | None:
        """The next task; None: those that are left wait for other processes."""
        if not self._tasks and time.monotonic() > self._look:
            self._tasks, self._waiting = self._waiting, deque()
            self._look = time.monotonic() + AGAIN
        return self._tasks.popleft() if self._tasks else None

    def sift(self, task: list[Job]) -> tuple[list[Job], list[Outcome]]:
        """The runs of a task that can train now, and how those ended that were waited for."""
        left = [job for job in task if not job.stays]
        over = [job for job in task if job not in left and str(job.path) in self._told]
        busy = [job for job in left if RunFolder(job.path).is_held]
        self._told -= {str(job.path) for job in over}
        if busy:
            self._wait(task, busy)
        return [job for job in left if job not in busy], [done(job) for job in over]

    def put_back(self, folder: str) -> None:
        """Have the task of a run come back: another process was faster."""
        task = self._of[folder]
        self._wait(task, [job for job in task if str(job.path) == folder])

    def _wait(self, task: list[Job], busy: Sequence[Job]) -> None:
        self._waiting.append(task)
        for folder in (str(job.path) for job in busy):
            if folder not in self._told:
                _log.info("%s: another process is training it; it is waited for", folder)
                self._told.add(folder)


def done(job: Job) -> Outcome:
    """How a run that has ended did so."""
    return Outcome(str(job.path), RunFolder(job.path).result, None)
