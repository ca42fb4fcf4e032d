"""Files that are there whole or not at all, whenever the process that writes them ends."""

import os
import time
from contextlib import suppress
from pathlib import Path

STALE = 60.0  # seconds after which nobody writes on at what is half written


def replace(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path`` atomically; on failure the old content stays. Raises OSError."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush(path.parent)


def tidy(folder: Path) -> None:
    """Remove what writers that were killed a while ago left half written, if that may be done."""
    with suppress(OSError):
        for stray in folder.glob("*.tmp"):
            if time.time() - stray.stat().st_mtime > STALE:
                stray.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """Have what was moved into a folder reach the disk."""
    try:
        entries = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders, and needs it less
        return
    try:
        os.fsync(entries)
    finally:
        os.close(entries)
