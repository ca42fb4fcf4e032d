"""A baseline from data to result: every setting of its grid is tried, the best is tested once."""

import json
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from sda.common.rows import floats, shared
from sda.common.seeding import stream
from sda.common.signals import Interrupted, Interruption
from sda.config.baseline import Baseline
from sda.data.splits import Rows, Splits
from sda.experiment import outcome
from sda.runs import results
from sda.runs.folder import RunFolder, RunFolderError
from sda.runs.layer_store import LayerStore
from sda.training.minibatches import labelled_rows

SEARCH = "search.jsonl"  # a line for every setting that has been tried
BLOCK = 1000  # rows that are encoded at once
Labelled = tuple[NDArray[Any], NDArray[np.int64]]


class Trial(NamedTuple):
    """Parameters out of the grid, and how well they did."""

    parameters: dict[str, Any]
    valid_error: float  # fraction of the validation rows
    converged: bool
    seconds: float


def check(plan: Baseline, splits: Splits) -> None:
    """Raise ValueError, before anything is written, for what could not be trained."""
    if splits.kind != "classes" or is_regressor(plan.estimator):
        kind = "a regressor" if is_regressor(plan.estimator) else "a classifier"
        raise ValueError(f"{plan.init} is {kind}, and the rows of {splits.name} have {splits.kind}")
    n = int(splits.train.labelled.sum())
    checks.whole("finetune.labelled", plan.labelled or n, 1, n)
    y = splits.train.y[_rows(plan, splits)]
    if len(np.unique(y)) < 2:
        raise ValueError(f"{plan.init} needs training rows of two classes, got one")
    checks.whole("search_rows", plan.search_rows or len(y), high=len(y))
    if missing := set(y.tolist()) - set(y[_compared(plan, y)].tolist()):
        raise ValueError(
            f"search_rows must be large enough for a row of every class, got "
            f"{plan.search_rows} of {len(y)}, without {len(missing)} of the classes"
        )
    holes = any(np.isnan(part.x).any() for part in splits.parts().values())
    if holes and not get_tags(plan.estimator).input_tags.allow_nan:
        raise ValueError(f"{plan.init} cannot learn from missing cells; hist_gradient_boosting can")
    if plan.encoder is None:
        return
    trained = RunFolder(plan.encoder.folder).result
    if trained.get("data_hash") != splits.digest():
        known = str(trained.get("data_hash"))[:8]
        raise RunFolderError(
            f"codes_of={plan.encoder.folder} was trained on other rows: "
            f"{trained.get('data')} ({trained.get('source')}, {known}), "
            f"got {splits.name} ({splits.source}, {splits.digest()[:8]})"
        )


def run(
    plans: Sequence[Baseline],
    splits: Splits,
    folders: Sequence[RunFolder],
    _: LayerStore | None = None,
) -> None:
    """Choose and test a baseline; what has been tried in its folder is not tried again.

    Args:
        plans: one; baselines do not train together.
        splits: its data.
        folders: its open one.

    Raises:
        Interrupted: everything is saved.
    """
    (plan,), (folder,) = plans, folders
    folder.update_result(status="running", message=None)
    try:
        with _threads():
            train = _labelled(plan, splits)
            rows = _compared(plan, train[1])
            trials = _search(plan, (train[0][rows], train[1][rows]), splits, folder)
            start = time.monotonic()
            chosen = min(trials, key=lambda trial: trial.valid_error)  # the first of equals
            result = _chosen(plan, chosen, trials) | outcome.judged_on(splits)
            model, converged = fitted(plan, chosen.parameters, train)
            valid_error = error(model, *_judged(plan, splits.valid))
            tested, predicted = tested_on(plan, chosen.parameters, model, train, splits)
    except Interrupted as stop:
        folder.update_result(status="interrupted", message=str(stop))
        raise
    seconds = {"search": sum(t.seconds for t in trials), "test": time.monotonic() - start}
    result |= {"valid_error": valid_error, "converged": converged, "seconds": seconds}
    outcome.note_end(folder, splits, predicted, result | tested)


def test(plan: Baseline, splits: Splits, folder: RunFolder) -> None:
    """Test one that has been chosen in a folder and was not to read the test rows before."""
    with _threads():
        train, parameters = _labelled(plan, splits), folder.result["chosen"]
        model, _ = fitted(plan, parameters, train)
        tested, predicted = tested_on(plan, parameters, model, train, splits)
    outcome.note_end(folder, splits, predicted, tested)


def search(
    plan: Baseline, train: Labelled, valid: Labelled, known: Sequence[dict[str, Any]] = ()
) -> Iterator[Trial]:
    """Fit every setting that is not known and yield its error on the validation rows at once."""
    for parameters in (one for one in plan.tried if one not in known):
        start = time.monotonic()
        model, converged = fitted(plan, parameters, train)  # the last one shares its products
        wrong = error(model, *valid)
        yield Trial(parameters, wrong, converged, time.monotonic() - start)


