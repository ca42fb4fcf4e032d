"""Names of arms: the settings that differ between them. Shared settings are said once."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sda.runs import identity
from sda.runs.identity import Init, comparable, word
from sda.runs.results import Trained

POINTED_AT = "vars."  # an experiment's own values, which settings point at
ORDER = {init.value: place for place, init in enumerate(Init)}
Plain = Mapping[str, Any]


def computed(runs: Sequence[Trained], defaults: Plain | None = None) -> dict[str, Any]:
    """Settings that say what a group of runs computed, without what their arm does not read.

    Those that stand at their default are left out: they say the same where they are absent.
    """
    run = runs[0]
    read = identity.computed(run.result["settings"], run.init)
    kept = {k: v for k, v in read.items() if not _is_default(k, v, defaults or {})}
    return kept | {"init": run.init}


def likeness(run: Trained, defaults: Plain | None = None) -> str:
    """Equal for runs that computed the same but for their seed, whether set to 2 or 2.0."""
    said = {key: comparable(value) for key, value in computed([run], defaults).items()}
    return json.dumps(said, sort_keys=True)


def labels(settings: Sequence[Plain]) -> list[str]:
    """Name arms by their init and by every setting in which two that read it differ.

    Also by one that differs across inits: `random` beside `sda` at another learning rate is no
    comparison of initialisations, and the table must show it.
    """
    telling = {key for key, values in _values(settings).items() if len(values) > 1}
    telling |= {"layer"}  # codes are another input than the rows, and every name of them says so
    named = [_label(own, sorted(telling)) for own in settings]
    # Namesakes differ in a key that only some of them have.
    for name in {name for name in named if named.count(name) > 1}:
        alike = [k for k, other in enumerate(named) if other == name]
        some = {key for key in _values(settings) if len({key in settings[k] for k in alike}) > 1}
        for k in alike:
            named[k] = _label(settings[k], sorted(telling | some))
    return named


def shared(settings: Sequence[Plain], defaults: Plain, names: Sequence[str]) -> list[str]:
    """Settings that all arms share, in words, without defaults and without those in the names."""
    said = []
    for key, values in sorted(_values(settings).items()):
        first = next(own[key] for own in settings if key in own)
        told = _said(key, first)
        is_named = any(f" {told} " in f"{name} " for name in names)
        if len(values) == 1 and not (
            is_named or _is_default(key, first, defaults) or key.startswith(POINTED_AT)
        ):
            said.append(told)
    return said


def place(run: Trained, label: str) -> tuple[Any, ...]:
    """Where an arm stands: by labels from few to all, by init, by its name with numbers in order.

    Everywhere the same: in tables, in figures and in their legends.
    """
    number = math.inf if run.labelled is None else run.labelled
    natural = [(float(n or 0), w) for n, w in re.findall(r"(\d+(?:\.\d+)?)|(\D+)", label)]
    return number, ORDER.get(run.init, len(ORDER)), natural


def _is_default(key: str, value: Any, defaults: Plain) -> bool:
    key = key.removeprefix("codes.")  # a setting of the run that codes come from
    if key not in defaults or key == "init":
        return False
    ours, own = str(defaults[key]), str(value)
    if key.endswith("._target_") and ours.startswith("sda.") and own.startswith("sda."):
        return ours.rpartition(".")[2] == own.rpartition(".")[2]  # old records name its module
    return bool(comparable(defaults[key]) == comparable(value))


def _values(settings: Sequence[Plain]) -> dict[str, set[str]]:
    """The values of every setting but init, over the arms that read it."""
    keys = {key for own in settings for key in own} - {"init"}
    return {key: {word(comparable(own[key])) for own in settings if key in own} for key in keys}


def _label(own: Plain, keys: Sequence[str]) -> str:
    return " ".join([own["init"], *(_said(key, own[key]) for key in keys if key in own)])


def _said(key: str, value: Any) -> str:
    if key == "finetune.labelled":
        return "all labels" if value is None else f"{value} labels"
    if key == "layer":  # of what learns from codes
        return f"on codes of layer {value}" if value else "on the input"
    if value is None:
        return f"without {key}"
    if key.endswith("._target_"):  # the class that a config group chose
        return f"{key.removesuffix('._target_')}={str(value).rpartition('.')[2]}"
    if key.endswith(".layers") and isinstance(value, list):  # a part for each layer
        return f"{key.removesuffix('.layers')}=[{', '.join(map(_part, value))}]"
    return f"{key}={word(value)}"


def _part(node: Any) -> str:
    """A part as Python would make it: Masking(fraction=0.25)."""
    if not (isinstance(node, Mapping) and "_target_" in node):
        return word(node)
    values = [f"{key}={word(value)}" for key, value in node.items() if key != "_target_"]
    return f"{str(node['_target_']).rpartition('.')[2]}({', '.join(values)})"
