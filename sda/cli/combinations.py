"""The runs that the words of a sweep ask for, each by words of its own."""

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from sda.config import compose
from sda.runs.settings import top


def split(words: list[str], search_path: list[str]) -> tuple[list[list[str]], list[str]]:
    """Split the words of a sweep: those of each run, and those that are Hydra's own.

    Args:
        words: of the command line; what they sweep over is added to what the files sweep over.
        search_path: further ones, that say where configuration files lie.
    """
    parser = OverridesParser.create()
    own = [word for word in words if top(word) != "hydra"]
    aside = [word for word in words if top(word) == "hydra"] + search_path
    fixed = [o.input_line for o in parser.parse_overrides(own) if not o.is_sweep_override()]
    sweeper = compose.compose([*filter(None, fixed), *aside]).hydra.sweeper
    presets = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    runs = BasicSweeper.split_arguments(parser.parse_overrides(presets + own), None)[0]
    return [list(run) for run in runs], aside
