"""The cache of data sets, and which source a name means."""

import logging
import os
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sda.data import caching, originals, sources
from sda.data.caching import cache_folder, cached, entry
from sda.data.errors import DataError, DataFormatError, MissingDataError
from sda.data.originals import PROBLEMS, find_original
from sda.data.rectangles import rect
from sda.data.sources import Made, choose
from sda.data.splits import Rows, Splits


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SDA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SDA_DATA", raising=False)
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


def test_a_failure_while_writing_leaves_nothing_and_still_returns_the_data(
    cache, monkeypatch, caplog
):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.np, "save", full)
    with caplog.at_level(logging.WARNING):
        assert cached("toy", {}, toy).digest() == toy().digest()
    assert "No space left on device" in caplog.text
    assert list((cache / "sets").iterdir()) == []


def test_without_a_home_the_cache_is_in_the_temporary_folder(monkeypatch):
    monkeypatch.delenv("SDA_CACHE")

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(caching.Path, "home", no_home)
    assert cache_folder().name == "sda-cache"


def test_a_cached_set_of_full_size_opens_in_milliseconds():
    rect(None, "regenerated", 0)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        rect(None, "regenerated", 0)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05


# Which source a name means


def outlines(n):
    return "".join(" ".join(["0"] * 783 + ["1", str(k % 2)]) + "\n" for k in range(n))


@pytest.fixture
def small_rect(monkeypatch):
    """`rect` with 6, 2 and 4 rows, so that its archive is quickly written."""
    small = replace(PROBLEMS["rect"], n_train=6, n_valid=2, n_test=4)
    monkeypatch.setitem(originals.PROBLEMS, "rect", small)
    return small


def archive(folder, problem):
    folder.mkdir(exist_ok=True)
    path = folder / problem.archive
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(problem.train_file, outlines(problem.n_train + problem.n_valid))
        made.writestr(problem.test_file, outlines(problem.n_test))
    return path


def with_sum_of(path, monkeypatch):
    import hashlib

    problem = PROBLEMS["rect"]
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
    monkeypatch.setitem(originals.PROBLEMS, "rect", replace(problem, sha1=sha1))


def never():
    raise AssertionError("the original is there: nothing may be generated")


def drawn():
    return Made(np.ones((12, 28, 28), np.uint8) * 255, np.arange(12) % 2)


def rule():
    return {"rule": "test"}


def test_auto_takes_the_original_if_it_is_there_and_else_generates(
    tmp_path, small_rect, monkeypatch
):
    folder = tmp_path / "data"
    assert choose("rect", str(folder), "auto", rule, drawn).source == "regenerated"
    with_sum_of(archive(folder, small_rect), monkeypatch)
    found = choose("rect", str(folder), "auto", rule, never)
    assert found.source == "original"
    assert [len(part.y) for part in found.parts().values()] == [6, 2, 4]
    assert choose("rect", str(folder), "regenerated", rule, drawn).source == "regenerated"


def test_insisting_on_an_original_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingDataError, match=r"rectangles\.zip.*\./run data fetch rect"):
        rect(str(tmp_path), "original", 0)


def test_an_unknown_source_is_refused_with_the_choices():
    with pytest.raises(DataError, match="auto, original, regenerated, got orginal"):
        rect(None, "orginal", 0)


def test_an_archive_with_another_checksum_is_refused(tmp_path, small_rect):
    archive(tmp_path, small_rect)
    with pytest.raises(DataFormatError, match="sha1 expected b8d456b1f83"):
        choose("rect", str(tmp_path), "auto", rule, never)


@pytest.mark.parametrize("place", ["", "icml2007"])
def test_extracted_text_plain_or_gzipped_is_found(tmp_path, small_rect, place):
    import gzip

    folder = tmp_path / place
    folder.mkdir(exist_ok=True)
    (folder / small_rect.train_file).write_text(outlines(8))
    with gzip.open(folder / f"{small_rect.test_file}.gz", "wt") as stream:
        stream.write(outlines(4))
    assert choose("rect", str(tmp_path), "original", rule, never).source == "original"


