"""Where data files are looked for and kept, and what tells one from another."""

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sda.common.errors import MissingDataError


def find(
    wanted: Mapping[str, tuple[str, ...]], folder: str | None, below: tuple[str, ...], last: Path
) -> dict[str, Path]:
    """Look for the first folder that has all wanted files; return them by what they hold.

    ``wanted`` maps what a file holds to the names under which it may lie. Looked in are ``folder``,
    or that of the environment variable SDA_DATA where it is None, its subfolders ``below``, and the
    folder ``last``. Raises MissingDataError with everything that was tried.
    """
    tried = [*places(folder, below), last]
    for place in tried:
        found = {
            what: path
            for what, names in wanted.items()
            for path in [first_file(place, names)]
            if path is not None
        }
        if len(found) == len(wanted):
            return found
    names = ", ".join(" or ".join(choice) for choice in wanted.values())
    raise MissingDataError(f"files not found: {names}; {looked(tried)}")


def places(folder: str | None, below: tuple[str, ...]) -> list[Path]:
    """``folder`` (or SDA_DATA), then its subfolders ``below``; empty if neither is set."""
    top = folder or os.environ.get("SDA_DATA")
    if not top:
        return []
    return [Path(top).expanduser(), *(Path(top).expanduser() / name for name in below)]


def first_file(folder: Path, names: tuple[str, ...]) -> Path | None:
    """Return the first of ``names`` that is a file in ``folder``, or None."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def looked(tried: list[Path]) -> str:
    """Where was looked, and how to say where to look, as the end of a message."""
    folders = ", ".join(map(str, tried))
    return f"looked in {folders}; set SDA_DATA or data_folder to the folder that has them"


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


def identity(files: Iterable[Path]) -> list[Any]:
    """Tell that files are those that were checked and read before: path, size and date."""
    states = [(str(file), file.stat()) for file in files]
    return [[name, state.st_size, state.st_mtime_ns] for name, state in states]
