"""svm [key=value ...]: choose a support vector machine on validation rows and test it.

The settings are in conf/svm.yaml: data=rect kernel=linear|rbf|poly; codes_of=FOLDER layer=K for the
codes of a run.
"""

from pathlib import Path
from typing import Any

from sda.cli import options
from sda.common import threads, trust
from sda.config import compose, schema
from sda.experiment import access, svm_plan
from sda.experiment.svm import MOST_STEPS
from sda.experiment.svm_run import place, train
from sda.runs.folder import RunFolder


def main(words: list[str]) -> int:
    """Choose and test one support vector machine."""
    args = options.parsed(trust.taken(words))
    if args.multirun:
        raise ValueError("svm does one machine at a time, got -m")
    words = options.without_launcher(args.overrides)
    search_path = options.search_path(args.config_dir)
    if args.cfg:
        print(compose.shown(words + search_path, "svm"), end="")
        return 0
    return _one(words, search_path)


def _one(words: list[str], search_path: list[str]) -> int:
    """Choose and test one machine in its folder. Nothing is written before the checks.

    Args:
        words: ``key=value`` of the command line.
        search_path: further ones, that say where configuration files lie.
    """
    settings = compose.resolved(compose.compose(words + search_path, "svm"))
    path = place(settings, words)
    access.refuse_occupied(path, settings["overwrite"])
    return run(settings, path)


def run(settings: dict[str, Any], path: Path) -> int:
    """Choose and test a machine, or go on with it; print its result."""
    threads.settle(threads.threads(settings["threads"]))
    plan = svm_plan.build(settings)
    train(plan, settings, path, schema.load_data(settings))
    _print_result(path, RunFolder(path).result)
    return 0


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
