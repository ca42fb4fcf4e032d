"""Configurations, composed by Hydra from the files in conf and the words of a command line."""

import copy
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

_ABSENT = object()

PATHS = (
    "data_folder", "data.folder", "data.path", "data.train", "data.valid", "data.test",
    "data.unlabelled", "data.like", "data.photographs", "codes_of", "pretrained",
)  # fmt: skip


def _named(choice: str, *paths: object) -> str:
    """The name of runs on a data set: of a person's own, that of their file."""
    return next((Path(str(path)).stem for path in paths if path), choice)


OmegaConf.register_new_resolver("published", published.node, replace=True)
OmegaConf.register_new_resolver("named", _named, replace=True)


def compose(overrides: Sequence[str]) -> DictConfig:
    """Compose one run's configuration, Hydra's own part included.

    Hydra reads and merges the files of one choice once: that takes it a fifth of a second, and the
    runs of a sweep differ in values alone.

    Args:
        overrides: words of the command line.

    Raises:
        HydraException: a word is no good.
    """
    files = tuple(filter(_chooses, overrides))
    values = [word for word in overrides if not _chooses(word)]
    known = _read(str(catalogue.folder()), files)
    cfg = _with_values(copy.deepcopy(known), values)
    return _by_hydra(str(catalogue.folder()), overrides) if cfg is None else cfg


def _chooses(word: str) -> bool:
    """Whether a word chooses a file, adds or takes a key, or is for Hydra: not a plain value."""
    key = word.partition("=")[0]
    return (
        key.startswith(("+", "~", "hydra"))
        or (catalogue.folder() / key).is_dir()
        or bool({*"/@"} & {*key})
    )


def check_single(words: Sequence[str]) -> None:
    """Raise ValueError for a word that has several values, HydraException for one that is none."""
    for word in OverridesParser.create().parse_overrides(list(words)):
        if word.is_sweep_override():
            raise ValueError(f"{word.input_line} must set one value: this is no sweep")


def _with_values(cfg: DictConfig, words: Sequence[str]) -> DictConfig | None:
    """Set values of a configuration as Hydra does; None for what it should refuse or merge."""
    try:
        for word in OverridesParser.create().parse_overrides(list(words)):
            node = OmegaConf.select(cfg, word.key_or_group, default=_ABSENT)
            if word.is_sweep_override() or node is _ABSENT or OmegaConf.is_dict(node):
                return None
            OmegaConf.update(cfg, word.key_or_group, word.value())
    except (*FAULTS, AssertionError):
        return None
    cfg.hydra.overrides.task.extend(words)
    return cfg


def _by_hydra(folder: str, overrides: Sequence[str]) -> DictConfig:
    with hydra.initialize_config_dir(folder, job_name="sda", version_base="1.3"):
        try:
            return hydra.compose("config", list(overrides), return_hydra_config=True)
        except AssertionError as error:  # of OmegaConf, where a word sets something inside null
            raise ConfigCompositionException(str(error)) from None


_read = functools.lru_cache(maxsize=64)(_by_hydra)


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
