"""Configurations, composed by Hydra from the files in conf and the words of a command line."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sda.config import catalogue, published
from sda.runs.settings import Plain

FAULTS = (HydraException, OmegaConfBaseException)  # of words and files that do not go together

PATHS = ("data_folder", "data.folder", "data.path", "data.photographs", "codes_of")


def _named(choice: str, path: object) -> str:
    """The name of runs on a data set: of a person's own, that of their file."""
    return Path(str(path)).stem if path else choice


OmegaConf.register_new_resolver("published", published.node, replace=True)
OmegaConf.register_new_resolver("named", _named, replace=True)


def compose(overrides: Sequence[str], primary: str = "config") -> DictConfig:
    """Compose one run's configuration, Hydra's own part included.

    Args:
        overrides: words of the command line.
        primary: the file to start from, ``svm`` for a support vector machine.

    Raises:
        HydraException: a word is no good.
    """
    with hydra.initialize_config_dir(str(catalogue.folder()), job_name="sda", version_base="1.3"):
        try:
            return hydra.compose(primary, list(overrides), return_hydra_config=True)
        except AssertionError as error:  # of OmegaConf, where a word sets something inside null
            raise ConfigCompositionException(str(error)) from None


def shown(overrides: Sequence[str], primary: str = "config") -> str:
    """The configuration that words ask for, as YAML, with what its values point at."""
    return OmegaConf.to_yaml(_task(compose(overrides, primary)))


@functools.cache
def settings(primary: str) -> frozenset[str]:
    """First parts of all settings that a file to start from has, and of what only words add."""
    with hydra.initialize_config_dir(str(catalogue.folder()), job_name="sda", version_base="1.3"):
        return frozenset(map(str, hydra.compose(primary))) | {"campaign", "hydra"}


def variant(files: Sequence[str], values: Sequence[str] = (), primary: str = "config") -> Plain:
    """Compose and resolve, in a tenth of the time where the same files are read again and again.

    Args:
        files: words that choose files, as ``experiment=...`` does.
        values: words that set values.
        primary: as for ``compose``.

    Raises:
        ValueError: one of the values chooses a file, or has several.
        HydraException, OmegaConfBaseException: as ``compose``.
    """
    composed = _composed(tuple(files), primary)
    HydraConfig.instance().set_config(composed)  # for ${hydra:...}
    cfg = _task(composed)
    for word in OverridesParser.create().parse_overrides(list(values)):
        if word.is_sweep_override():
            raise ValueError(f"{word.input_line} must set one value: this is no sweep")
        if OmegaConf.is_dict(OmegaConf.select(cfg, word.key_or_group)):
            raise ValueError(f"{word.input_line} must set a value: {word.key_or_group} is a group")
        OmegaConf.update(cfg, word.key_or_group, word.value())
    return _plain(cfg)


@functools.cache
def _composed(files: tuple[str, ...], primary: str) -> DictConfig:
    return compose(files, primary)


def resolved(cfg: DictConfig) -> Plain:
    """Resolve a composed configuration to plain types, without Hydra's own part."""
    if "hydra" in cfg:
        HydraConfig.instance().set_config(cfg)  # for ${hydra:...}
    return _plain(_task(cfg))


def _task(cfg: DictConfig) -> DictConfig:
    """Copy a configuration without Hydra's own part, which is most of it."""
    task = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    OmegaConf.set_struct(task, True)  # a copy forgets it: keys that are not there are refused
    return task


def _plain(cfg: DictConfig) -> Plain:
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    for path in PATHS:  # as seen from any folder: a run may be gone on with from another
        section, _, key = path.rpartition(".")
        node = plain.get(section) if section else plain
        if isinstance(node, dict) and isinstance(node.get(key), str):
            node[key] = os.path.abspath(os.path.expanduser(node[key]))
    return {str(key): value for key, value in plain.items()}
