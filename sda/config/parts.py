"""What ``_target_`` may name: our classes and data functions, and those of trusted modules.

A configuration may come from a stranger. So a name counts only if it is ours or in a module that
the command line trusts (``parts=[module]``), and of the kind that its place needs. Both are checked
before anything is called.
"""

import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from types import MappingProxyType, NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from sda.common.trust import trusted
from sda.config import validation
from sda.data.splits import Splits

_SETTINGS = (  # what our data functions take
    int, float, bool, str, Sequence[int], Sequence[str | float], Mapping[str, str], NoneType,
)  # fmt: skip


def part(
    where: str, node: object, kind: type, common: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """Build the part of a kind that a node ``{_target_: sda.Masking, fraction: 0.25}`` describes.

    Values of the node may be nodes of parts themselves. From ``common``, values already built, the
    part gets those that it declares and the node does not set.

    Raises:
        ValueError: in one line.
    """
    named, values = _named(where, node)
    if not (inspect.isclass(named) and issubclass(named, kind) and named is not kind):
        raise ValueError(
            f"{where}._target_ must name a {_words(kind)} class, got {_target(node)!r}"
        )
    hints = get_type_hints(named)
    own = {key: _built(f"{where}.{key}", value, hints.get(key)) for key, value in values.items()}
    known = validation.names(named)
    return validation.made(where, named, {k: v for k, v in common.items() if k in known} | own)


def _built(where: str, value: object, hint: Any) -> Any:
    """A value of a part, as it is or, where it is a node, the part that ``hint`` declares there."""
    if isinstance(value, list):
        return [_built(where, one, hint) for one in value]
    kinds = [kind for kind in _leaves(hint) if inspect.isclass(kind)]
    if isinstance(value, Mapping):
        for kind in kinds:
            if "_target_" in value and inspect.isabstract(kind):
                return part(where, value, kind)
            if is_dataclass(kind):
                return validation.made(where, kind, section(where, value))
    return value


def _leaves(hint: Any) -> tuple[Any, ...]:
    """The types in a union, a tuple or a list of them."""
    inner = get_args(hint)
    return tuple(leaf for one in inner for leaf in _leaves(one)) if inner else (hint,)


def _words(kind: type) -> str:
    return re.sub(r"(?<=.)(?=[A-Z])", " ", kind.__name__).lower()


def lists(where: str, node: object) -> set[str]:
    """Names of values that are lists themselves; a list of another name has one for each layer."""
    hints = get_type_hints(_named(where, node)[0])
    return {name for name, hint in hints.items() if get_origin(hint) is tuple}


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


def estimator(where: str, node: object, grid: Mapping[str, Any]) -> Any:
    """Build the classifier or regressor of scikit-learn's interface that a node describes.

    Args:
        where: the node's key.
        node: ``_target_`` and parameters, plain values.
        grid: further parameters, which it must have too.

    Raises:
        ValueError: in one line.
    """
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # here: takes a second

    named, values = _named(where, node, ("sda", "sklearn"))
    kinds = (ClassifierMixin, RegressorMixin)
    if not (
        inspect.isclass(named) and issubclass(named, BaseEstimator) and issubclass(named, kinds)
    ):
        raise ValueError(
            f"{where}._target_ must name a classifier or regressor of scikit-learn or ours, "
            f"got {_target(node)!r}"
        )
    validation.refuse_unknown(where, named, values)
    validation.refuse_unknown(f"{where}.grid", named, grid)
    try:
        return named(**values)
    except TypeError as error:  # it needs another estimator, or more
        raise ValueError(f"{where}: {error}") from None


def section(where: str, node: object) -> dict[str, Any]:
    """A node as settings by name. Raises ValueError for anything else."""
    if not isinstance(node, Mapping):
        raise ValueError(f"{where} must be settings of its own, key: value; got {node!r}")
    return {str(key): value for key, value in node.items()}


def _named(
    where: str, node: object, roots: Sequence[str] = ("sda",)
) -> tuple[object, dict[str, Any]]:
    """What ``_target_`` names, of whatever kind, and the other values of a node."""
    values = section(where, node)
    target = values.pop("_target_", None)
    module, _, name = str(target).rpartition(".")
    if module not in trusted() and module.partition(".")[0] not in roots:
        raise ValueError(
            f"{where}._target_ must name something in {' or '.join(roots)}, or in a module that "
            f"the command line trusts (parts=[module]), got {target!r}"
        )
    try:
        return getattr(importlib.import_module(module), name), values
    except (ImportError, AttributeError, ValueError):
        raise ValueError(f"{where}._target_ names nothing: {target!r}") from None


def _target(node: object) -> object:
    return node.get("_target_") if isinstance(node, Mapping) else None


def _makes_splits(function: Callable[..., Any]) -> bool:
    own = function.__module__ in trusted()
    if not (own or function.__module__.startswith("sda.data.")) or function.__name__[0] == "_":
        return False
    hints = get_type_hints(function)
    if hints.pop("return", None) is not Splits:
        return False
    return own or {kind for hint in hints.values() for kind in _kinds(hint)} <= {*_SETTINGS}


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)
