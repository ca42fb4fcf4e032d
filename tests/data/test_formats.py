"""Formats of published files, amat and idx, and archives: what is read, how damage is told."""

import gzip
import io
import stat
import struct
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sda.common.errors import DataFormatError
from sda.data import sources
from sda.data.formats import archives
from sda.data.formats.archives import opened, verify
from sda.data.mnist import read_idx
from sda.data.sources import read_amat


def amat_text(x, y, header=""):
    rows = np.column_stack([x, y])
    lines = [" ".join(f"{value:.9e}" for value in row) for row in rows]
    return (header + "\n".join(lines) + "\n").encode()


def read(data, columns):
    return read_amat(io.BytesIO(data), "file.amat", columns)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 6), st.booleans(), st.integers(0, 99))
def test_reading_what_was_written_gives_the_same_rows(n, d, headed, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.random((n, d)).astype(np.float32), rng.integers(0, 10, n)
    header = f"#size: {n} {d + 1}\n#: a b c\n#sizes: {d} 1 0 0\n" if headed else ""
    found = read(amat_text(x, y, header), d)
    np.testing.assert_array_equal(found.x, x)
    np.testing.assert_array_equal(found.y, y)
    assert (found.x.dtype, found.y.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "no rows"),
        (b"#size: 5 3\n", "no rows"),
        (b"0 1 0\n0 1\n", "line 2: the number of columns changed from 3 to 2"),
        (b"#a\n0 1 0\n0 1 2 1\n", "line 3: the number of columns changed from 3 to 4"),
        (b"0 1 0\n0 one 1\n", "line 2: could not convert string 'one' to float32, column 2"),
        (b"0 1 0\n\xff\xfe 1 1\n", "line 2: could not convert"),
        (b"0 1 2 0\n", "line 1: 2 inputs and a label expected, got 4 numbers"),
        (b"#size: 2 3\n0 1 0\n", "#size: has 2 rows, the file 1"),
        (b"#size: 1 9\n0 1 0\n", "#size: has 9 columns, expected 3"),
        (b"#size: 99999999999 3\n0 1 0\n", "#size: has 99999999999 rows"),
        (b"#size: -1 3\n0 1 0\n", "#size: has -1 rows"),
        (b"0 1 0.5\n", "got 0.5 in row 0"),
        (b"0 1 nan\n", "got nan in row 0"),
    ],
)
def test_a_faulty_text_is_told_with_file_and_line(text, told):
    with pytest.raises(DataFormatError) as caught:
        read(text, 2)
    assert str(caught.value).startswith("file.amat: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_endless_text_is_cut_off(monkeypatch):
    monkeypatch.setattr(sources, "MAX_BYTES", 1000)
    with pytest.raises(DataFormatError, match="more than 1000 bytes"):
        read(b"0 1 0\n" * 500, 2)


def zipped(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_a_member_is_read_by_its_exact_name_and_nothing_is_written(tmp_path):
    path = zipped(
        tmp_path / "a.zip",
        **{"../train.amat": b"evil", "/train.amat": b"evil", "train.amat": b"good"},
    )
    with opened(path, "train.amat") as stream:
        assert stream.read() == b"good"
    assert [file.name for file in tmp_path.rglob("*")] == ["a.zip"]
    assert not (tmp_path.parent / "train.amat").exists()


def test_a_link_in_an_archive_is_only_text(tmp_path):
    link = zipfile.ZipInfo("train.amat")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with opened(tmp_path / "a.zip", "train.amat") as stream, pytest.raises(DataFormatError):
        read_amat(stream, "a", 2)


def test_a_member_beyond_the_cap_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 10**6)
    path = zipped(tmp_path / "bomb.zip", **{"train.amat": bytes(10**7)})
    assert path.stat().st_size < 10**5
    with (
        pytest.raises(DataFormatError, match="has 10000000 bytes, at most 1000000"),
        opened(path, "train.amat"),
    ):
        pass


def spoilt(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "tar", "text", "other member"])
def test_a_damaged_archive_is_told_with_its_name(tmp_path, damage):
    path = zipped(tmp_path / "a.zip", **{"train.amat": np.random.default_rng(0).bytes(5000)})
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "flipped":
        spoilt(path, 2000)
    elif damage == "text":
        path.write_bytes(b"<html>not found</html>")
    elif damage == "tar":
        with tarfile.open(path, "w") as tar:
            tar.addfile(tarfile.TarInfo("../train.amat"))
    member = "test.amat" if damage == "other member" else "train.amat"
    with pytest.raises(DataFormatError) as caught, opened(path, member) as stream:
        stream.read()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["truncated", "checksum"])
