"""Hydra's launchers: they start a process for each run of a sweep, here or on a cluster."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import hydra
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext
from omegaconf import DictConfig

from sda.common import terminal
from sda.common.trust import trust, trusted
from sda.config import catalogue, compose
from sda.experiment.job import Job
from sda.experiment.launch import train_jobs
from sda.runs.folder import RunFolder

HIDDEN = ".hydra-launcher"  # where launchers keep what is their own, in the runs folder


def launch(jobs: Sequence[Job], launcher: Sequence[str], aside: Sequence[str]) -> list[str]:
    """Have a launcher train runs; returns a line for each that has no result.

    Args:
        jobs: the runs, checked.
        launcher: the words that choose and set it: hydra/launcher=joblib hydra.launcher.n_jobs=4.
        aside: further words of Hydra's, where configuration files lie.

    Raises:
        ValueError: what is chosen is no launcher of a plug-in.
    """
    words = [*launcher, *aside, "hydra.mode=MULTIRUN", "hydra.output_subdir=null",
             f"hydra.sweep.dir={Path(jobs[0].config['runs_folder'], HIDDEN)}"]  # fmt: skip
    folder = str(catalogue.folder())
    with hydra.initialize_config_dir(folder, job_name="sda", version_base="1.3"):
        cfg = hydra.compose("config", words, return_hydra_config=True)
        if not str(cfg.hydra.launcher.get("_target_")).startswith("hydra_plugins."):
            raise ValueError(f"{launcher[0]} must choose a launcher of one of Hydra's plug-ins")
        started = Plugins.instance().instantiate_launcher(
            config=cfg,
            task_function=partial(train, list(trusted())),
            hydra_context=HydraContext(GlobalHydra.instance().config_loader(), Callbacks()),
        )
        ended = started.launch([job.overrides for job in jobs], initial_job_idx=0)
    return [line for job, end in zip(jobs, ended, strict=True) if (line := _fault(job, end))]


def train(modules: Sequence[str], cfg: DictConfig) -> None:
    """Train one run in the process that a launcher has started for it."""
    terminal.show_messages()
    trust(modules)
    train_jobs([Job(compose.resolved(cfg), list(HydraConfig.get().overrides.task))])


def _fault(job: Job, end: JobReturn) -> str | None:
    """Why a run has no result, in a line; one that has diverged says so in its folder."""
    result = RunFolder(job.path).result
    if end.status is JobStatus.COMPLETED and result.get("status") == "finished":
        return None
    is_over = end.status is JobStatus.COMPLETED
    why = result.get("message") or "did not finish" if is_over else end._return_value
    return f"failed: {job.path}: {' '.join(str(why).split())}"
