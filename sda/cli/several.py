"""The runs of a sweep, trained side by side."""

import sys
from collections.abc import Sequence
from contextlib import closing
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

from sda.cli import compare
from sda.common import terminal
from sda.common.trust import trust, trusted
from sda.config import compose, schema
from sda.experiment.job import Job
from sda.experiment.launch import train_jobs
from sda.runs.folder import RunFolder
from sda.sweeps import sweep
from sda.sweeps.executors.choice import executor

HIDDEN = ".hydra-launcher"  # where launchers keep their own files, in the runs folder


def train(
    runs: Sequence[list[str]], aside: list[str], *, together: bool, launcher: Sequence[str] = ()
) -> int:
    """Train runs after checking all of them; return 1 if one of them has no result in the end.

    Args:
        runs: the words of each.
        aside: words that are Hydra's own.
        together: train runs that are alike as one program.
        launcher: words for one of Hydra's launchers, which then starts the runs.
    """
    jobs = [Job.of(words, aside) for words in runs]
    for job in jobs:
        _ = job.plan  # checked
    for plain in {repr(job.config["data"]): job.config for job in jobs}.values():
        schema.load_data(plain)
    if launcher:
        faults = launch(jobs, launcher, aside)
    else:
        with closing(executor(jobs[0].config)) as on:
            faults = sweep.faults(sweep.run_all(jobs, on, together))
    for line in faults:
        print(line, file=sys.stderr)
    compare.conclude(list(dict.fromkeys(job.path for job in jobs)))
    return int(bool(faults))


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
    with compose.initialised():
        cfg = hydra.compose("config", words, return_hydra_config=True)
        if not str(cfg.hydra.launcher.get("_target_")).startswith("hydra_plugins."):
            raise ValueError(f"{launcher[0]} must choose a launcher of one of Hydra's plug-ins")
        started = Plugins.instance().instantiate_launcher(
            config=cfg,
            task_function=partial(train_one, list(trusted())),
            hydra_context=HydraContext(GlobalHydra.instance().config_loader(), Callbacks()),
        )
        ended = started.launch([job.overrides for job in jobs], initial_job_idx=0)
    return [line for job, end in zip(jobs, ended, strict=True) if (line := _fault(job, end))]


def train_one(modules: Sequence[str], cfg: DictConfig) -> None:
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
