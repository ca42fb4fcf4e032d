"""The record is written or the run stops; the view of it may fail."""

import json

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from sda.common.signals import Interrupted
from sda.runs.logbook import Logbook


def broken(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("part", ["add_scalar", "close", "flush", "__init__"])
def test_a_tensorboard_that_cannot_be_written_is_said_once_and_stops_nothing(
    tmp_path, monkeypatch, caplog, part
):
    monkeypatch.setattr(SummaryWriter, part, broken)
    book = Logbook(tmp_path)
    for epoch in range(3):
        book.metrics({"epoch": epoch})
        book.scalars("layer0", epoch, {"loss": 1.0})
        book.histogram("layer0", epoch, "weights", torch.rand(9))
    book.close()
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3
    assert len(caplog.messages) == (0 if part == "close" else 1)


def test_a_second_signal_while_tensorboard_writes_is_no_fault_of_tensorboard(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise Interrupted(2, "stopped at once")

    monkeypatch.setattr(SummaryWriter, "add_scalar", interrupted)
    book = Logbook(tmp_path)
    with pytest.raises(Interrupted):
        book.scalars("layer0", 1, {"loss": 1.0})
    book.close()


def test_a_record_that_cannot_be_written_stops_the_run(tmp_path):
    book = Logbook(tmp_path, tensorboard=False)
    book._metrics.close()
    with pytest.raises(ValueError, match="closed file"):
        book.metrics({"epoch": 0})
    book.close()


def test_the_record_is_cut_back_to_where_the_checkpoint_was_taken(tmp_path):
    book = Logbook(tmp_path, tensorboard=False)
    book.metrics({"epoch": 1})
    size = book.size()
    book.metrics({"epoch": 2})
    book.close()
    again = Logbook(tmp_path, size, tensorboard=False)
    again.metrics({"epoch": 3})
    again.close()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 3]


@pytest.mark.parametrize("left", [None, b"", b'{"epoch": 1}\n'])
def test_a_record_that_lost_rows_is_refused_in_one_line_and_left_alone(tmp_path, left):
    record = tmp_path / "metrics.jsonl"
    if left is not None:
        record.write_bytes(left)
    with pytest.raises(
        ValueError, match=f"has lost rows: {len(left or b'')} bytes, 100 when"
    ) as no:
        Logbook(tmp_path, 100, tensorboard=False)
    assert len(str(no.value).splitlines()) == 1
    assert (record.read_bytes() if record.exists() else None) == left


def test_a_nan_in_the_record_is_still_json_and_a_histogram_of_nan_is_left_out(tmp_path):
    book = Logbook(tmp_path)
    book.metrics({"loss": float("nan")})
    book.histogram("layer0", 0, "weights", torch.full((3,), torch.nan))
    book.histogram("layer0", 1, "weights", torch.tensor([1.0, torch.nan]))
    book.close()
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"loss": "nan"}


def test_what_was_shown_is_on_disk_before_the_book_is_closed(tmp_path):
    book = Logbook(tmp_path)
    book.scalars("layer0", 1, {"pretrain/loss": 2.5})
    book.picture("layer0", 1, "filters", np.zeros((5, 7), np.uint8))
    book.scalars("layer0", 2, {"pretrain/loss": 1.5})
    events = EventAccumulator(str(tmp_path / "layer0"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("pretrain/loss")] == [(1, 2.5), (2, 1.5)]
    assert events.Tags()["images"] == ["filters"]
    book.close()


def test_a_run_that_dies_has_its_row_among_the_hyper_parameters(tmp_path):
    book = Logbook(tmp_path)
    book.settings({"init": "sda", "seed": 3, "hidden": [9, 8]}, ["test_error"])
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert (
        "hparams" in events.summary_metadata["_hparams_/session_start_info"].plugin_data.plugin_name
    )
    book.close()
