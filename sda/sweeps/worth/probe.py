"""The runs of `worth`: first a probe, to plan what fits into the minutes, then the plan's runs.

Settings are compared on validation rows, the best are run again with fresh seeds.
"""

import logging
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from sda.common.terminal import clock
from sda.config import compose, schema
from sda.data.splits import Splits
from sda.experiment.job import Job
from sda.runs.folder import RunFolder
from sda.runs.identity import Init, word
from sda.sweeps import sweep
from sda.sweeps.executors import choice
from sda.sweeps.worth.plan import Labels, Plan, job

SECONDS = 60.0  # that a probe takes, about; the networks are timed in any case
EPOCHS = 2  # of a probe, of each layer and of fine-tuning
FEW = 1000  # labels of the baselines of a probe
GROWTH = 1.5  # a baseline's time is assumed to grow with this power of the rows
SHARE = 0.2  # of all minutes that one baseline may take
LITTLE = 20.0  # seconds that any baseline may take
RESERVE = 0.85  # of the minutes that are planned: a probe is short
START = 0.7  # seconds of a process before it trains
LEVELS = (  # seeds, epochs of a layer, steps of fine-tuning, settings of a network: rich to poor
    (10, 100, 30_000, 4), (5, 100, 30_000, 4), (5, 50, 15_000, 4), (5, 30, 10_000, 4),
    (3, 30, 10_000, 4), (3, 20, 5000, 4), (3, 10, 3000, 4), (3, 10, 3000, 2), (3, 5, 1500, 2),
)  # fmt: skip
Times = Mapping[str, float]  # by arm: seconds
_log = logging.getLogger(__name__)


def plan(name: str, words: Sequence[str], minutes: float) -> Plan:
    """Time every arm and plan as much as the minutes allow.

    Args:
        name: of the data.
        words: overrides of every run.
        minutes: that all of it may take.

    Raises:
        ValueError: the rows have no labels, or a word is no good.
    """
    config = compose.settings(["experiment=worth", *words])
    start = time.monotonic()
    splits = schema.load_data(config)
    loading = time.monotonic() - start + START
    if splits.kind == "nothing":
        raise ValueError(f"worth compares what predicts labels, and {splits.name} has none")
    tried = config["vars"][splits.kind]
    arms = {arm: [str(one) for one in settings] for arm, settings in tried.items()}
    known = int(splits.train.labelled.sum())
    empty = Plan(
        name, config["runs_folder"], list(words), minutes, arms, numbers(known, splits.n_classes),
        known, *LEVELS[0][:3], expected=0.0, left_out={},
    )  # fmt: skip
    _log.info("a probe of about %s plans them", clock(SECONDS))
    times, faults = _timed(empty, splits)
    slots = choice.slots(config)
    budget = 60 * minutes * RESERVE - (time.monotonic() - start)
    fitting = _without_slow(empty, times, faults, splits, max(LITTLE, SHARE * budget) * slots)
    return _fitting(fitting, times, splits, loading, budget * slots, slots)


def numbers(n: int, n_classes: int) -> list[Labels]:
    """Numbers of labels to compare at: 30, 100, 300, ... from five a class on, then all n."""
    ladder = [step * 10**power for power in range(1, 7) for step in (1, 3)]
    return [*(one for one in ladder if max(20, 5 * n_classes) <= one <= n / 2), None]


