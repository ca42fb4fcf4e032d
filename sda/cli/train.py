"""Train one run, a sweep or the demonstration."""

import sys
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from sda.cli import options
from sda.common import threads, trust
from sda.config import compose, schema
from sda.experiment import access, launch
from sda.runs.settings import top
from sda.sweeps.job import Job
from sda.sweeps.sweep import run_all


def main(words: list[str]) -> int:
    """Train what the words ask for; without any, the demonstration."""
    if not words:
        return demonstrate()
    options.refuse_stray(words[0])
    words = trust.taken(words)
    args = options.parsed(words)
    search_path = options.search_path(args.config_dir)
    if args.cfg:
        print(compose.shown(options.without_launcher(args.overrides) + search_path), end="")
        return 0
    train = sweep if args.multirun else single
    return train(args.overrides, search_path)


def single(words: list[str], search_path: list[str]) -> int:
    """Train one run here, without Hydra's job machinery: nothing is written before the checks."""
    words = options.without_launcher(words)
    job = Job(compose.resolved(compose.compose(words + search_path)), words)
    plan = schema.build_run(job.config)
    threads.settle(threads.threads(job.config["threads"]))
    path = access.place(plan, job.config["runs_folder"], words)
    overwrite = job.config["overwrite"]
    access.refuse_occupied(path, overwrite)
    splits = schema.load_data(job.config)
    asked = launch.Asked(plan, job.config, path)
    launch.train_together([asked], splits, overwrite=overwrite)
    print_result(path, access.outcome(path))
    return 0


def sweep(words: list[str], search_path: list[str]) -> int:
    """Train every run that the words ask for, after checking all of them.

    Returns 1 if a run that was asked for has no result in the end.
    """
    jobs = _jobs(options.without_launcher(words), search_path)
    for plain in {repr(job.config["data"]): job.config for job in jobs}.values():
        schema.load_data(plain)
    faults = [o for o in run_all(jobs, options.together(words)) if o.fault]
    for outcome in faults:
        print(f"failed: {outcome.folder}: {outcome.fault}", file=sys.stderr)
    return int(bool(faults))


def _jobs(words: list[str], search_path: list[str]) -> list[Job]:
    """The runs of a sweep, composed and checked."""
    parser = OverridesParser.create()
    own = [word for word in words if top(word) != "hydra"]
    aside = [word for word in words if top(word) == "hydra"] + search_path
    fixed = [o.input_line for o in parser.parse_overrides(own) if not o.is_sweep_override()]
    sweeper = compose.compose([*filter(None, fixed), *aside]).hydra.sweeper
    presets = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    jobs = []
    for overrides in BasicSweeper.split_arguments(parser.parse_overrides(presets + own), None)[0]:
        job = Job(compose.resolved(compose.compose([*overrides, *aside])), list(overrides))
        schema.build_run(job.config)
        jobs.append(job)
    return jobs


def demonstrate() -> int:
    """Train the arms of the demonstration, compare them, and say what to look at."""
    from sda.cli import compare  # it draws, which takes a second to import

    status = sweep(["experiment=demo"], [])
    folder = Path("runs") / "demo"
    status = compare.main([str(folder)]) or status
    print(f"the runs are in {folder}; look at them with: {_tensorboard(folder)}")
    return status


def print_result(path: Path, result: dict[str, Any]) -> None:
    """Say how a finished run ended, and where to look."""
    seconds = result["seconds"]
    remark = " (the last: more epochs may help)" if result["best_is_last"] else ""
    if result["best_epoch"] == 0:
        remark = " (no epoch was better than naming the commonest class)"
    print(
        f"{result['data']} ({result['source']}), init={result['init']}, seed={result['seed']}: "
        f"validation error {100 * result['valid_error']:.2f} %, {_tested(result)}\n"
        f"best epoch {result['best_epoch']} of {result['epochs']}{remark}; "
        f"pretraining {seconds['pretrain']:.0f} s, fine-tuning {seconds['finetune']:.0f} s\n"
        f"in {path}; look at it with: {_tensorboard(path)}"
    )


def _tested(result: dict[str, Any]) -> str:
    if result["test_error"] is None:
        return "the test rows were not read"
    return f"test error {100 * result['test_error']:.2f} % of {result['n_test']}"


def _tensorboard(folder: Path) -> str:
    """The command that shows a folder, with the TensorBoard that is installed beside Python."""
    return f"{Path(sys.executable).with_name('tensorboard')} --logdir {folder}"
