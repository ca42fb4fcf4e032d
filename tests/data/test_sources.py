"""Which source a name means: the published file in any of its forms, or the set made by rule."""

import gzip
import hashlib
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from sda.common.errors import DataError, DataFormatError, MissingDataError
from sda.data import sources
from sda.data.cache import downloads_folder
from sda.data.generated.rectangles import rect
from sda.data.sources import PROBLEMS, Made, choose, find_original


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SDA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def outlines(n):
    return "".join(" ".join(["0"] * 783 + ["1", str(k % 2)]) + "\n" for k in range(n))


@pytest.fixture
def small_rect(monkeypatch):
    """`rect` with 6, 2 and 4 rows, so that its archive is quickly written."""
    small = replace(PROBLEMS["rect"], n_train=6, n_valid=2, n_test=4)
    monkeypatch.setitem(sources.PROBLEMS, "rect", small)
    return small


def archive(folder, problem):
    folder.mkdir(exist_ok=True)
    path = folder / problem.archive
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(problem.train_file, outlines(problem.n_train + problem.n_valid))
        made.writestr(problem.test_file, outlines(problem.n_test))
    return path


def with_sum_of(path, monkeypatch):
    problem = PROBLEMS["rect"]
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
    monkeypatch.setitem(sources.PROBLEMS, "rect", replace(problem, sha1=sha1))


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
    with pytest.raises(MissingDataError, match=r"rectangles\.zip.*data fetch rect"):
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
    monkeypatch.setitem(sources.PROBLEMS, "rot", small)
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
    assert downloads_folder().name == "originals"
