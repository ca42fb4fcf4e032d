"""One run, trained in this process: begin it, go on with it, print its result."""

import logging
import shlex
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sda.common import processes, threads
from sda.common.program import program
from sda.config import schema
from sda.experiment import launch, longer, phases
from sda.experiment.job import Job, outcome
from sda.runs.folder import RunFolder
from sda.runs.identity import Plain

_log = logging.getLogger(__name__)


def begin(settings: Plain, words: list[str]) -> None:
    """Train what a configuration asks for. Nothing is written before the checks.

    Args:
        settings: resolved.
        words: those of the command that set something; the run's folder is named by them.
    """
    job = Job(settings, words)
    _ = job.plan
    threads.settle(threads.threads(settings["threads"]))
    if _has_followed(job):
        return
    job.refuse_occupied()
    launch.train_together([job], schema.load_data(settings))
    _end(job.path)


def go_on(job: Job, changed: Callable[[Plain], Plain] = dict) -> None:
    """Go on with the run in a folder, and with those that were training with it.

    Args:
        job: the run, with its settings as changed.
        changed: makes the same changes to the settings of the others.
    """
    try:
        _ = job.plan
    except ValueError as error:
        raise ValueError(f"{job.path} holds no run that can go on: {error}") from None
    threads.settle(threads.threads(job.config["threads"]))
    if _has_followed(job):
        return
    batch = launch.recorded_batch(job, changed)
    launch.train_together(batch, schema.load_data(job.config))
    _end(job.path)


def go_on_longer(before: Job, settings: Plain, words: list[str]) -> None:
    """Train a finished run longer, in a folder of its own, or go on with that.

    Args:
        before: the finished run.
        settings: with more epochs.
        words: those that ask for more.
    """
    said = RunFolder(before.path).result.get("words", [])
    now = Job(settings, [*said, *words], longer.place(before.path, words))
    if _has_followed(now):
        return
    longer.check(before, now)
    target = RunFolder(now.path)
    is_over = target.result.get("status") == "finished"
    _log.info("finished already:" if is_over else f"going on with {before.path}")
    if not target.config:
        longer.begin(before, now)
    go_on(now)


def _has_followed(job: Job) -> bool:
    """Join the other processes of the run, if there are any, and follow the first one to its end.

    False in the first one, which trains and records the run.
    """
    processes.join()
    if processes.is_first():
        return False
    with suppress(ConnectionError):  # it has ended, and has said why if it could
        phases.follow(job)
    return True


def _end(path: Path) -> None:
    """Part with the other processes, if there are any, and say how a run ended."""
    processes.told(None)
    processes.leave()
    _print_result(path, outcome(path))


def _print_result(path: Path, result: dict[str, Any]) -> None:
    """Say how a finished run ended, and where to look."""
    run = f"{result['data']} ({result['source']}), init={result['init']}, seed={result['seed']}"
    if result["valid_error"] is None:
        print(
            f"{run}: no labels, only pretrained, in {result['seconds']['pretrain']:.0f} s\n"
            f"in {path}{_look(path, result)}"
        )
        return
    tested = "not tested"
    if result["test_error"] is not None:
        tested = f"test {_figure(result, 'test')} of {result['n_test']}"
    told = _choice(result) if "chosen" in result else _training(result)
    print(
        f"{run}: validation {_figure(result, 'valid')}, {tested}\n"
        f"{told}\n"
        f"in {path}{_look(path, result)}"
    )


def _training(result: dict[str, Any]) -> str:
    """How long a network trained, and whether longer may help."""
    seconds = result["seconds"]
    remark = " (the last: more epochs may help)" if result["best_is_last"] else ""
    if result["best_epoch"] == 0:
        remark = f" (no epoch was better than {_constant(result)})"
    return (
        f"best epoch {result['best_epoch']} of {result['epochs']}{remark}; "
        f"pretraining {seconds['pretrain']:.0f} s, fine-tuning {seconds['finetune']:.0f} s"
    )


def _choice(result: dict[str, Any]) -> str:
    """The choice of a baseline, and whether a wider grid may help."""
    settings, seconds = result["settings"], result["seconds"]
    of = f" on layer {settings['layer']} of {settings['codes_of']}" if "layer" in settings else ""
    chosen = ", ".join(f"{key}={value}" for key, value in result["chosen"].items())
    rows = settings.get("search_rows")
    lines = [
        f"{chosen or 'as it is'}: the best of {result['tried']} settings"
        f"{of}{f' on {rows} training rows' if rows else ''}; "
        f"search {seconds['search']:.0f} s, test {seconds['test']:.0f} s"
    ]
    lines += [
        f"{name} is at the edge of what was tried: a wider baseline.grid.{name} may do better"
        for name in result["at_edge"]
    ]
    if not result["converged"]:
        lines.append("its optimiser stopped before it had converged")
    return "\n".join(lines)


def _constant(result: dict[str, Any]) -> str:
    return "the mean" if result.get("kind") == "numbers" else "naming the commonest class"


def _figure(result: dict[str, Any], part: str) -> str:
    """How wrong a run is on a part of the rows."""
    error = result[f"{part}_error"]
    if result.get("kind") != "numbers":
        return f"error {100 * error:.2f} %"
    return f"R2 {1 - error:.3f}, RMSE {', '.join(f'{one:.4g}' for one in result[f'{part}_rmse'])}"


def _look(path: Path, result: dict[str, Any]) -> str:
    shown = result["settings"].get("tensorboard") and "chosen" not in result
    return f"; look at it with: {tensorboard(path)}" if shown else ""


def tensorboard(folder: Path) -> str:
    """The command that shows a folder."""
    return f"{program()} tensorboard {shlex.quote(str(folder))}"
