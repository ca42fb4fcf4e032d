"""The interface of executors; nothing above knows which one it has."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from sda.experiment.job import Job
from sda.sweeps.worker import Outcome

PAUSE = 0.2  # seconds between two looks at what else is asked for


class Executor(ABC):
    """Takes tasks, each the runs of one process, and gives back how their runs ended."""

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
