"""Tables as text: .csv and .tsv, with or without a header, separated by commas, semicolons or tabs.

A file may be gzipped. Every cell is read as text; what it means is decided where columns are
(`sda.data.kinds`).
"""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow

from sda.common.errors import DataFormatError, first_line
from sda.data.formats.archives import opened
from sda.data.formats.cells import is_number, words

SEPARATORS = ",;\t"
BLOCK = 1 << 22  # bytes of a block; where the table is read whole a fourth, which needs less memory
_THOUSANDS = (
    r"^[$€£¥]?[+-]?[$€£¥]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?[$€£¥%]?$"  # 1,234 in a file of commas
)


def read_text(
    path: Path,
    missing: Sequence[str | float] = (),
    header: str = "auto",
    named: Collection[str] = (),
) -> tuple[pd.DataFrame, bool]:
    """Read a table of text cells, blanks around them cut off, and whether its first line is names.

    Args:
        path: of the file; UTF-8, UTF-16 by its mark, or Latin-1 where it cannot be that.
        missing: words for a missing cell, besides MISSING.
        header: yes, no or auto: told from the cells.
        named: columns that the person has named: where the first line has one, it is a header.

    Returns:
        The table, its index named ``line`` with the lines of the file, and the header.

    Raises:
        DataFormatError: not a table of text, or one whose header cannot be told.
    """
    text = _Text(path, missing)
    columns = [pa.chunked_array(chunks) for chunks in zip(*text.blocks(BLOCK // 4), strict=True)]
    if header == "auto":
        headed = bool({*named} & {*text.first}) or _is_header(path, text.first, columns)
    else:
        headed = header == "yes"
    names, n = text.names(headed), len(columns[0]) - headed
    if not n:
        raise DataFormatError(f"{path}: no rows" + " below the header" * headed)
    return _frame(names, columns, headed, text.lines(n, headed)), headed


def text_blocks(
    path: Path, missing: Sequence[str | float], names: Collection[str] | None
) -> Iterator[pd.DataFrame]:
    """Yield the cells of a table, as text, by blocks of lines.

    The first line is a header if it has one of ``names``; None: if none of its cells is a number.
    """
    text = _Text(path, missing)
    first = text.first
    headed = not any(map(is_number, first)) if names is None else bool({*names} & {*first})
    columns, start, line = text.names(headed), int(headed), 1 + headed
    for cells in text.blocks(BLOCK):
        n = len(cells[0]) - start
        if n:
            yield _frame(columns, cells, start, range(line, line + n))
        start, line = 0, line + n


def _frame(
    names: list[str], columns: list[Any], start: int, lines: NDArray[np.int64] | range
) -> pd.DataFrame:
    """The cells from a place on, under the names of columns, with their lines."""
    cells = {
        name: column.slice(start).to_pandas(types_mapper=pd.ArrowDtype)
        for name, column in zip(names, columns, strict=True)
    }
    return pd.DataFrame(cells).set_axis(pd.Index(lines, name="line"))


class _Text:
    """A table in a file: how it is encoded and separated, and ``first``, the cells of a line.

    That is the first one that is not blank; the separator is the one that splits it most.
    """

    def __init__(self, path: Path, missing: Sequence[str | float]) -> None:
        self._path, self._missing, self._encoding = path, words(missing), _encoding(path)
        with _as_text(path, self._encoding) as stream:
            lines = [line for line in itertools.islice(stream, 20) if line.strip()]
        if not lines:
            raise DataFormatError(f"{path}: the file is empty")
        cells = {s: list(csv.reader(lines[:2], delimiter=s)) for s in SEPARATORS}
        found = max(SEPARATORS, key=lambda s: min(map(len, cells[s])))
        self._separator = "\t" if ".tsv" in path.suffixes else found
        self.first = [cell.strip() for cell in cells[self._separator][0]]
        if len(self.first) < 2:
            raise DataFormatError(
                f"{path}: line 1: at least two columns needed, separated by comma, semicolon or "
                f"tab; got {lines[0].strip()[:60]!r}"
            )

    def names(self, headed: bool) -> list[str]:
        """The names of the columns; one without a name is called by its place."""
        if not headed:
            return [f"x{k}" for k in range(1, len(self.first) + 1)]
        names = [cell or f"unnamed column {k}" for k, cell in enumerate(self.first, 1)]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise DataFormatError(f"{self._path}: line 1: the column {twice[0]!r} is there twice")
        return names

    def blocks(self, size: int) -> Iterator[list[pa.Array]]:
        """The columns by blocks of ``size`` bytes, from the first line on.

        Cells have no blanks around them, and are null where one is missing.
        """
        kinds = {f"f{k}": pa.string() for k in range(len(self.first))}
        encoding = "utf-8" if self._encoding == "utf-8-sig" else self._encoding
        how = (
            arrow.ReadOptions(
                autogenerate_column_names=True,
                use_threads=False,
                block_size=size,
                encoding=encoding,
            ),
            arrow.ParseOptions(delimiter=self._separator, newlines_in_values=True),
            arrow.ConvertOptions(column_types=kinds),
        )
        try:
            with opened(self._path) as stream:
                for batch in arrow.open_csv(stream, *how):
                    yield [self._cleaned(column) for column in batch.columns]
        except pa.ArrowInvalid as error:
            raise DataFormatError(f"{self._path}: {self._fault(first_line(error))}") from None

    def lines(self, n: int, headed: bool) -> NDArray[np.int64] | range:
        """The line of each of n rows; counted slowly only where a row is not a line."""
        with opened(self._path) as stream:
            breaks, last = 0, b"\n"
            while block := stream.read(1 << 24):
                breaks, last = breaks + block.count(b"\n"), block[-1:]
        if breaks + (last != b"\n") == n + headed:
            return range(1 + headed, n + 1 + headed)
        lines = [line for line, _ in self._rows()]
        return np.array(lines[len(lines) - n :])

    def _cleaned(self, cells: pa.Array) -> pa.Array:
        cells = pc.utf8_trim_whitespace(cells)
        if self._separator == "," and pc.any(pc.match_substring(cells, ",")).as_py():
            are = pc.match_substring_regex(cells, _THOUSANDS)
            cells = pc.if_else(are, pc.replace_substring(cells, ",", ""), cells)
        none = pc.is_in(cells, value_set=self._missing)
        return pc.if_else(none, pa.scalar(None, pa.string()), cells)

    def _rows(self) -> Iterator[tuple[int, int]]:
        """The line in the file where each row begins, and its number of cells."""
        with _as_text(self._path, self._encoding) as text:
            reader, before = csv.reader(text, delimiter=self._separator), 0
            for cells in reader:
                if cells:
                    yield before + 1, len(cells)
                before = reader.line_num

    def _fault(self, told: str) -> str:
        """What the parser says; the file's line where rows differ in their number of cells."""
        rows = self._rows()
        _, width = next(rows, (1, 0))
        for line, cells in rows:
            if cells != width:
                return f"line {line}: {width} columns in the first line, {cells} here"
        return told


def _encoding(path: Path) -> str:
    """UTF-8 if all of the file is; what a spreadsheet of western Europe writes otherwise."""
    with opened(path) as stream:
        start = stream.read(1 << 16)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if b"\0" in start:
            raise DataFormatError(f"{path}: not a text file (it holds zero bytes)")
    try:
        with _as_text(path, "utf-8-sig") as text:
            while text.read(1 << 24):
                pass
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


@contextmanager
def _as_text(path: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    """The lines of a file as they are, unzipped."""
    with opened(path) as stream, io.TextIOWrapper(stream, encoding, newline="") as text:
        yield text


def _is_header(path: Path, first: list[str], columns: list[pa.ChunkedArray]) -> bool:
    """Whether the first line names the columns.

    It does where a word of it stands above numbers alone; where all of its numbers count up from 0
    or 1, as pandas names columns; and where all its cells are words, no two alike, and none of them
    stands below. Numbers alone that grow otherwise may be either.
    """
    below = [column.slice(1) for column in columns]
    numbers = [float(cell) for cell in first if is_number(cell)]
    words = [
        k
        for k, cell in enumerate(first)
        if re.search(r"[^\W\d]", cell) and columns[k][0].is_valid and not is_number(cell)
    ]
    if not len(below[0]) or any(_are_numbers(below[k]) for k in words):
        return bool(words)
    if any(pc.any(pc.equal(below[k], first[k])).as_py() for k in words):
        return False
    if len(numbers) < 2:
        return (not numbers and len(set(first)) == len(first)) or (bool(numbers) and "" in first)
    counts, from_start = bool(np.all(np.diff(numbers) == 1)), numbers[0] in (0, 1)
    if counts and len(numbers) < 4 and not from_start:
        return False
    if not counts and (words or not _may_name(np.diff(numbers), below)):
        return False
    if not words and not (counts and len(numbers) >= 4 and from_start):
        raise DataFormatError(
            f"{path}: the first line {','.join(first)[:60]} may name the columns or be a row; say "
            "data.header=yes or data.header=no"
        )
    return True


def _may_name(steps: NDArray[np.float64], below: list[pa.ChunkedArray]) -> bool:
    """Whether numbers that differ by ``steps`` grow as 10, 20, 30 do, or as no row below them."""
    if len(steps) >= 3 and steps[0] > 0 and np.allclose(steps, steps[0]):
        return True
    cells = [column[0].as_py() or "" for column in below]
    row = [float(cell) for cell in cells if is_number(cell)]
    return len(steps) >= 5 and bool((steps > 0).all()) and not (np.diff(row) > 0).all()


def _are_numbers(cells: pa.ChunkedArray) -> bool:
    """Whether all cells that are there are numbers, and one is there."""
    try:
        return bool(pc.any(pc.is_finite(pc.cast(cells, pa.float64()))).as_py())
    except pa.ArrowInvalid:
        return False
