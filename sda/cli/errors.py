"""Error messages of commands: what is wrong, in a few lines, and what may be meant."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sda.cli.options import own_file
from sda.common.errors import DivergenceError, of_memory
from sda.config import catalogue, compose
from sda.config.catalogue import near_miss
from sda.runs.identity import flat, key_of

LONGEST_MESSAGE = 6  # lines
WITH = ("baseline=svm_rbf", "data=table")  # choices that have settings of their own
MOST_NAMES = 8  # of a section's settings that a message lists


def told(error: Exception) -> str | None:
    """The message for a mistake in the command; None: it is a fault of the program."""
    if isinstance(error, OverrideParseException):
        return f"error: {_unreadable(str(error.override))}"
    if isinstance(error, HydraException | OmegaConfBaseException | YAMLError):
        return explained(error)
    if isinstance(error, ValueError | DivergenceError):
        return f"error: {error}"
    line = of_memory(error) if isinstance(error, MemoryError | RuntimeError) else None
    if line is not None:
        return f"error: {line}"
    return f"error: {error}" if isinstance(error, OSError) else None


def explained(error: Exception) -> str:
    """Say what is wrong with a configuration in a few lines, with a near miss if there is one."""
    other = re.match(r"In 'experiment/(.+?)': Could not override '(\w+)'", str(error))
    if other:
        return f"error: experiment={other[1]} sets {other[2]}, unknown to this command"
    several = re.match(r"Ambiguous value for argument '((.+?)=(.+))'", str(error))
    if several:
        whole = shlex.quote(f'{several[2]}="{several[3]}"')
        return f"error: {several[1]} has several values; a run of each: -m; one value: {whole}"
    if isinstance(error, MissingConfigException) and error.options:
        return f"error: {_no_choice(str(error.missing_cfg_file), error.options)}"
    absent = re.match(r"Could not override '([^']+)'\.", str(error))
    if absent:
        lines = [f"there is no setting '{absent[1]}'"]
    else:
        # Hydra says how to append a key, but nothing would read it.
        plain = re.sub(
            r"\nTo append to your config.*|\s+full_key:.*|\s+object_type=.*", "", str(error)
        )
        lines = [line.rstrip() for line in plain.splitlines() if line.strip()]
        lines = lines[: LONGEST_MESSAGE - 1]
    guess = _guess(str(error))
    return "error: " + "\n".join(lines + ([f"did you mean {guess}?"] if guess else []))


def _no_choice(file: str, options: Sequence[str]) -> str:
    """Say what a group has; and for a file given as a data set, how to name it."""
    group, _, name = file.partition("/")
    told = f"there is no {group}={name}; allowed: {', '.join(options)}"
    if group == "data" and Path(name).exists():
        return f"{told}\na file of your own: {own_file(name)}"
    close = near_miss(name, options)
    return f"{told}\ndid you mean {close}?" if close else told


def _unreadable(word: str) -> str:
    """Say which word cannot be read, and how to quote its value if that helps."""
    key, sign, value = word.partition("=")
    if not sign:
        return f"cannot read {word!r}; settings are key=value"
    value = os.path.expanduser(value)  # shells do not, behind =
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    quoted = f'{key}="{escaped}"'
    try:
        OverridesParser.create().parse_overrides([quoted])
    except OverrideParseException:
        return f"cannot read {word!r}; settings are key=value"
    return f"cannot read {word!r}; quote a value with signs like = # ~ in it: {shlex.quote(quoted)}"


def _guess(message: str) -> str | None:
    keys = [*_keys(), *(key for choice in WITH for key in _keys(choice))]
    known = [part for key in keys for part in key.split(".")]
    known += [path.stem for path in catalogue.folder().rglob("*.yaml")]
    for word in map(key_of, message.split("'")[1::2]):
        for choice in WITH:
            if word in _keys(choice) and word not in _keys():
                return f"{choice} {word}=...; it is a setting of that"
        if word in known or word in keys:  # for another command or with another choice
            continue
        section, _, last = word.split("/")[-1].rpartition(".")
        inside = [key.removeprefix(f"{section}.") for key in keys if key.startswith(f"{section}.")]
        inside = [key for key in dict.fromkeys(inside) if not key.startswith("_")]
        if section and inside:
            close = near_miss(last, inside)
            few = f"one of {', '.join(inside)}" if len(inside) <= MOST_NAMES else None
            return f"{section}.{close}" if close else few
        if close := near_miss(word.split("/")[-1], [*keys, *known]):
            return close
    return None


def _keys(*words: str) -> list[str]:
    return list(flat(compose.settings(words)))
