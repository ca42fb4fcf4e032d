"""Train one run, a sweep or the demonstration."""

import logging
import os
from argparse import Namespace
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from sda.cli import options
from sda.common.program import refuse_several
from sda.config import compose
from sda.runs.identity import key_of, top

CUTS = {"folds": "fold", "repeats": "repeat"}  # words that sweep over cuts of the data
_log = logging.getLogger(__name__)


def main(words: list[str]) -> int:
    """Train what the words ask for; without any, the demonstration."""
    if not words:
        return demonstrate()
    options.refuse_stray(words[0])
    args = options.parsed(words)
    search_path = options.search_path(args.config_dir)
    shown = options.without_launcher(args.overrides) + search_path
    if args.cfg or args.info:
        _show(shown, args)
        return 0
    train = sweep if args.multirun or has_cuts(args.overrides) else run
    return train(args.overrides, search_path)


def run(words: list[str], search_path: list[str]) -> int:
    """Train one run here, without Hydra's job machinery."""
    words = options.without_launcher(words)
    settings = compose.settings(words + search_path)
    if (engine := (settings["executor"] or {}).get("name")) not in ("local", None):
        raise ValueError(f"executor={engine} trains the runs of a sweep: it needs -m")
    told = "%s: baseline=%s, seed=%s" if settings["init"] == "baseline" else "%s: init=%s, seed=%s"
    arm = (settings["baseline"] or {}).get("name") or settings["init"]
    _log.info(told, settings["name"], arm, settings["seed"])
    from sda.cli import single  # it imports torch, which takes seconds: say first what for

    single.begin(settings, words)
    return 0


def sweep(words: list[str], search_path: list[str]) -> int:
    """Train every run that the words ask for, after checking all of them.

    Returns 1 if a run that was asked for has no result in the end.

    Raises:
        ValueError: this system, or torchrun, trains single runs only; a word is no good.
    """
    refuse_several()
    if not hasattr(os, "fork"):
        raise ValueError("a sweep needs Linux or macOS; here one run at a time works: init=sda")
    runs, aside = split(options.without_launcher(words), search_path)
    _log.info("a sweep, runs: %d", len(runs))
    from sda.cli import several  # as above

    foreign = options.foreign_launcher(words)
    return several.train(runs, aside, together=options.together(words), launcher=foreign)


def demonstrate() -> int:
    """Train the arms of the demonstration, print their table, write it as files and a page."""
    status = sweep(["experiment=demo"], [])
    from sda.cli import compare, report, single

    folder = Path("runs") / "demo"
    written = compare.write(compare.compare([folder]), folder)
    print(f"written: {', '.join(map(str, written))}")
    status = report.main([str(folder)]) or status
    print(f"the runs are in {folder}; look at them with: {single.tensorboard(folder)}")
    return status


def has_cuts(words: list[str]) -> bool:
    """Whether words ask for several cuts of the data, and so for several runs."""
    return any(key_of(word) in CUTS for word in words)


def _cut(word: str) -> list[str]:
    """``folds=10`` as what it stands for: data.folds=10 and each of its ten parts once."""
    key, _, value = word.partition("=")
    if key_of(key) not in CUTS:
        return [word]
    if not value.isdecimal() or int(value) < 2:
        raise ValueError(
            f"{key} must be how many cuts of the data to make, 2 at least, got {value}"
        )
    return [f"data.{key}={value}", f"data.{CUTS[key]}=range({value})"]


def split(words: list[str], search_path: list[str]) -> tuple[list[list[str]], list[str]]:
    """Split the words of a sweep: those of each run, and those that are Hydra's own.

    Args:
        words: of the command line; what they sweep over is added to what the files sweep over.
        search_path: further ones, that say where configuration files lie.
    """
    parser = OverridesParser.create()
    own = [each for word in words if top(word) != "hydra" for each in _cut(word)]
    aside = [word for word in words if top(word) == "hydra"] + search_path
    fixed = [o.input_line for o in parser.parse_overrides(own) if not o.is_sweep_override()]
    swept = compose.swept([*filter(None, fixed), *aside])
    presets = [f"{key}={value}" for key, value in swept.items()]
    runs = BasicSweeper.split_arguments(parser.parse_overrides(presets + own), None)[0]
    return [list(run) for run in runs], aside


def _show(words: list[str], options: Namespace) -> None:
    """Print a configuration (--cfg job|hydra|all) or how it comes about (--info ...), in YAML.

    Args:
        words: that set something, and where files lie.
        options: ``cfg``, ``package``, ``resolve`` and ``info`` of the command line.
    """
    with compose.initialised():
        shown = GlobalHydra.instance().hydra
        assert shown is not None
        if options.info:
            shown.show_info(options.info, "config", words)
        else:
            shown.show_cfg("config", words, options.cfg, options.package, options.resolve)
