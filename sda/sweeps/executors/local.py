"""Child processes of this machine: the death of one costs its runs alone."""

from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import wait

from sda.experiment.job import Job
from sda.sweeps.executors.executor import PAUSE, Executor
from sda.sweeps.worker import Child, Outcome


class Local(Executor):
    """Trains each task in a process of its own.

    Args:
        slots: processes side by side.
        devices: of the GPUs that they share, a process each in turn; none: as the runs say.
    """

    def __init__(self, slots: int, devices: Sequence[str] = ()) -> None:
        self._slots, self._devices = slots, devices
        self._running: dict[Child, str | None] = {}  # and on which device

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
        """Pass the wish on as a signal."""
        for child in self._running:
            child.ask_to_stop()
