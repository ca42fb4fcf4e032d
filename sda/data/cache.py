"""Data sets kept as memory-mapped arrays, so that what was made once opens in milliseconds."""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from sda.common.files import replace
from sda.data.folders import cache_folder
from sda.data.splits import Rows, Splits

_ABOUT = "about.json"
_log = logging.getLogger(__name__)


def cached(name: str, key: Mapping[str, Any], make: Callable[[], Splits]) -> Splits:
    """Return what ``make`` returns, out of the cache if it was made before with this ``key``.

    ``key`` has everything that the arrays depend on, as JSON. Arrays from the cache are mapped
    copy-on-write: writing to them never changes the file. A file that was changed since it was
    written is held against its checksum; a damaged set is left aside, with a warning, and made
    again.
    """
    folder = entry(name, key)
    found = _open(folder)
    if found is None:
        made = make()
        try:
            _store(folder, key, made)
        except OSError as error:
            _log.warning("%s is not kept in the cache %s: %s", name, folder.parent, error)
            return made
        found = _open(folder)
        return made if found is None else found
    return found


def opened(name: str, key: Mapping[str, Any]) -> Splits | None:
    """Return the data set made before with this ``key``, or None if the cache has none, whole."""
    return _open(entry(name, key))


def entry(name: str, key: Mapping[str, Any]) -> Path:
    """Return the folder of the cache for a data set made with this ``key``."""
    text = json.dumps(key, sort_keys=True)
    short = hashlib.sha256(text.encode()).hexdigest()[:16]
    return cache_folder() / "sets" / f"{name}-{short}"


def _store(folder: Path, key: Mapping[str, Any], splits: Splits) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        files = {}
        for file, array in _arrays(splits).items():
            np.save(partial / file, array, allow_pickle=False)
            with (partial / file).open("rb") as stream:
                os.fsync(stream.fileno())
            files[file] = _seal(partial / file)
        about = {
            "key": dict(key),
            "name": splits.name,
            "source": splits.source,
            "n_classes": splits.n_classes,
            "image_shape": splits.image_shape,
            "classes": splits.classes,
            "drawn_from": splits.drawn_from,
            "files": files,
        }
        _write(partial / _ABOUT, about)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _arrays(splits: Splits) -> dict[str, Any]:
    return {
        f"{part}_{kind}.npy": array
        for part, rows in splits.parts().items()
        for kind, array in zip("xy", rows, strict=True)
    }


def _seal(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
    state = file.stat()
    return {"bytes": state.st_size, "changed": state.st_mtime_ns, "sha256": checksum}


def _write(file: Path, about: Mapping[str, Any]) -> None:
    replace(file, json.dumps(about, indent=1).encode())


def _open(folder: Path) -> Splits | None:
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        _check(folder, about)
        train, valid, test = (
            Rows(*(_mapped(folder / f"{part}_{kind}.npy") for kind in "xy"))
            for part in ("train", "valid", "test")
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s is damaged and left aside: %s", folder, error)
        return None
    shape, classes = about["image_shape"], about["classes"]
    return Splits(
        about["name"],
        train,
        valid,
        test,
        about["n_classes"],
        about["source"],
        image_shape=None if shape is None else tuple(shape),
        classes=None if classes is None else tuple(classes),
        drawn_from=about["drawn_from"],
    )


def _mapped(file: Path) -> Any:
    return np.asarray(np.load(file, mmap_mode="c", allow_pickle=False))


def _check(folder: Path, about: dict[str, Any]) -> None:
    touched = False
    for name, sealed in about["files"].items():
        state = (folder / name).stat()
        if state.st_size == sealed["bytes"] and state.st_mtime_ns == sealed["changed"]:
            continue
        now = _seal(folder / name)
        if now["sha256"] != sealed["sha256"]:
            raise ValueError(f"{name}: sha256 expected {sealed['sha256']}, got {now['sha256']}")
        about["files"][name], touched = now, True
    if touched:  # a copied cache has new dates: note them, so that it is checked just once
        with suppress(OSError):  # on a disk that is read-only it is checked each time
            _write(folder / _ABOUT, about)
