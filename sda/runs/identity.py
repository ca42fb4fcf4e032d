"""Which settings change a run's numbers: plans in plain types, and their digests."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any

from sda.runs.arms import UNREAD

EXACT = 2**53  # the whole numbers up to here are floats too

# Keys that do not say what is computed. The first of them may change when a run is resumed, the
# others say what is done with folders, and its folder is given.
CHANGEABLE = (
    "threads",
    "device",
    "tensorboard",
    "codes_memory",
    "data_folder",
    "data.folder",
    "test",
)
HARMLESS = (*CHANGEABLE, "overwrite", "runs_folder", "jobs", "executor", "devices")
# Settings that do not say what an arm computes. The data is known by its hash,
# the stack that codes come from by the settings it was trained with (`codes.`), the precision by
# that of pretraining and of fine-tuning.
ASIDE = {*HARMLESS, "seed", "name", "published", "data", "codes_of", "precision"}
# A file may lie elsewhere, where its content is known to be the same.
MOVABLE = ("data.path", "data.train", "data.valid", "data.test", "data.unlabelled")


def described(value: Any) -> Any:
    """A plan in plain types: a frozen dataclass by the name of its class, without defaults.

    A default never changes its meaning, so a new field changes no old description; one that had to
    change has the old one, which is left out still, as "unsaid" in its metadata. Module paths take
    no part: code may move.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        said = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        known = {f.name: _default(f) for f in dataclasses.fields(value)}
        told = {k: described(v) for k, v in said.items() if v != known[k]}
        return {"kind": _kind(type(value))} | told
    if isinstance(value, Mapping):
        return {str(key): described(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [described(one) for one in value]
    if isinstance(value, Enum):
        return str(value.value)
    if not isinstance(value, str | int | float | None):
        raise ValueError(f"a part of a plan must be a frozen dataclass, got {value!r}")
    return value


def computed(settings: Mapping[str, Any], init: str) -> dict[str, Any]:
    """The settings that decide what a run computes; what its arm does not read is left out."""
    unread = UNREAD.get(init, ())
    return {
        key: value
        for key, value in settings.items()
        if key.split(".")[0] not in ASIDE and not key.startswith(unread)
    } | {"init": init}


def _kind(kind: type) -> str:
    """Its name; of one that does not come with this program, with its module."""
    own = kind.__module__.partition(".")[0] == __name__.partition(".")[0]
    return kind.__name__ if own else f"{kind.__module__}.{kind.__name__}"


def _default(field: "dataclasses.Field[Any]") -> Any:
    if "unsaid" in field.metadata:
        return field.metadata["unsaid"]
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default  # MISSING where there is none: equal to no value


def digest(plain: Any) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of plain values; 2 and 2.0 are the same."""
    text = json.dumps(comparable(plain), sort_keys=True, separators=(",", ":"), allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def comparable(plain: Any) -> Any:
    """The same plain values whether a number was written 2 or 2.0, as far as floats are exact."""
    if isinstance(plain, Mapping):
        return {str(key): comparable(one) for key, one in plain.items()}
    if isinstance(plain, list | tuple):
        return [comparable(one) for one in plain]
    is_whole = isinstance(plain, int) and not isinstance(plain, bool)
    return float(plain) if is_whole and abs(plain) <= EXACT else plain


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], aside: Collection[str] = ()
) -> list[str]:
    """Keys whose values differ between two flat configurations of one arm.

    What says nothing of the numbers, what the arm does not read, and what is set ``aside``, is no
    difference.
    """
    unread = UNREAD.get(str(now.get("init")), ()) if before.get("init") == now.get("init") else ()
    return [
        f"{key}: {before.get(key, 'absent')!r} there, {now.get(key, 'absent')!r} now"
        for key in sorted(before.keys() | now.keys())
        if not {key, key.split(".")[0]} & {*HARMLESS, *aside}
        and not key.startswith(unread)
        and comparable(before.get(key)) != comparable(now.get(key))
    ]
