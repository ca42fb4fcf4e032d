"""The record of finished runs: one line a run, in files that any number of processes write.

Tables, searches and figures are derived from a ledger, which outlives the folders of its runs.
Each writing process has a file of its own, ``ledger/<id>.jsonl``, so that no lock is needed. What a
run predicted on the test rows lies beside it, compressed, named by its SHA-256. No line has a path
or the name of a host, so that ledgers of several machines may be copied into one folder.
"""

import hashlib
import io
import json
import logging
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sda.common import files
from sda.runs.identity import PLACES
from sda.runs.results import DAMAGE

FORMAT = 1
FOLDER = "ledger"
ASIDE = ("batch", "words")  # of a result: where its folder is, paths as they were typed
Predictions = tuple[NDArray[Any], NDArray[Any]]  # labels and predicted classes (n,), or numbers

_own: dict[Path, Path] = {}  # the file of this process in each ledger
_log = logging.getLogger(__name__)


def append(runs_folder: Path, result: Mapping[str, Any], predictions: Predictions | None) -> None:
    """Add the line of a run that has ended, and what it predicted. Raises OSError."""
    folder = Path(runs_folder).absolute() / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    line = {"format": FORMAT} | {k: v for k, v in result.items() if k not in ASIDE}
    settings = dict(line.get("settings") or {})
    for key in ("runs_folder", *PLACES):  # keep only the last part of a path
        if isinstance(settings.get(key), str):
            settings[key] = Path(settings[key]).name
    line |= {
        "settings": settings,
        "predictions": None if predictions is None else _keep(folder, predictions),
    }
    if folder not in _own:
        _own[folder] = folder / f"{secrets.token_hex(8)}.jsonl"
    text = json.dumps(line, allow_nan=False) + "\n"
    with _own[folder].open("ab+") as file:
        if file.tell() and not _ends_a_line(file):
            text = "\n" + text
        file.write(text.encode())


def _ends_a_line(file: io.BufferedRandom) -> bool:
    file.seek(-1, io.SEEK_END)
    return file.read(1) == b"\n"


def _keep(folder: Path, predictions: Predictions) -> str:
    """Write predictions unless they are there; returns the SHA-256 that names them.

    Labels, which all runs of a data set share, have a file of their own. Predictions are kept as
    their distance from the labels, mostly 0: a tenth of the bytes. Numbers are kept as they are.
    """
    y, predicted = (np.ascontiguousarray(one) for one in predictions)
    if y.dtype.kind == "f":
        digest = hashlib.sha256(y.tobytes() + predicted.tobytes()).hexdigest()
        _put(folder, digest, y=y, predicted=predicted)
        return digest
    y, predicted = y.astype(np.int64), predicted.astype(np.int64)
    labels = hashlib.sha256(y.tobytes()).hexdigest()
    digest = hashlib.sha256(y.tobytes() + predicted.tobytes()).hexdigest()
    apart = predicted - y
    small = next(kind for kind in (np.int8, np.int16, np.int64) if np.all(apart == kind(apart)))
    _put(folder, labels, y=y.astype(np.uint8) if y.size and y.max() < 256 and y.min() >= 0 else y)
    _put(folder, digest, labels=np.array(labels), apart=apart.astype(small))
    return digest


def _put(folder: Path, name: str, **arrays: Any) -> None:
    path = folder / "predictions" / f"{name}.npz"
    if not path.exists():
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        path.parent.mkdir(exist_ok=True)
        files.replace(path, content.getvalue())


def predictions(folder: Path, name: str | None) -> Predictions:
    """Test labels and predicted classes that a line's SHA-256 names, (n,) each; or numbers (n, k).

    Raises:
        ValueError: they are not there, or damaged.
    """
    try:
        kept = _arrays(folder, str(name))
        if "predicted" in kept:
            y, predicted = kept["y"], kept["predicted"]
        else:
            y = _arrays(folder, str(kept["labels"]))["y"].astype(np.int64)
            predicted = y + kept["apart"]
    except (OSError, ValueError, KeyError, EOFError, *DAMAGE):
        raise ValueError(f"the predictions {name} are not in {folder}, or damaged") from None
    if hashlib.sha256(y.tobytes() + predicted.tobytes()).hexdigest() != name:
        raise ValueError(f"the predictions {name} in {folder} are damaged")
    return y, predicted


def _arrays(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    with (
        open(folder / "predictions" / f"{name}.npz", "rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        return dict(arrays)


def lines(folder: Path) -> list[dict[str, Any]]:
    """The lines of all files of a ledger, one a run: the last with a test error, or else the last.

    A torn line is skipped, with a warning.

    Raises:
        ValueError: a line is of a newer format.
    """
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.glob("*.jsonl")):
        for line in _whole(file):
            key = str(line.get("identity") or line)
            before = found.get(key)
            if (
                before is None
                or before.get("test_error") is None
                or line.get("test_error") is not None
            ):
                found[key] = line
    return list(found.values())


def _whole(file: Path) -> Iterator[dict[str, Any]]:
    for number, text in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1):
        if not text:
            continue
        try:
            line = json.loads(text)
            version = int(line["format"])
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
            _log.warning("%s, line %d is damaged and skipped", file, number)
            continue
        if version > FORMAT:
            raise ValueError(
                f"{file}, line {number} has format {version}; this program reads up to {FORMAT}: "
                "update it"
            )
        yield line
