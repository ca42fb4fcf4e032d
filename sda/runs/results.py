"""Runs, read from their folders: finished ones with their errors, others with the reason."""

import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAMAGE = (zipfile.BadZipFile, zlib.error, NotImplementedError)  # what a damaged archive raises

# What a finished result must say to be compared.
NEEDED: dict[str, tuple[type, ...]] = {
    "data": (str,),
    "source": (str,),
    "data_hash": (str,),
    "init": (str,),
    "seed": (int,),
    "settings": (dict,),
    "n_test": (int,),
    "valid_error": (float, int),
    "test_error": (float, int),
}

CUT = {"way": str, "number": int, "total": int, "rows": str}  # which cut of the rows it is


@dataclass(frozen=True)
class Trained:
    """A finished run; ``result`` is its checked result.json."""

    path: Path
    result: dict[str, Any]

    @property
    def init(self) -> str:
        """The arm's first word: random, saa, dbn, sda, ..."""
        return str(self.result["init"])

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.result["seed"])

    @property
    def cut(self) -> dict[str, Any] | None:
        """Which of several cuts of the same rows it learned from: ``sda.data.splits.Cut``."""
        return self.result.get("cut")

    @property
    def trial(self) -> tuple[int, int]:
        """What it shares with the runs of other arms: the cut of the data, and the seed."""
        return (self.cut["number"] if self.cut else 0), self.seed

    @property
    def n_learned_from(self) -> int:
        """Training and validation rows, 0 if their number is not known."""
        known = [n for key in ("n_train", "n_valid") if isinstance(n := self.result.get(key), int)]
        return sum(known) if len(known) == 2 else 0

    @property
    def valid_error(self) -> float:
        """Fraction of the validation rows, at the best epoch."""
        return float(self.result["valid_error"])

    @property
    def test_error(self) -> float:
        """Fraction of the test rows."""
        return float(self.result["test_error"])

    @property
    def n_test(self) -> int:
        """Test rows."""
        return int(self.result["n_test"])

    @property
    def labelled(self) -> int | None:
        """How many training rows had labels; None: all."""
        own = self.result["settings"].get("finetune.labelled")
        return own if isinstance(own, int) else None

    @property
    def ended_early(self) -> bool:
        """Whether its best epoch was its last, so that more epochs may have helped."""
        return bool(self.result.get("best_is_last"))

    @property
    def seconds(self) -> float:
        """Training time, NaN if it is not known."""
        times = self.result.get("seconds") or {}
        return float(sum(times.values())) if times else math.nan

    def predictions(self) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Test labels and predicted classes, (n,) each, or numbers (n, k).

        None if the file is missing or damaged.
        """
        try:
            # Opened here: NumPy leaves a file that is no archive open.
            with (
                open(self.path / "test_predictions.npz", "rb") as file,
                np.load(file, allow_pickle=False) as arrays,
            ):
                y, predicted = arrays["y"], arrays["predicted"]
        except (OSError, ValueError, KeyError, TypeError, EOFError, *DAMAGE):
            return None
        return (y, predicted) if y.shape == predicted.shape and len(y) == self.n_test else None

    @property
    def is_numeric(self) -> bool:
        """Whether numbers are predicted: errors are then 1 − R²."""
        return self.result.get("kind") == "numbers"

    def losses(self) -> NDArray[np.float64] | None:
        """The loss of each test row, as ``losses`` below; None without predictions."""
        if (found := self.predictions()) is None:
            return None
        return losses(*found)

    def metrics(self) -> Iterator[dict[str, Any]]:
        """Rows of the record; none without the run's folder."""
        return rows(self.path / "metrics.jsonl")


