"""What trains the tasks of a sweep: child processes of this machine, or tasks that travel.

A task that travels goes to another machine as plain values, and a child process trains its runs
there. The two machines share the folder of the runs, and nothing else. A run that is to stop is
told by a file in it; a run whose worker dies ends too, saved, since its process watches its parent.
"""

import os
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import current_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any
from uuid import uuid4

from sda.common.trust import trust, trusted
from sda.experiment.job import Job
from sda.runs.folder import RunFolder
from sda.sweeps.worker import Child, Outcome

PAUSE = 0.2  # seconds that ``ended`` waits
LOOK = 0.5  # seconds between two looks whether the runs of a task are to stop


class Executor(ABC):
    """Takes tasks, each the runs of one process, and gives back how their runs ended.

    Nothing above knows which executor it has.
    """

    @property
    @abstractmethod
    def is_free(self) -> bool:
        """Whether a further task would soon be trained."""

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """Whether nothing is being trained."""

    @abstractmethod
    def submit(self, task: Sequence[Job], told: Sequence[Job]) -> None:
        """Train the runs of a task; ``told`` are those whose outcomes are wanted."""

    @abstractmethod
    def ended(self) -> list[Outcome]:
        """Wait a little; the outcomes of the tasks that ended meanwhile."""

    @abstractmethod
    def stop(self) -> None:
        """Ask all runs in progress to save and end."""

    def close(self) -> None:  # noqa: B027  (most have nothing to close)
        """Give back what was started for it; nothing is being trained any more."""


class Local(Executor):
    """Trains each task in a process of its own: the death of one costs its runs alone.

    Args:
        slots: processes side by side.
        devices: GPUs that they share, each process on the least busy one; none: as the runs say.
    """

    def __init__(self, slots: int, devices: Sequence[str] = ()) -> None:
        self._slots, self._devices = slots, devices
        self._running: dict[Child, str | None] = {}  # with its device

    @property
    def is_free(self) -> bool:
        """Whether a process may be started."""
        return len(self._running) < self._slots

    @property
    def is_idle(self) -> bool:
        """Whether there is no process."""
        return not self._running

    def submit(self, task: Sequence[Job], told: Sequence[Job]) -> None:
        """Start a process; where there are several GPUs, on the one with the fewest."""
        at_work = Counter(self._running.values())
        place = min(self._devices, key=lambda device: at_work[device], default=None)
        if place is not None:
            task = [Job(job.config | {"device": place}, job.overrides, job.path) for job in task]
        self._running[Child(task, told)] = place

    def ended(self) -> list[Outcome]:
        """The outcomes of processes that are over."""
        over = wait([child.report for child in self._running], timeout=PAUSE)
        ended = [child for child in self._running if child.report in over]
        for child in ended:
            del self._running[child]
        return [outcome for child in ended for outcome in child.outcomes()]

    def stop(self) -> None:
        """Ask by a signal."""
        for child in self._running:
            child.ask_to_stop()


@dataclass(frozen=True)
class Task:
    """The runs of one process, as plain values; paths are absolute."""

    runs: list[tuple[dict[str, Any], list[str], str]]  # configuration, words, folder
    told: dict[str, str]  # folders of the runs whose outcomes are wanted: as who asks calls them
    modules: list[str]  # whose parts may be named
    stop: str  # the file that says to stop

    @classmethod
    def of(cls, task: Sequence[Job], told: Sequence[Job], stop: Path) -> "Task":
        """Pack the runs of a task."""
        runs = []
        for job in task:
            runs_folder = os.path.abspath(job.config["runs_folder"])
            config = job.config | {"runs_folder": runs_folder}
            runs.append((config, job.overrides, os.path.abspath(job.path)))
        names = {os.path.abspath(job.path): str(job.path) for job in told}
        return cls(runs, names, list(trusted()), str(stop))

    def start(self) -> Child:
        """Start the process that trains the runs, on the machine that this is called on."""
        trust(self.modules)
        # Dask's workers are daemons, which may have no children that outlive them; ours do not.
        getattr(current_process(), "_config", {})["daemon"] = False
        jobs = [Job(config, words, Path(folder)) for config, words, folder in self.runs]
        return Child(jobs, [job for job in jobs if str(job.folder) in self.told])

    def finish(self, child: Child) -> list[Outcome]:
        """Wait for the process, and have it stop where the file says so."""
        asked = False
        while not wait([child.report], timeout=LOOK):
            if not asked and Path(self.stop).exists():
                asked = True
                child.ask_to_stop()
        return [one._replace(folder=self.told[one.folder]) for one in child.outcomes()]

    def lost(self, why: object) -> list[Outcome]:
        """The outcomes of runs that no worker has reported on."""
        line = " ".join(str(why).split()) or type(why).__name__
        return [
            Outcome(name, RunFolder(Path(folder)).result, line)
            for folder, name in self.told.items()
        ]


class Work:
    """A task that has travelled, given as ``asdict``; it can be called again."""

    def __init__(self, plain: dict[str, Any]) -> None:
        self.plain = plain
        self.child: Child | None = None

    def __call__(self) -> list[Outcome]:
        """Train the runs of the task, or go on with them."""
        task = Task(**self.plain)
        if Path(task.stop).exists():
            return []
        self.child = task.start()
        return task.finish(self.child)


def train(plain: dict[str, Any]) -> list[Outcome]:
    """Train the runs of a task; what a worker calls."""
    return Work(plain)()


class Remote(Executor):
    """Sends tasks to an engine whose jobs are futures: they say ``done`` and have a ``result``.

    Their runs are told to stop by a file in the folder that all machines share.
    """

    def __init__(self, runs_folder: str) -> None:
        self._stop = Path(os.path.abspath(runs_folder), f"stop-{uuid4().hex[:8]}")
        self._running: dict[Any, Task] = {}  # by job

    @property
    def is_idle(self) -> bool:
        """Whether the engine has no task."""
        return not self._running

    def ended(self) -> list[Outcome]:
        """The outcomes of tasks that are over."""
        over = [job for job in self._running if job.done()]
        if not over:
            time.sleep(PAUSE)
        return [outcome for job in over for outcome in self._outcomes(job, self._running.pop(job))]

    def _outcomes(self, job: Any, task: Task) -> list[Outcome]:
        try:
            outcomes: list[Outcome] = job.result()
        except Exception as error:  # of a worker, whatever it is: the other tasks go on
            return task.lost(error)
        return outcomes

    def stop(self) -> None:
        """Make the file that tells runs to stop; tasks that have not begun end at once."""
        self._stop.touch()

    def close(self) -> None:
        """Remove that file."""
        self._stop.unlink(missing_ok=True)
