"""Dask: a scheduler that is there, or a cluster that is started for the sweep."""

import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from distributed import Client, LocalCluster

from sda.common.signals import deaf_to_ctrl_c
from sda.experiment.job import Job
from sda.sweeps.executors import executor
from sda.sweeps.worker import LACKING, Outcome

AHEAD = 2  # tasks that are sent for each thread, so that no worker waits for the next
JOBQUEUE = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster"}

_log = logging.getLogger(__name__)


class Dask(executor.Remote):
    """Sends tasks to Dask's workers. A task whose worker dies goes on at another.

    After ``distributed.scheduler.allowed-failures`` such deaths (3) it is given up. A task whose
    worker lacks what it needs, such as a GPU, goes to another too.

    Args:
        address: of a scheduler; None: a cluster is started, and ended at the end.
        cluster: ``local`` (processes of this machine), ``ssh``, ``slurm``, ``pbs`` or ``lsf``.
        workers: how many to start.
        options: what the class of the cluster takes, by name.
        runs_folder: one that all machines share.

    Raises:
        ValueError: no scheduler answers, or the cluster cannot be started.
    """

    def __init__(
        self,
        address: str | None,
        cluster: str,
        workers: int,
        options: Mapping[str, Any],
        runs_folder: str,
    ) -> None:
        super().__init__(runs_folder)
        self._cluster = None if address else _started(cluster, workers, options)
        try:
            self._client = Client(address or self._cluster, timeout=10)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"no Dask scheduler answers at executor.address={address} ({error}); it looks like "
                "tcp://host:8786"
            ) from None
        self._lacking: dict[Any, set[str]] = {}  # by future: workers that lack something for it
        self._threads = self._count()
        _log.info("dask: %s", self._client.dashboard_link)

    @property
    def is_free(self) -> bool:
        """Whether the workers would take a further task."""
        return len(self._running) < AHEAD * max(1, self._threads)

    def submit(self, task: Sequence[Job], told: Sequence[Job]) -> None:
        """Send a task to the scheduler."""
        self._send(executor.Task.of(task, told, self._stop), set(), None)

    def ended(self) -> list[Outcome]:
        """The outcomes of tasks that are over."""
        self._threads = self._count()  # once a look, not once a task: it asks every worker
        if not self._threads and self._stop.exists():  # nobody is left who would stop
            self._running.clear()
        return super().ended()

    def close(self) -> None:
        """Leave the scheduler; end the cluster that was started."""
        super().close()
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()

    def _count(self) -> int:
        """Threads of all workers, which come and go. Raises ConnectionError: no scheduler."""
        try:
            return int(sum(self._client.nthreads().values()))
        except OSError as error:
            raise ConnectionError(
                f"the Dask scheduler does not answer any more ({error}); the same command goes on"
            ) from None

    def _outcomes(self, job: Any, task: executor.Task) -> list[Outcome]:
        outcomes, lacking = super()._outcomes(job, task), self._lacking.pop(job)
        if any(outcome.passing == LACKING for outcome in outcomes):
            lacking = lacking.union(*self._client.who_has(job).values())
            if others := set(self._client.nthreads()) - lacking:
                self._send(task, lacking, others)
                return []
        return outcomes

    def _send(self, task: executor.Task, lacking: set[str], others: set[str] | None) -> None:
        """Send a task to any worker, or to those that may have what the first ones lacked."""
        only = {"workers": sorted(others), "allow_other_workers": True} if others else {}
        future = self._client.submit(executor.train, asdict(task), pure=False, **only)
        self._running[future], self._lacking[future] = task, lacking


def _started(kind: str, workers: int, options: Mapping[str, Any]) -> Any:
    try:
        with deaf_to_ctrl_c():
            return _cluster(kind, workers, options)
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        first: BaseException = error
        while first.__cause__ is not None:
            first = first.__cause__
        raise ValueError(
            f"executor.cluster={kind} cannot be started with executor.options={dict(options)}: "
            + " ".join(str(first).split())
        ) from None


def _cluster(kind: str, workers: int, options: Mapping[str, Any]) -> Any:
    if kind == "local":
        own = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": ":0"}
        return LocalCluster(**{"n_workers": workers, "silence_logs": 50, **own, **options})
    if kind == "ssh":
        return importlib.import_module("distributed").SSHCluster(**options)
    try:
        jobqueue = importlib.import_module("dask_jobqueue")
    except ImportError:
        raise ValueError("it needs dask-jobqueue: pip install dask-jobqueue") from None
    cluster = getattr(jobqueue, JOBQUEUE[kind])(**options)
    cluster.scale(jobs=workers)
    return cluster
