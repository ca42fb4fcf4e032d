"""One support vector machine, from a command: refused, searched for, or gone on with."""

import dataclasses
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sda.common import files
from sda.common.program import go_on
from sda.common.progress import Progress
from sda.common.signals import Interrupted, Interruption
from sda.data.splits import Splits
from sda.experiment import access, svm
from sda.experiment.svm import Labels, Setting, Training, Trial
from sda.experiment.svm_plan import READ, SvmPlan
from sda.runs import ledger
from sda.runs.folder import RunFolder
from sda.runs.identity import HARMLESS, digest

SEARCH = "search.jsonl"  # a line for every setting that has been tried


def train(plan: SvmPlan, settings: dict[str, Any], path: Path, splits: Splits) -> None:
    """Choose and test a machine in a folder; what has been tried there is not tried again.

    A finished one is left as it is, unless ``overwrite``.

    Raises:
        RunFolderError: the folder holds a run that this command may not touch.
        Interrupted: everything is saved.
    """
    plan.check(splits)
    with ExitStack() as closing:
        folder = access.opened(path, closing)
        if settings["overwrite"] or not folder.config:
            folder.clear()
        else:
            access.check_same(folder, plan, splits)
        if folder.result.get("status") == "finished":
            return
        access.describe(folder, plan, settings, splits)
        folder.update_result(status="running", message=None)
        try:
            x, y = plan.learned(splits.train.x, "training"), splits.train.y
            training = Training(x, y)
            compared = training
            if plan.search_rows is not None:
                rows = plan.compared(y)
                compared = Training(x[rows], y[rows], training.unit)
            trials = _search(plan, compared, splits, folder)
            _test(plan, training, trials, splits, folder)
        except Interrupted as error:
            folder.update_result(status="interrupted", message=str(error))
            raise


def _search(plan: SvmPlan, training: Training, splits: Splits, folder: RunFolder) -> list[Trial]:
    """Try what has not been tried, and write every result down as it comes."""
    trials = _tried(plan, folder)
    known = {trial.setting for trial in trials}
    left = [setting for setting in plan.tried if setting not in known]
    valid = plan.features(splits.valid.x), splits.valid.y
    with Interruption() as signals, Progress("setting") as progress:
        progress.begin("search", len(plan.tried), len(trials))
        for trial in svm.search(training, valid, left):
            trials.append(trial)
            rows = [json.dumps(_row(trial)) + "\n" for trial in trials]
            files.replace(folder.path / SEARCH, "".join(rows).encode())
            best = min(trial.valid_error for trial in trials)
            progress.show(len(trials), f"validation error {100 * best:.2f} % at best")
            if signals.requested is not None:
                message = f"interrupted and saved; {go_on(folder.path)}"
                raise Interrupted(signals.requested, message)
    return trials


def _with_validation_rows(plan: SvmPlan, unit: float, splits: Splits) -> Training:
    """All rows that may be learned from; gamma means what it meant when it was chosen."""
    parts = {"training": splits.train.x, "validation": splits.valid.x}
    x = torch.cat([plan.learned(rows, what) for what, rows in parts.items()])
    return Training(x, np.concatenate([splits.train.y, splits.valid.y]), unit)


def _row(trial: Trial) -> dict[str, Any]:
    """A trial as a line of the record: the parameters that its kernel reads, and the outcome."""
    outcome = {key: value for key, value in vars(trial).items() if key != "setting"}
    return _parameters(trial.setting) | outcome


def _parameters(setting: Setting) -> dict[str, Any]:
    return {key: getattr(setting, key) for key in READ[setting.kernel]}


def _tried(plan: SvmPlan, folder: RunFolder) -> list[Trial]:
    """The trials in a folder's record; a line that cannot be used is passed over."""
    try:
        lines = (folder.path / SEARCH).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    outcome = [field.name for field in dataclasses.fields(Trial) if field.name != "setting"]
    trials = []
    for line in lines:
        try:
            row = json.loads(line)
            setting = Setting(plan.kernel, **{key: row[key] for key in READ[plan.kernel]})
            trials.append(Trial(setting, **{key: row[key] for key in outcome}))
        except (ValueError, KeyError, TypeError):
            continue
    return [trial for trial in trials if trial.setting in plan.tried]


def _test(
    plan: SvmPlan, training: Training, trials: Sequence[Trial], splits: Splits, folder: RunFolder
) -> None:
    """Read the test set, for the first and only time, with the setting that was chosen."""
    start = time.monotonic()
    chosen = svm.choose(trials)
    machine = training.fit(chosen.setting)  # in the search it may have learned from fewer rows
    valid_error = _error(machine.predict(plan.features(splits.valid.x)), splits.valid.y)
    if plan.refit:
        machine = _with_validation_rows(plan, training.unit, splits).fit(chosen.setting)
    predicted = machine.predict(plan.features(splits.test.x))
    np.savez(folder.path / "test_predictions.npz", y=splits.test.y, predicted=predicted)
    parameters = _parameters(chosen.setting)
    if "gamma" in parameters:
        parameters["gamma_absolute"] = chosen.setting.gamma * training.unit
    folder.update_result(
        status="finished",
        message=None,
        chosen=parameters,
        at_edge=svm.at_edge(chosen.setting, plan.tried),
        tried=len(trials),
        support_vectors=len(machine.support),
        converged=machine.converged,
        seconds={
            "search": sum(trial.seconds for trial in trials),
            "test": time.monotonic() - start,
        },
        valid_error=valid_error,
        test_error=_error(predicted, splits.test.y),
        n_valid=len(splits.valid.y),
        n_test=len(splits.test.y),
    )
    record = folder.result | {"format": ledger.FORMAT, "identity": _identity(plan, splits)}
    ledger.append(folder.runs_folder, record, (splits.test.y, predicted))


def _identity(plan: SvmPlan, splits: Splits) -> str:
    """What a machine is known by: the settings that its numbers follow from, and its data."""
    aside = (*HARMLESS, *ledger.PLACES, "name", "published")  # data and stack have digests
    told = {k: v for k, v in plan.settings.items() if k not in aside}
    return digest([told, splits.digest()])


def _error(predicted: Labels, y: Labels) -> float:
    return float(np.mean(predicted != y))
