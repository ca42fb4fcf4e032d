"""A baseline from data to result: every setting of its grid is tried, the best is tested once."""

import json
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import get_tags
from threadpoolctl import threadpool_limits
from torch import Tensor

from sda.common import checks, files
from sda.common.program import go_on
from sda.common.progress import Progress
from sda.common.signals import Interrupted, Interruption
from sda.config.baseline import Baseline, Encoder
from sda.data.splits import Splits
from sda.experiment import baseline_rows, judging
from sda.experiment.baseline_rows import Labelled
from sda.runs import results
from sda.runs.folder import RunFolder, RunFolderError

SEARCH = "search.jsonl"  # a line for every setting that has been tried
FIGURES = ("valid_error", "converged", "seconds")  # of a trial
_log = logging.getLogger(__name__)


class Trial(NamedTuple):
    """Parameters out of the grid, and how well they did."""

    parameters: dict[str, Any]
    valid_error: float  # fraction of the validation rows, or 1 − R²
    converged: bool
    seconds: float

    def line(self) -> dict[str, Any]:
        """As a line of the record: the parameters and the figures."""
        return self.parameters | dict(zip(FIGURES, self[1:], strict=True))


def check(plan: Baseline, splits: Splits) -> None:
    """Raise ValueError, before anything is written, for what could not be trained."""
    tags = get_tags(plan.estimator)
    predicted = "numbers" if is_regressor(plan.estimator) else "classes"
    if splits.kind != predicted:
        other = "baseline=random_forest" if predicted == "numbers" else "baseline=ridge"
        raise ValueError(
            f"{plan.init} predicts {predicted}, and the rows of {splits.name} have {splits.kind}"
            + (f"; {other} predicts them" if splits.kind != "nothing" else "")
        )
    if splits.n_targets > 1 and not tags.target_tags.multi_output:
        raise ValueError(
            f"{plan.init} predicts one number, and the rows of {splits.name} have "
            f"{splits.n_targets}; baseline=ridge predicts several"
        )
    n = int(splits.train.labelled.sum())
    checks.whole("finetune.labelled", plan.labelled or n, 1, n)
    _check_compared(plan, splits.train.y[baseline_rows.learned(plan, splits)])
    if plan.fills:
        _log.info("%s: missing cells get the mean of their column, over training rows", plan.init)
    if plan.encoder is not None:
        _check_codes(plan.encoder, splits)


def _check_compared(plan: Baseline, y: NDArray[Any]) -> None:
    checks.whole("search_rows", plan.search_rows or len(y), high=len(y))
    if is_regressor(plan.estimator):
        return
    if len(np.unique(y)) < 2:
        raise ValueError(f"{plan.init} needs training rows of two classes, got one")
    if missing := set(y.tolist()) - set(y[baseline_rows.compared(plan, y)].tolist()):
        raise ValueError(
            f"search_rows must be large enough for a row of every class, got "
            f"{plan.search_rows} of {len(y)}, without {len(missing)} of the classes"
        )


def _check_codes(encoder: Encoder, splits: Splits) -> None:
    trained = RunFolder(encoder.folder).result
    if trained.get("data_hash") != splits.digest():
        known = str(trained.get("data_hash"))[:8]
        raise RunFolderError(
            f"codes_of={encoder.folder} was trained on other rows: "
            f"{trained.get('data')} ({trained.get('source')}, {known}), "
            f"got {splits.name} ({splits.source}, {splits.digest()[:8]})"
        )


def run(
    plans: Sequence[Baseline],
    splits: Splits,
    folders: Sequence[RunFolder],
) -> None:
    """Choose and test a baseline; what has been tried in its folder is not tried again.

    Args:
        plans: one; baselines do not train together.
        splits: its data.
        folders: its folder, open.

    Raises:
        Interrupted: everything is saved.
    """
    (plan,), (folder,) = plans, folders
    folder.update_result(status="running", message=None)
    try:
        with threadpool_limits(torch.get_num_threads()):  # also for scikit-learn's own loops
            train = baseline_rows.training(plan, splits)
            rows = baseline_rows.compared(plan, train[1])
            trials = _search(plan, (train[0][rows], train[1][rows]), splits, folder)
            start = time.monotonic()
            chosen = min(trials, key=lambda trial: trial.valid_error)  # the first of equals
            result = judging.judged_on(splits) | {
                "chosen": chosen.parameters,
                "at_edge": at_edge(chosen.parameters, plan.grid),
                "tried": len(trials),
            }
            model, converged = fitted(plan, chosen.parameters, train)
            judged = _judged("valid", model, baseline_rows.labelled(plan, splits.valid), splits)
            tested, predicted = tested_on(plan, chosen.parameters, model, train, splits)
    except Interrupted as stop:
        folder.update_result(status="interrupted", message=str(stop))
        raise
    seconds = {"search": sum(t.seconds for t in trials), "test": time.monotonic() - start}
    result |= judged[0] | {"converged": converged, "seconds": seconds}
    judging.note_end(folder, splits, predicted, result | tested)


