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

from sda.runs.identity import depth

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.tensorboard import SummaryWriter

EVENTS = "events.out.tfevents.*"
BY_LAYER = (
    "stack.hidden", "stack.layers", "stack.emphasis.", "corruption.", "reconstruction.",
    "pretrain.",
)  # fmt: skip
_log = logging.getLogger(__name__)


def _quiet_writers(args: threading.ExceptHookArgs) -> None:
    """Hide the traceback of a TensorBoard thread that dies: the next event raises the error."""
    if "AsyncWriter" not in type(args.thread).__name__:
        threading.__excepthook__(args)


class Logbook:
    """Writes one run's records. Only a failure to write the record itself stops a run.

    Args:
        folder: the run folder.
        metrics_size: bytes of ``metrics.jsonl`` to go on from; what lies behind is cut off, so that
            a resumed run's record equals an uninterrupted one's.
        tensorboard: whether to write events, all of a run in one entry: its folder.
        events: bytes of the files of events to go on from, by name; what lies behind, and every
            other file, is removed, so that no reader finds a point twice.

    Raises:
        ValueError: the record has fewer bytes than that; it is left as it is.
        OSError: the files cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        metrics_size: int = 0,
        tensorboard: bool = True,
        events: Mapping[str, int] | None = None,
    ) -> None:
        self._folder = folder
        record = folder / "metrics.jsonl"
        _check_whole(record, metrics_size)
        self._metrics = open(record, "ab")  # noqa: SIM115 - closed by close()
        self.lost = _rows_behind(record, metrics_size)  # epochs to train again
        self._metrics.truncate(metrics_size)
        self._times = open(folder / "times.jsonl", "a", encoding="utf-8")  # noqa: SIM115
        self.shows = tensorboard  # whether there is a TensorBoard to write to
        self._writer: SummaryWriter | None = None
        _cut_events(folder, events or {})

    def metrics(self, row: Mapping[str, Any]) -> None:
        """Append a row to the record, through to the operating system. Raises OSError."""
        finite = {key: _json_number(value) for key, value in row.items()}
        self._metrics.write((json.dumps(finite) + "\n").encode())
        self._metrics.flush()

    def times(self, row: Mapping[str, Any]) -> None:
        """Append durations to a file of their own: the record has the same bits in every run."""
        self._times.write(json.dumps(row) + "\n")
        self._times.flush()

    def size(self) -> int:
        """Bytes of the record so far, forced to disk: what a checkpoint remembers."""
        os.fsync(self._metrics.fileno())
        return self._metrics.tell()

    def events(self) -> dict[str, int]:
        """Bytes of the files of events so far, by name: what a checkpoint remembers."""
        self._show(lambda writer: writer.flush())
        return {file.name: file.stat().st_size for file in self._folder.glob(EVENTS)}

    def scalars(self, step: int, values: Mapping[str, float | None]) -> None:
        """Show values by tag, at once: a killed run shows its curves up to the last epoch."""

        def write(writer: "SummaryWriter") -> None:
            for tag, value in values.items():
                if value is not None:
                    writer.add_scalar(tag, value, step)
            writer.flush()

        self._show(write)

    def picture(self, step: int, tag: str, image: NDArray[np.uint8]) -> None:
        """Show a picture (height, width), or (height, width, 3) in colour."""
        axes = "HWC"[: image.ndim]
        self._show(lambda writer: writer.add_image(tag, image, step, dataformats=axes))

    def histogram(self, step: int, tag: str, values: "Tensor") -> None:
        """Show how values are spread; all-NaN values would raise inside and are left out."""
        if values.isfinite().any():
            finite = values[values.isfinite()]
            self._show(lambda writer: writer.add_histogram(tag, finite, step))

    def codes(self, codes: "Tensor", labels: Sequence[str], pictures: "Tensor | None") -> None:
        """Show codes (n, h) in the projector, with labels and pictures (n, c, height, width)."""
        names = [" ".join(label.split()) for label in labels]  # its file has a row for each line
        self._show(
            lambda writer: writer.add_embedding(
                codes, metadata=names, label_img=pictures, tag="codes"
            )
        )

    def settings(self, settings: Mapping[str, Any], metrics: Sequence[str]) -> None:
        """Open the run's row of the hparams table, so that it is there also if the run dies.

        Also set the charts of the page of custom scalars: all runs of a folder on the same axes.

        What can differ by layer has a column for each layer, and null has none, since TensorBoard,
        which makes the columns from the rows of all runs, cannot sort a column of several types.
        """
        if not self.shows:
            return
        from torch.utils.tensorboard.summary import hparams

        plain = _columns(settings)

        def write(writer: "SummaryWriter") -> None:
            _, start, self._session_end = hparams(plain, dict.fromkeys(metrics, 0.0))
            writer._get_file_writer().add_summary(start)
            writer.add_custom_scalars(_layout(depth(settings)))
            writer.flush()

        self._show(write)

    def outcome(self, metrics: Mapping[str, float]) -> None:
        """Close the run's row of the hparams table with its final metrics."""

        def write(writer: "SummaryWriter") -> None:
            for tag, value in metrics.items():
                writer.add_scalar(tag, value, 0)
            writer._get_file_writer().add_summary(self._session_end)

        self._show(write)

    def close(self) -> None:
        """Close every file."""
        if self._writer is not None:
            with suppress(Exception):  # only a view, and a failure was told
                self._writer.close()
        self._metrics.close()
        self._times.close()

    def _show(self, write: "Callable[[SummaryWriter], None]") -> None:
        """Write events if that works; a view that cannot be written never stops a run."""
        if not self.shows:
            return
        try:
            if self._writer is None:
                from torch.utils.tensorboard import SummaryWriter

                threading.excepthook = _quiet_writers
                self._writer = SummaryWriter(str(self._folder))
            write(self._writer)
        except Exception as error:
            self.shows = False
            _log.warning(
                "TensorBoard events cannot be written any more (%s); "
                "training goes on, metrics.jsonl is complete",
                error,
            )


