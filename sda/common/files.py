"""Files that are there whole or not at all, whenever the process that writes them ends."""

import os
from pathlib import Path


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
