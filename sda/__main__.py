"""Hydra in, runs out: compose, check, train, compare."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sda.cli import compare, errors, report
from sda.cli import data as data_commands
from sda.common import terminal
from sda.common.signals import Interrupted
from sda.config import compose, schema
from sda.experiment import launch, svm_run
from sda.nn.optimisers import DivergenceError
from sda.runs.folder import RunFolder
from sda.runs.identity import CHANGEABLE
from sda.sweeps.campaign import run
from sda.sweeps.job import Job, has_finished, place, train_jobs

DEMONSTRATION = ["--multirun", "experiment=demo"]
HELP = """\
Stacked denoising autoencoders: pretrain layer by layer, stack, fine-tune, compare.

  sda                                  the demonstration: three arms, several seeds, a table
  sda data=rect init=sda seed=3        one run; `key=value` changes any setting
  sda -m init=random,saa,sda seed='range(5)'       a sweep: all combinations, side by side
  sda experiment=vincent2008_basic init=sda        a paper's experiment
  sda resume FOLDER                    go on with an interrupted run
  sda compare FOLDER [FOLDER ...]      table, intervals and curves of finished runs
  sda svm data=rect kernel=rbf         support vector machine, C and gamma chosen on validation rows
  sda report FOLDER                    one HTML page of finished runs
  sda data list|fetch|make|show        the data sets
  sda campaign table1 campaign.hours=8 the papers' table, cell by cell; go on with the same words
  sda --cfg job [key=value ...]        print the configuration, train nothing
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 if it did what was asked."""
    words = list(sys.argv[1:] if argv is None else argv)
    terminal.reopen_closed()
    try:
        status = _dispatch(words)
        sys.stdout.flush()
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        sys.exit(errors.explained(error))
    except (ValueError, DivergenceError) as error:
        sys.exit(f"error: {error}")
    except (MemoryError, RuntimeError) as error:
        line = errors.of_memory(error)
        if line is None:
            raise
        sys.exit(f"error: {line}")
    except Interrupted as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(error.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read the output has gone; there is nobody to tell
        sys.exit(0)
    except OSError as error:
        sys.exit(f"error: {error}")
    sys.exit(status)


def _dispatch(words: list[str]) -> int:
    own_help = words[:1] in (["compare"], ["report"], ["data"])
    if not own_help and {"-h", "--help"} & {*words}:  # wherever it stands: somebody wants to read
        print(HELP + compose.choices())
        return 0
    match words:
        case []:
            return _demonstrate()
        case ["compare", *rest]:
            return compare.main(rest)
        case ["report", *rest]:
            return report.main(rest)
        case ["resume", folder, *rest]:
            return _resume(Path(folder), rest)
        case ["svm", *rest]:
            return _svm(rest)
        case ["data", *rest]:
            return data_commands.main(rest)
        case ["campaign", *rest]:
            return run.main(rest)
    errors.refuse_stray(words[0])
    words = sorted(words, key=lambda word: word not in ("-m", "--multirun"))  # Hydra wants it first
    args = _parsed(words)
    if args.multirun or _asks_hydra(args):
        return _sweep(words)
    return _single(args.overrides, _search_path(args.config_dir))


def _parsed(words: list[str]) -> Namespace:
    """Hydra's options and the overrides; a mistake in an option ends here in two lines."""
    parser = get_args_parser()
    parser.prog, parser.usage = "sda", "sda [option ...] [key=value ...]; more: sda --help"
    return parser.parse_args(words)


def _asks_hydra(args: Namespace) -> bool:
    return any((args.hydra_help, args.cfg, args.info, args.shell_completion))


def _svm(words: list[str]) -> int:
    """Choose and test one support vector machine."""
    args = _parsed(words)
    if args.multirun:
        raise ValueError("svm does one machine at a time, got -m")
    if _asks_hydra(args):
        return _hand_over(words, "svm")
    return svm_run.main(args.overrides, _search_path(args.config_dir))


