"""One run of a sweep, a network or a support vector machine: its folder and how it is trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sda.common import threads
from sda.config import schema
from sda.experiment import access, launch
from sda.runs import identity
from sda.runs.folder import RunFolder, RunFolderError


class Job(NamedTuple):
    """A resolved configuration and the words that set it apart."""

    config: dict[str, Any]
    overrides: list[str]

    @property
    def is_machine(self) -> bool:
        """Whether it is a support vector machine."""
        return "kernel" in self.config

    @property
    def settings(self) -> dict[str, Any]:
        """What its result will say it was trained with. Raises ValueError in one line."""
        if self.is_machine:
            from sda.experiment import svm_plan  # here, as below: scikit-learn takes a second

            return svm_plan.build(self.config).settings
        return schema.build_run(self.config).settings


def place(job: Job) -> Path:
    """The folder of a job's run."""
    if job.is_machine:
        from sda.experiment import svm_run

        return svm_run.place(job.config, job.overrides)
    return access.place(schema.build_run(job.config), job.config["runs_folder"], job.overrides)


def refusal(job: Job) -> str | None:
    """Why a job cannot be trained in its folder, in one line: another run is there."""
    if job.config["overwrite"]:
        return None
    try:
        access.refuse_other(RunFolder(place(job)), job.settings)
    except RunFolderError as error:
        return str(error)
    return None


def has_finished(job: Job) -> bool:
    """Whether the folder of a job holds its result, as it was asked for."""
    result = RunFolder(place(job)).result
    if result.get("status") != "finished" or identity.differences(
        result.get("settings", {}), job.settings
    ):
        return False
    return result.get("test_error") is not None or not job.config.get("test", True)


def train_jobs(jobs: Sequence[Job]) -> None:
    """Train one machine, or networks of one shape as one program, or go on with them."""
    first = jobs[0].config
    threads.settle(threads.threads(first["threads"]))
    if jobs[0].is_machine:
        from sda.experiment import svm_plan, svm_run

        svm_run.train(svm_plan.build(first), first, place(jobs[0]), schema.load_data(first))
        return
    asked = [launch.Asked(schema.build_run(j.config), j.config, place(j)) for j in jobs]
    if not first["overwrite"]:
        one = min(asked, key=lambda one: RunFolder(one.path).result.get("status") == "finished")
        begun = launch.recorded_batch(one, schema.build_run)
        if {run.path.absolute() for run in asked} <= {run.path.absolute() for run in begun}:
            asked = begun
    launch.train_together(asked, schema.load_data(first), overwrite=first["overwrite"])