def _cut_events(folder: Path, sizes: Mapping[str, int]) -> None:
    """Cut files of events back to what they were; remove those that were not there."""
    for file in folder.glob(EVENTS):
        if file.name in sizes:
            os.truncate(file, min(sizes[file.name], file.stat().st_size))
        else:
            file.unlink()


def _check_whole(record: Path, size: int) -> None:
    there = record.stat().st_size if record.exists() else 0
    if there < size:
        raise ValueError(
            f"{record} has lost rows: {there} bytes, {size} when the checkpoint was taken; "
            "restore the file, or start the run afresh with overwrite=true"
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


def _layout(layers: int) -> dict[str, dict[str, list[Any]]]:
    """Charts by title, with the tags they show as regular expressions; errors come first."""
    charts = {
        "validation error": "fine-tuning/valid_error$",
        "supervised cost, validation rows": "fine-tuning/valid_loss$",
        "supervised cost, training rows": "fine-tuning/loss$",
    }
    costs = {
        f"layer {k}: {what}": f"layer{k}/{tag}$"
        for k in range(1, layers + 1)
        for tag, what in (("valid", "corrupted validation rows"), ("valid_clean", "clean ones"))
    }
    pages = {"Fine-tuning": charts} | ({"Reconstruction": costs} if costs else {})
    return {
        page: {title: ["Multiline", [tag]] for title, tag in shown.items()}
        for page, shown in pages.items()
    }


def _columns(settings: Mapping[str, Any]) -> dict[str, str | bool | int | float]:
    """Settings as the columns of a table, each of one type whatever the run."""
    layers = depth(settings)
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if key.startswith(BY_LAYER):
            values = value if isinstance(value, list) and len(value) == layers else [value] * layers
            found |= {f"{key}.layer{k}": one for k, one in enumerate(values, 1)}
        else:
            found[key] = value
    return {key: _cell(value) for key, value in found.items() if value is not None}


def _cell(value: Any) -> str | bool | int | float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else value if isinstance(value, bool) else str(value)
