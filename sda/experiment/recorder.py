"""What runs that train together write: each its own rows, all of them one checkpoint."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sda.common.program import go_on
from sda.common.signals import Interrupted, Interruption
from sda.experiment.state import State
from sda.nn.stack import single
from sda.runs import checkpoint, model_file
from sda.runs.folder import PRETRAINED, RunFolder
from sda.runs.identity import HARMLESS
from sda.runs.logbook import Logbook
from sda.training.reconstruction_error import note_best_depth

SAVE_EVERY = 20.0  # seconds between checkpoints within a layer, at least
SAVE_SHARE = 0.05  # of the time that saving may take


@dataclass
class Recorder:
    """Folders and logbooks of a batch. Enter it to open the logbooks and to listen to signals.

    ``folders[r]`` is None for a run whose record is another batch's: it is computed, so that the
    batch is the same one, and not written down. The first folder has the checkpoint.
    """

    folders: Sequence[RunFolder | None]
    tensorboard: bool
    saved: dict[str, Any] | None = None  # the checkpoint to go on from
    books: list[Logbook | None] = field(default_factory=list)
    epochs: dict[int, int] = field(default_factory=dict)  # of fine-tuning, by run

    def __post_init__(self) -> None:
        self.first = next(folder for folder in self.folders if folder is not None)

    def __enter__(self) -> "Recorder":
        self._closing = ExitStack()
        sizes = self.saved["metrics_sizes"] if self.saved else [0] * len(self.folders)
        events = self.saved["events"] if self.saved else [{}] * len(self.folders)
        for folder, size, shown in zip(self.folders, sizes, events, strict=True):
            book = None
            if folder is not None:
                book = Logbook(folder.path, size or 0, self.tensorboard, shown)
            if book is not None:
                self._closing.callback(book.close)
            self.books.append(book)
        if self.saved:
            self.epochs = dict(self.saved["epochs"])
        self._signals = self._closing.enter_context(Interruption())
        self._clock = self._saved_at = time.monotonic()
        self._save_took = 0.0
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @property
    def lost(self) -> int:
        """Epochs recorded after the last checkpoint, which are trained again."""
        return sum(book.lost for book in self.books if book is not None)

    def tick(self) -> float:
        """Seconds since the last call: the time of an epoch."""
        now = time.monotonic()
        seconds, self._clock = now - self._clock, now
        return seconds

    def open(self, run: int, settings: dict[str, Any]) -> None:
        """Say that a run has begun, in its folder and in the table of hyper-parameters."""
        self.result(run, status="running", message=None)
        shown = {
            key.removesuffix("._target_"): value
            for key, value in settings.items()
            if key.split(".")[0] not in (*HARMLESS, "name", "published")
        }
        if (book := self.books[run]) is not None:
            book.settings(shown, ("valid_error", "test_error"))

    def row(self, run: int, row: dict[str, Any], seconds: float) -> None:
        """Write an epoch of a run down."""
        phase = row["phase"]
        if phase == "finetune":
            self.epochs[run] = row["epoch"]
        if (book := self.books[run]) is None:
            return
        where = f"layer{row['layer']}" if "layer" in row else "fine-tuning"
        place = {key: row[key] for key in ("phase", "layer", "epoch") if key in row}
        book.metrics(row)
        book.times(place | {"seconds": seconds})
        values = {key: value for key, value in row.items() if key not in place}
        book.scalars(row["epoch"], {f"{where}/{key}": value for key, value in values.items()})

    def result(self, run: int, **changes: Any) -> None:
        """Change entries of a run's result."""
        if (folder := self.folders[run]) is not None:
            folder.update_result(**changes)

    def pretrained(self, state: State, about: dict[str, Any], valid: Tensor) -> None:
        """Save the stacks as pretraining left them: fine-tuning changes their weights.

        ``about`` says what else is known, such as the columns. They know how many layers denoise
        validation rows (m, d) best.

        Between the last checkpoint of pretraining and the first one after it, so that a run that
        has got further has the file, killed or not.
        """
        for run, k in state.source.items():
            folder = self.folders[run]
            if folder is not None and run not in state.failed:
                assert state.stack is not None
                stack, plan = single(state.stack, k), state.plans[run]
                errors = note_best_depth(stack, valid, plan.trials[0], plan.seed)
                self.result(run, denoising=errors)
                model_file.save(stack, folder.path / PRETRAINED, about)

    def after_epoch(self, state: State, due: bool) -> None:
        """Save if it is due or long ago; leave if a signal asked for it.

        Raises:
            Interrupted: everything is saved.
            BusyError: another process has taken the folder over; nothing is written.
        """
        now = time.monotonic()
        wait = max(SAVE_EVERY, self._save_took / SAVE_SHARE)
        if due or self._signals.requested is not None or now - self._saved_at > wait:
            sizes = [None if book is None else book.size() for book in self.books]
            events = [{} if book is None else book.events() for book in self.books]
            record = {"metrics_sizes": sizes, "events": events, "epochs": self.epochs}
            payload = state.payload() | record
            self.first.check_attempt()
            checkpoint.save(self.first.path / "checkpoint", payload)
            self._saved_at = time.monotonic()
            self._save_took = self._saved_at - now
        self.leave_if_asked()

    def leave_if_asked(self) -> None:
        """Raise Interrupted if a signal asked to stop; what was saved last is what is kept."""
        if self._signals.requested is not None:
            message = f"interrupted and saved; {go_on(self.first.path)}"
            raise Interrupted(self._signals.requested, message)