def losses(y: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.float64]:
    """The loss of each row, (n,); their mean is the error.

    0 or 1 for classes (n,). For numbers (n, ...), floats, the squared error over the variance,
    averaged over targets, so that the error is 1 − R².
    """
    if y.dtype.kind != "f":
        return np.asarray(y != predicted, np.float64)
    exact = y.astype(np.float64).reshape(len(y), -1)
    variance = exact.var(axis=0)
    apart = np.square(predicted.reshape(exact.shape) - exact)
    each: NDArray[np.float64] = (apart / np.where(variance > 0, variance, 1.0)).mean(axis=1)
    return each


def rows(file: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines; a torn line is skipped, a missing file is empty."""
    try:
        text = file.read_text("utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


@dataclass(frozen=True)
class Unfinished:
    """A run without errors to compare: its status (``unreadable`` if unknown) and why."""

    path: Path
    status: str
    message: str


def read(folders: Sequence[Path]) -> tuple[list[Trained], list[Unfinished]]:
    """Read every run in and below the folders, each once, by path.

    Raises:
        ValueError: a folder is missing, or there is no run in any of them.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}")
    # Keyed by what the paths lead to: folders given twice, or one in the other, count once.
    paths = {path.resolve(): path for folder in folders for path in _runs(folder)}
    if not paths:
        raise ValueError(
            f"no run in {', '.join(map(str, folders))}: no result.json, no config.yaml"
        )
    runs = [in_folder(path) for path in sorted(paths.values())]
    finished = [run for run in runs if isinstance(run, Trained)]
    return finished, [run for run in runs if isinstance(run, Unfinished)]


def _runs(folder: Path) -> Iterator[Path]:
    for name in ("config.yaml", "result.json"):
        for file in folder.rglob(name):
            parts = file.relative_to(folder).parts
            if not any(part.startswith(".") for part in parts):
                yield file.parent


def in_folder(path: Path) -> Trained | Unfinished:
    """The run in a folder, finished or, with the reason, not."""
    try:
        result = json.loads((path / "result.json").read_text("utf-8"))
    except FileNotFoundError:
        return Unfinished(path, "unreadable", "there is no result.json")
    except (OSError, ValueError):
        return Unfinished(path, "unreadable", "result.json is damaged")
    if not isinstance(result, dict) or not isinstance(result.get("status"), str):
        return Unfinished(path, "unreadable", "result.json is not that of a run")
    if result["status"] != "finished":
        status = "running, or killed" if result["status"] == "running" else result["status"]
        return Unfinished(path, status, " ".join(str(result.get("message") or "").split()))
    if result.get("kind") == "nothing":
        return Unfinished(
            path, "pretrained", "its rows have no labels: there is nothing to compare"
        )
    if fault := fault_of(result):
        return Unfinished(path, "unreadable", f"result.json {fault}")
    run = Trained(path, result)
    losses = run.losses()
    if losses is not None:
        wrong = float(np.mean(losses))
        if not math.isclose(wrong, run.test_error, rel_tol=1e-3, abs_tol=0.5 / run.n_test):
            message = f"its predictions err on {wrong:.2%}, result.json says {run.test_error:.2%}"
            return Unfinished(path, "contradictory", message)
    return run


def fault_of(result: dict[str, Any]) -> str | None:
    """Why a finished result cannot be compared; None: it can."""
    for key, kinds in NEEDED.items():
        value = result.get(key)
        if not isinstance(value, kinds) or isinstance(value, bool):
            return f"has no usable {key} (got {value!r})"
        most = math.inf if result.get("kind") == "numbers" else 1
        if key.endswith("_error") and not 0 <= float(result[key]) <= most:
            return f"has a {key} outside [0, 1] (got {value!r})"
    for key in ("seconds", "published", "cut"):
        parts = result.get(key) or {}
        is_whole = isinstance(parts, dict)
        if key == "seconds" and is_whole:
            is_whole = all(isinstance(value, float | int) for value in parts.values())
        if key == "cut" and is_whole and parts:
            is_whole = all(isinstance(parts.get(name), kind) for name, kind in CUT.items())
        if not is_whole:
            return f"has no usable {key} (got {result[key]!r})"
    return None if result["n_test"] > 0 else "counts no test rows"
