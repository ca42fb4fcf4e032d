"""One run's folder: its owner, its settings, its state and its result."""

import errno
import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import yaml
from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

from sda.common import files, plain_yaml

_log = logging.getLogger(__name__)

PATIENCE = 0.35  # seconds: whoever looks if a lock is taken holds it for an instant
LOOK = 0.1  # seconds, for the same reason
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
LEASE = 60.0  # seconds without a sign of life after which a lease may be taken over
KINDS: dict[str, tuple[type, ...]] = {  # of a result's entries, where they are there
    "status": (str,), "batch": (list,), "settings": (dict,), "environment": (dict,),
    "seconds": (dict,), "published": (dict, type(None)), "name": (str,),
}  # fmt: skip
LONGEST_NAME = 120  # characters; file systems allow 255 bytes
PRETRAINED = "pretrained.safetensors"  # the stack as it was before fine-tuning
MODEL = "model.safetensors"
CONFIG = "config.yaml"


class RunFolderError(ValueError):
    """A run folder that cannot be used as asked."""


class BusyError(RunFolderError):
    """A run folder that another process is training in."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"another process is training in {path}")


def no_run(path: Path, what: str) -> str:
    """The message that a folder holds no run: what it lacks, and where runs lie below it."""
    below = sorted(one.parent for depth in ("*", "*/*") for one in path.glob(f"{depth}/{CONFIG}"))
    said = f"{path} holds no run: there is no {what}"
    return f"{said}; runs below it: {len(below)}, such as {below[0]}" if below else said


class RunFolder:
    """The folder of one run, locked by this process from ``open`` to ``close``.

    Files: ``config.yaml`` (resolved), ``result.json`` (status from the start, errors at the end),
    ``metrics.jsonl``, ``times.jsonl``, ``checkpoint/``, ``pretrained.safetensors`` (the stack
    before fine-tuning), ``model.safetensors``, ``test_predictions.npz``, TensorBoard events;
    for a baseline ``search.jsonl``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: BaseFileLock | None = None
        self._attempt: str | None = None  # the id of this opening of the folder

    def open(self) -> None:
        """Make the folder and lock it; the lock goes with the process, however it ends.

        Half-written files of killed processes are removed.

        Raises:
            RunFolderError: it cannot be made or written.
            BusyError: another process has it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.path, PATIENCE)
            self._attempt = uuid4().hex
            files.replace(self.path / "attempt", self._attempt.encode())
        except Timeout:
            raise BusyError(self.path) from None
        except OSError as error:
            raise RunFolderError(f"cannot write to {self.path}: {error.strerror}") from None
        for inside in self.path.rglob("*"):
            if inside.is_symlink():  # writing to it would write elsewhere
                self.close()
                raise RunFolderError(f"{inside} is a link; a run's folder holds its files itself")
        for stray in self.path.rglob("*.tmp"):  # of killed writers: nobody else writes here now
            if _ours(stray.relative_to(self.path)):
                stray.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def check_attempt(self) -> None:
        """Raise BusyError if this folder was opened again since: a lease was taken over.

        Called before each write. A lock of the system never lets that happen; a lease does, when
        its holder was stopped for a while and wakes up.
        """
        if self._attempt is not None and _text(self.path / "attempt") != self._attempt:
            raise BusyError(self.path)

    @property
    def is_held(self) -> bool:
        """Whether a process is training here; looking takes the lock for an instant."""
        file = self.path / "lock"
        if not file.exists():  # FileLock would make it
            return _is_renewed(self.path)
        try:
            with FileLock(file, timeout=LOOK, fallback_to_soft=False):
                return False
        except Timeout:
            return True
        except OSError:  # there are no locks, or we may not write here
            return _is_renewed(self.path)

    @property
    def result(self) -> dict[str, Any]:
        """What ``result.json`` says, {} if there is none or it cannot be read."""
        try:
            found = json.loads((self.path / "result.json").read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(found, dict):
            return {}
        is_whole = all(isinstance(found[key], KINDS[key]) for key in KINDS if key in found)
        return found if is_whole else {}

    def batch(self, begun: bool = True) -> list[Path]:
        """Folders of the runs of its batch, its own included; [] if it trains alone.

        Their paths are kept relative to this folder, so that all can be moved together. With
        ``begun`` the answer for a run that has not begun is []: the others may hold nothing yet.
        """
        result = self.result
        members = [] if begun and "status" not in result else result.get("batch") or []
        return [Path(os.path.abspath(self.path / str(member))) for member in members]

    @property
    def runs_folder(self) -> Path:
        """Where the ledger and the layers of this run are: above the folders of its name."""
        name = str(self.result.get("name", ""))
        above = self.path.absolute().parent
        names = [folder_name([part]) for part in name.split("/")]
        is_below = list(above.parts[-len(names) :]) == names
        return above.parents[len(names) - 1] if is_below else above

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration of the run here, {} if there is none."""
        try:
            content = plain_yaml.read((self.path / CONFIG).read_text("utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            return {}
        return content if isinstance(content, dict) else {}

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write the resolved configuration, atomically. Raises OSError, BusyError."""
        self.check_attempt()
        files.replace(self.path / CONFIG, plain_yaml.write(dict(config)).encode())

    def update_result(self, **changes: Any) -> None:
        """Change some entries of ``result.json``, atomically. Raises OSError, BusyError."""
        self.check_attempt()
        text = json.dumps(self.result | changes, indent=1, default=str) + "\n"
        files.replace(self.path / "result.json", text.encode())

    def clear(self) -> None:
        """Remove what an earlier run left here; only files that a run writes."""
        for path in sorted(self.path.rglob("*"), reverse=True):
            if path.name in ("lock", "lease", "attempt"):
                continue
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif _ours(path.relative_to(self.path)):
                path.unlink()


def _locked(folder: Path, patience: float) -> BaseFileLock:
    """Lock a folder by the system's lock, or by a lease where the file system has no locks.

    The system frees its lock when the process ends, however that is. A lease that has not been
    renewed for LEASE seconds may be taken over; a warning says so.

    Raises:
        Timeout: another process has it.
        OSError: it cannot be written.
    """
    try:
        lock: BaseFileLock = FileLock(folder / "lock", thread_local=False, fallback_to_soft=False)
        lock.acquire(timeout=patience)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        stale = (folder / "lease").exists() and not _is_renewed(folder)
        lock = SoftFileLease(folder / "lease", lease_duration=LEASE, thread_local=False)
        lock.acquire(timeout=LEASE + patience if stale else patience)
        if stale:
            _log.warning("%s: taken over from a process that gives no sign of life", folder)
    return lock


def _is_renewed(folder: Path) -> bool:
    """Whether a folder has a lease that its holder still renews."""
    try:
        return time.time() - (folder / "lease").stat().st_mtime < LEASE
    except OSError:
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _ours(path: Path) -> bool:
    names = (
        r"(config\.yaml|result\.json|(metrics|times|search)\.jsonl|"
        r"(model|pretrained)\.safetensors|test_predictions\.npz|checkpoint/.*|"
        r"\d+/codes/.*|projector_config\.pbtxt|events\.out\..*)(\.\d+\.tmp)?"
    )
    return re.fullmatch(names, path.as_posix()) is not None


def folder_name(words: list[str]) -> str:
    """Join words into a folder name of letters, digits, ``.``, ``-`` and ``_``.

    A name that was cut or cleaned ends in a hash of the words, so that no two runs share a folder.
    """
    plain = "_".join(word.replace("=", "-") for word in words)
    safe = re.sub(r"[^A-Za-z0-9.+-]+", "_", plain).strip("._")
    if safe == plain and len(safe) <= LONGEST_NAME:
        return safe
    digest = hashlib.sha256("\0".join(words).encode()).hexdigest()[:8]
    return f"{safe[:LONGEST_NAME]}_{digest}"
