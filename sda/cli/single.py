"""One run, trained in this process: what begins it, goes on with it and says how it ended."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sda.common import threads
from sda.common.program import program
from sda.config import schema
from sda.experiment import access, launch
from sda.runs.settings import Plain


def begin(settings: Plain, words: list[str]) -> None:
    """Train what a configuration asks for. Nothing is written before the checks.

    Args:
        settings: resolved.
        words: those of the command that set something; the run's folder is named by them.
    """
    plan = schema.build_run(settings)
    threads.settle(threads.threads(settings["threads"]))
    path = access.place(plan, settings["runs_folder"], words)
    access.refuse_occupied(path, settings["overwrite"], settings["test"])
    splits = schema.load_data(settings)
    asked = launch.Asked(plan, settings, path)
    launch.train_together([asked], splits, overwrite=settings["overwrite"])
    _print_result(path, access.outcome(path))


def go_on(settings: Plain, path: Path, changed: Callable[[Plain], Plain]) -> None:
    """Go on with the run in a folder, and with those that were training with it.

    Args:
        settings: its own, as changed.
        path: the folder.
        changed: makes the same changes to the settings of the others.
    """
    try:
        asked = launch.Asked(schema.build_run(settings), settings, path)
    except ValueError as error:
        raise ValueError(f"{path} holds no run that can go on: {error}") from None
    threads.settle(threads.threads(settings["threads"]))
    batch = launch.recorded_batch(asked, lambda member: schema.build_run(changed(member)))
    launch.train_together(batch, schema.load_data(settings), overwrite=False)
    _print_result(path, access.outcome(path))


def _print_result(path: Path, result: dict[str, Any]) -> None:
    """Say how a finished run ended, and where to look."""
    seconds = result["seconds"]
    run = f"{result['data']} ({result['source']}), init={result['init']}, seed={result['seed']}"
    if result["valid_error"] is None:
        print(
            f"{run}: no labels, pretrained alone in {seconds['pretrain']:.0f} s\n"
            f"in {path}{_look(path, result)}"
        )
        return
    remark = " (the last: more epochs may help)" if result["best_is_last"] else ""
    if result["best_epoch"] == 0:
        remark = " (no epoch was better than naming the commonest class)"
    tested = "not tested"
    if result["test_error"] is not None:
        tested = f"test error {100 * result['test_error']:.2f} % of {result['n_test']}"
    print(
        f"{run}: validation error {100 * result['valid_error']:.2f} %, {tested}\n"
        f"best epoch {result['best_epoch']} of {result['epochs']}{remark}; "
        f"pretraining {seconds['pretrain']:.0f} s, fine-tuning {seconds['finetune']:.0f} s\n"
        f"in {path}{_look(path, result)}"
    )


def _look(path: Path, result: dict[str, Any]) -> str:
    shown = result["settings"].get("tensorboard")
    return f"; look at it with: {tensorboard(path)}" if shown else ""


def tensorboard(folder: Path) -> str:
    """The command that shows a folder."""
    return f"{program()} tensorboard {shlex.quote(str(folder))}"