def _demonstrate() -> int:
    """Train the arms of the demonstration, compare them, and say what to look at."""
    _sweep(DEMONSTRATION)
    folder = Path("runs") / "demo"
    status = compare.main([str(folder)])
    print(f"the runs are in {folder}; look at them with: {_tensorboard(folder)}")
    return status


def _tensorboard(folder: Path) -> str:
    """The command that shows a folder, with the TensorBoard that is installed beside Python."""
    return f"{Path(sys.executable).with_name('tensorboard')} --logdir {folder}"


def _search_path(config_dir: str | None) -> list[str]:
    """The override that adds a person's own folder of configuration files."""
    if not config_dir:
        return []
    if not Path(config_dir).is_dir():
        raise ValueError(f"--config-dir must be a folder of configuration files, got {config_dir}")
    return [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"]


def _single(words: list[str], search_path: list[str]) -> int:
    """Train one run here, without Hydra's job machinery: nothing is written before the checks."""
    job = Job(compose.resolved(compose.compose(words + search_path)), words)
    plan = schema.build_run(job.config)
    launch.settle(schema.threads(job.config["threads"]))
    path = launch.place(plan, job.config["runs_folder"], words)
    overwrite = job.config["overwrite"]
    launch.refuse_occupied(path, overwrite)
    splits = schema.load_data(job.config)
    asked = launch.Asked(plan, job.config, path)
    launch.train_together([[asked]], splits, overwrite=overwrite)
    _print_result(path, launch.outcome(path))
    return 0


def _sweep(words: list[str]) -> int:
    """Let Hydra start what the words ask for, after checking every run that it will start.

    Returns 1 if a run that was asked for has no result in the end.
    """
    args = _parsed(words)
    jobs = []
    if args.multirun:
        search_path = _search_path(args.config_dir)
        different = {}
        for overrides in _jobs(args.overrides, search_path):
            plain = compose.resolved(compose.compose(overrides + search_path))
            jobs.append(Job(plain, overrides))
            schema.build_run(plain)
            different[repr(plain["data"])] = plain
        for plain in different.values():
            schema.load_data(plain)
    _hand_over(words, "config")
    asked_hydra = _asks_hydra(args)
    return int(not asked_hydra and not all(map(has_finished, jobs)))


def _hand_over(words: list[str], primary: str) -> int:
    """Let Hydra do what the words ask for, starting from a configuration file."""
    sys.argv = ["sda", *words]
    files = str(compose.folder())
    hydra.main(config_path=files, config_name=primary, version_base="1.3")(_task)()
    return 0


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


def _task(cfg: DictConfig) -> float:
    """Train one run of a sweep for whatever launcher asks; return its validation error."""
    job = Job(compose.resolved(cfg), list(HydraConfig.get().overrides.task))
    train_jobs([job])
    return float(launch.outcome(place(job))["valid_error"])


def _resume(path: Path, changes: list[str]) -> int:
    """Go on with the run in a folder; only what does not change its numbers may be changed."""
    saved = RunFolder(path).config
    if not saved:
        raise ValueError(f"{path} holds no run: there is no readable config.yaml")
    # Machines have fewer settings; networks of an earlier version may lack some.
    known = compose.flat(saved) if "kernel" in saved else CHANGEABLE
    allowed = [key for key in CHANGEABLE if key in known]
    for word in changes:
        if compose.key_of(word) not in allowed:
            raise ValueError(
                f"a resumed run keeps its settings; {', '.join(allowed)} may change, got {word!r}"
            )
    settings = compose.changed(saved, changes) | {"overwrite": False}
    if "kernel" in settings:
        return svm_run.run(settings, path)
    try:
        launch.settle(schema.threads(settings["threads"]))
        asked = launch.Asked(schema.build_run(settings), settings, path)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no run: its config.yaml is another's ({error})") from None
    batch = launch.recorded_batch(
        asked, lambda member: schema.build_run(compose.changed(member, changes))
    )
    launch.train_together(batch, schema.load_data(settings), overwrite=False)
    _print_result(path, launch.outcome(path))
    return 0


def _print_result(path: Path, result: dict[str, Any]) -> None:
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


if __name__ == "__main__":
    main()
