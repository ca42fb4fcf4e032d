"""Configurations, composed by Hydra from the files in conf and the words of a command line."""

import functools
import os
import pickle
import re
from collections.abc import Collection, Mapping, MutableMapping, Sequence
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

    Hydra reads and merges the files of one choice once, which takes it a tenth of a second. Values
    that nothing refers to are set at last, in a copy of what all runs of a sweep share.

    Args:
        overrides: words of the command line.

    Raises:
        HydraException: a word is no good.
    """
    folder = catalogue.folder()
    files = tuple(filter(_chooses, overrides))
    values = [word for word in overrides if not _chooses(word)]
    _, named = _merged(folder, files)
    if any("${" in word for word in values):
        named = frozenset([""])
    shared = tuple(word for word in values if _is_named(word, named))
    plain: Plain | None = pickle.loads(_resolved(folder, files, shared))
    if plain is None or not _set(plain, [word for word in values if word not in shared]):
        return resolved(compose(overrides))
    return _in_place(plain)


def swept(overrides: Sequence[str]) -> dict[str, Any]:
    """What the files that words choose sweep over: keys, and values with commas between."""
    cfg, _ = _merged(catalogue.folder(), tuple(filter(_chooses, overrides)))
    return dict(pickle.loads(cfg).hydra.sweeper.params or {})


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


def _set(settings: MutableMapping[str, Any], words: Sequence[str]) -> bool:
    """Set values as Hydra does; False if it should do it itself: to refuse a word, or to merge."""
    try:
        for word in words:
            override = _parsed(word)
            if override.is_sweep_override():
                return False
            *sections, key = override.key_or_group.split(".")
            node: Any = settings
            for section in sections:
                node = node.get(section) if isinstance(node, Mapping) else None
            if not isinstance(node, MutableMapping) or isinstance(node.get(key, {}), Mapping):
                return False
            node[key] = override.value()
    except FAULTS:
        return False
    return True


@functools.lru_cache(maxsize=1024)
def _parsed(word: str) -> Override:
    return OverridesParser.create().parse_override(word)


def initialised() -> AbstractContextManager[None]:
    """Hydra with our configuration files."""
    folder = str(catalogue.folder())
    return hydra.initialize_config_dir(folder, job_name="sda", version_base="1.3")


@functools.lru_cache(maxsize=256)
def _merged(_: Path, files: tuple[str, ...]) -> tuple[bytes, frozenset[str]]:
    """What Hydra makes of files in a folder, pickled, and the names that it refers to.

    A deep copy takes six times as long as to unpickle it.
    """
    cfg = compose(files)
    written: Plain = OmegaConf.to_container(cfg)  # type: ignore[assignment]
    del written["hydra"]
    texts = [str(value) for value in flat(written).values()]
    if not any("${${" in text for text in texts):  # else any text may be a name that is looked up
        texts = [text for text in texts if "${" in text]
    names = re.findall(r"(?<![}\w.])[\w.]+", " ".join(texts))
    named = frozenset("" if name.startswith(".") else name for name in names)  # "": all may be
    return pickle.dumps(cfg), named


@functools.lru_cache(maxsize=256)
def _resolved(folder: Path, files: tuple[str, ...], words: tuple[str, ...]) -> bytes:
    """Pickled plain settings of files and of words that are referred to; None: only by Hydra."""
    cfg = pickle.loads(_merged(folder, files)[0])
    return pickle.dumps(_plain_of(cfg) if _set(cfg, words) else None)


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
