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
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the move itself reaches the disk
    finally:
        os.close(folder)
