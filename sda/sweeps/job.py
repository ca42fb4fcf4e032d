"""One run of a sweep, a network or a support vector machine: its folder and how it is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sda.common import threads
from sda.config import schema
from sda.experiment import access, launch
from sda.runs import identity
from sda.runs.folder import RunFolder, RunFolderError


@dataclass(frozen=True)
class Job:
    """A resolved configuration and the words that set it apart; both travel to other processes."""

    config: dict[str, Any]
    overrides: list[str]

    def __reduce__(self) -> tuple[type["Job"], tuple[Any, ...]]:
        return Job, (self.config, self.overrides)

    @property
    def is_machine(self) -> bool:
        """Whether it is a support vector machine."""
        return "kernel" in self.config

    @cached_property
    def plan(self) -> Any:
        """The run as it was asked for: checked and built. Raises ValueError in one line."""
        if self.is_machine:
            from sda.experiment import svm_plan  # here, as below: scikit-learn takes a second

            return svm_plan.build(self.config)
        return schema.build_run(self.config)

    @property
    def settings(self) -> dict[str, Any]:
        """What its result will say it was trained with. Raises ValueError in one line."""
        settings: dict[str, Any] = self.plan.settings
        return settings

    @cached_property
    def path(self) -> Path:
        """The folder of its run."""
        return access.place(self.plan, self.config["runs_folder"], self.overrides)


def refusal(job: Job) -> str | None:
    """Why a job cannot be trained in its folder, in one line: another run is there."""
    if job.config["overwrite"]:
        return None
    try:
        access.refuse_other(RunFolder(job.path), job.settings)
    except RunFolderError as error:
        return str(error)
    return None


def has_finished(job: Job) -> bool:
    """Whether the folder of a job holds its result, as it was asked for."""
    folder = RunFolder(job.path)
    result = folder.result
    if result.get("status") != "finished" or identity.differences(
        result.get("settings", {}), job.settings
    ):
        return False
    return not (job.config.get("test", True) and access.is_untested(folder))


def train_jobs(jobs: Sequence[Job]) -> None:
    """Train one machine, or networks of one shape as one program, or go on with them."""
    first = jobs[0].config
    threads.settle(threads.threads(first["threads"]))
    if jobs[0].is_machine:
        from sda.experiment import svm_run

        svm_run.train(jobs[0].plan, first, jobs[0].path, schema.load_data(first))
        return
    asked = [launch.Asked(job.plan, job.config, job.path) for job in jobs]
    if not first["overwrite"]:
        one = min(asked, key=lambda one: RunFolder(one.path).result.get("status") == "finished")
        begun = launch.recorded_batch(one, schema.build_run)
        if {run.path.absolute() for run in asked} <= {run.path.absolute() for run in begun}:
            asked = begun
    launch.train_together(asked, schema.load_data(first), overwrite=first["overwrite"])
