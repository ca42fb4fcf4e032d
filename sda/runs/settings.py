"""Settings as words and as flat, dotted keys."""

import json
from collections.abc import Mapping
from typing import Any

Plain = dict[str, Any]


def key_of(word: str) -> str:
    """The name of what an override sets."""
    return word.lstrip("+~").partition("=")[0].strip()


def top(word: str) -> str:
    """The first part of a setting's name, or of a word that sets it."""
    return key_of(word).partition(".")[0]


def word(value: Any) -> str:
    """A value as an override has it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def depth(settings: Mapping[str, Any]) -> int:
    """How many layers flat settings ask for; 0 of what has none."""
    return len(settings.get("stack.layers") or settings.get("stack.hidden") or ())


def flat(plain: Mapping[str, Any], above: str = "") -> Plain:
    """Nested settings as dotted keys with plain values; lists stay lists."""
    result: Plain = {}
    for key, value in plain.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{above}{key}.")
        else:
            result[f"{above}{key}"] = value
    return result
