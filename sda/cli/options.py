"""Options and overrides of a command that trains: what is taken, and what is left to Hydra."""

import sys
from argparse import Namespace
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser

from sda.config import catalogue
from sda.runs.settings import key_of

LAUNCHERS = {"side_by_side": False, "batched": True}  # whether runs that are alike train together
_LAUNCHER = "hydra/launcher"
_SWEPT = "hydra.sweeper.params"
_INSTEAD = {
    "hydra.searchpath": "use --config-dir FOLDER",
    "hydra.job.chdir": "give the command in the folder where it should work",
    "hydra.verbose": "there is no log; progress is shown on a terminal",
}
_FOLDERS = "use runs_folder=FOLDER, and name=NAME for the folder in it"


def parsed(words: list[str]) -> Namespace:
    """Hydra's options and the overrides; a mistake in an option ends here in two lines.

    Raises:
        ValueError: an option or a word of Hydra's that would have no effect.
    """
    parser = get_args_parser()
    parser.prog, parser.usage = "sda", "sda [option ...] [key=value ...]; more: sda --help"
    args = parser.parse_args(words)
    if args.config_name or args.config_path:
        raise ValueError(
            "--config-name and --config-path have no effect; use --config-dir FOLDER and "
            "experiment=NAME for a file FOLDER/experiment/NAME.yaml"
        )
    if args.experimental_rerun:
        raise ValueError("--experimental-rerun has no effect; resume FOLDER goes on with a run")
    for word in args.overrides:
        _refuse_idle(word)
    return args


def asks_hydra(args: Namespace) -> bool:
    """Whether the options ask for what Hydra prints itself."""
    return any((args.hydra_help, args.cfg, args.info, args.shell_completion))


def together(words: list[str]) -> bool:
    """Whether a sweep trains runs that are alike as one program: hydra/launcher=batched."""
    said = [word.partition("=")[2] for word in words if key_of(word) == _LAUNCHER]
    return LAUNCHERS[said[-1]] if said else False


def without_launcher(words: list[str]) -> list[str]:
    """The words that set something in a configuration."""
    return [word for word in words if key_of(word) != _LAUNCHER]


def search_path(config_dir: str | None) -> list[str]:
    """The override that adds a person's own folder of configuration files."""
    if not config_dir:
        return []
    if not Path(config_dir).is_dir():
        raise ValueError(f"--config-dir must be a folder of configuration files, got {config_dir}")
    return [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"]


def hand_over(words: list[str], primary: str) -> int:
    """Let Hydra print what the words ask for, starting from a configuration file."""
    sys.argv = ["sda", *without_launcher(words)]
    where = str(catalogue.folder())
    hydra.main(config_path=where, config_name=primary, version_base="1.3")(lambda _: None)()
    return 0


def _refuse_idle(word: str) -> None:
    key, _, value = word.partition("=")
    key = key_of(key)
    if key == _LAUNCHER:
        if value not in LAUNCHERS:
            raise ValueError(
                f"there is no launcher {value} here: runs are started by {' or '.join(LAUNCHERS)}, "
                "plug-ins of Hydra's have no effect"
            )
    elif key.startswith(("hydra.", "hydra/")) and f"{key}.".partition(f"{_SWEPT}.")[1] == "":
        instead = _INSTEAD.get(key) or (_FOLDERS if key.endswith(("dir", "output_subdir")) else "")
        raise ValueError(f"{key} has no effect" + (f"; {instead}" if instead else ""))
