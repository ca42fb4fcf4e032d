"""The identity of a run: its arm, its settings, a digest of its plan."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from enum import Enum, StrEnum
from typing import Any

Plain = dict[str, Any]
EXACT = 2**53  # the whole numbers up to here are floats too
BARE = re.compile(r"[A-Za-z0-9_./-]+")  # text that needs no quotes in Hydra's grammar

# Settings that do not change what is computed. The first ones may change when a run is resumed;
# the others say where it is trained and kept.
CHANGEABLE = (
    "threads", "device", "tensorboard", "codes_memory", "data_folder", "data.folder", "test",
)  # fmt: skip
HARMLESS = (*CHANGEABLE, "overwrite", "runs_folder", "jobs", "executor", "devices")
# Settings left out of what an arm computes. The data is known by its hash, the stack that codes
# come from by the settings it was trained with (`codes.`), the precision by those of pretraining
# and of fine-tuning.
ASIDE = {*HARMLESS, "seed", "name", "published", "data", "codes_of", "precision"}
# Paths that may change if the content is known to be the same.
MOVABLE = ("data.path", "data.train", "data.valid", "data.test", "data.unlabelled")
PLACES = (  # settings that are paths
    *MOVABLE, "data_folder", "data.folder", "data.like", "data.photographs", "codes_of",
    "pretrained",
)  # fmt: skip
# Settings that an arm does not read: its runs are the same whatever their values.
UNREAD = {
    "random": ("pretrain.", "corruption.", "reconstruction.", "stack.emphasis.", "stack.tied"),
    "saa": ("corruption.", "stack.emphasis."),
    "dbn": ("corruption.", "stack.emphasis."),
}


class Init(StrEnum):
    """The arm: where fine-tuning starts from.

    ``random``: the initial weights. ``saa``: weights pretrained without corruption (stacked
    autoassociators). ``dbn``: weights pretrained as restricted Boltzmann machines, by contrastive
    divergence (a deep belief network). ``sda``: weights pretrained with corruption. All have the
    same initial weights and see the same minibatches. ``baseline``: another classifier in place of
    the network, after which the arm is called.
    """

    random = "random"
    saa = "saa"
    dbn = "dbn"
    sda = "sda"
    baseline = "baseline"


def key_of(word: str) -> str:
    """The key that an override sets."""
    return word.lstrip("+~").partition("=")[0].strip()


def top(word: str) -> str:
    """The first part of a setting's name, or of a word that sets it."""
    return key_of(word).partition(".")[0]


def word(value: Any) -> str:
    """A value as text for an override, in Hydra's grammar."""
    if isinstance(value, str):
        return value if BARE.fullmatch(value) else json.dumps(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{word(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(word, value)) + "]"
    return json.dumps(value)


def depth(settings: Mapping[str, Any]) -> int:
    """How many layers flat settings ask for; 0 for a baseline."""
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


def relevant(settings: Mapping[str, Any], aside: Collection[str], init: str = "") -> Plain:
    """Flat settings without the keys and sections in ``aside`` and those that an arm ignores."""
    unread = UNREAD.get(init, ())
    return {
        key: value
        for key, value in settings.items()
        if not {key, top(key)} & {*aside} and not key.startswith(unread)
    }


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> Plain:
    """The flat settings of ``now`` that were different before, or absent."""
    known = {key: comparable(value) for key, value in before.items()}
    return {k: v for k, v in now.items() if k not in known or known[k] != comparable(v)}


def computed(settings: Mapping[str, Any], init: str) -> Plain:
    """The settings that decide what a run computes; what its arm does not read is left out."""
    return relevant(settings, ASIDE, init) | {"init": init}


def described(value: Any) -> Any:
    """A plan in plain types: a frozen dataclass by the name of its class, without defaults.

    A field at its default is left out, so that a new field changes no old description. Where a
    default had to change, the field's metadata keep the old one as "unsaid", and the old one is
    left out. Module paths take no part: code may move.
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


def _kind(kind: type) -> str:
    """The class's name, with its module if it does not come with this program."""
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

    Left out are settings that do not change the numbers, those that the arm does not read, and
    those in ``aside``.
    """
    arm = str(now.get("init")) if before.get("init") == now.get("init") else ""
    return [
        f"{key}: {before.get(key, 'absent')!r} there, {now.get(key, 'absent')!r} now"
        for key in sorted(relevant({**before, **now}, {*HARMLESS, *aside}, arm))
        if comparable(before.get(key)) != comparable(now.get(key))
    ]