def fitted(plan: Baseline, parameters: dict[str, Any], train: Labelled) -> tuple[Any, bool]:
    """An estimator that has learned, and whether its optimiser came to its end."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConvergenceWarning)
        model = plan.model(parameters).fit(*train)
    return model, not any(issubclass(one.category, ConvergenceWarning) for one in said)


def error(model: Any, x: NDArray[Any], y: NDArray[np.int64]) -> float:
    """The fraction of rows x (n, d) whose class a fitted model gets wrong."""
    return float(np.mean(model.predict(x) != y))


def tested_on(
    plan: Baseline, parameters: dict[str, Any], model: Any, train: Labelled, splits: Splits
) -> tuple[dict[str, Any], Tensor | None]:
    """The one place where test rows are read: the error, and predicted classes (n,)."""
    if not plan.test:
        return {"test_error": None, "n_test": None}, None
    if plan.refit:
        more = _judged(plan, splits.valid, "validation")
        both = [np.concatenate(parts) for parts in zip(train, more, strict=True)]
        model, _ = fitted(plan, parameters, (both[0], both[1]))
    x, y = _judged(plan, splits.test)
    predicted = model.predict(x)
    wrong = float(np.mean(predicted != y))
    return {"test_error": wrong, "n_test": len(y)}, torch.from_numpy(predicted)


def _search(plan: Baseline, train: Labelled, splits: Splits, folder: RunFolder) -> list[Trial]:
    """Try what has not been tried, and write every result down as it comes."""
    trials = _tried(plan, folder)
    valid = _judged(plan, splits.valid)
    with Interruption() as signals, Progress("setting") as progress:
        progress.begin("search", len(plan.tried), len(trials))
        for trial in search(plan, train, valid, [one.parameters for one in trials]):
            trials.append(trial)
            lines = [json.dumps(one.parameters | _outcome(one)) + "\n" for one in trials]
            files.replace(folder.path / SEARCH, "".join(lines).encode())
            best = min(one.valid_error for one in trials)
            progress.show(len(trials), f"validation error {100 * best:.2f} % at best")
            if signals.requested is not None:
                message = f"interrupted and saved; {go_on(folder.path)}"
                raise Interrupted(signals.requested, message)
    return sorted(trials, key=lambda trial: plan.tried.index(trial.parameters))


def _outcome(trial: Trial) -> dict[str, Any]:
    return {key: value for key, value in trial._asdict().items() if key != "parameters"}


def _tried(plan: Baseline, folder: RunFolder) -> list[Trial]:
    """The trials in a folder's record; a line that cannot be used is passed over."""
    found = []
    for row in results.rows(folder.path / SEARCH):
        parameters = {key: row[key] for key in plan.grid if key in row}
        outcome = {key: row[key] for key in Trial._fields if key in row}
        if parameters in plan.tried and len(outcome) == len(Trial._fields) - 1:
            found.append(Trial(parameters, **outcome))
    return found


def _chosen(plan: Baseline, chosen: Trial, trials: Sequence[Trial]) -> dict[str, Any]:
    """What a result says of the choice."""
    return {
        "chosen": chosen.parameters,
        "at_edge": at_edge(chosen.parameters, plan.grid),
        "tried": len(trials),
    }


def at_edge(chosen: dict[str, Any], grid: dict[str, list[Any]]) -> list[str]:
    """Numbers among the parameters that are the smallest or largest of several that were tried."""
    found = []
    for name, values in grid.items():
        numbers = all(isinstance(v, int | float) for v in values) and len(values) > 1
        if numbers and chosen[name] in (min(values), max(values)):
            found.append(name)
    return found


def _labelled(plan: Baseline, splits: Splits) -> Labelled:
    """The rows that it learns from, with their noise, and their classes."""
    rows = _rows(plan, splits)
    known = Rows(splits.train.x[rows], splits.train.y[rows])
    return _seen(plan, known, "training"), known.y


def _judged(plan: Baseline, rows: Rows, learned: str | None = None) -> Labelled:
    """What it sees of the rows that have a label, and their classes; ``learned``: as ``_seen``."""
    known = rows.labelled
    whole = rows if known.all() else Rows(rows.x[known], rows.y[known])
    return _seen(plan, whole, learned), whole.y


def _rows(plan: Baseline, splits: Splits) -> NDArray[np.int64]:
    """Which training rows it learns from: those whose labels a network of its seed uses."""
    known = np.flatnonzero(splits.train.labelled)
    rows: NDArray[np.int64] = labelled_rows(len(known), plan.labelled, plan.seed).numpy()
    return np.asarray(known[rows])


def _compared(plan: Baseline, y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which rows settings are compared on, of every class its share, as they stand.

    Args:
        plan: says how many.
        y: classes of all rows (n,).
    """
    n, count = len(y), plan.search_rows or len(y)
    return np.sort(np.argsort(y, kind="stable")[np.arange(count) * n // count])


@torch.no_grad()
def _seen(plan: Baseline, rows: Rows, learned: str | None = None) -> NDArray[Any]:
    """What it sees of rows (n, d): themselves or their codes, float32.

    ``learned`` says which rows it learns from: they have their noise, drawn by its name and seed.
    """
    x = shared(rows.x)
    if learned is not None and plan.corruption is not None:
        x = plan.corruption(floats(x), stream(plan.seed, "noisy rows", learned)).x
    if plan.encoder is None:
        return floats(x).numpy()
    stack, layer = plan.encoder.stack, plan.encoder.layer
    return torch.cat([stack.encode(floats(b), layer) for b in x.split(BLOCK)]).numpy()


@contextmanager
def _threads() -> Iterator[None]:
    """As many threads for scikit-learn's own loops as for everything else of this process."""
    with threadpool_limits(torch.get_num_threads()):
        yield
