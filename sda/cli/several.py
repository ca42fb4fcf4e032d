"""The runs of a sweep, trained side by side."""

import sys
from collections.abc import Sequence
from contextlib import closing

from sda.cli import compare
from sda.config import compose, schema
from sda.experiment.job import Job
from sda.sweeps.executors.choice import executor
from sda.sweeps.sweep import run_all


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
    jobs = [_checked(words, aside) for words in runs]
    for plain in {repr(job.config["data"]): job.config for job in jobs}.values():
        schema.load_data(plain)
    if launcher:
        from sda.cli import launchers  # its plug-ins take a second

        faults = launchers.launch(jobs, launcher, aside)
    else:
        with closing(executor(jobs[0].config)) as on:
            ended = run_all(jobs, on, together)
        faults = [f"failed: {o.folder}: {o.fault}" for o in ended if o.fault]
    for line in faults:
        print(line, file=sys.stderr)
    compare.conclude(list(dict.fromkeys(job.path for job in jobs)))
    return int(bool(faults))


def _checked(words: list[str], aside: list[str]) -> Job:
    job = Job(compose.resolved(compose.compose([*words, *aside])), words)
    _ = job.plan
    return job
