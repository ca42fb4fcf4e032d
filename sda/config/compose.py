"""Configurations, composed by Hydra from the files in conf and the words of a command line."""

import functools
import re
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sda.runs.settings import Plain, flat, key_of, top

FAULTS = (HydraException, OmegaConfBaseException)  # of words and files that do not go together


def folder() -> Path:
    """Where the configuration files are: in the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    return next(path for path in (package / "conf", package.parent / "conf") if path.is_dir())


def choices() -> str:
    """The options of every config group, for a reader: the files that are there."""
    lines = ["\nChoices:"]
    groups = (path for path in folder().iterdir() if path.is_dir())
    for group in sorted(path for path in groups if path.name != "campaign"):
        options = sorted(path.stem for path in group.glob("*.yaml"))
        # A folder of many is named, not listed.
        options += sorted(f"{path.name}/..." for path in group.iterdir() if path.is_dir())
        if options:
            lines.append(f"  {group.name + '=':17}{' '.join(options)}")
    return "\n".join(lines)


def compose(overrides: Sequence[str], primary: str = "config") -> DictConfig:
    """Compose one run's configuration, Hydra's own part included.

    Args:
        overrides: words of the command line.
        primary: the file to start from, ``svm`` for a support vector machine.

    Raises:
        HydraException: a word is no good, or it or a file sets what nothing would read.
    """
    with hydra.initialize_config_dir(str(folder()), job_name="sda", version_base="1.3"):
        composed = hydra.compose(primary, list(overrides), return_hydra_config=True)
    for key in map(str, composed):
        if key not in settings(primary) and not _is_pointed_at(key, composed):
            name = next((key_of(word) for word in overrides if top(word) == key), key)
            raise ConfigCompositionException(f"There is no setting '{name}': nothing reads it.")
    return composed


def _is_pointed_at(key: str, composed: DictConfig) -> bool:
    """Whether another value names a key: files may have some of their own, ``${use}``."""
    plain = OmegaConf.to_container(OmegaConf.masked_copy(composed, _own(composed)), resolve=False)
    assert isinstance(plain, dict)
    values = " ".join(map(str, flat({str(k): v for k, v in plain.items()}).values()))
    return re.search(rf"\b{re.escape(key)}\b", values) is not None


@functools.cache
def settings(primary: str) -> frozenset[str]:
    """First parts of all settings that a file to start from has, and of what only words add."""
    with hydra.initialize_config_dir(str(folder()), job_name="sda", version_base="1.3"):
        return frozenset(map(str, hydra.compose(primary))) | {"campaign", "hydra"}


def variant(overrides: Sequence[str], primary: str = "config") -> Plain:
    """Compose and resolve, in a tenth of the time where the same files are read again and again.

    Args:
        overrides: of which the first alone chooses files, as ``experiment=...`` does; the others
            set values.
        primary: as for ``compose``.

    Raises:
        ValueError: another word chooses a file.
        HydraException, OmegaConfBaseException: as ``compose``.
    """
    composed = _composed(overrides[0], primary)
    HydraConfig.instance().set_config(composed)  # for ${hydra:...}
    cfg = _task(composed)
    for word in OverridesParser.create().parse_overrides(list(overrides[1:])):
        if word.is_sweep_override():
            raise ValueError(f"{word.input_line} must set one value: this is no sweep")
        if OmegaConf.is_dict(OmegaConf.select(cfg, word.key_or_group)):
            raise ValueError(f"{word.input_line} must set a value: {word.key_or_group} is a group")
        OmegaConf.update(cfg, word.key_or_group, word.value())
    return _plain(cfg)


@functools.cache
def _composed(word: str, primary: str) -> DictConfig:
    return compose([word], primary)


def resolved(cfg: DictConfig) -> Plain:
    """Resolve a composed configuration to plain types, without Hydra's own part."""
    if "hydra" in cfg:
        HydraConfig.instance().set_config(cfg)  # for ${hydra:...}
    return _plain(_task(cfg))


def changed(saved: Plain, words: Sequence[str]) -> Plain:
    """Change a saved configuration by words ``key=value``, data_folder where it was read from."""
    # It was saved resolved: what once was ${data_folder} is a path of its own.
    moved = [f"data.{word[5:]}" for word in words if word.startswith("data_folder=")]
    merged = OmegaConf.merge(saved, OmegaConf.from_dotlist([*words, *moved]))
    assert isinstance(merged, DictConfig)
    return resolved(merged)


def _task(cfg: DictConfig) -> DictConfig:
    """Copy a configuration without Hydra's own part, which is most of it."""
    task = OmegaConf.masked_copy(cfg, _own(cfg))
    OmegaConf.set_struct(task, True)  # a copy forgets it: keys that are not there are refused
    return task


def _own(cfg: DictConfig) -> list[str]:
    """Keys at the root that are not Hydra's."""
    return [str(key) for key in cfg if key != "hydra"]


def _plain(cfg: DictConfig) -> Plain:
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}
