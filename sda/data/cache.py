"""Where data files are looked for, and sets made once are kept: mapped, they open in milliseconds.

A set lies in a folder of .npy files, with a file that says what it is and has their checksums.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from sda.common.errors import MissingDataError
from sda.common.files import replace
from sda.data.splits import Rows, Splits

_ABOUT = "about.json"
_KEPT = ("name", "source", "n_classes", "image_shape", "classes", "drawn_from")  # of Splits
_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return SDA_CACHE, else .cache/sda in the home folder, else sda-cache in the temporary one."""
    chosen = os.environ.get("SDA_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    try:
        return Path.home() / ".cache" / "sda"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / "sda-cache"


def downloads_folder() -> Path:
    """Return the part of the cache that downloaded files are put in and looked for."""
    return cache_folder() / "originals"


def places(folder: str | None, below: str) -> list[Path]:
    """Where files are looked for: ``folder`` or SDA_DATA, a subfolder ``below``, the downloads."""
    top = folder or os.environ.get("SDA_DATA")
    own = [Path(top).expanduser(), Path(top).expanduser() / below] if top else []
    return [*own, downloads_folder()]


def first_file(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the first of ``names`` that is a file in ``folder``, or None."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def find(wanted: Mapping[str, tuple[str, ...]], folder: str | None, below: str) -> dict[str, Path]:
    """Look for the first of the `places` that has all wanted files; return them by what they hold.

    ``wanted`` maps what a file holds to the names under which it may lie. Raises MissingDataError
    with everything that was tried.
    """
    tried = places(folder, below)
    for place in tried:
        files = {what: first_file(place, names) for what, names in wanted.items()}
        found = {what: file for what, file in files.items() if file is not None}
        if len(found) == len(wanted):
            return found
    names = ", ".join(" or ".join(choice) for choice in wanted.values())
    raise MissingDataError(
        f"files not found: {names}; looked in {', '.join(map(str, tried))}; set SDA_DATA or "
        "data_folder to the folder that has them"
    )


def identity(files: Iterable[Path]) -> list[Any]:
    """Tell that files are those that were checked and read before: path, size and date."""
    states = [(str(file), file.stat()) for file in files]
    return [[name, state.st_size, state.st_mtime_ns] for name, state in states]


def cached(name: str, key: Mapping[str, Any], make: Callable[[], Splits]) -> Splits:
    """Return what ``make`` returns, out of the cache if it was made before with this ``key``.

    ``key`` has everything that the arrays depend on, as JSON. Arrays from the cache are mapped
    copy-on-write: writing to them never changes the file. A file that was changed since it was
    written is held against its checksum; a damaged set is left aside, with a warning, and made
    again.
    """
    found = opened(name, key)
    if found is not None:
        return found
    made, folder = make(), entry(name, key)
    try:
        _store(folder, key, made)
    except OSError as error:
        _log.warning("%s is not kept in the cache %s: %s", name, folder.parent, error)
        return made
    return opened(name, key) or made


def entry(name: str, key: Mapping[str, Any]) -> Path:
    """Return the folder of the cache for a data set made with this ``key``."""
    text = json.dumps(key, sort_keys=True)
    short = hashlib.sha256(text.encode()).hexdigest()[:16]
    return cache_folder() / "sets" / f"{name}-{short}"


def opened(name: str, key: Mapping[str, Any]) -> Splits | None:
    """Return the data set made before with this ``key``, or None if the cache has none, whole."""
    folder = entry(name, key)
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        _check(folder, about)
        held: dict[str, Any] = {what: about[what] for what in _KEPT}
        held = {what: tuple(v) if isinstance(v, list) else v for what, v in held.items()}
        for part in ("train", "valid", "test"):
            held[part] = Rows(*(_mapped(folder / f"{part}_{kind}.npy") for kind in "xy"))
        return Splits(**held)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s is damaged and left aside: %s", folder, error)
        return None


def _mapped(file: Path) -> Any:
    return np.asarray(np.load(file, mmap_mode="c", allow_pickle=False))


def _store(folder: Path, key: Mapping[str, Any], splits: Splits) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        files = {}
        for part, rows in splits.parts().items():
            for kind, array in zip("xy", rows, strict=True):
                file = partial / f"{part}_{kind}.npy"
                np.save(file, array, allow_pickle=False)
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
                files[file.name] = _seal(file)
        about = {"key": dict(key), **{what: getattr(splits, what) for what in _KEPT}}
        _write(partial / _ABOUT, about | {"files": files})
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(file: Path, about: Mapping[str, Any]) -> None:
    replace(file, json.dumps(about, indent=1).encode())


def _seal(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        checksum = hashlib.file_digest(stream, "sha256").hexdigest()
    state = file.stat()
    return {"bytes": state.st_size, "changed": state.st_mtime_ns, "sha256": checksum}


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
