"""The runs of a plan: settings compared on validation rows, then the best with fresh seeds."""

import logging
import math
from collections.abc import Sequence

from sda.experiment.job import Job
from sda.runs.folder import RunFolder
from sda.runs.settings import word
from sda.sweeps import sweep
from sda.sweeps.executors import choice
from sda.sweeps.worth.plan import Labels, Plan

_log = logging.getLogger(__name__)


def run(plan: Plan) -> list[str]:
    """Run what is not there yet; a line for every run that failed.

    Raises:
        Interrupted: after a signal; the same command goes on.
    """
    searched = plan.search()
    every = [job for jobs in searched.values() for job in jobs]
    on = choice.executor(every[0].config)
    _log.info("settings are compared, runs: %d", len(every))
    faults = sweep.faults(sweep.run_all(every, on, together=True))
    tested = [
        plan.job(arm, setting, labels, seed, test=True)
        for (arm, labels), jobs in searched.items()
        if (setting := chosen(plan.arms[arm], jobs)) is not None
        for seed in plan.fresh
    ]
    _log.info("the best with %d fresh seeds, runs: %d", plan.seeds, len(tested))
    return faults + sweep.faults(sweep.run_all(tested, on, together=True))


def chosen(settings: Sequence[str], jobs: Sequence[Job]) -> str | None:
    """The setting with the lowest validation error, then cross-entropy; None: none has one.

    Of a baseline, whose one run compares its grid, that with the values it chose.
    """
    found = [RunFolder(job.path).result for job in jobs]
    scored = [
        (result["valid_error"], result.get("valid_loss", math.inf), setting, result)
        for setting, result in zip(settings, found, strict=True)
        if result.get("status") == "finished"
    ]
    if not scored:
        return None
    *_, setting, result = min(scored, key=lambda one: one[:2])
    values = {key: [value] for key, value in result.get("chosen", {}).items()}
    return " ".join([f"baseline.grid.{k}={word(v)}" for k, v in values.items()]) or setting


def choices(plan: Plan) -> dict[tuple[str, Labels], str]:
    """What was chosen of every arm and number of labels, as far as it is known."""
    found = {key: chosen(plan.arms[key[0]], jobs) for key, jobs in plan.search().items()}
    return {key: setting for key, setting in found.items() if setting is not None}
