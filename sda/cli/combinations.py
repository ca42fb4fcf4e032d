"""The runs that the words of a sweep ask for, each by words of its own."""

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from sda.config import compose
from sda.runs.settings import key_of, top

CUTS = {"folds": "fold", "repeats": "repeat"}  # words that sweep over cuts of the data


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
    sweeper = compose.compose([*filter(None, fixed), *aside]).hydra.sweeper
    presets = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    runs = BasicSweeper.split_arguments(parser.parse_overrides(presets + own), None)[0]
    return [list(run) for run in runs], aside
