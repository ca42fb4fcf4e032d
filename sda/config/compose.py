"""Configurations, composed by Hydra from the files in conf and the words of a command line."""

import functools
import os
import pickle
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sda.config import catalogue
from sda.runs.identity import PLACES, Plain, flat

FAULTS = (HydraException, OmegaConfBaseException)  # of words and files that do not go together

_ABSENT = object()


def _named(choice: str, *paths: object) -> str:
    """The name of runs on a data set: of a person's own, that of their file."""
    return next((Path(str(path)).stem for path in paths if path), choice)


OmegaConf.register_new_resolver("published", catalogue.published_node, replace=True)
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
    cfg = _with_values(pickle.loads(_read(catalogue.folder(), files)), values)
    return _by_hydra(overrides) if cfg is None else cfg


@functools.cache
def defaults() -> Plain:
    """Every setting, flat, as it is where nothing is said."""
    return flat(resolved(compose([])))


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


def initialised() -> AbstractContextManager[None]:
    """Hydra with our configuration files."""
    folder = str(catalogue.folder())
    return hydra.initialize_config_dir(folder, job_name="sda", version_base="1.3")


def _by_hydra(overrides: Sequence[str]) -> DictConfig:
    with initialised():
        try:
            return hydra.compose("config", list(overrides), return_hydra_config=True)
        except AssertionError as error:  # of OmegaConf, where a word sets something inside null
            raise ConfigCompositionException(str(error)) from None


@functools.lru_cache(maxsize=256)
def _read(_: Path, files: tuple[str, ...]) -> bytes:
    """What Hydra makes of files in a folder, pickled: a deep copy takes six times as long."""
    return pickle.dumps(_by_hydra(files))


def resolved(cfg: DictConfig) -> Plain:
    """Resolve a composed configuration to plain types, without Hydra's own part."""
    if "hydra" in cfg:
        # For ${hydra:...}. Its set_config would copy all of it, which takes longer than the rest.
        HydraConfig.instance().cfg = cast(HydraConf, cfg)
    plain: Plain = {str(key): _plain(value) for key, value in cfg.items() if key != "hydra"}
    for path in PLACES:  # as seen from any folder: a run may be gone on with from another
        section, _, key = path.rpartition(".")
        node = plain.get(section) if section else plain
        if isinstance(node, dict) and isinstance(node.get(key), str):
            node[key] = os.path.abspath(os.path.expanduser(node[key]))
    return plain


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
