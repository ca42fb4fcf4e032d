"""Tables in .parquet: whole, by blocks of rows, or a column at a time where they are large."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from pyarrow.parquet import ParquetFile

from sda.common.errors import readable
from sda.data.formats.cells import blanked

ROWS = 8192  # of a block
LARGE = 1 << 30  # bytes of a table, uncompressed, from which it is not read whole


class Columns:
    """The columns of a large table, each read when it is asked for, and forgotten.

    It stands for a data frame where columns are looked at one by one; a column that is set stays
    what it is in the file.
    """

    def __init__(
        self, path: Path, missing: Sequence[str | float] = (), names: list[str] | None = None
    ) -> None:
        self.path, self._missing = path, missing
        with opened(path) as held:
            schema, self.rows = held.schema_arrow, held.metadata.num_rows
        aside = (schema.pandas_metadata or {}).get("index_columns", ())
        own = [name for name in schema.names if name not in aside]
        self.columns = pd.Index(own if names is None else names)

    def __getitem__(self, wanted: Any) -> Any:
        """The cells (n,) of a column; of several that are listed, the same without the others."""
        if not isinstance(wanted, str):
            return Columns(self.path, self._missing, wanted)
        with opened(self.path) as held:
            frame = _numbered(held.read(columns=[wanted]).to_pandas(), 0)
        return blanked(frame, self._missing)[wanted]

    def __setitem__(self, name: str, cells: pd.Series) -> None:
        """Forget what a column was found to be."""

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def blocks(self) -> Iterator[pd.DataFrame]:
        """The rows by blocks, with these columns."""
        return (frame[list(self.columns)] for frame in blocks(self.path, self._missing))


@contextmanager
def opened(path: Path) -> Iterator[ParquetFile]:
    """Open a file. Raises DataFormatError if it cannot be read."""
    kinds, fault = (OSError, ValueError, KeyError), f"{path}: not a readable .parquet file"
    # With buffers what was read stays in memory.
    with readable(fault, *kinds), ParquetFile(path, pre_buffer=False) as held:
        yield held


def read(path: Path, missing: Sequence[str | float]) -> pd.DataFrame | Columns:
    """Read a table whole, or its columns one at a time if it is large."""
    with opened(path) as held:
        groups = map(held.metadata.row_group, range(held.metadata.num_row_groups))
        if sum(group.total_byte_size for group in groups) > LARGE:
            return Columns(path, missing)
        return blanked(_numbered(held.read().to_pandas(), 0), missing)


def blocks(path: Path, missing: Sequence[str | float] = ()) -> Iterator[pd.DataFrame]:
    """Yield a table by blocks of rows."""
    start = 0
    with opened(path) as held:
        for batch in held.iter_batches(ROWS):
            frame = _numbered(batch.to_pandas(), start)
            start += len(frame)
            yield blanked(frame, missing)


def _numbered(frame: pd.DataFrame, start: int) -> pd.DataFrame:
    """The rows with their numbers in the file, and no index of their own."""
    frame = frame.rename(columns=str)
    frame.index = pd.RangeIndex(start, start + len(frame), name="row")
    return frame
