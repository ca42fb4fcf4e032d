"""The .amat format of the benchmark: one example per line, inputs then the label, as text."""

import io
import itertools
import re
import warnings
from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from sda.common.errors import DataFormatError
from sda.data.labels import as_labels
from sda.data.splits import Rows

MAX_BYTES = 1 << 31  # of text; the largest file of the benchmark has about half of that


def read_amat(stream: IO[bytes], name: str, columns: int) -> Rows:
    """Features (n, columns) and labels (n,) of the text in ``stream``, which ``name`` stands for.

    Lines that begin with ``#`` head the file; ``#size: rows columns`` is held against the rest. The
    text is read line by line and never held. Raises DataFormatError with the line of a fault.
    """
    lines = _Lines(stream, name)
    declared = lines.head()
    if declared is not None and declared[1] != columns + 1:
        raise DataFormatError(f"{name}: #size: has {declared[1]} columns, expected {columns + 1}")
    table = _table(lines, name)
    if table.shape[1] != columns + 1:
        raise DataFormatError(
            f"{name}: line {lines.first}: {columns} inputs and a label expected, got "
            f"{table.shape[1]} numbers"
        )
    if declared is not None and declared[0] != len(table):
        raise DataFormatError(f"{name}: #size: has {declared[0]} rows, the file {len(table)}")
    return Rows(np.ascontiguousarray(table[:, :-1]), as_labels(name, table[:, -1], len(table)))


class _Lines:
    """The lines of a stream, counted, up to MAX_BYTES of text."""

    def __init__(self, stream: IO[bytes], name: str):
        # latin-1 maps any byte to some character, so that a foreign one is a non-numeric cell
        self._text: Iterator[str] = io.TextIOWrapper(stream, encoding="latin-1")
        self._name = name
        self._bytes = 0
        self.number = 0
        self.first = 1

    def head(self) -> tuple[int, int] | None:
        """Read the header; return the (rows, columns) that it declares, if it does."""
        declared = None
        for line in self._text:
            self.number += 1
            if not line.startswith("#"):
                self._text = itertools.chain([line], self._text)
                self.number -= 1
                break
            found = re.match(r"#size:\s*(-?\d+)\s+(-?\d+)\s*$", line)
            declared = (int(found[1]), int(found[2])) if found else declared
        self.first = self.number + 1
        return declared

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.number += 1
            self._bytes += len(line)
            if self._bytes > MAX_BYTES:
                raise DataFormatError(f"{self._name}: more than {MAX_BYTES} bytes of text")
            yield line


def _table(lines: _Lines, name: str) -> NDArray[np.float32]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about an empty file, which is refused below
            table = np.loadtxt(iter(lines), dtype=np.float32, comments=None, ndmin=2)
    except DataFormatError:
        raise
    except ValueError as error:
        told = re.sub(r" at row \d+", "", str(error).splitlines()[0].split(";")[0]).rstrip(".")
        raise DataFormatError(f"{name}: line {lines.number}: {told}") from None
    if not table.size:
        raise DataFormatError(f"{name}: no rows")
    return table