def test_a_damaged_gzip_file_is_told_with_its_name(tmp_path, damage):
    path, data = tmp_path / "a.gz", gzip.compress(b"0 1 0\n" * 99)
    path.write_bytes(data[:-12] if damage == "truncated" else data[:-8] + b"1234" + data[-4:])
    with pytest.raises(DataFormatError, match=r"a\.gz: damaged"), opened(path) as stream:
        stream.read()


def test_plain_and_gzipped_files_read_alike(tmp_path):
    (tmp_path / "plain").write_bytes(b"0 1 0\n")
    (tmp_path / "zipped").write_bytes(gzip.compress(b"0 1 0\n"))
    for name in ("plain", "zipped"):
        with opened(tmp_path / name) as stream:
            assert stream.read() == b"0 1 0\n"


def test_a_wrong_checksum_tells_what_was_expected_and_what_came(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    verify(tmp_path / "a", "sha1", "a9993e364706816aba3e25717850c26c9cd0d89d")
    with pytest.raises(DataFormatError, match="sha1 expected 00, got a9993e364706816aba3e257178"):
        verify(tmp_path / "a", "sha1", "00")


# idx

TYPES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def idx_bytes(array):
    kind = TYPES[array.dtype.str.lstrip("|")]
    head = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def write(path, data):
    path.write_bytes(data)
    return path


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    dtype=st.sampled_from(sorted(TYPES)),
    zipped=st.booleans(),
    seed=st.integers(0, 99),
)
def test_reading_an_idx_file_that_was_written_gives_the_same_array(
    tmp_path_factory, shape, dtype, zipped, seed
):
    array = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    data = idx_bytes(array)
    path = write(tmp_path_factory.mktemp("idx") / "a", gzip.compress(data) if zipped else data)
    found = read_idx(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


ARRAY = np.arange(600, dtype=np.uint8).reshape(6, 10, 10)
GOOD = idx_bytes(ARRAY)
ZIPPED = gzip.compress(GOOD, mtime=0)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "offset 0: not an idx file"),
        (b"PK\3\4" + GOOD[4:], "offset 0: not an idx file, it starts with 50 4b 03 04"),
        (b"\0\0\7\3" + GOOD[4:], "offset 0: not an idx file"),
        (b"\0\0\x08\0", "offset 0: not an idx file"),
        (GOOD[:9], "offset 9: the file ends within its 3 dimensions"),
        (GOOD[:-1], "6 x 10 x 10, 600 bytes, but the file ends at offset 615"),
        (GOOD + b"\0", "6 x 10 x 10, 600 bytes, but the file goes on after offset 616"),
        (b"\0\0\x08\2" + b"\xff" * 8, "more than the file can hold"),
        (ZIPPED[:-12], "damaged"),
        (ZIPPED[:-8] + b"\1\2\3\4" + ZIPPED[-4:], "damaged (CRC check failed"),
        (
            gzip.compress(b"\0\0\x08\2" + struct.pack(">ii", -1, 5), mtime=0),
            "more than the file can hold",
        ),
    ],
)
def test_a_damaged_idx_file_is_told_with_its_name_and_place(tmp_path, data, told):
    path = write(tmp_path / "images", data)
    with pytest.raises(DataFormatError) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)


@pytest.mark.parametrize("zipped", [False, True])
def test_giant_dimensions_of_an_idx_file_are_refused_before_anything_is_allocated(tmp_path, zipped):
    data = b"\0\0\x08\3" + struct.pack(">III", 1800, 1000, 1000)
    path = write(tmp_path / "images", gzip.compress(data) if zipped else data)
    tracemalloc.start()
    with pytest.raises(DataFormatError, match="1800 x 1000 x 1000"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
