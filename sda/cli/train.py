"""Train one run, a sweep or the demonstration."""

import sys
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from sda.cli import compare, hydra_app
from sda.common import threads
from sda.config import compose, schema
from sda.experiment import launch
from sda.sweeps.job import Job, has_finished

DEMONSTRATION = ["--multirun", "experiment=demo"]


def single(words: list[str], search_path: list[str]) -> int:
    """Train one run here, without Hydra's job machinery: nothing is written before the checks."""
    job = Job(compose.resolved(compose.compose(words + search_path)), words)
    plan = schema.build_run(job.config)
    threads.settle(threads.threads(job.config["threads"]))
    path = launch.place(plan, job.config["runs_folder"], words)
    overwrite = job.config["overwrite"]
    launch.refuse_occupied(path, overwrite)
    splits = schema.load_data(job.config)
    asked = launch.Asked(plan, job.config, path)
    launch.train_together([asked], splits, overwrite=overwrite)
    print_result(path, launch.outcome(path))
    return 0


def sweep(words: list[str]) -> int:
    """Let Hydra start what the words ask for, after checking every run that it will start.

    Returns 1 if a run that was asked for has no result in the end.
    """
    args = hydra_app.parsed(words)
    jobs = []
    if args.multirun:
        search_path = hydra_app.search_path(args.config_dir)
        different = {}
        for overrides in _jobs(args.overrides, search_path):
            plain = compose.resolved(compose.compose(overrides + search_path))
            jobs.append(Job(plain, overrides))
            schema.build_run(plain)
            different[repr(plain["data"])] = plain
        for plain in different.values():
            schema.load_data(plain)
    hydra_app.hand_over(words, "config")
    asked_hydra = hydra_app.asks_hydra(args)
    return int(not asked_hydra and not all(map(has_finished, jobs)))


def _jobs(overrides: list[str], search_path: list[str]) -> list[list[str]]:
    """The overrides of every run of a sweep; none if its sweeper decides as it goes."""
    parser = OverridesParser.create()
    fixed = [o.input_line for o in parser.parse_overrides(overrides) if not o.is_sweep_override()]
    words = [word for word in fixed if word]
    sweeper = compose.compose(words + search_path).hydra.sweeper
    if not str(sweeper._target_).endswith(BasicSweeper.__name__):
        return []
    presets = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    batches = BasicSweeper.split_arguments(parser.parse_overrides(presets + overrides), None)
    return list(batches[0])


def demonstrate() -> int:
    """Train the arms of the demonstration, compare them, and say what to look at."""
    sweep(DEMONSTRATION)
    folder = Path("runs") / "demo"
    status = compare.main([str(folder)])
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
        f"validation error {100 * result['valid_error']:.2f} %, "
        f"test error {100 * result['test_error']:.2f} % of {result['n_test']}\n"
        f"best epoch {result['best_epoch']} of {result['epochs']}{remark}; "
        f"pretraining {seconds['pretrain']:.0f} s, fine-tuning {seconds['finetune']:.0f} s\n"
        f"in {path}; look at it with: {_tensorboard(path)}"
    )


def _tensorboard(folder: Path) -> str:
    """The command that shows a folder, with the TensorBoard that is installed beside Python."""
    return f"{Path(sys.executable).with_name('tensorboard')} --logdir {folder}"