def test(plan: Baseline, splits: Splits, folder: RunFolder) -> None:
    """Test a baseline that was chosen with test=false."""
    with threadpool_limits(torch.get_num_threads()):  # also for scikit-learn's own loops
        train, parameters = baseline_rows.training(plan, splits), folder.result["chosen"]
        model, _ = fitted(plan, parameters, train)
        tested, predicted = tested_on(plan, parameters, model, train, splits)
    judging.note_end(folder, splits, predicted, tested)


def search(
    plan: Baseline, train: Labelled, valid: Labelled, known: Sequence[dict[str, Any]] = ()
) -> Iterator[Trial]:
    """Fit every setting that is not known and yield its error on the validation rows at once."""
    for parameters in (one for one in plan.tried if one not in known):
        start = time.monotonic()
        model, converged = fitted(plan, parameters, train)  # KernelSVC reuses the last one's work
        error = float(results.losses(valid[1], model.predict(valid[0])).mean())
        yield Trial(parameters, error, converged, time.monotonic() - start)


def fitted(plan: Baseline, parameters: dict[str, Any], train: Labelled) -> tuple[Any, bool]:
    """A fitted estimator, and whether its optimiser converged."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConvergenceWarning)
        model = plan.model(parameters).fit(*train)
    return model, not any(issubclass(one.category, ConvergenceWarning) for one in said)


def tested_on(
    plan: Baseline, parameters: dict[str, Any], model: Any, train: Labelled, splits: Splits
) -> tuple[dict[str, Any], Tensor | None]:
    """The one place where a baseline reads test rows: its error, and what it predicts (n, ...)."""
    if not plan.test:
        return judging.untested()
    if plan.refit:
        more = baseline_rows.labelled(plan, splits.valid, "validation")
        both = [np.concatenate(parts) for parts in zip(train, more, strict=True)]
        model, _ = fitted(plan, parameters, (both[0], both[1]))
    rows = baseline_rows.labelled(plan, splits.test)
    tested, predicted = _judged("test", model, rows, splits)
    return tested | {"n_test": len(rows[0])}, predicted


def _judged(part: str, model: Any, rows: Labelled, splits: Splits) -> tuple[dict[str, Any], Tensor]:
    """The figures of a fitted model on a part of the rows, and what it predicts (n,) or (n, k)."""
    x, y = rows
    predicted = model.predict(x)
    found: dict[str, Any] = {f"{part}_error": float(results.losses(y, predicted).mean())}
    if splits.kind != "numbers":
        return found, torch.from_numpy(predicted)
    exact, answers = (torch.from_numpy(one.reshape(len(x), -1)).float() for one in (y, predicted))
    return found | {f"{part}_rmse": judging.rmse(answers, exact, splits)}, answers


def _search(plan: Baseline, train: Labelled, splits: Splits, folder: RunFolder) -> list[Trial]:
    """Try what has not been tried, and write every result down as it comes."""
    trials = _tried(plan, folder)
    valid = baseline_rows.labelled(plan, splits.valid)
    with Interruption() as signals, Progress("setting") as progress:
        progress.begin("search", len(plan.tried), len(trials))
        for trial in search(plan, train, valid, [one.parameters for one in trials]):
            trials.append(trial)
            lines = [json.dumps(one.line()) + "\n" for one in trials]
            files.replace(folder.path / SEARCH, "".join(lines).encode())
            best = min(one.valid_error for one in trials)
            figure = f"R2 {1 - best:.3f}" if splits.n_targets else f"error {100 * best:.2f} %"
            progress.show(len(trials), f"validation {figure} at best")
            if signals.requested is not None:
                message = f"interrupted and saved; {go_on(folder.path)}"
                raise Interrupted(signals.requested, message)
    return sorted(trials, key=lambda trial: plan.tried.index(trial.parameters))


def _tried(plan: Baseline, folder: RunFolder) -> list[Trial]:
    """The trials in a folder's record; a line that cannot be used is skipped."""
    found = []
    for row in results.rows(folder.path / SEARCH):
        parameters = {key: row[key] for key in plan.grid if key in row}
        if parameters in plan.tried and {*FIGURES} <= row.keys():
            found.append(Trial(parameters, *(row[key] for key in FIGURES)))
    return found


def at_edge(chosen: dict[str, Any], grid: dict[str, list[Any]]) -> list[str]:
    """Chosen numbers that are the smallest or largest of those that were tried."""
    found = []
    for name, values in grid.items():
        numbers = all(isinstance(v, int | float) for v in values) and len(values) > 1
        if numbers and chosen[name] in (min(values), max(values)):
            found.append(name)
    return found
