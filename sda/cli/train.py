"""Train one run, a sweep or the demonstration."""

import logging
from pathlib import Path

from sda.cli import combinations, inspect, options
from sda.common import trust
from sda.common.program import refuse_several
from sda.config import compose

_log = logging.getLogger(__name__)


def main(words: list[str]) -> int:
    """Train what the words ask for; without any, the demonstration."""
    if not words:
        return demonstrate()
    options.refuse_stray(words[0])
    words = trust.taken(words)
    args = options.parsed(words)
    search_path = options.search_path(args.config_dir)
    shown = options.without_launcher(args.overrides) + search_path
    if args.cfg or args.info:
        inspect.show(shown, args)
        return 0
    train = sweep if args.multirun or combinations.has_cuts(args.overrides) else run
    return train(args.overrides, search_path)


def run(words: list[str], search_path: list[str]) -> int:
    """Train one run here, without Hydra's job machinery."""
    words = options.without_launcher(words)
    settings = compose.resolved(compose.compose(words + search_path))
    told = "%s: baseline=%s, seed=%s" if settings["init"] == "baseline" else "%s: init=%s, seed=%s"
    arm = (settings["baseline"] or {}).get("name") or settings["init"]
    _log.info(told, settings["name"], arm, settings["seed"])
    from sda.cli import single  # it imports torch, which takes seconds: say first what for

    single.begin(settings, words)
    return 0


def sweep(words: list[str], search_path: list[str]) -> int:
    """Train every run that the words ask for, after checking all of them.

    Returns 1 if a run that was asked for has no result in the end.
    """
    refuse_several()
    runs, aside = combinations.split(options.without_launcher(words), search_path)
    _log.info("a sweep, runs: %d", len(runs))
    from sda.cli import several  # as above

    foreign = options.foreign_launcher(words)
    return several.train(runs, aside, together=options.together(words), launcher=foreign)


def demonstrate() -> int:
    """Train the arms of the demonstration, which prints their table; write it, and a page of it."""
    status = sweep(["experiment=demo"], [])
    from sda.cli import compare, report, single

    folder = Path("runs") / "demo"
    written = compare.write(compare.compare([folder]), folder)
    print(f"written: {', '.join(map(str, written))}")
    status = report.main([str(folder)]) or status
    print(f"the runs are in {folder}; look at them with: {single.tensorboard(folder)}")
    return status
