"""The runs of a sweep, trained side by side."""

import sys
from collections.abc import Sequence
from contextlib import closing

from sda.config import compose, schema
from sda.experiment.job import Job
from sda.sweeps.executors.choice import executor
from sda.sweeps.sweep import run_all


def train(runs: Sequence[list[str]], aside: list[str], *, together: bool) -> int:
    """Train runs after checking all of them; return 1 if one of them has no result in the end.

    Args:
        runs: the words of each.
        aside: words that are Hydra's own.
        together: train runs that are alike as one program.
    """
    jobs = [_checked(words, aside) for words in runs]
    for plain in {repr(job.config["data"]): job.config for job in jobs}.values():
        schema.load_data(plain)
    with closing(executor(jobs[0].config)) as on:
        faults = [o for o in run_all(jobs, on, together) if o.fault]
    for outcome in faults:
        print(f"failed: {outcome.folder}: {outcome.fault}", file=sys.stderr)
    return int(bool(faults))


def _checked(words: list[str], aside: list[str]) -> Job:
    job = Job(compose.resolved(compose.compose([*words, *aside])), words)
    _ = job.plan
    return job
