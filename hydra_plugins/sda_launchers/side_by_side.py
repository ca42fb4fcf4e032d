"""The launcher of sweeps: runs as one-thread processes side by side, each in its own folder."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from sda import config, sweeping


@dataclass
class SideBySideConf:
    """No choices of its own: `jobs` and `threads` stand at the root."""

    _target_: str = "hydra_plugins.sda_launchers.side_by_side.SideBySide"


ConfigStore.instance().store(group="hydra/launcher", name="side_by_side", node=SideBySideConf)


class SideBySide(Launcher):
    """Composes every job of a sweep and hands all of them to ``sda.sweeping``."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what composing needs."""
        self._context = hydra_context
        self._config = config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run all jobs; a failed one leaves the others alone and is named in the end."""
        loader = self._context.config_loader
        jobs = []
        for words in job_overrides:
            composed = loader.load_sweep_config(self._config, list(words))
            jobs.append(sweeping.Job(config.resolved(composed), list(words)))
        outcomes = sweeping.run_all(jobs)
        for fault in sweeping.faults(outcomes):
            print(fault, file=sys.stderr)
        if any(outcome.fault for outcome in outcomes):
            raise SystemExit(1)
        return [_returned(outcome.objective) for outcome in outcomes]


def _returned(objective: float) -> JobReturn:
    result = JobReturn(status=JobStatus.COMPLETED)
    result.return_value = objective
    return result
