"""The data set of many runs, read and encoded once: by the process that they are forked from.

It is that of a worker's first run, one in memory for all of its runs. A run with other data, or
whose files have changed since, reads for itself.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sda.config import schema
from sda.data.splits import Splits
from sda.runs.settings import flat

ASKED = "SDA_READ_AHEAD"  # of the environment: which data
_known: dict[str, Splits] = {}


def ask(config: Mapping[str, Any]) -> None:
    """Have the process that is about to start read the data of a run."""
    os.environ[ASKED] = json.dumps(_data(config), default=str)


def read() -> None:
    """Read what was asked for; what cannot be read here, the runs will say."""
    with suppress(Exception):
        config = json.loads(os.environ[ASKED])
        key = _identity(config)
        splits = schema.load_data(config)
        splits.digest()
        _known[key] = splits


def known(config: Mapping[str, Any]) -> Splits | None:
    """The data of a run, if they have been read and their files are as they were."""
    return _known.get(_identity(config))


def _data(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": config.get("data"), "pretrained": config.get("pretrained")}


def _identity(config: Mapping[str, Any]) -> str:
    """What is asked for, and when the files that it names were written."""
    asked = _data(config)
    files = []
    for value in flat(asked).values():
        if isinstance(value, str) and os.path.exists(value):
            place = Path(os.path.abspath(value))
            for file in [place, *(place.iterdir() if place.is_dir() else ())]:
                state = file.stat()
                files.append((str(file), state.st_size, state.st_mtime_ns))
    return json.dumps([asked, sorted(files)], sort_keys=True, default=str)
