"""One support vector machine: what begins it, goes on with it and says how it ended."""

from pathlib import Path
from typing import Any

from sda.common import threads
from sda.config import schema
from sda.experiment import access, svm_plan
from sda.experiment.svm import MOST_STEPS
from sda.experiment.svm_run import train
from sda.runs.folder import RunFolder
from sda.runs.settings import Plain


def begin(settings: Plain, words: list[str]) -> None:
    """Choose and test one machine in its folder. Nothing is written before the checks.

    Args:
        settings: resolved.
        words: those of the command that set something; the folder is named by them.
    """
    path = access.place(svm_plan.build(settings), settings["runs_folder"], words)
    access.refuse_occupied(path, settings["overwrite"])
    go_on(settings, path)


def go_on(settings: Plain, path: Path) -> None:
    """Choose and test a machine, or go on with it; print its result."""
    threads.settle(threads.threads(settings["threads"]))
    plan = svm_plan.build(settings)
    train(plan, settings, path, schema.load_data(settings))
    _print_result(path, RunFolder(path).result)


def _print_result(path: Path, result: dict[str, Any]) -> None:
    seconds, settings = result["seconds"], result["settings"]
    of = f" on layer {settings['layer']} of {settings['codes_of']}" if "layer" in settings else ""
    chosen = ", ".join(f"{key}={value:g}" for key, value in result["chosen"].items())
    rows = settings.get("search_rows")
    on = f" on {rows} training rows" if rows else ""
    print(
        f"{result['data']} ({result['source']}), {result['init']}{of}: "
        f"validation error {100 * result['valid_error']:.2f} %, "
        f"test error {100 * result['test_error']:.2f} % of {result['n_test']}\n"
        f"{chosen}: the best of {result['tried']} settings{on}; "
        f"search {seconds['search']:.0f} s, test {seconds['test']:.0f} s"
    )
    for name in result["at_edge"]:
        print(f"{name} is at the edge of what was tried: a wider kernel.{name} may do better")
    if not result["converged"]:
        print(f"the optimiser stopped after {MOST_STEPS} steps, before it had converged")
    print(f"in {path}")
