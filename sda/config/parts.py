"""What ``_target_`` may name: our classes and data functions, and those of modules trusted by word.

A configuration may come from a stranger. So a name counts only if it is of the kind that its place
needs, which is checked before anything is called, and if it is ours, or in a module that
``parts=[module]`` names on the command line. ``parts`` is read from nowhere else.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

from sda.config import validation
from sda.data.splits import Splits

_WORD = "parts="
_SETTINGS = (int, float, bool, str, Sequence[int], NoneType)  # what our data functions take
_trusted: set[str] = set()


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


def trust(modules: Iterable[str]) -> None:
    """Import modules, also from the folder that the command is given in, and trust them."""
    for name in modules:
        try:
            _imported(name)
        except (ImportError, ValueError) as error:
            raise ValueError(f"parts={name} must name a module that is here: {error}") from None
        _trusted.add(name)


def trusted() -> list[str]:
    """The modules that are trusted, for other processes of the same command."""
    return sorted(_trusted)


def part(where: str, node: object, kind: type) -> Any:
    """Build the part of a kind that a node ``{_target_: sda.Masking, fraction: 0.25}`` describes.

    Raises:
        ValueError: in one line.
    """
    named, values = _named(where, node)
    if not (inspect.isclass(named) and issubclass(named, kind) and named is not kind):
        raise ValueError(
            f"{where}._target_ must name a {kind.__name__.lower()} class, got {_target(node)!r}"
        )
    return validation.made(where, named, values)


def data_function(where: str, node: object) -> tuple[Callable[..., Splits], dict[str, Any]]:
    """The data function that a node names, with its arguments, checked; nothing is read yet.

    Raises:
        ValueError: in one line.
    """
    named, values = _named(where, node)
    if not (inspect.isfunction(named) and _makes_splits(named)):
        raise ValueError(
            f"{where}._target_ must name a data function, which returns Splits, "
            f"got {_target(node)!r}"
        )
    return named, validation.arguments(where, named, values)


def section(where: str, node: object) -> dict[str, Any]:
    """A node as settings by name. Raises ValueError for anything else."""
    if not isinstance(node, Mapping):
        raise ValueError(f"{where} must be settings of its own, key: value; got {node!r}")
    return {str(key): value for key, value in node.items()}


def _named(where: str, node: object) -> tuple[object, dict[str, Any]]:
    """What ``_target_`` names, of whatever kind, and the other values of a node."""
    values = section(where, node)
    target = values.pop("_target_", None)
    module, _, name = str(target).rpartition(".")
    if module not in _trusted and module.partition(".")[0] != "sda":
        raise ValueError(
            f"{where}._target_ must name something in sda, or in a module that the command line "
            f"trusts (parts=[module]), got {target!r}"
        )
    try:
        return getattr(_imported(module), name), values
    except (ImportError, AttributeError):
        raise ValueError(f"{where}._target_ names nothing: {target!r}") from None


def _target(node: object) -> object:
    return node.get("_target_") if isinstance(node, Mapping) else None


def _makes_splits(function: Callable[..., Any]) -> bool:
    hints = get_type_hints(function)
    if hints.pop("return", None) is not Splits:
        return False
    if function.__module__ in _trusted:
        return True
    kinds = [kind for hint in hints.values() for kind in _kinds(hint)]
    is_public = not function.__name__.startswith("_")
    return is_public and function.__module__.startswith("sda.data.") and {*kinds} <= {*_SETTINGS}


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


def _imported(module: str) -> Any:
    if module.partition(".")[0] != "sda" and "" not in sys.path:
        sys.path.insert(0, "")
    return importlib.import_module(module)
