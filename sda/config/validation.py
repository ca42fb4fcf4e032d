"""Plain values become the arguments that a class or a function declares; a mistake is one line."""

import functools
import inspect
import operator
from collections.abc import Callable, Iterable, Mapping
from enum import EnumType
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, Strict, TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs, ErrorDetails

from sda.common import checks
from sda.config.catalogue import near_miss

_Made = TypeVar("_Made")
_CONFIG = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
_KINDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "missing": "a list of more values",
    "dict_type": "settings of its own, key: value",
}


def made(where: str, make: Callable[..., _Made], values: Mapping[str, Any]) -> _Made:
    """Call ``make`` with values, which it may refuse itself. Raises as ``arguments``."""
    given = arguments(where, make, values)
    try:
        return make(**given)
    except ValueError as error:
        first, *rest = str(error).split(" ")
        if first in given:  # it knows its own name, not the section it is in
            raise ValueError(" ".join([_join(where, first), *rest])) from None
        raise


def arguments(where: str, make: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Check values against the names and types that ``make`` declares.

    Args:
        where: the dotted key of the values; empty at the root.
        make: a class or a function; a function's whole numbers must be at least 0.
        values: by name.

    Raises:
        ValueError: one line with the key of a setting, what is allowed and what came.
    """
    try:
        given: dict[str, Any] = _adapter(make).validate_python(ArgsKwargs((), dict(values)))
        return given
    except ValidationError as error:
        raise ValueError(_told(where, make, error.errors(include_url=False))) from None


def names(make: Callable[..., Any]) -> set[str]:
    """The names of the values that ``make`` declares."""
    return set(inspect.signature(make).parameters)


def refuse_unknown(where: str, make: Callable[..., Any], names: Iterable[str]) -> None:
    """Raise ValueError for a name that is no argument of ``make``; values are not checked."""
    known = list(inspect.signature(make).parameters)
    for name in names:
        if name not in known:
            raise ValueError(_unknown(where, name, known))


@functools.cache
def _adapter(make: Callable[..., Any]) -> TypeAdapter[Any]:
    def given(**values: Any) -> dict[str, Any]:
        return values

    ranged = inspect.isfunction(make)
    given.__signature__ = inspect.signature(make)  # type: ignore[attr-defined]
    given.__annotations__ = {key: _accepted(hint, ranged) for key, hint in _hints(make).items()}
    return TypeAdapter(given, config=_CONFIG)  # type: ignore[arg-type]


def _hints(make: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(make)
    return {name: hints.get(name, Any) for name in inspect.signature(make).parameters}


def _accepted(hint: Any, ranged: bool) -> Any:
    """A type as a configuration can write it: an enumeration by its word, a tuple as a list."""
    if isinstance(hint, UnionType) or get_origin(hint) is Union:
        return functools.reduce(operator.or_, (_accepted(kind, ranged) for kind in get_args(hint)))
    if isinstance(hint, EnumType) or get_origin(hint) is tuple:
        return Annotated[hint, Strict(False)]
    return Annotated[int, Field(ge=0, le=checks.MOST)] if hint is int and ranged else hint


def _told(where: str, make: Callable[..., Any], errors: list[ErrorDetails]) -> str:
    order = ["unexpected_keyword_argument", "missing_argument"]
    errors = sorted(errors, key=lambda e: order.index(e["type"]) if e["type"] in order else 2)
    first = errors[0]
    name = str(first["loc"][0])
    full, hints = _join(where, name), _hints(make)
    if first["type"] == "unexpected_keyword_argument":
        return _unknown(where, name, hints)
    if first["type"] == "missing_argument":
        return f"the setting {full} is missing: a run needs it"
    allowed = [_allowed(error) for error in errors if error["loc"][0] == name]
    if len(allowed) > 1 and allowed[0].startswith("one of "):  # of words
        allowed = [word for word in allowed if word != _KINDS["string_type"]]
    allowed += ["null"] * (NoneType in get_args(hints[name]))
    got = repr(first["input"])
    got = got if len(got) <= 80 else f"{got[:77]}..."
    return f"{full} must be {' or '.join(dict.fromkeys(allowed))}, got {got}"


def _unknown(where: str, name: str, known: Iterable[str]) -> str:
    close = near_miss(name, known)
    means = (
        f"did you mean {_join(where, close)}?"
        if close
        else f"allowed: {', '.join(known) or 'none'}"
    )
    return f"there is no setting '{_join(where, name)}'; {means}"


def _allowed(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] in ("enum", "literal_error"):
        words = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        return f"one of {words}" if "," in words else words
    if error["type"] == "greater_than_equal":
        return f"a whole number of at least {context['ge']}"
    if error["type"] == "less_than_equal":
        return f"a whole number of at most {context['le']}"
    if error["type"] == "is_instance_of":
        some = context["class"] == "Sequence"  # Sequence[int]
        return "a list of whole numbers" if some else "a part, {_target_: sda.NAME, ...}"
    return _KINDS.get(error["type"], error["msg"].removeprefix("Input should be "))


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
