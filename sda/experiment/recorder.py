"""What runs that train together write: each its own rows, all of them one checkpoint."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from sda.common.program import go_on
from sda.common.signals import Interrupted, Interruption
from sda.experiment.state import Standing
from sda.nn.stack import single
from sda.runs import checkpoint, saving
from sda.runs.folder import PRETRAINED, RunFolder
from sda.runs.identity import HARMLESS
from sda.runs.logbook import Logbook

SAVE_EVERY = 20.0  # seconds between checkpoints within a layer, at least
SAVE_SHARE = 0.05  # of the time that saving may take


@dataclass
class Records:
    """Logbooks and folders of a batch: ``folders[r]`` are those of run r, often one.

    Several folders of one run hold runs of a sweep that compute the same numbers. The first folder
    of the batch has the checkpoint. Enter it to open the logbooks and to listen to signals.
    """

    folders: Sequence[Sequence[RunFolder]]
    tensorboard: bool
    saved: dict[str, Any] | None = None  # the checkpoint to go on from
    books: list[list[Logbook]] = field(default_factory=list)
    epochs: dict[int, int] = field(default_factory=dict)  # of fine-tuning, by run

    def __enter__(self) -> "Records":
        self._closing = ExitStack()
        sizes = self.saved["metrics_sizes"] if self.saved else [0] * len(self.folders)
        for folders, size in zip(self.folders, sizes, strict=True):
            books = [Logbook(folder.path, size, self.tensorboard) for folder in folders]
            for book in books:
                self._closing.callback(book.close)
            self.books.append(books)
        if self.saved:
            self.epochs = dict(self.saved["epochs"])
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

    def open(self, run: int, settings: dict[str, Any]) -> None:
        """Say that a run has begun, in its folders and in the table of hyper-parameters."""
        self.result(run, status="running", message=None)
        for book in self.books[run]:
            shown = {
                key.removesuffix("._target_"): value
                for key, value in settings.items()
                if key.split(".")[0] not in (*HARMLESS, "name", "published")
            }
            book.settings(shown, ("valid_error", "test_error"))

    def row(self, run: int, row: dict[str, Any], seconds: float) -> None:
        """Write an epoch of a run down, in all of its folders."""
        phase = row["phase"]
        where = f"layer{row['layer']}" if "layer" in row else "finetune"
        values = {
            f"{phase}/{key}": value
            for key, value in row.items()
            if key not in ("phase", "layer", "epoch")
        }
        if phase == "finetune":
            self.epochs[run] = row["epoch"]
        place = {key: row[key] for key in ("phase", "layer", "epoch") if key in row}
        for book in self.books[run]:
            book.metrics(row)
            book.times(place | {"seconds": seconds})
            book.scalars(where, row["epoch"], values)

    def result(self, run: int, **changes: Any) -> None:
        """Change entries of a run's result, in all of its folders."""
        for folder in self.folders[run]:
            folder.update_result(**changes)

    def pretrained(self, standing: Standing) -> None:
        """Save the stacks as pretraining left them: fine-tuning changes their weights.

        Between the last checkpoint of pretraining and the first one after it, so that a run that
        has got further has the file, killed or not.
        """
        for k, leader in enumerate(standing.leaders):
            assert standing.stack is not None
            stack = single(standing.stack, k)
            for run in set(standing.followers[leader]) - standing.failed.keys():
                for folder in self.folders[run]:
                    saving.save(stack, folder.path / PRETRAINED)

    def after_epoch(self, standing: Standing, due: bool) -> None:
        """Save if it is due or long ago; leave if a signal asked for it.

        Raises:
            Interrupted: everything is saved.
        """
        asked = self._signals.requested
        now = time.monotonic()
        wait = max(SAVE_EVERY, self._save_took / SAVE_SHARE)
        if due or asked is not None or now - self._saved_at > wait:
            sizes = [books[0].size() for books in self.books]
            payload = standing.payload() | {
                "metrics_sizes": sizes,
                "epochs": self.epochs,
            }
            checkpoint.save(self.folders[0][0].path / "checkpoint", payload)
            self._saved_at = time.monotonic()
            self._save_took = self._saved_at - now
        if asked is not None:
            folder = self.folders[0][0].path
            raise Interrupted(asked, f"interrupted and saved; {go_on(folder)}")
