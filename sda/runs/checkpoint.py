"""Checkpoints on disk: written whole or not at all, checked when they are read."""

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sda.common import files

MAGIC = b"sda-file"
VERSION = 1


class CheckpointError(ValueError):
    """A file that cannot be used: damaged, of another kind, from a newer version, or hostile."""


def write(path: Path, payload: Mapping[str, Any]) -> None:
    """Write tensors and plain types so that ``path`` holds either its old content or the new one.

    The file is one line with kind, version and SHA-256, then the bytes. It is written to a
    temporary file, forced to disk and moved over ``path``.

    Raises:
        OSError: the disk is full or not writable; the old content is kept, nothing else is left.
    """
    body = io.BytesIO()
    torch.save(dict(payload), body)
    digest = hashlib.sha256(body.getbuffer()).hexdigest()
    head = b"%s %d %s\n" % (MAGIC, VERSION, digest.encode())
    files.replace(path, head + body.getvalue())


def read(path: Path) -> dict[str, Any]:
    """Read what ``write`` wrote; nothing in the file is executed.

    Raises:
        CheckpointError: the file is missing, cut short, damaged, from a newer version, or not ours.
    """
    try:
        head, _, body = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None
    kind, _, rest = head.partition(b" ")
    version, _, digest = rest.partition(b" ")
    if kind != MAGIC or not version.isdigit():
        raise CheckpointError(f"{path} is not a file of this program")
    if int(version) > VERSION:
        raise CheckpointError(
            f"{path} has format {int(version)}; this program reads up to {VERSION}: update it"
        )
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise CheckpointError(
            f"{path} is damaged: its SHA-256 differs from the one it was saved with"
        )
    try:
        payload = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception:
        # The bytes are whole, so this program did not write them; torch.load fails in many ways.
        raise CheckpointError(f"{path} holds objects that are not plain tensors; refused") from None
    if not isinstance(payload, dict):
        raise CheckpointError(f"{path} holds no checkpoint")
    return payload


def save(folder: Path, payload: Mapping[str, Any]) -> None:
    """Save a checkpoint as ``last`` and keep the one before as ``prev``. Raises OSError."""
    folder.mkdir(exist_ok=True)
    last, fresh = folder / "last.pt", folder / "next.pt"
    write(fresh, payload)
    if last.exists():
        os.replace(last, folder / "prev.pt")
    os.replace(fresh, last)


def latest(folder: Path) -> tuple[dict[str, Any] | None, str | None]:
    """Return the newest good checkpoint and a warning, or (None, None) if none was ever saved.

    ``next`` is there only if a kill came before the last move of ``save``, and then it is whole.

    Raises:
        CheckpointError: there are checkpoints and none is good. Never a silent fresh start.
    """
    if not folder.is_dir():
        return None, None
    bad: list[str] = []
    for path in (folder / name for name in ("next.pt", "last.pt", "prev.pt")):
        if not path.exists():
            continue
        try:
            payload = read(path)
        except CheckpointError as error:
            bad.append(str(error))
            continue
        warning = f"{'; '.join(bad)}; going on from {path}" if bad else None
        return payload, warning
    if bad:
        raise CheckpointError("no usable checkpoint: " + "; ".join(bad))
    return None, None
