import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sda.common.errors import DataFormatError
from sda.data.mnist import read_idx

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
def test_reading_what_was_written_gives_the_same_array(
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
def test_a_damaged_file_is_told_with_its_name_and_place(tmp_path, data, told):
    path = write(tmp_path / "images", data)
    with pytest.raises(DataFormatError) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)


@pytest.mark.parametrize("zipped", [False, True])
def test_giant_dimensions_are_refused_before_anything_is_allocated(tmp_path, zipped):
    data = b"\0\0\x08\3" + struct.pack(">III", 1800, 1000, 1000)
    path = write(tmp_path / "images", gzip.compress(data) if zipped else data)
    tracemalloc.start()
    with pytest.raises(DataFormatError, match="1800 x 1000 x 1000"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
