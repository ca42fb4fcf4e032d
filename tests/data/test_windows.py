"""`text`: windows of letters."""

import numpy as np
import pytest

from sda.common.errors import DataError
from sda.data.windows import text


def written(x, data):
    """Windows as strings."""
    alphabet = data.encoding.columns[0].categories
    places = x.reshape(len(x), -1, len(alphabet)).argmax(-1)
    return ["".join(alphabet[k] for k in row) for row in places]


def test_windows_are_the_text_in_order_and_no_letter_is_in_two_parts(tmp_path):
    words = [f"{chr(97 + k // 26)}{chr(97 + k % 26)}" for k in range(200)]
    (tmp_path / "words.txt").write_text(", ".join(words).upper() + ".\n")
    data = text(str(tmp_path / "words.txt"), 4, 1)
    parts = [written(part.x, data) for part in data.parts().values()]
    running = ["".join(w[0] for w in windows) + windows[-1][1:] for windows in parts]
    assert "".join(running) == "_".join(words)
    assert [len(part) for part in running] == [419, 90, 90]  # 70, 15 and 15 % of 599
    assert data.kind == "nothing"
    assert (data.name, data.source) == ("words", "user")


def test_a_larger_step_leaves_windows_out_and_tables_read_as_text():
    data, apart = text(None, 6, 1), text(None, 6, 4)
    np.testing.assert_array_equal(apart.test.x, data.test.x[::4])
    table = data.encoding.table(data.train.x[:3])
    assert list(table.columns) == ["1", "2", "3", "4", "5", "6"]
    assert ["".join(row) for row in table.to_numpy()] == written(data.train.x[:3], data)


@pytest.mark.parametrize(
    ("path", "length", "step", "said"),
    [
        ("none.txt", 4, 1, "must be a text file, got none.txt"),
        ("short.txt", 4, 1, r"needs at least 34 letters for windows of 4, got 11"),
        ("latin.txt", 4, 1, "a text in UTF-8 is wanted"),
        (None, 1, 1, "data.length must be"),
        (None, 4, 0, "data.step must be"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(tmp_path, monkeypatch, path, length, step, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_text("hello world")
    (tmp_path / "latin.txt").write_bytes("caf\xe9 ".encode("latin-1") * 40)
    with pytest.raises((DataError, ValueError), match=said):
        text(path, length, step)
