"""The launchers of sweeps: runs in processes side by side, each in its own folder."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from sda.common.signals import Interrupted
from sda.config import compose
from sda.sweeps import sweep
from sda.sweeps.job import Job


@dataclass
class SideBySideConf:
    """No choices of its own: `jobs` and `threads` stand at the root."""

    _target_: str = "hydra_plugins.sda_launchers.launchers.SideBySide"


@dataclass
class BatchedConf:
    """No choices of its own either: what trains together is what pays on the device."""

    _target_: str = "hydra_plugins.sda_launchers.launchers.Batched"


ConfigStore.instance().store(group="hydra/launcher", name="side_by_side", node=SideBySideConf)
ConfigStore.instance().store(group="hydra/launcher", name="batched", node=BatchedConf)


class SideBySide(Launcher):
    """Trains every run of a sweep in a process of its own."""

    together = False

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what composing needs."""
        self._context = hydra_context
        self._config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run all jobs; a failed one leaves the others alone, is named, and counts as infinite."""
        loader = self._context.config_loader
        jobs = []
        for words in job_overrides:
            composed = loader.load_sweep_config(self._config, list(words))
            jobs.append(Job(compose.resolved(composed), list(words)))
        try:
            outcomes = sweep.run_all(jobs, self.together)
        except Interrupted as error:
            print(f"\n{error}", file=sys.stderr)
            raise SystemExit(error.code) from None
        for fault in sweep.faults(outcomes):
            print(fault, file=sys.stderr)
        return [_returned(outcome.objective) for outcome in outcomes]


class Batched(SideBySide):
    """Trains runs that are alike but for numbers as one program, where that pays."""

    together = True


def _returned(objective: float) -> JobReturn:
    result = JobReturn(status=JobStatus.COMPLETED)
    result.return_value = objective
    return result
