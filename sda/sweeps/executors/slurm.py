"""Slurm, by submitit: tasks are jobs of an array; preempted ones are requeued and go on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import submitit

from sda.common.signals import deaf_to_ctrl_c
from sda.experiment.job import Job
from sda.sweeps.executors import executor
from sda.sweeps.worker import Outcome


class Requeued(executor.Work):
    """A task as a job of submitit, which calls ``checkpoint`` before it requeues the job."""

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Have the runs save and end, before the time that Slurm has given is over."""
        if self.child is not None:
            self.child.ask_to_stop()
            self.child.process.join()
        return submitit.helpers.DelayedSubmission(Requeued(self.plain))


class Slurm(executor.Remote):
    """Submits tasks as they come, those of one look as one job array.

    Args:
        cluster: ``slurm``, or ``local``: submitit's processes of this machine, to try it out.
        most: tasks that are submitted and not over.
        options: what submitit's ``update_parameters`` takes: timeout_min, mem_gb, slurm_partition.
        runs_folder: one that all machines share; submitit's files are in it too.

    Raises:
        ValueError: there is no Slurm here, or it does not know an option.
    """

    def __init__(
        self, cluster: str, most: int, options: Mapping[str, Any], runs_folder: str
    ) -> None:
        super().__init__(runs_folder)
        folder = self._stop.with_name("slurm")
        try:
            self._engine = submitit.AutoExecutor(folder=folder, cluster=cluster)
            self._engine.update_parameters(**options)
        except (RuntimeError, NameError, TypeError, ValueError, AssertionError) as error:
            raise ValueError(f"executor=slurm: {' '.join(str(error).split())}") from None
        self._most = most
        self._waiting: list[executor.Task] = []

    @property
    def is_free(self) -> bool:
        """Whether fewer tasks are submitted than may be."""
        return len(self._running) + len(self._waiting) < self._most

    @property
    def is_idle(self) -> bool:
        """Whether no task is submitted, or waits for it."""
        return super().is_idle and not self._waiting

    def submit(self, task: Sequence[Job], told: Sequence[Job]) -> None:
        """Note a task; the next look submits it, with the others that have come."""
        self._waiting.append(executor.Task.of(task, told, self._stop))

    def ended(self) -> list[Outcome]:
        """Submit what waits; the outcomes of tasks that are over."""
        if self._waiting:
            try:
                with deaf_to_ctrl_c(), self._engine.batch():
                    jobs = [self._engine.submit(Requeued(asdict(task))) for task in self._waiting]
            except RuntimeError as error:  # of sbatch: a partition that is none, too many jobs
                raise ValueError(f"executor=slurm: {' '.join(str(error).split())}") from None
            self._running |= dict(zip(jobs, self._waiting, strict=True))
            self._waiting = []
        return super().ended()

    def _outcomes(self, job: Any, task: executor.Task) -> list[Outcome]:
        try:
            outcomes: list[Outcome] = job.result()
        except Exception as error:  # of a job, whatever it is: the other tasks go on
            return task.lost(f"job {job.job_id}: {str(error).strip().splitlines()[-1]}")
        return outcomes
