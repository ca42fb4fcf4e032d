"""What the commands on a model share: reading their words, and a table block by block."""

import csv
import io
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow
from pyarrow import parquet

from sda.data.reading import in_blocks
from sda.runs.model import Model

Made = Callable[[Model, pd.DataFrame, dict[str, Any]], pd.DataFrame]
_SUFFIXES = (".csv", ".tsv", ".parquet")


def method(name: str, **defaults: Any) -> Callable[[list[str]], int]:
    """The ``main`` of a command that calls a method of a model, with that method's settings."""

    def make(model: Model, rows: pd.DataFrame, said: dict[str, Any]) -> pd.DataFrame:
        return getattr(model, name)(rows, **{key: said[key] for key in defaults})

    return lambda words: run(name, words, make, **defaults)


def run(command: str, words: list[str], make: Made, **defaults: Any) -> int:
    """Read MODEL TABLE [key=value ...], and write what ``make`` makes of each block of rows.

    Args:
        command: its name.
        words: of the command line.
        make: takes the model, rows in raw units and the settings.
        defaults: the command's settings with their values; a type in place of a value is that of a
            setting that is None unless it is given. ``to`` and ``missing`` are added.
    """
    places, settings = parsed(command, words, 2, to="", missing="", **defaults)
    model = Model.load(places[0])
    target = Path(settings["to"]) if settings["to"] else None
    if target is not None and target.suffix not in _SUFFIXES:
        raise ValueError(f"to= must end in {', '.join(_SUFFIXES)}, got {settings['to']}")
    if target is not None and target.exists() and target.samefile(places[1]):
        raise ValueError(f"to={target} is the table itself: name another file")
    said = [word.strip(" '\"") for word in str(settings["missing"]).strip("[]").split(",")]
    missing, names = [word for word in said if word], None
    if model.encoding is not None:
        names = [one.name for one in model.encoding.columns]
        missing += model.encoding.missing  # what it was trained with
    blocks = in_blocks(Path(places[1]), missing, names)
    write((make(model, rows, settings) for rows in blocks), target)
    return 0


def parsed(
    command: str, words: list[str], n_places: int, **defaults: Any
) -> tuple[list[str], dict[str, Any]]:
    """The places of a command and its settings, each of the type of its default."""
    places = [word for word in words if "=" not in word or Path(word).exists()]
    settings = {k: None if isinstance(d, type) else d for k, d in defaults.items()}
    if len(places) != n_places:
        what = "MODEL TABLE" if n_places == 2 else "MODEL"
        table = ", and a table (.csv, .tsv, .parquet, .npz)" if n_places == 2 else ""
        raise ValueError(f"{command} needs {what}: a run's folder or a model file{table}")
    for word in words:
        if word in places:
            continue
        key, _, value = word.partition("=")
        if key not in settings:
            raise ValueError(f"{command} has no setting {key!r}; it has {', '.join(settings)}")
        default = defaults[key]
        kind = default if isinstance(default, type) else type(default)
        settings[key] = _value(command, key, value, kind)
    return places, settings


def _value(command: str, key: str, value: str, kind: type) -> Any:
    try:
        return kind(value)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"{command}: {key} must be {what}, got {value!r}") from None


def write(blocks: Iterator[pd.DataFrame], target: Path | None) -> None:
    """Write tables below each other to a file, by its suffix, or as .csv to standard output.

    The first table is made before the file, so that a refused command leaves nothing behind.

    Raises:
        ValueError: there are no rows.
    """
    first = next(blocks, None)
    if first is None:
        raise ValueError("the table has no rows below its header")
    blocks = itertools.chain([first], blocks)
    if target is None:
        _write_text(blocks, sys.stdout, ",")
    elif target.suffix == ".parquet":
        _write_parquet(blocks, target)
    else:
        with target.open("w", newline="", encoding="utf-8") as stream:
            _write_text(blocks, stream, "\t" if target.suffix == ".tsv" else ",")


def _write_text(blocks: Iterator[pd.DataFrame], stream: TextIO, separator: str) -> None:
    for number, block in enumerate(blocks):
        if number == 0:
            csv.writer(stream, delimiter=separator, lineterminator="\n").writerow(block.columns)
        for name in block.select_dtypes("datetime"):
            block[name] = block[name].astype(str).where(block[name].notna())  # days without a time
        table = pa.Table.from_pandas(block, preserve_index=False)
        try:
            stream.write(_text(table, separator, "none"))
        except pa.ArrowInvalid:  # a cell holds a separator, a quote or a line's end
            stream.write(_text(table, separator, "needed"))


def _text(table: pa.Table, separator: str, quoting: str) -> str:
    how = arrow.WriteOptions(include_header=False, delimiter=separator, quoting_style=quoting)
    made = io.BytesIO()
    arrow.write_csv(table, made, how)
    return made.getvalue().decode()


def _write_parquet(blocks: Iterator[pd.DataFrame], target: Path) -> None:
    writer = None
    try:
        for block in blocks:
            table = pa.Table.from_pandas(block, preserve_index=False)
            writer = writer or parquet.ParquetWriter(target, table.schema)
            writer.write_table(table.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()
