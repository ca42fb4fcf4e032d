"""The ledger: lines of many writers, read together, that outlive the folders of their runs."""

import json
import multiprocessing

import numpy as np
import pytest

from sda.runs import ledger

RUN = {"format": 1, "identity": "a", "seed": 0, "valid_error": 0.25, "test_error": 0.5}


def _write(folder, name, count):
    for k in range(count):
        ledger.append(folder, RUN | {"identity": f"{name}{k}"}, None)


def test_many_processes_write_at_once_and_nothing_is_lost(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, name, 50)) for name in "xy"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(list((tmp_path / "ledger").glob("*.jsonl"))) == 2
    assert len(ledger.lines(tmp_path / "ledger")) == 100


def test_a_torn_line_is_passed_over_and_the_next_one_begins_afresh(tmp_path, caplog):
    ledger.append(tmp_path, RUN, None)
    (file,) = (tmp_path / "ledger").glob("*.jsonl")
    with file.open("a") as torn:
        torn.write('{"format": 1, "iden')
    ledger.append(tmp_path, RUN | {"identity": "b"}, None)
    assert [line["identity"] for line in ledger.lines(tmp_path / "ledger")] == ["a", "b"]
    assert "line 2 is damaged" in caplog.text


def test_a_run_counts_once_and_with_its_test_error_if_it_ever_had_one(tmp_path):
    for error in (None, 0.5, None, 0.25, None):
        ledger.append(tmp_path, RUN | {"test_error": error}, None)
    assert [line["test_error"] for line in ledger.lines(tmp_path / "ledger")] == [0.25]


def test_predictions_lie_beside_the_lines_under_their_digest(tmp_path):
    y, predicted = np.array([0, 1, 2]), np.array([0, 2, 2])
    for name in "ab":
        ledger.append(tmp_path, RUN | {"identity": name}, (y, predicted))
    digests = {line["predictions"] for line in ledger.lines(tmp_path / "ledger")}
    (name,) = digests
    files = sorted((tmp_path / "ledger" / "predictions").iterdir())
    assert len(files) == 2  # the predictions, and the labels that all runs share
    kept = ledger.predictions(tmp_path / "ledger", name)
    assert [part.tolist() for part in kept] == [[0, 1, 2], [0, 2, 2]]
    files[0].write_bytes(files[0].read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"are not in .*, or damaged"):
        ledger.predictions(tmp_path / "ledger", name)


def test_predictions_of_any_classes_are_read_back_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    for low, high in ((0, 10), (0, 300), (-3, 70_000)):
        y, predicted = rng.integers(low, high, (2, 500))
        ledger.append(tmp_path, RUN | {"identity": str(high)}, (y, predicted))
        (line,) = (n for n in ledger.lines(tmp_path / "ledger") if n["identity"] == str(high))
        kept = ledger.predictions(tmp_path / "ledger", line["predictions"])
        assert np.array_equal(kept, (y, predicted))


def test_predictions_take_a_tenth_of_the_room_where_most_are_right(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 50_000)
    predicted = np.where(rng.random(len(y)) < 0.03, rng.integers(0, 10, len(y)), y)
    ledger.append(tmp_path, RUN, (y, predicted))
    sizes = sorted(file.stat().st_size for file in (tmp_path / "ledger" / "predictions").iterdir())
    assert sizes[0] < 5000


def test_a_line_of_a_newer_format_is_refused_by_name(tmp_path):
    ledger.append(tmp_path, RUN | {"format": 2}, None)
    with pytest.raises(ValueError, match="line 1 has format 2; this program reads up to 1"):
        ledger.lines(tmp_path / "ledger")


def test_a_line_says_nothing_of_where_its_run_was(tmp_path):
    settings = {"runs_folder": str(tmp_path), "data.path": "/home/me/mine.csv", "seed": 3}
    ledger.append(tmp_path, RUN | {"batch": ["../other"], "settings": settings}, None)
    (file,) = (tmp_path / "ledger").glob("*.jsonl")
    line = json.loads(file.read_text())
    assert "batch" not in line
    assert line["settings"] == {"runs_folder": tmp_path.name, "data.path": "mine.csv", "seed": 3}
    assert str(tmp_path) not in file.read_text()
