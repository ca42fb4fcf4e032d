"""What is written while training: metrics.jsonl, the record, and TensorBoard, a view of it."""

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.tensorboard import SummaryWriter

_log = logging.getLogger(__name__)


def _quiet_writers(args: threading.ExceptHookArgs) -> None:
    """Say nothing of a TensorBoard thread that dies: the next event raises, and that is said."""
    if "AsyncWriter" not in type(args.thread).__name__:
        threading.__excepthook__(args)


class Logbook:
    """Writes one run's records. Only a failure to write the record itself stops a run.

    Args:
        folder: the run folder.
        metrics_size: bytes of ``metrics.jsonl`` to go on from; what lies behind is cut off, so that
            a resumed run's record equals an uninterrupted one's.
        tensorboard: whether to write events.

    Raises:
        ValueError: the record has fewer bytes than that; it is left as it is.
        OSError: the files cannot be written.
    """

    def __init__(self, folder: Path, metrics_size: int = 0, tensorboard: bool = True) -> None:
        self._folder = folder
        record = folder / "metrics.jsonl"
        _check_whole(record, metrics_size)
        self._metrics = open(record, "ab")  # noqa: SIM115 - closed by close()
        self.lost = _rows_behind(record, metrics_size)  # epochs to train again
        self._metrics.truncate(metrics_size)
        self._times = open(folder / "times.jsonl", "a", encoding="utf-8")  # noqa: SIM115
        self._tensorboard = tensorboard
        self._writers: dict[str, SummaryWriter] = {}
        self._resumed = metrics_size > 0

    @property
    def shows(self) -> bool:
        """Whether there is a TensorBoard to write to."""
        return self._tensorboard

    def metrics(self, row: Mapping[str, Any]) -> None:
        """Append a row to the record, through to the operating system. Raises OSError."""
        finite = {key: _json_number(value) for key, value in row.items()}
        self._metrics.write((json.dumps(finite) + "\n").encode())
        self._metrics.flush()

    def times(self, row: Mapping[str, Any]) -> None:
        """Append a row of durations: apart, so that the record is the same bits in every run."""
        self._times.write(json.dumps(row) + "\n")
        self._times.flush()

    def size(self) -> int:
        """Bytes of the record so far, forced to disk: what a checkpoint remembers."""
        os.fsync(self._metrics.fileno())
        return self._metrics.tell()

    def scalars(self, where: str, step: int, values: Mapping[str, float | None]) -> None:
        """Show values in the writer ``where`` ("layer0", "finetune"); all writers share tags."""

        def write(writer: "SummaryWriter") -> None:
            for tag, value in values.items():
                if value is not None:
                    writer.add_scalar(tag, value, step)
            writer.flush()  # a killed run shows its curves up to the last epoch

        self._show(where, step, write)

    def picture(self, where: str, step: int, tag: str, image: NDArray[np.uint8]) -> None:
        """Show a grey picture (height, width)."""
        self._show(where, step, lambda w: w.add_image(tag, image, step, dataformats="HW"))

    def histogram(self, where: str, step: int, tag: str, values: "Tensor") -> None:
        """Show how values are spread; all-NaN values would raise inside and are left out."""
        if values.isfinite().any():
            finite = values[values.isfinite()]
            self._show(where, step, lambda w: w.add_histogram(tag, finite, step))

    def codes(
        self,
        where: str,
        codes: "Tensor",
        labels: Sequence[str],
        pictures: "Tensor | None",
    ) -> None:
        """Show codes (n, h) in the projector, with labels and pictures (n, 1, height, width)."""
        self._show(
            where,
            0,
            lambda w: w.add_embedding(
                codes, metadata=list(labels), label_img=pictures, tag="codes"
            ),
        )

    def settings(self, settings: Mapping[str, Any], metrics: Sequence[str]) -> None:
        """Open the run's row of the hparams table, so that it is there also if the run dies."""
        if not self._tensorboard:
            return
        from torch.utils.tensorboard.summary import hparams

        plain = {key: _hparam(value) for key, value in settings.items()}

        def write(writer: "SummaryWriter") -> None:
            experiment, start, self._session_end = hparams(plain, dict.fromkeys(metrics, 0.0))
            writer._get_file_writer().add_summary(experiment)
            writer._get_file_writer().add_summary(start)
            writer.flush()

        self._show(".", 0, write)

    def outcome(self, metrics: Mapping[str, float]) -> None:
        """Close the run's row of the hparams table with its final metrics."""

        def write(writer: "SummaryWriter") -> None:
            for tag, value in metrics.items():
                writer.add_scalar(tag, value, 0)
            writer._get_file_writer().add_summary(self._session_end)

        self._show(".", 0, write)

    def close(self) -> None:
        """Close every file."""
        for writer in self._writers.values():
            with suppress(Exception):  # a view: it has said so if it cannot be written
                writer.close()
        self._metrics.close()
        self._times.close()

    def _show(self, where: str, step: int, write: "Callable[[SummaryWriter], None]") -> None:
        """Write events if that works; a view that cannot be written never stops a run."""
        if not self._tensorboard:
            return
        try:
            write(self._writer(where, step))
        except Exception as error:
            self._tensorboard = False
            _log.warning(
                "TensorBoard events cannot be written any more (%s); "
                "training goes on, metrics.jsonl is complete",
                error,
            )

    def _writer(self, where: str, step: int) -> "SummaryWriter":
        if where not in self._writers:
            from torch.utils.tensorboard import SummaryWriter

            threading.excepthook = _quiet_writers
            purge = step if self._resumed and where != "." else None
            self._writers[where] = SummaryWriter(str(self._folder / where), purge_step=purge)
        return self._writers[where]


def _check_whole(record: Path, size: int) -> None:
    there = record.stat().st_size if record.exists() else 0
    if there < size:
        raise ValueError(
            f"{record} has lost rows: {there} bytes, {size} when the checkpoint was taken; "
            "put it back whole, or overwrite=true starts the run afresh"
        )


def _rows_behind(path: Path, size: int) -> int:
    """Rows of a record after its first ``size`` bytes."""
    with open(path, "rb") as record:
        record.seek(size)
        return record.read().count(b"\n")


def _json_number(value: Any) -> Any:
    """JSON has no NaN: such a number is written as a word."""
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value


def _hparam(value: Any) -> str | bool | int | float:
    return value if isinstance(value, bool | int | float) else str(value)
