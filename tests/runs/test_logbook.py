"""The record is written or the run stops; the view of it may fail."""

import json

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups
from tensorboard.util import tensor_util
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
        book.scalars(epoch, {"loss": 1.0})
        book.histogram(epoch, "weights", torch.rand(9))
    book.close()
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3
    assert len(caplog.messages) == (0 if part == "close" else 1)


def test_a_second_signal_while_tensorboard_writes_is_no_fault_of_tensorboard(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise Interrupted(2, "stopped at once")

    monkeypatch.setattr(SummaryWriter, "add_scalar", interrupted)
    book = Logbook(tmp_path)
    with pytest.raises(Interrupted):
        book.scalars(1, {"loss": 1.0})
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
    book.histogram(0, "weights", torch.full((3,), torch.nan))
    book.histogram(1, "weights", torch.tensor([1.0, torch.nan]))
    book.close()
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"loss": "nan"}


def test_what_was_shown_is_on_disk_before_the_book_is_closed(tmp_path):
    book = Logbook(tmp_path)
    book.scalars(1, {"pretrain/loss": 2.5})
    book.picture(1, "filters", np.zeros((5, 7), np.uint8))
    book.scalars(2, {"pretrain/loss": 1.5})
    events = EventAccumulator(str(tmp_path))
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


def test_points_that_a_killed_run_showed_after_its_checkpoint_are_not_there_twice(tmp_path):
    book = Logbook(tmp_path)
    book.scalars(1, {"layer1/loss": 3.0})
    size, shown = book.size(), book.events()
    book.scalars(2, {"layer1/loss": 2.0})
    book.close()  # as a kill does
    again = Logbook(tmp_path, size, events=shown)
    again.scalars(2, {"layer1/loss": 2.0})
    again.scalars(3, {"layer1/loss": 1.0})
    again.close()
    points = [point for file in sorted(tmp_path.glob("events.out.*")) for point in _points(file)]
    assert points == [(1, 3.0), (2, 2.0), (3, 1.0)]
    afresh = Logbook(tmp_path)  # before there was a checkpoint
    afresh.close()
    assert not list(tmp_path.glob("events.out.*"))


def _points(file):
    for event in EventFileLoader(str(file)).Load():
        for value in event.summary.value:
            if value.tag == "layer1/loss":
                yield event.step, tensor_util.make_ndarray(value.tensor).item()


def test_a_label_with_a_line_break_or_a_tab_is_one_row_of_the_projector(tmp_path):
    book = Logbook(tmp_path)
    book.codes(torch.rand(3, 2), ["a\tb", "c\nd", "e"], None)
    book.close()
    (labels,) = tmp_path.rglob("metadata.tsv")
    assert labels.read_text().splitlines() == ["a b", "c d", "e"]


def test_the_table_of_settings_has_the_columns_of_all_runs_and_each_can_be_sorted(tmp_path):
    runs = {
        "a": {"pretrain.epochs": 2, "stack.hidden": [9, 8], "corruption.fraction": 0.25},
        "b": {"pretrain.epochs": [2, 3], "stack.hidden": [9, 8], "corruption.std": 0.5},
        "c": {"pretrain.epochs": 4, "stack.hidden": [7], "finetune.patience": None},
        "d": {"pretrain.epochs": 4, "stack.hidden": [7], "finetune.patience": 3},
    }
    for name, settings in runs.items():
        (tmp_path / name).mkdir()
        book = Logbook(tmp_path / name)
        book.settings(settings | {"seed": 1}, ["test_error"])
        book.outcome({"test_error": 0.5})
        book.close()
    data, experiment = _hparams(tmp_path)
    columns = {info.name: info.type for info in experiment.hparam_infos}
    assert set(columns) == {
        "pretrain.epochs.layer1", "pretrain.epochs.layer2", "stack.hidden.layer1",
        "stack.hidden.layer2", "corruption.fraction.layer1", "corruption.fraction.layer2",
        "corruption.std.layer1", "corruption.std.layer2", "finetune.patience", "seed",
    }  # fmt: skip
    assert set(columns.values()) == {api_pb2.DATA_TYPE_FLOAT64}
    for name in columns:
        request = api_pb2.ListSessionGroupsRequest(
            start_index=0, slice_size=10, allowed_statuses=[api_pb2.STATUS_SUCCESS],
            col_params=[api_pb2.ColParams(hparam=name, order=api_pb2.ORDER_ASC)],
        )  # fmt: skip
        handler = list_session_groups.Handler(RequestContext(), data, "", request)
        assert handler.run().total_size == 4


def _hparams(folder):
    """What TensorBoard makes of the runs in a folder."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    context = base_plugin.TBContext(data_provider=provider)
    data = backend_context.Context(context)
    found = data.experiment_from_metadata(
        RequestContext(), "", False, data.hparams_metadata(RequestContext(), ""), None
    )
    return data, found