def test_a_conversion_with_another_checksum_is_refused(tmp_path):
    np.savez(tmp_path / "convex.npz", x_train=np.zeros(3))
    with pytest.raises(DataFormatError, match=r"convex\.npz: sha256 expected 1d2435d63a"):
        choose("convex", str(tmp_path), "auto", rule, never)


def test_rows_missing_from_an_original_are_told(tmp_path, small_rect):
    (tmp_path / small_rect.train_file).write_text(outlines(7))
    (tmp_path / small_rect.test_file).write_text(outlines(4))
    with pytest.raises(DataFormatError, match="8 rows expected in the first file, got 7"):
        choose("rect", str(tmp_path), "auto", rule, never)


def test_an_original_that_was_read_stays_the_original_when_its_file_is_gone(
    tmp_path, small_rect, monkeypatch
):
    path = archive(tmp_path / "data", small_rect)
    with_sum_of(path, monkeypatch)
    first = choose("rect", str(tmp_path / "data"), "auto", rule, never)
    path.unlink()
    again = choose("rect", str(tmp_path / "data"), "auto", rule, never)
    assert (again.source, again.digest()) == ("original", first.digest())


def test_extracted_text_that_was_changed_is_read_again(tmp_path, small_rect):
    for name, n in ((small_rect.train_file, 8), (small_rect.test_file, 4)):
        (tmp_path / name).write_text(outlines(n))
    first = choose("rect", str(tmp_path), "original", rule, never)
    (tmp_path / small_rect.test_file).write_text(outlines(4).replace("0 1 0", "1 1 0"))
    assert choose("rect", str(tmp_path), "original", rule, never).digest() != first.digest()


def test_sideways_originals_come_back_upright(tmp_path, monkeypatch):
    small = replace(PROBLEMS["rot"], n_train=2, n_valid=2, n_test=2)
    monkeypatch.setitem(originals.PROBLEMS, "rot", small)
    image = np.zeros((28, 28), int)
    image[3, 20] = 1
    line = " ".join(map(str, [*image.T.ravel()]))
    for name, n in ((small.train_file, 4), (small.test_file, 2)):
        (tmp_path / name).write_text("".join(f"{line} {k % 2}\n" for k in range(n)))
    found = choose("rot", str(tmp_path), "original", rule, never)
    np.testing.assert_array_equal(found.test.x[0].reshape(28, 28), image)


def test_pixels_outside_the_unit_interval_are_refused(tmp_path, small_rect):
    (tmp_path / small_rect.train_file).write_text(outlines(8).replace("1 0\n", "2 0\n"))
    (tmp_path / small_rect.test_file).write_text(outlines(4))
    with pytest.raises(DataFormatError, match=r"pixels must be in \[0, 1\], got 0\.\.2"):
        choose("rect", str(tmp_path), "original", rule, never)


def test_archive_beats_text_beats_conversion(tmp_path):
    problem = PROBLEMS["rect"]
    (tmp_path / "rectangles.npz").touch()
    assert find_original(problem, str(tmp_path)).form == "converted"
    (tmp_path / problem.train_file).touch()
    (tmp_path / problem.test_file).touch()
    assert find_original(problem, str(tmp_path)).form == "text"
    (tmp_path / problem.archive).touch()
    assert find_original(problem, str(tmp_path)).form == "archive"


def test_every_problem_has_the_papers_sizes():
    first = {name: (p.n_train, p.n_valid, p.n_test) for name, p in PROBLEMS.items()}
    assert first.pop("rect") == (1000, 200, 50000)
    assert first.pop("convex") == (6000, 2000, 50000)
    assert set(first.values()) == {(10000, 2000, 50000)}
    assert sources.SOURCES == ("auto", "original", "regenerated")
    assert Path(originals.downloads_folder()).name == "originals"
