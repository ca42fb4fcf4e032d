"""A person's rows, out of one file or several, a data frame or arrays: not yet cut nor encoded."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from sda.common.checks import is_sparse
from sda.common.errors import DataError, DataFormatError, MissingDataError
from sda.data.cuts import PARTS
from sda.data.formats import parquet
from sda.data.formats.arrays import as_rows, read_folder, read_npz
from sda.data.formats.cells import blanked
from sda.data.formats.text import read_text, text_blocks

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".npz")  # text may be gzipped: .csv.gz
OTHER_NAMES = {"training": "train", "val": "valid", "validation": "valid", "dev": "valid",
               "testing": "test"}  # fmt: skip
_ARRAYS = {"data": "x", "images": "x", "features": "x", "inputs": "x", "label": "y", "labels": "y",
           "target": "y", "targets": "y"}  # fmt: skip
Parts = Mapping[str, tuple[Any, Any]]  # x (n, d) and y (n,) or None of each


def part_of(word: str) -> int:
    """What a word says that a row is for; −1: it is none of the parts."""
    return PARTS.get(OTHER_NAMES.get(word, word), -1)


class Source(NamedTuple):
    """Rows as they were read.

    ``x`` is a table; or a matrix (n, d) where they are grey levels (uint8), pictures, of
    ``image_shape``, or sparse, which stays what it is; or the mapped matrices of a folder, by part.
    ``y`` are labels that stand apart from the table, None where they are columns of it, or there
    are none. ``parts`` says what each row is for (n,), as far as the files do.
    """

    name: str
    x: Any
    y: pd.Series | None
    parts: NDArray[np.int8]
    headed: bool | None = None
    is_table: bool = True  # whether its columns have names of their own
    image_shape: tuple[int, ...] | None = None  # of arrays of pictures

    @property
    def is_matrix(self) -> bool:
        """Whether x is no table."""
        return not isinstance(self.x, pd.DataFrame | parquet.Columns)

    @property
    def is_whole(self) -> bool:
        """Whether x is a table in memory, labels and all: others can stand below it."""
        return isinstance(self.x, pd.DataFrame) and self.y is None

    @property
    def is_large(self) -> bool:
        """Whether x is a table whose columns are read when they are asked for."""
        return isinstance(self.x, parquet.Columns)


def of_files(
    files: Mapping[str, str], missing: Sequence[str | float], header: str, named: Collection[str]
) -> Source:
    """Read one file (``path``), or one for each part, by what the files are given as.

    Raises:
        MissingDataError: a file is not there.
        DataFormatError: a file is not what its name says, or two have other columns.
    """
    found = {what: _of_file(path, what, missing, header, named) for what, path in files.items()}
    if len(found) == 1:
        return next(iter(found.values()))
    for what, source in found.items():
        if not source.is_whole:
            raise DataError(
                f"{source.name} (data.{what}): only tables (.csv, .tsv, .parquet) below a GB can "
                "be given in several files; arrays of several parts belong in one .npz or a folder"
            )
    return _joined(found)


def of_frame(frame: pd.DataFrame, name: str = "table") -> Source:
    """Take a data frame as a table; it is not changed."""
    taken = frame.rename(columns=str) if frame.columns.nlevels == 1 else frame
    if taken.columns.nlevels > 1 or taken.empty:
        raise DataFormatError(
            f"{name}: must have rows, and columns with one name each, got {taken.shape} of "
            f"{taken.columns.nlevels}"
        )
    if not taken.columns.is_unique:
        raise DataFormatError(f"{name}: columns must have different names")
    if not isinstance(frame.index, pd.RangeIndex):
        taken = taken.reset_index(drop=True)
    return Source(name, taken, None, np.zeros(len(taken), np.int8))


def of_folder(folder: Path) -> Source:
    """Take the files of a folder, mapped: they are cut already, and used as they are."""
    x, y, parts, shape = _parted(str(folder), read_folder(folder))
    return Source(folder.name, x, y, parts, image_shape=shape)


def of_arrays(found: Parts, name: str = "arrays") -> Source:
    """Take a matrix (n, d) of each part, dense, grey levels or sparse, and labels (n,) or None.

    Pictures (n, h, w) or (n, c, h, w) are one, too.
    """
    held, y, parts, shape = _parted(name, found)
    x = next(iter(held.values())) if len(held) == 1 else np.concatenate(list(held.values()))
    source = Source(name, x, y, parts)
    if is_sparse(x):
        return source._replace(x=sparse.csr_matrix(x, dtype=np.float32))
    if x.dtype == np.uint8 or shape is not None:
        levels = x if x.dtype == np.uint8 else x.astype(np.float32)
        return source._replace(x=levels, image_shape=shape)
    return as_table(source)


def _parted(
    name: str, found: Parts
) -> tuple[dict[str, Any], pd.Series | None, NDArray[np.int8], tuple[int, ...] | None]:
    """Check arrays: x (n, d) by part, all labels, what each row is for, the shape of a picture."""
    x, labels, shape = dict[str, Any](), list[pd.Series](), None
    for part, (rows, y) in found.items():
        where = f"{name}, {part}" if len(found) > 1 else name
        if isinstance(rows, np.ma.MaskedArray):
            rows = np.ma.filled(rows.astype(np.float64), np.nan)
        if not is_sparse(rows):
            native = rows.astype(rows.dtype.newbyteorder("="), copy=False)
            rows, own = as_rows(where, native)
            shape = shape or own
            if rows.dtype.kind not in "fiub" or rows.ndim != 2 or 0 in rows.shape:
                raise DataFormatError(
                    f"{where}: features must be numbers (rows, columns), at least one of each, got "
                    f"{rows.dtype} of shape {rows.shape}"
                )
        x[part] = rows
        labels += [] if y is None else [of_labels(y, rows.shape[0], where)]
    widths = {part: rows.shape[1] for part, rows in x.items()}
    if len(set(widths.values())) > 1:
        told = ", ".join(f"{part} {width}" for part, width in widths.items())
        raise DataFormatError(f"{name}: all splits must have the same columns, got {told}")
    codes = np.repeat([PARTS[part] for part in x], [rows.shape[0] for rows in x.values()])
    whole = pd.concat(labels, ignore_index=True).rename_axis("row") if labels else None
    return x, whole, codes.astype(np.int8), shape


def of_labels(y: NDArray[Any], n: int, name: str) -> pd.Series:
    """Labels (n,) or (n, 1) of n rows. Raises DataFormatError for others."""
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim != 1:
        raise DataFormatError(f"{name}: labels must be (n,), one per row, got shape {y.shape}")
    if len(y) != n:
        raise DataFormatError(f"{name}: one label per row needed, got {n} rows, {len(y)} labels")
    if y.dtype.kind == "S":
        try:
            y = np.array([word.decode() for word in y.tolist()])
        except UnicodeDecodeError:
            y = np.array([word.decode("latin-1") for word in y.tolist()])
    return pd.Series(y.astype(y.dtype.newbyteorder("="), copy=False), name="y").rename_axis("row")


def as_table(source: Source) -> Source:
    """A dense matrix as a table whose columns are called x1, x2, ..."""
    if is_sparse(source.x) or isinstance(source.x, dict):
        what = "a folder, memory-mapped" if isinstance(source.x, dict) else "sparse rows"
        raise DataError(f"{source.name}: {what}: used as they are: needs data.scaling=none")
    names = [f"x{k}" for k in range(1, source.x.shape[1] + 1)]
    frame = pd.DataFrame(source.x, columns=names, copy=False).rename_axis("row")
    return source._replace(x=frame, is_table=False)


def in_blocks(
    file: Path, missing: Sequence[str | float], names: Sequence[str] | None
) -> Iterator[pd.DataFrame]:
    """Yield a table by blocks of rows, so that it may be larger than memory.

    Args:
        file: .csv, .tsv, .parquet or, read whole, .npz with x.
        missing: further words for a missing cell.
        names: columns that are looked for: where the first line of text has none of them, it is
            a row.
    """
    file = _existing(str(file), "TABLE")
    if _suffix(file) == ".parquet":
        yield from parquet.blocks(file, missing)
    elif _suffix(file) == ".npz":
        source = _of_npz(file)
        yield blanked((as_table(source) if source.is_matrix else source).x, missing)
    else:
        yield from text_blocks(file, missing, names)


def with_unlabelled(
    source: Source, path: str, missing: Sequence[str | float], header: str
) -> Source:
    """Add the training rows without labels of a file: a table, with or without label columns."""
    if not source.is_whole:
        raise DataError(
            "data.unlabelled goes with tables below a GB; larger ones have rows without a label, "
            "arrays a row -1 or NaN in y"
        )
    columns = list(source.x.columns)
    extra = _of_file(path, "unlabelled", missing, header, columns)
    if not extra.is_whole:
        raise DataError(
            f"{path} (data.unlabelled) must be a table (.csv, .tsv, .parquet) below a GB"
        )
    foreign = [name for name in extra.x if name not in columns]
    if foreign:
        raise DataFormatError(
            f"{path} (data.unlabelled) has the column {foreign[0]!r}, which {source.name} has not"
        )
    return _joined({"train": source, "unlabelled": extra})


def _existing(path: str, what: str) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        raise MissingDataError(f"no such file: {file} (data.{what})")
    if _suffix(file) not in SUFFIXES:
        raise DataFormatError(
            f"{file}: data.{what} must end in {', '.join(SUFFIXES)}, or be a folder of .npy files"
        )
    return file


def _suffix(file: Path) -> str:
    return Path(file.name.removesuffix(".gz")).suffix.lower()


def _of_file(
    path: str, what: str, missing: Sequence[str | float], header: str, named: Collection[str]
) -> Source:
    file = _existing(path, what)
    if _suffix(file) == ".npz":
        return _of_npz(file)
    if _suffix(file) == ".parquet":
        frame, headed = parquet.read(file, missing), None
    else:
        frame, headed = read_text(file, missing, header, named)
    n = frame.rows if isinstance(frame, parquet.Columns) else len(frame)
    return Source(file.name, frame, None, np.zeros(n, np.int8), headed)


def _of_npz(file: Path) -> Source:
    """x and y; x_train, y_train and so on; or one sparse matrix. Arrays left over are refused."""
    held = read_npz(file)
    if {"format", "shape", "data"} <= held.keys():
        return of_arrays({"train": (sparse.load_npz(file), None)}, file.name)
    arrays: dict[str, NDArray[Any]] = {}
    for key, array in held.items():
        words = [OTHER_NAMES.get(w, _ARRAYS.get(w, w)) for w in key.lower().split("_")]
        name = "_".join(sorted(words, key="yx".find, reverse=True))  # x_train of train_images
        name += "_train" * (name in ("x", "y"))
        if name in arrays:
            raise DataFormatError(f"{file}: {key} and another array are both {name}")
        arrays[name] = array
    parted = [part for part in PARTS if f"x_{part}" in arrays]
    idle = arrays.keys() - {f"{kind}_{part}" for part in parted for kind in "xy"}
    if "train" not in parted or idle:
        raise DataFormatError(
            f"{file}: needs the arrays x and y, or x_train, y_train, x_valid, y_valid, x_test, "
            f"y_test (those that you have), got {', '.join(sorted(held)) or 'none'}"
        )
    lacking = [f"y_{part}" for part in parted if f"y_{part}" not in arrays]
    if lacking and len(lacking) < len(parted):
        raise DataFormatError(f"{file}: there are labels, but no {', '.join(lacking)}")
    found = {part: (arrays.pop(f"x_{part}"), arrays.pop(f"y_{part}", None)) for part in parted}
    return of_arrays(found, str(file))._replace(name=file.name)


def _joined(found: Mapping[str, Source]) -> Source:
    """Tables below each other, each row with its file and line."""
    first, *_ = found.values()
    for what, source in found.items():
        other = {*first.x} ^ {*source.x}
        if other and what != "unlabelled":
            raise DataFormatError(
                f"{first.name} and {source.name} must have the same columns; {min(other)!r} is in "
                "one"
            )
    names, line = [source.name for source in found.values()], first.x.index.names[-1] or "row"
    frames = [source.x for source in found.values()]
    frame = pd.concat(frames, keys=names, names=["file", line])[list(first.x)]
    codes = [source.parts + np.int8(PARTS.get(what, 0)) for what, source in found.items()]
    return Source(" + ".join(names), frame, None, np.concatenate(codes), first.headed)
