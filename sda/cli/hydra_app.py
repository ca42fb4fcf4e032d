"""What the commands share: Hydra's options, and a hand-over to it."""

import sys
from argparse import Namespace
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from sda.config import compose
from sda.experiment import launch
from sda.sweeps.job import Job, place, train_jobs


def parsed(words: list[str]) -> Namespace:
    """Hydra's options and the overrides; a mistake in an option ends here in two lines."""
    parser = get_args_parser()
    parser.prog, parser.usage = "sda", "sda [option ...] [key=value ...]; more: sda --help"
    return parser.parse_args(words)


def asks_hydra(args: Namespace) -> bool:
    """Whether the options ask for what Hydra prints itself."""
    return any((args.hydra_help, args.cfg, args.info, args.shell_completion))


def search_path(config_dir: str | None) -> list[str]:
    """The override that adds a person's own folder of configuration files."""
    if not config_dir:
        return []
    if not Path(config_dir).is_dir():
        raise ValueError(f"--config-dir must be a folder of configuration files, got {config_dir}")
    return [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"]


def hand_over(words: list[str], primary: str) -> int:
    """Let Hydra do what the words ask for, starting from a configuration file."""
    sys.argv = ["sda", *words]
    files = str(compose.folder())
    hydra.main(config_path=files, config_name=primary, version_base="1.3")(_task)()
    return 0


def _task(cfg: DictConfig) -> float:
    """Train one run of a sweep for whatever launcher asks; return its validation error."""
    job = Job(compose.resolved(cfg), list(HydraConfig.get().overrides.task))
    train_jobs([job])
    return float(launch.outcome(place(job))["valid_error"])
