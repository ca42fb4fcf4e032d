"""Where the tasks of a sweep are trained. Who has tasks does not know which executor takes them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import Any

from sda.common import threads
from sda.config import schema
from sda.experiment.job import Job
from sda.sweeps.worker import Child, Outcome

PAUSE = 0.2  # seconds between two looks at what else is asked for


class Executor(ABC):
    """Takes tasks, each the runs of one process, and gives back how their runs ended."""

    @property
    @abstractmethod
    def is_free(self) -> bool:
        """Whether a further task would be trained at once."""

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


class Local(Executor):
    """Child processes: the death of one costs its runs alone.

    Args:
        slots: processes side by side.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._running: list[Child] = []

    @property
    def is_free(self) -> bool:
        """Whether a process may be started."""
        return len(self._running) < self._slots

    @property
    def is_idle(self) -> bool:
        """Whether there is no process."""
        return not self._running

    def submit(self, task: Sequence[Job], told: Sequence[Job]) -> None:
        """Start a process."""
        self._running.append(Child(task, told))

    def ended(self) -> list[Outcome]:
        """The outcomes of processes that are over."""
        over = wait([child.report for child in self._running], timeout=PAUSE)
        ended = [child for child in self._running if child.report in over]
        self._running = [child for child in self._running if child.report not in over]
        return [outcome for child in ended for outcome in child.outcomes()]

    def stop(self) -> None:
        """Pass the wish on as a signal."""
        for child in self._running:
            child.ask_to_stop()


def executor(plain: dict[str, Any]) -> Executor:
    """The executor that a configuration names. Raises ValueError in one line."""
    asked = schema.executor(plain)
    return Local(_slots(asked.jobs, plain))


def _slots(jobs: int | str, plain: dict[str, Any]) -> int:
    """How many runs train side by side: as many as were asked for, or as the machine has room."""
    if not isinstance(jobs, str):
        return jobs
    if schema.device(plain.get("device", "cpu")).type != "cpu":
        return 1
    return max(1, threads.cores() // threads.threads(plain["threads"]))
