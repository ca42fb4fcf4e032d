"""Modules outside the package whose parts may be named: those that ``parts=`` names on this call.

It is read from the command line only: no file and no environment can add to it.
"""

import importlib
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType

_WORD = "parts="
_trusted: dict[str, ModuleType] = {}


def taken(words: Sequence[str]) -> list[str]:
    """The other words of a command line; the modules that ``parts=`` names are trusted from now on.

    Raises:
        ValueError: there is no such module here.
    """
    for word in words:
        if word.startswith(_WORD):
            names = word.removeprefix(_WORD).strip("[]").split(",")
            trust(name.strip() for name in names if name.strip())
    return [word for word in words if not word.startswith(_WORD)]


def trust(names: Iterable[str]) -> None:
    """Import modules, also from the folder that the command is given in, and trust them."""
    for name in names:
        if "" not in sys.path:
            sys.path.insert(0, "")
        try:
            _trusted[name] = importlib.import_module(name)
        except (ImportError, TypeError, ValueError) as error:
            raise ValueError(f"parts={name} must name a module that is here: {error}") from None


def trusted() -> dict[str, ModuleType]:
    """The modules that are trusted, by name."""
    return dict(_trusted)
