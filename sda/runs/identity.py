"""When two configurations compute the same, whoever noted them and when."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# Keys that do not say what is computed; the first of them may change when a run is resumed, the
# others say what is done with folders, and its folder is given.
CHANGEABLE = ("threads", "device", "tensorboard", "codes_memory", "data_folder", "data.folder")
HARMLESS = (*CHANGEABLE, "overwrite", "runs_folder", "jobs")

# Settings that are younger than some runs, with what those runs did.
LATER: dict[str, Any] = {
    "finetune.labelled": None,
    "finetune.corruption": None,
    "pretrain.corruption": None,
}
IN_DIGESTS = ("finetune.labelled", "finetune.corruption")  # as old as digests: in all of them


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Keys whose values differ between two flat configurations, but for harmless ones."""
    keys = sorted(before.keys() | now.keys())
    return [
        f"{key}: {before.get(key, 'absent')!r} there, {now.get(key, 'absent')!r} now"
        for key in keys
        if not {key, key.split(".")[0]} & set(HARMLESS) and before.get(key) != now.get(key)
    ]


def complete(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A flat configuration of any age with the settings that are younger than it."""
    said = {key: value for key, value in LATER.items() if not _says(settings, key)}
    return said | dict(settings)


def _says(settings: Mapping[str, Any], key: str) -> bool:
    return any(own == key or own.startswith(f"{key}.") for own in settings)


def digest(settings: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits of what a flat configuration computes, whatever its seed."""
    aside = {*HARMLESS, "name", "published", "seed"}
    # Else every younger setting would change all digests.
    telling = {key: value for key, value in settings.items() if (key, value) not in LATER.items()}
    every = dict.fromkeys(IN_DIGESTS) | telling
    said = {k: plain(value) for k, value in every.items() if not {k, k.split(".")[0]} & aside}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]


def plain(value: Any) -> Any:
    """The same whether a number was written 2 or 2.0."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
