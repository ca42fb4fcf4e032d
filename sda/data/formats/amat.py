"""The .amat format of the benchmark: one example per line, inputs then the label, as text."""

import io
import re
import warnings
from collections.abc import Iterator
from typing import IO

import numpy as np

from sda.common.errors import DataFormatError
from sda.data.splits import Rows, as_labels

MAX_BYTES = 1 << 31  # of text; the largest file of the benchmark has about half of that


def read_amat(stream: IO[bytes], name: str, columns: int) -> Rows:
    """Features (n, columns) and labels (n,) of the text in ``stream``, which ``name`` stands for.

    Lines that begin with ``#`` head the file; ``#size: rows columns`` is held against the rest. The
    text is read line by line and never held. Raises DataFormatError with the line of a fault.
    """
    lines = _Lines(stream, name)
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
    rows, width = lines.declared or (len(table), columns + 1)
    if width != columns + 1:
        raise DataFormatError(f"{name}: #size: has {width} columns, expected {columns + 1}")
    if table.shape[1] != columns + 1:
        raise DataFormatError(
            f"{name}: line {lines.first}: {columns} inputs and a label expected, got "
            f"{table.shape[1]} numbers"
        )
    if rows != len(table):
        raise DataFormatError(f"{name}: #size: has {rows} rows, the file {len(table)}")
    return Rows(table[:, :-1], as_labels(name, table[:, -1], len(table)))


class _Lines:
    """The lines of a stream below its header, counted, up to MAX_BYTES of text."""

    def __init__(self, stream: IO[bytes], name: str):
        self._stream, self._name = stream, name
        self.number = self.first = 0  # of the line that was read last, and of the first row
        self.declared: tuple[int, int] | None = None  # rows and columns, by the header

    def __iter__(self) -> Iterator[str]:
        total = 0
        # latin-1 maps any byte to some character, so that a foreign one is a non-numeric cell
        with io.TextIOWrapper(self._stream, encoding="latin-1") as text:
            for line in text:
                self.number += 1
                total += len(line)
                if total > MAX_BYTES:
                    raise DataFormatError(f"{self._name}: more than {MAX_BYTES} bytes of text")
                if self.first or not line.startswith("#"):
                    self.first = self.first or self.number
                    yield line
                elif found := re.match(r"#size:\s*(-?\d+)\s+(-?\d+)\s*$", line):
                    self.declared = int(found[1]), int(found[2])
