"""Checks of single values: what is allowed and what came, in one line."""

import math
from numbers import Integral, Real

LARGEST = 3.4e38  # of what a float32 holds
MOST = 10**9  # of whole numbers: weights between two layers of so many units still have a size


def number(name: str, value: object, low: float = -math.inf, high: float = math.inf) -> float:
    """Return ``value`` as a float if it is a finite number in [low, high].

    Raises:
        ValueError: it is no number, not finite, or out of range.
    """
    if _is_finite(value) and low <= float(value) <= high:  # type: ignore[arg-type]
        return float(value)  # type: ignore[arg-type]
    raise ValueError(f"{name} must be a number{_interval(low, high)}, got {value!r}")


def positive(name: str, value: object) -> float:
    """Return ``value`` as a float if it is a finite number above 0; else raise ValueError."""
    if _is_finite(value) and float(value) > 0:  # type: ignore[arg-type]
        return float(value)  # type: ignore[arg-type]
    raise ValueError(f"{name} must be a number above 0, got {value!r}")


def whole(name: str, value: object, low: int = 0, high: float = MOST) -> int:
    """Return ``value`` as an int if it is a whole number in [low, high]; else raise ValueError."""
    if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < low:
        raise ValueError(f"{name} must be a whole number of at least {low}, got {value!r}")
    if int(value) > high:
        raise ValueError(f"{name} must be a whole number of at most {high}, got {value!r}")
    return int(value)


def flag(name: str, value: object) -> bool:
    """Return ``value`` if it is true or false; else raise ValueError."""
    if isinstance(value, bool):
        return value
    raise ValueError(f"{name} must be true or false, got {value!r}")


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of the words allowed; else raise ValueError."""
    if isinstance(value, str) and value in allowed:
        return value
    raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")


def alike(name: str, value: object, usual: object) -> None:
    """Raise ValueError unless ``value`` is what ``usual`` is: a flag, a number or so many of them.

    Numbers are finite; several are a list or a tuple.
    """
    if isinstance(usual, bool):
        flag(name, value)
    elif not isinstance(usual, tuple):
        number(name, value)
    elif isinstance(value, list | tuple) and len(value) == len(usual):
        for one in value:
            number(name, one)
    else:
        raise ValueError(f"{name} must be a list of {len(usual)} numbers, got {value!r}")


def text(name: str, value: object) -> str:
    """Return ``value`` if it is a string; else raise ValueError."""
    if isinstance(value, str):
        return value
    raise ValueError(f"{name} must be text, got {value!r}")


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _interval(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return ""
    if math.isinf(high):
        return f" of at least {low:g}"
    return f" in [{low:g}, {high:g}]"


def is_sparse(x: object) -> bool:
    """Whether it is a sparse matrix of scipy, without importing scipy, which is slow."""
    return hasattr(x, "tocsr")
