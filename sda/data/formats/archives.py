"""One stream for what may lie plain, gzipped or in a zip archive, bounded and checked."""

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from sda.common.errors import DataFormatError, readable

MAX_MEMBER_BYTES = 1 << 31  # uncompressed; the benchmark's largest member has about half of that


@contextmanager
def opened(path: Path, member: str | None = None) -> Iterator[IO[bytes]]:
    """Open a file, unzipped if it is gzip by content, or one ``member`` of a zip archive.

    A member is read by its exact name and straight into memory: nothing is ever extracted, so no
    name in an archive can lead anywhere. Damage is raised as DataFormatError with the file's name.
    """
    name = f"{path}:{member}" if member else str(path)
    damage = (zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError, RuntimeError)
    with readable(f"{name}: damaged", *damage):
        if member:
            with zipfile.ZipFile(path) as archive, _member(path, archive, member) as stream:
                yield stream
        else:
            with gzip.open(path) if is_gzip(path) else path.open("rb") as stream:
                yield cast(IO[bytes], stream)


def is_gzip(path: Path) -> bool:
    """Whether the file begins as a gzip file does."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def verify(path: Path, algorithm: str, expected: str) -> None:
    """Raise DataFormatError unless the file's checksum is the published one."""
    with path.open("rb") as stream:
        got = hashlib.file_digest(stream, algorithm).hexdigest()
    if got != expected:
        raise DataFormatError(f"{path}: {algorithm} expected {expected}, got {got}")


def _member(path: Path, archive: zipfile.ZipFile, member: str) -> IO[bytes]:
    try:
        size = archive.getinfo(member).file_size
    except KeyError:
        held = ", ".join(archive.namelist()[:5])
        raise DataFormatError(f"{path}: no member {member}; it has {held}") from None
    if size > MAX_MEMBER_BYTES:
        raise DataFormatError(f"{path}: {member} has {size} bytes, at most {MAX_MEMBER_BYTES}")
    return archive.open(member)
