"""Child processes of this machine: the death of one costs its runs alone."""

from collections.abc import Sequence
from multiprocessing.connection import wait

from sda.experiment.job import Job
from sda.sweeps.executors.executor import PAUSE, Executor
from sda.sweeps.worker import Child, Outcome


class Local(Executor):
    """Trains each task in a process of its own.

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
