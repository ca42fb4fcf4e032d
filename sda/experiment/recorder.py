"""What runs that train together write: rows for each run, one checkpoint for all."""

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from sda.common.program import go_on
from sda.common.signals import Interrupted, Interruption
from sda.experiment import judging
from sda.experiment.tensorboard import Show
from sda.runs import checkpoint, ledger, model_file
from sda.runs.folder import PRETRAINED, RunFolder
from sda.runs.identity import HARMLESS, relevant
from sda.runs.logbook import Logbook
from sda.training.reconstruction_error import note_best_depth

if TYPE_CHECKING:
    from sda.experiment.phases import State

SAVE_EVERY = 20.0  # seconds between checkpoints within a layer, at least
SAVE_SHARE = 0.05  # of the time that saving may take
_log = logging.getLogger(__name__)


class Recorder:
    """Folders and logbooks of a batch. Enter it to open the logbooks and to listen to signals.

    Args:
        folders: of the runs; None for a run that another batch records: it is computed, so that
            the batch stays the same, but not written. The first folder has the checkpoint.
        state: of the batch, as built; ``__enter__`` brings it to where the checkpoint was taken.
    """

    def __init__(self, folders: Sequence[RunFolder | None], state: "State") -> None:
        self.folders, self.state = folders, state
        self.first = next(folder for folder in folders if folder is not None)
        self.books: list[Logbook | None] = []
        self.epochs: dict[int, int] = {}  # of fine-tuning, by run

    def __enter__(self) -> "Recorder":
        """Raises CheckpointError: no checkpoint can be read, or it is of other runs."""
        self._closing = ExitStack()
        found, warning = checkpoint.latest(self.first.path / "checkpoint")
        saved, state = found or {}, self.state
        if saved:
            state.restore(saved)
        sizes = saved.get("metrics_sizes") or [0] * len(self.folders)
        events = saved.get("events") or [{}] * len(self.folders)
        for folder, size, shown in zip(self.folders, sizes, events, strict=True):
            book = None
            if folder is not None:
                book = Logbook(folder.path, size or 0, state.plans[0].tensorboard, shown)
                self._closing.callback(book.close)
            self.books.append(book)
        self.epochs = dict(saved.get("epochs", {}))
        lost = sum(book.lost for book in self.books if book is not None)
        if warning or (lost and not saved):
            what = warning or "no checkpoint is left"
            _log.warning("%s; epochs to train again: %d", what, lost)
        self.show = Show(
            self.books, state.valid[0], state.splits.image_shape, state.plans[0].device
        )
        self._signals = self._closing.enter_context(Interruption())
        self._clock = self._saved_at = time.monotonic()
        self._save_took = 0.0
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def tick(self) -> float:
        """Seconds since the last call: the time of an epoch."""
        now = time.monotonic()
        seconds, self._clock = now - self._clock, now
        return seconds

    def open(self, run: int) -> None:
        """Say that a run has begun, in its folder and in the table of hyper-parameters."""
        self.result(run, status="running", message=None)
        settings = self.state.plans[run].settings
        known = relevant(settings, (*HARMLESS, "name", "published"))
        shown = {key.removesuffix("._target_"): value for key, value in known.items()}
        if (book := self.books[run]) is not None:
            book.settings(shown, ("valid_error", "test_error"))

    def row(self, run: int, row: dict[str, Any], seconds: float) -> None:
        """Write an epoch of a run down."""
        self.state.seconds[run][row["phase"]] += seconds
        if row["phase"] == "finetune":
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

    def give_up(self, run: int, fault: str) -> None:
        """Note that a run has diverged; the others go on."""
        self.state.failed[run] = fault
        self.result(run, status="diverged", message=fault, seconds=self.state.seconds[run])
        if (folder := self.folders[run]) is not None:
            ledger.append(folder.runs_folder, folder.result, None)

    def stopped(self, why: BaseException) -> None:
        """Note that the runs that have not ended were interrupted."""
        for run in self.state.unfinished:
            self.result(run, status="interrupted", message=str(why))

    def pretrained(self) -> None:
        """Save the stacks as pretraining left them: fine-tuning changes their weights.

        Each file also says what the columns are, and how many layers denoise validation rows best.

        This comes between the last checkpoint of pretraining and the first one after it, so that
        every run that is further has the file, killed or not.
        """
        state = self.state
        for run, k in state.source.items():
            folder = self.folders[run]
            if folder is not None and run not in state.failed:
                stack, plan = state.alone(k), state.plans[run]
                errors = note_best_depth(stack, state.valid[0], plan.trials[0], plan.seed)
                self.result(run, denoising=errors)
                model_file.save(stack, folder.path / PRETRAINED, judging.columns_of(state.splits))

    def after_epoch(self, due: bool) -> None:
        """Save if it is due, or if the last time is long ago; leave if a signal asked for it.

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
            payload = self.state.payload() | record
            self.first.check_attempt()
            checkpoint.save(self.first.path / "checkpoint", payload)
            self._saved_at = time.monotonic()
            self._save_took = self._saved_at - now
        self.leave_if_asked()

    def leave_if_asked(self) -> None:
        """Raise Interrupted if a signal asked to stop; the last checkpoint is kept."""
        if self._signals.requested is not None:
            message = f"interrupted and saved; {go_on(self.first.path)}"
            raise Interrupted(self._signals.requested, message)
