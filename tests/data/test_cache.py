"""The cache of data sets: made once, opened fast, damage seen."""

import logging
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sda.data import cache as cache_module
from sda.data.cache import (
    cache_folder,
    cached,
    entry,
    opened,
)
from sda.data.generated.rectangles import rect
from sda.data.splits import Rows, Splits


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SDA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def toy(value=0.5):
    x = np.full((6, 4), value, np.float32)
    rows = Rows(x, np.arange(6) % 2)
    return Splits(
        "toy", rows, rows, rows, 2, "regenerated", (2, 2), ("no", "yes"), "two photographs"
    )


def count_makes():
    made = []

    def make():
        made.append(1)
        return toy()

    return make, made


def test_a_set_is_made_once_and_comes_back_whole():
    make, made = count_makes()
    first, second = (cached("toy", {"seed": 0}, make) for _ in range(2))
    assert len(made) == 1
    assert second.digest() == first.digest() == toy().digest()
    assert replace(second, train=None, valid=None, test=None) == replace(
        toy(), train=None, valid=None, test=None
    )


def test_another_key_is_another_set():
    make, made = count_makes()
    cached("toy", {"seed": 0}, make)
    cached("toy", {"seed": 1}, make)
    assert len(made) == 2


def test_writing_to_opened_arrays_never_reaches_the_cache():
    make, made = count_makes()
    cached("toy", {}, make).train.x[:] = 7
    assert cached("toy", {}, make).digest() == toy().digest()
    assert len(made) == 1


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "about", "pickle"])
def test_a_damaged_set_is_made_again_with_a_warning(damage, caplog):
    make, made = count_makes()
    cached("toy", {}, make)
    file = entry("toy", {}) / "train_x.npy"
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[-1] ^= 1
        file.write_bytes(data)
    elif damage == "truncate":
        file.write_bytes(data[:-5])
    elif damage == "delete":
        file.unlink()
    elif damage == "pickle":
        np.save(file, np.array([{}], object), allow_pickle=True)
    else:
        (file.parent / "about.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        assert cached("toy", {}, make).digest() == toy().digest()
    assert len(made) == 2
    assert damage == "delete" or "is damaged and left aside" in caplog.text


def test_a_copied_cache_with_new_dates_is_checked_and_kept(caplog):
    make, made = count_makes()
    cached("toy", {}, make)
    for file in entry("toy", {}).glob("*.npy"):
        os.utime(file, (1, 1))
    assert cached("toy", {}, make).digest() == toy().digest()
    assert len(made) == 1
    assert not caplog.text


@pytest.mark.parametrize("step", ["open", "fsync"])
def test_a_copied_cache_on_a_disk_without_writing_is_opened_and_left_as_it_is(
    step, monkeypatch, caplog
):
    cached("toy", {}, toy)
    folder = entry("toy", {})
    for file in folder.glob("*.npy"):
        os.utime(file, (1, 1))
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    opening = Path.open

    def refused(*_):
        raise OSError(30, "Read-only file system")

    def only_reading(path, mode="r", **options):
        return opening(path, mode, **options) if "r" in mode else refused()

    if step == "open":
        monkeypatch.setattr(cache_module.Path, "open", only_reading)
    else:
        monkeypatch.setattr(cache_module.os, "fsync", refused)
    assert opened("toy", {}).digest() == toy().digest()
    assert not caplog.text
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_failure_while_writing_leaves_nothing_and_still_returns_the_data(
    cache, monkeypatch, caplog
):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_module.np, "save", full)
    with caplog.at_level(logging.WARNING):
        assert cached("toy", {}, toy).digest() == toy().digest()
    assert "No space left on device" in caplog.text
    assert list((cache / "sets").iterdir()) == []


def test_without_a_home_the_cache_is_in_the_temporary_folder(monkeypatch):
    monkeypatch.delenv("SDA_CACHE")

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache_module.Path, "home", no_home)
    assert cache_folder().name == "sda-cache"


def test_a_cached_set_of_full_size_opens_in_milliseconds():
    rect(None, "regenerated", 0)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        rect(None, "regenerated", 0)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05
