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
_SNIFFED = 1 << 16  # bytes that the separator is read from
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
        missing: further words for a missing cell, beside MISSING.
        header: yes, no or auto: told from the cells.
        named: columns that the person has named: where the first line has one, it is a header.

    Returns:
        The table, its index named ``line`` with the lines of the file, and the header.

    Raises:
        DataFormatError: not a table of text, or one whose header cannot be told.
    """
    encoding = _encoding(path)
    first, separator = _first_line(path, encoding)
    columns = _columns(path, encoding, separator, len(first), words(missing))
    if header == "auto":
        headed = bool(set(named) & set(first)) or _is_header(path, first, columns)
    else:
        headed = header == "yes"
    names = _names(path, first) if headed else [f"x{k}" for k in range(1, len(first) + 1)]
    if headed:
        columns = [column.slice(1) for column in columns]
    if not len(columns[0]):
        raise DataFormatError(f"{path}: no rows" + " below the header" * headed)
    frame = pd.DataFrame(
        {n: c.to_pandas(types_mapper=_text) for n, c in zip(names, columns, strict=True)}
    )
    frame.index = pd.Index(_lines(path, encoding, separator, len(frame), headed), name="line")
    return frame, headed


def text_blocks(
    path: Path, missing: Sequence[str | float], names: Collection[str] | None
) -> Iterator[pd.DataFrame]:
    """Yield the cells of a table, as text, by blocks of lines.

    The first line is a header if it has one of ``names``; None: if none of its cells is a number.
    """
    encoding = _encoding(path)
    first, separator = _first_line(path, encoding)
    headed = not any(map(is_number, first)) if names is None else bool({*names} & {*first})
    columns = _names(path, first) if headed else [f"x{k}" for k in range(1, len(first) + 1)]
    line, none = 1 + headed, words(missing)
    try:
        with opened(path) as stream:
            reader = arrow.open_csv(stream, *_how(encoding, separator, len(first), 1 << 22))
            for number, batch in enumerate(reader):
                cells = [_cleaned(column, none, separator) for column in batch.columns]
                if headed and number == 0:
                    cells = [column.slice(1) for column in cells]
                made = zip(columns, cells, strict=True)
                frame = pd.DataFrame({n: c.to_pandas(types_mapper=_text) for n, c in made})
                frame.index = pd.RangeIndex(line, line + len(frame), name="line")
                line += len(frame)
                if len(frame):
                    yield frame
    except pa.ArrowInvalid as error:
        raise DataFormatError(_fault(path, encoding, separator, first_line(error))) from None


def _text(kind: pa.DataType) -> Any:
    return pd.ArrowDtype(kind)


def _encoding(path: Path) -> str:
    """UTF-8 if all of the file is; what a spreadsheet of western Europe writes otherwise."""
    with opened(path) as stream:
        start = stream.read(_SNIFFED)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if b"\0" in start:
            raise DataFormatError(f"{path}: not a text file (it holds zero bytes)")
    try:
        with _opened_text(path, "utf-8-sig") as text:
            while text.read(1 << 24):
                pass
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


@contextmanager
def _opened_text(path: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    """The lines of a file as they are, unzipped."""
    with opened(path) as stream, io.TextIOWrapper(stream, encoding, newline="") as text:
        yield text


def _first_line(path: Path, encoding: str) -> tuple[list[str], str]:
    """Cells of the first line that is not blank, and the separator: the one that splits it most."""
    with _opened_text(path, encoding) as stream:
        lines = [line for line in itertools.islice(stream, 20) if line.strip()]
    if not lines:
        raise DataFormatError(f"{path}: the file is empty")
    found = max(SEPARATORS, key=lambda s: min(_fields(line, s) for line in lines[:2]))
    if ".tsv" in path.suffixes:
        found = "\t"
    cells = next(csv.reader(io.StringIO(lines[0]), delimiter=found))
    if len(cells) < 2:
        raise DataFormatError(
            f"{path}: line 1: at least two columns needed, separated by comma, semicolon or tab; "
            f"got {lines[0].strip()[:60]!r}"
        )
    return [cell.strip() for cell in cells], found


def _fields(line: str, separator: str) -> int:
    return len(next(csv.reader(io.StringIO(line), delimiter=separator)))


def _columns(
    path: Path, encoding: str, separator: str, width: int, words: pa.Array
) -> list[pa.ChunkedArray]:
    """All cells as text without blanks around them, null where missing; the first line too."""
    try:
        with opened(path) as stream:
            table = arrow.read_csv(stream, *_how(encoding, separator, width))
    except pa.ArrowInvalid as error:
        raise DataFormatError(_fault(path, encoding, separator, first_line(error))) from None
    found = []
    for name in table.column_names:
        found.append(_cleaned(table[name], words, separator))
        table = table.drop_columns(name)  # so that the text is in memory once
    return found


def _cleaned(cells: Any, words: pa.Array, separator: str) -> Any:
    cells = pc.utf8_trim_whitespace(cells)
    if separator == "," and pc.any(pc.match_substring(cells, ",")).as_py():
        are = pc.match_substring_regex(cells, _THOUSANDS)
        cells = pc.if_else(are, pc.replace_substring(cells, ",", ""), cells)
    return pc.if_else(pc.is_in(cells, value_set=words), pa.scalar(None, pa.string()), cells)


def _how(encoding: str, separator: str, width: int, block: int | None = None) -> tuple[Any, ...]:
    """Read all cells as text, the first line as any other."""
    kinds = {f"f{k}": pa.string() for k in range(width)}
    return (
        arrow.ReadOptions(
            autogenerate_column_names=True,
            use_threads=False,
            block_size=block,
            encoding="utf-8" if encoding == "utf-8-sig" else encoding,
        ),
        arrow.ParseOptions(delimiter=separator, newlines_in_values=True),
        arrow.ConvertOptions(column_types=kinds),
    )


def _rows(path: Path, encoding: str, separator: str) -> Iterator[tuple[int, int]]:
    """The line in the file where each row begins, and its number of cells."""
    with _opened_text(path, encoding) as stream:
        reader, before = csv.reader(stream, delimiter=separator), 0
        for cells in reader:
            if cells:
                yield before + 1, len(cells)
            before = reader.line_num


def _fault(path: Path, encoding: str, separator: str, told: str) -> str:
    """What the parser says, with the file's line where rows differ in their number of cells."""
    rows = _rows(path, encoding, separator)
    _, width = next(rows, (1, 0))
    for line, cells in rows:
        if cells != width:
            return f"{path}: line {line}: {width} columns in the first line, {cells} here"
    return f"{path}: {told}"


