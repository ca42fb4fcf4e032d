"""A task that travels: plain values go to another machine, where a child process trains its runs.

The two machines share the folder of the runs, and nothing else. A run that is to stop is told by a
file in it; a run whose worker dies ends too, saved, since its process watches its parent.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing import current_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any
from uuid import uuid4

from sda.common.trust import trust, trusted
from sda.experiment.job import Job
from sda.runs.folder import RunFolder
from sda.sweeps.worker import Child, Outcome

LOOK = 0.5  # seconds between two looks whether the runs are to stop


@dataclass(frozen=True)
class Task:
    """The runs of one process, as plain values; paths are absolute."""

    runs: list[tuple[dict[str, Any], list[str], str]]  # configuration, words, folder
    told: list[str]  # folders of the runs whose outcomes are wanted
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
        return cls(runs, [os.path.abspath(job.path) for job in told], list(trusted()), str(stop))

    def start(self) -> Child:
        """Start the process that trains the runs, on the machine that this is called on."""
        trust(self.modules)
        # A worker of Dask is a daemon, which may have no children lest they outlive it: ours end.
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
        return child.outcomes()

    def lost(self, why: object) -> list[Outcome]:
        """The message for runs of which no worker has reported anything."""
        line = " ".join(str(why).split()) or type(why).__name__
        return [Outcome(folder, RunFolder(Path(folder)).result, line) for folder in self.told]


def train(plain: dict[str, Any]) -> list[Outcome]:
    """Train the runs of a task, given as ``asdict``; what a worker calls."""
    task = Task(**plain)
    if Path(task.stop).exists():
        return []
    return task.finish(task.start())


def plain(task: Task) -> dict[str, Any]:
    """A task as it travels."""
    return asdict(task)


def stop_file(runs_folder: str) -> Path:
    """A name, in the folder that all machines share, for the file that says to stop."""
    return Path(os.path.abspath(runs_folder), f"stop-{uuid4().hex[:8]}")
