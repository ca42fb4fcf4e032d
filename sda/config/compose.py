"""Configurations, composed by Hydra from the files in conf and the words of a command line."""

import functools
import os
import pickle
import re
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sda.config import catalogue
from sda.runs.identity import PLACES, Plain, flat

FAULTS = (HydraException, OmegaConfBaseException)  # of words and files that do not go together


def _named(choice: str, *paths: object) -> str:
    """The name of runs on a data set: of a person's own, that of their file."""
    return next((Path(str(path)).stem for path in paths if path), choice)


OmegaConf.register_new_resolver("published", catalogue.published_node, replace=True)
OmegaConf.register_new_resolver("named", _named, replace=True)


def compose(overrides: Sequence[str]) -> DictConfig:
    """Compose a configuration as Hydra does, its own part included.

    Args:
        overrides: words of the command line.

    Raises:
        HydraException: a word is no good.
    """
    with initialised():
        try:
            return hydra.compose("config", list(overrides), return_hydra_config=True)
        except AssertionError as error:  # of OmegaConf, where a word sets something inside null
            raise ConfigCompositionException(str(error)) from None


def settings(overrides: Sequence[str]) -> Plain:
    """Compose one run's configuration, as plain types and without Hydra's own part.

    Hydra composes once what the runs of a sweep share, which takes it a fifth of a second. Values
    that nothing else refers to are set in a copy of that.

    Args:
        overrides: words of the command line.

    Raises:
        HydraException: a word is no good.
    """
    folder = catalogue.folder()
    first = tuple(word for word in overrides if _chooses(word) or "${" in word)
    _, named = _composed(folder, first)
    own = [word for word in overrides if word not in first and not _is_named(word, named)]
    shared, _ = _composed(folder, tuple(word for word in overrides if word not in own))
    plain: Plain = pickle.loads(shared)
    return _in_place(plain) if _set(plain, own) else resolved(compose(overrides))


@functools.cache
def defaults() -> Plain:
    """Every setting, flat, as it is where nothing is said."""
    return flat(settings([]))


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


def _is_named(word: str, named: Collection[str]) -> bool:
    """Whether one of the names that are referred to may be that of what a word sets, or in it."""
    key = word.partition("=")[0]
    return any(key.startswith(name) or name.startswith(key) for name in named)


def _set(plain: Plain, words: Sequence[str]) -> bool:
    """Set values as Hydra does; return whether there is none that it should refuse or merge."""
    for word in words:
        override = _parsed(word)
        if override is None or override.is_sweep_override():
            return False
        *sections, key = override.key_or_group.split(".")
        node: Any = plain
        for section in sections:
            node = node.get(section) if isinstance(node, dict) else None
        if not isinstance(node, dict) or isinstance(node.get(key, {}), dict):
            return False
        node[key] = override.value()
    return True


@functools.lru_cache(maxsize=1024)
def _parsed(word: str) -> Override | None:
    """A word as Hydra reads it; None: it is none."""
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def initialised() -> AbstractContextManager[None]:
    """Hydra with our configuration files."""
    folder = str(catalogue.folder())
    return hydra.initialize_config_dir(folder, job_name="sda", version_base="1.3")


@functools.lru_cache(maxsize=256)
def _composed(_: Path, words: tuple[str, ...]) -> tuple[bytes, frozenset[str]]:
    """What Hydra makes of words and the files in a folder: pickled, and the names referred to."""
    cfg = compose(words)
    written: Plain = OmegaConf.to_container(cfg)  # type: ignore[assignment]
    del written["hydra"]
    texts = [str(value) for value in flat(written).values()]
    if not any("${${" in text for text in texts):  # else any text may be a name that is looked up
        texts = [text for text in texts if "${" in text]
    names = re.findall(r"(?<![}\w.])[\w.]+", " ".join(texts))
    named = frozenset("" if name.startswith(".") else name for name in names)  # "": all may be
    return pickle.dumps(_plain_of(cfg)), named


def resolved(cfg: DictConfig) -> Plain:
    """Resolve a composed configuration to plain types, without Hydra's own part."""
    return _in_place(_plain_of(cfg))


def _plain_of(cfg: DictConfig) -> Plain:
    if "hydra" in cfg:
        # For ${hydra:...}. Its set_config would copy all of it, which takes longer than the rest.
        HydraConfig.instance().cfg = cast(HydraConf, cfg)
    return {str(key): _plain(value) for key, value in cfg.items() if key != "hydra"}


def _in_place(plain: Plain) -> Plain:
    """Settings whose paths are as seen from any folder: a run may be gone on with from another."""
    for path in PLACES:
        section, _, key = path.rpartition(".")
        node = plain.get(section) if section else plain
        if isinstance(node, dict) and isinstance(node.get(key), str):
            node[key] = os.path.abspath(os.path.expanduser(node[key]))
    return plain


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
