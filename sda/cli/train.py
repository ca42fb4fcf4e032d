"""Train one run, a sweep or the demonstration."""

import logging
from pathlib import Path

from sda.cli import options
from sda.common import trust
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
    if args.cfg:
        print(compose.shown(options.without_launcher(args.overrides) + search_path), end="")
        return 0
    train = sweep if args.multirun else run
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
    from sda.cli import combinations

    runs, aside = combinations.split(options.without_launcher(words), search_path)
    _log.info("a sweep, runs: %d", len(runs))
    from sda.cli import several  # as above

    return several.train(runs, aside, together=options.together(words))


def demonstrate() -> int:
    """Train the arms of the demonstration, compare them, and say what to look at."""
    status = sweep(["experiment=demo"], [])
    from sda.cli import compare, single

    folder = Path("runs") / "demo"
    status = compare.main([str(folder)]) or status
    print(f"the runs are in {folder}; look at them with: {single.tensorboard(folder)}")
    return status
