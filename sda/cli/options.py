"""Options and overrides of a training command; those without effect are refused."""

import shlex
from argparse import ArgumentParser, Namespace
from importlib.util import find_spec
from pathlib import Path

from sda.common.program import program
from sda.config import catalogue
from sda.config.catalogue import near_miss
from sda.runs.identity import key_of

COMMANDS = (
    "resume", "compare", "report", "worth", "campaign", "data", "tensorboard", "sample",
    "predict", "encode", "reconstruct", "denoise", "impute", "score", "describe", "export",
)  # fmt: skip
INFORMATION = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
PLUGINS = {  # packages of Hydra that start runs too, by launcher
    "joblib": "hydra-joblib-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
}
LAUNCHERS = {"side_by_side": False, "batched": True}  # whether similar runs train together
_LAUNCHER = "hydra/launcher"
_SWEPT = "hydra.sweeper.params"
_INSTEAD = {
    "hydra.searchpath": "use --config-dir FOLDER",
    "hydra.job.chdir": "give the command in the folder where it should work",
    "hydra.verbose": "there is no log; progress is shown on a terminal",
}
_FOLDERS = "use runs_folder=FOLDER, and name=NAME for the folder in it"


def refuse_stray(word: str) -> None:
    """Raise ValueError if the first word is neither a setting, an option nor a command."""
    if "=" in word or word.startswith(("-", "~")):
        return
    if Path(word).is_file():
        raise ValueError(
            f"there is no command {word!r}; with a file of your own: {program()} {own_file(word)}, "
            f"or {program()} worth {shlex.quote(word)}"
        )
    close = " or ".join(catalogue.choices(word)[:3]) or near_miss(word, COMMANDS)
    raise ValueError(
        f"there is no command {word!r}; commands are {', '.join(COMMANDS)}, settings key=value"
        + (f"; did you mean {close}?" if close else "")
    )


def own_file(file: str) -> str:
    """The words that make a file the data."""
    return f"data=table {shlex.quote(f'data.path={file}')}"


def parsed(words: list[str]) -> Namespace:
    """The options and, as ``overrides``, the other words.

    A mistake in an option ends here in two lines.

    Raises:
        ValueError: an option or a word of Hydra's that would have no effect.
    """
    usage = f"{program()} [option ...] [key=value ...]; more: {program()} --help"
    parser = ArgumentParser(prog="sda", usage=usage, add_help=False, allow_abbrev=False)
    parser.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--cfg", "-c", choices=["job", "hydra", "all"])
    parser.add_argument("--package", "-p")
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--info", "-i", nargs="?", const="all", choices=INFORMATION)
    parser.add_argument("--config-name", "-cn")
    parser.add_argument("--config-path", "-cp")
    parser.add_argument("overrides", nargs="*")
    args = parser.parse_intermixed_args(words)
    if args.config_name or args.config_path:
        raise ValueError(
            "--config-name and --config-path have no effect; use --config-dir FOLDER and "
            "experiment=NAME for a file FOLDER/experiment/NAME.yaml"
        )
    if (args.resolve or args.package) and not args.cfg:
        raise ValueError("--resolve and --package say how --cfg prints: they need it beside them")
    for word in args.overrides:
        _refuse_idle(word, args.overrides)
    return args


def together(words: list[str]) -> bool:
    """Whether a sweep trains runs that are alike as one program: hydra/launcher=batched."""
    said = [word.partition("=")[2] for word in words if key_of(word) == _LAUNCHER]
    return LAUNCHERS.get(said[-1], False) if said else False


def without_launcher(words: list[str]) -> list[str]:
    """The words that set something in a configuration."""
    return [word for word in words if not _is_of_launcher(word)]


def foreign_launcher(words: list[str]) -> list[str]:
    """The words that choose and set a launcher of Hydra's; [] if this program starts the runs."""
    said = [word for word in words if _is_of_launcher(word)]
    return said if {word.partition("=")[2] for word in said} & PLUGINS.keys() else []


def _is_of_launcher(word: str) -> bool:
    return key_of(word) == _LAUNCHER or key_of(word).startswith(f"{_LAUNCHER.replace('/', '.')}.")


def search_path(config_dir: str | None) -> list[str]:
    """The override that adds a person's own folder of configuration files."""
    if not config_dir:
        return []
    if not Path(config_dir).is_dir():
        raise ValueError(f"--config-dir must be a folder of configuration files, got {config_dir}")
    return [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"]


def _refuse_idle(word: str, words: list[str]) -> None:
    key, _, value = word.partition("=")
    if not key:
        raise ValueError(f"cannot read {word!r}; settings are key=value, without blanks")
    key = key_of(key)
    if key == _LAUNCHER:
        _check_launcher(value)
    elif _is_of_launcher(word):
        if not foreign_launcher(words):
            raise ValueError(f"{key} needs {_LAUNCHER}=NAME beside it: {', '.join(PLUGINS)}")
    elif key.startswith(("hydra.", "hydra/")) and f"{key}.".partition(f"{_SWEPT}.")[1] == "":
        instead = _INSTEAD.get(key) or (_FOLDERS if key.endswith(("dir", "output_subdir")) else "")
        raise ValueError(f"{key} has no effect" + (f"; {instead}" if instead else ""))


def _check_launcher(name: str) -> None:
    """Raise ValueError for a launcher that is none, or whose plug-in is not installed."""
    if name in LAUNCHERS:
        return
    if name not in PLUGINS:
        raise ValueError(
            f"there is no launcher {name}; there are {', '.join([*LAUNCHERS, *PLUGINS])}"
        )
    package = PLUGINS[name]
    if find_spec(f"hydra_plugins.{package.replace('-', '_')}") is None:
        raise ValueError(f"{_LAUNCHER}={name} needs a plug-in: pip install {package}")