def _lines(
    path: Path, encoding: str, separator: str, n: int, headed: bool
) -> NDArray[np.int64] | range:
    """The line of each of n rows; counted slowly only where a row is not a line."""
    with opened(path) as stream:
        breaks, last = 0, b"\n"
        while block := stream.read(1 << 24):
            breaks, last = breaks + block.count(b"\n"), block[-1:]
    if breaks + (last != b"\n") == n + headed:
        return range(1 + headed, n + 1 + headed)
    lines = [line for line, _ in _rows(path, encoding, separator)]
    return np.array(lines[len(lines) - n :])


def _is_header(path: Path, first: list[str], columns: list[pa.ChunkedArray]) -> bool:
    """Whether the first line names the columns.

    It does where a word of it stands above numbers alone; where all of its numbers count up from 0
    or 1, as pandas names columns; and where all its cells are words, no two alike, and none of them
    stands below. Numbers alone that grow otherwise may be either.
    """
    below = [column.slice(1) for column in columns]
    numbers = [float(cell) for cell in first if is_number(cell)]
    words = [
        k for k, cell in enumerate(first) if re.search(r"[^\W\d]", cell) and columns[k][0].is_valid
    ]
    words = [k for k in words if not is_number(first[k])]
    if not len(below[0]) or any(is_number_column(below[k]) for k in words):
        return bool(words)
    if any(_occurs(first[k], below[k]) for k in words):
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


def _occurs(cell: str, below: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.equal(below, cell)).as_py())


def _names(path: Path, first: list[str]) -> list[str]:
    """The header; a column without a name is called by its place."""
    names = [cell or f"unnamed column {k}" for k, cell in enumerate(first, 1)]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise DataFormatError(f"{path}: line 1: the column {twice[0]!r} is there twice")
    return names


def is_number_column(cells: pa.ChunkedArray) -> bool:
    """Whether all cells that are there are numbers, and one is there."""
    try:
        return bool(pc.any(pc.is_finite(pc.cast(cells, pa.float64()))).as_py())
    except pa.ArrowInvalid:
        return False