def _timed(plan: Plan, splits: Splits) -> tuple[Times, dict[str, str]]:
    """Seconds of every arm, for an epoch and row, or for a baseline; and why some have none."""
    start = time.monotonic()
    few = min(FEW, plan.n_train)
    Path(plan.runs_folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix="probe-", dir=plan.runs_folder, ignore_cleanup_errors=True
    ) as folder:  # which all machines see
        quick = [f"pretrain.epochs={EPOCHS}", f"finetune.epochs={EPOCHS}", "test=false"]
        jobs = {}
        for arm, settings in plan.arms.items():
            words = [*plan.words, f"runs_folder={folder}", "name=probe", *quick]
            words += plan.arm_words(arm, None)[:1] + settings[0].split()
            if arm not in list(Init):
                words.append(f"finetune.labelled={few if few < plan.n_train else 'null'}")
            jobs[arm] = job(words)
        networks = [one for arm, one in jobs.items() if arm in list(Init)]
        others = [one for one in jobs.values() if one not in networks]
        with closing(choice.executor(networks[0].config)) as on:
            outcomes = sweep.run_all(networks, on)
            now = time.monotonic()
            until = now + max(SECONDS, 3 * (now - start))  # more on a busy machine
            outcomes += sweep.run_all(others, on, until=until)
    ended = {outcome.folder: outcome for outcome in outcomes}
    times, faults = {}, {}
    for arm, one in jobs.items():
        outcome = ended.get(str(one.path))
        if outcome is None or outcome.fault:
            faults[arm] = outcome.fault if outcome and outcome.fault else "too slow for the probe"
            continue
        spent = outcome.result["seconds"]
        if arm in list(Init):
            times[f"{arm} layers"] = spent["pretrain"] / EPOCHS
            times[arm] = spent["finetune"] / EPOCHS / _work(plan.n_train, splits)
        else:
            times[arm] = spent["search"] / few**GROWTH
    return times, faults


def _work(rows: int, splits: Splits) -> float:
    """What an epoch of fine-tuning costs in rows: validation rows pass forward alone."""
    return rows + len(splits.valid.y) / 3


def _without_slow(
    plan: Plan, times: Times, faults: Mapping[str, str], splits: Splits, most: float
) -> Plan:
    """The plan without the arms that cannot be run, or would take too much of all seconds."""
    left_out = dict(faults)
    for arm in plan.arms:
        if arm in list(Init):
            if arm in faults:
                raise ValueError(f"the probe of {arm} failed: {faults[arm]}")
        elif arm not in faults and _baseline(plan, arm, times, splits) > most:
            left_out[arm] = "it would take too much of the time"
    arms = {arm: settings for arm, settings in plan.arms.items() if arm not in left_out}
    return replace(plan, arms=arms, left_out=left_out)


def _fitting(
    plan: Plan, times: Times, splits: Splits, loading: float, budget: float, slots: int
) -> Plan:
    """The richest plan that fits into the seconds of all processes; else the poorest."""
    for seeds, pretraining, steps, most in LEVELS:
        arms = {arm: settings[:most] for arm, settings in plan.arms.items()}
        found = replace(plan, arms=arms, seeds=seeds, pretraining=pretraining, steps=steps)
        seconds = _expected(found, times, splits, loading)
        if seconds <= budget:
            break
    return replace(found, expected=round(seconds / slots / 60, 1))


def _expected(plan: Plan, times: Times, splits: Splits, loading: float) -> float:
    """Seconds that all runs of a plan take, one after the other."""
    total = 0.0
    for arm, settings in plan.arms.items():
        runs = len(plan.labels) * (len(settings) + plan.seeds)
        total += loading * runs
        if arm not in list(Init):
            total += _baseline(plan, arm, times, splits)
            continue
        stacks = {" ".join(w for w in s.split() if "finetune." not in w) for s in settings}
        pretrained = len(stacks) + plan.seeds * min(len(stacks), len(plan.labels))
        total += times[f"{arm} layers"] * plan.pretraining * pretrained
        for labels in plan.labels:
            epoch = times[arm] * _work(plan.rows(labels), splits)
            total += epoch * plan.epochs(labels) * (len(settings) + plan.seeds)
    return total


def _baseline(plan: Plan, arm: str, times: Times, splits: Splits) -> float:
    """Seconds of all runs of a baseline: a search of its grid, then the best again and again."""
    grid = times[arm] * math.fsum(plan.rows(labels) ** GROWTH for labels in plan.labels)
    tested = 1 + 0.2 * len(splits.test.y) / max(1, len(splits.valid.y))
    return grid * (1 + plan.seeds * tested / 4)


def run(plan: Plan) -> list[str]:
    """Run what is not there yet; a line for every run that failed.

    Raises:
        Interrupted: after a signal; the same command goes on.
    """
    searched = plan.search()
    every = [job for jobs in searched.values() for job in jobs]
    with closing(choice.executor(every[0].config)) as on:
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
