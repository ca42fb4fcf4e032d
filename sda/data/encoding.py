"""A table as inputs of a network and back: columns with their scaling, categories and classes."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import safetensors
from numpy.lib import format as npy
from numpy.typing import NDArray

from sda.common.errors import DataFormatError
from sda.data.cache import cache_folder, cached, identity
from sda.data.columns import Column, fitted, text_of
from sda.data.formats.parquet import Columns
from sda.data.splits import Rows, Splits

Which = NDArray[np.bool_] | slice  # of rows (n,)
_log = logging.getLogger(__name__)


class Block(NamedTuple):
    """Components of an input that belong together, in order."""

    name: str  # of the column
    kind: str  # numeric, binary or categorical
    size: int  # components


@dataclass(frozen=True)
class Encoding:
    """What the components of an input are, and what is predicted.

    ``target`` is empty where there are no labels; one categorical column, whose categories are the
    classes; or numeric columns, for regression. ``missing`` are words for a missing cell.
    """

    columns: tuple[Column, ...]
    target: tuple[Column, ...] = ()
    missing: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        kinds: Mapping[str, str],
        scaling: str = "standard",
        rare: float = 0.001,
        indicate: bool = False,
        where: Which = slice(None),
    ) -> "Encoding":
        """Learn the columns of ``kinds`` on training rows.

        Args:
            frame: raw rows, with these columns.
            kinds: the kind of each column, by name.
            scaling: of numbers.
            rare: categories of a smaller share of the rows are put together.
            indicate: whether a column with missing cells gets a component that says so.
            where: which rows are for training (n,).
        """
        made = []
        for name, kind in kinds.items():
            cells = frame[name][where]
            indicated = indicate and kind != "ignored" and bool(cells.isna().any())
            made.append(fitted(name, kind, cells, scaling, rare, indicated))
        return cls(tuple(made))

    @classmethod
    def of_model(cls, path: str | Path) -> "Encoding | None":
        """The columns that a model file, or that of a run's folder, was trained on; None: unnamed.

        Raises:
            DataFormatError: there is none that can be read.
        """
        file = Path(path).expanduser()
        file = file / "model.safetensors" if file.is_dir() else file
        try:
            with safetensors.safe_open(file, "np") as held:
                table = json.loads(held.metadata()["sda"]).get("about", {}).get("table")
            return None if table is None else cls.from_plain(table)
        except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError):
            raise DataFormatError(f"{file}: no model file whose columns can be read") from None

    @property
    def used(self) -> tuple[Column, ...]:
        """The columns that have components."""
        return tuple(one for one in self.columns if one.width)

    @property
    def width(self) -> int:
        """d, components of an input."""
        return sum(one.width for one in self.columns)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The components in order, by what they are: a date is numeric, an indicator binary."""
        found = []
        for one in self.used:
            found.append(Block(one.name, "numeric" if one.is_number else one.kind, one.size))
            found += [Block(one.name, "binary", 1)] * one.indicated
        return tuple(found)

    @property
    def components(self) -> list[str]:
        """The name of each component."""
        return [name for one in self.columns for name in one.components]

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes, in the order of their numbers; None: none are predicted."""
        if len(self.target) != 1 or self.target[0].is_number:
            return None
        return tuple(map(text_of, self.target[0].categories))

    def rows(self, frame: pd.DataFrame, where: Which = slice(None)) -> NDArray[np.float32]:
        """Encode raw rows, or those ``where`` (n,) says: (n, width), NaN where a cell is missing.

        Columns may stand in any order. Values that no training row has are told.

        Raises:
            DataFormatError: a column is missing, one is foreign, or a cell is no number.
        """
        self.check(list(frame.columns))
        x, start = np.empty((len(frame.index[where]), self.width), np.float32), 0
        for one in self.used:
            remark = one.write(frame[one.name][where], x[:, start : start + one.width])
            start += one.width
            if remark:
                _log.warning("column %r: %s", one.name, remark)
        return x

    def parts(
        self, frame: pd.DataFrame | Columns, where: Mapping[str, NDArray[np.bool_]]
    ) -> dict[str, Any]:
        """Encode the rows of each part, ``where`` (n,) it says: (n, width) float32.

        Those of a large table are read by blocks and kept in the cache, as mapped files: they need
        memory for a block, whatever their number.
        """
        if isinstance(frame, pd.DataFrame):
            return {part: self.rows(frame, rows) for part, rows in where.items()}
        cut = hashlib.sha256(b"".join(rows.tobytes() for rows in where.values())).hexdigest()
        key = {"file": identity([frame.path]), "encoding": self.plain(), "cut": cut}
        cache_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
            kept = cached("table", key, lambda: self._written(folder, frame, where))
        return {part: rows.x for part, rows in kept.parts().items()}

    def _written(
        self, folder: str, frame: Columns, where: Mapping[str, NDArray[np.bool_]]
    ) -> Splits:
        """The rows of each part in files of a folder."""
        made = {
            part: npy.open_memmap(
                f"{folder}/{part}.npy", "w+", np.float32, (int(rows.sum()), self.width)
            )
            for part, rows in where.items()
        }
        done, start = dict.fromkeys(where, 0), 0
        for block in frame.blocks():
            x = self.rows(block)
            for part, rows in where.items():
                own = x[rows[start : start + len(x)]]
                made[part][done[part] : done[part] + len(own)] = own
                done[part] += len(own)
            start += len(x)
        train, valid, test = (Rows(x, np.full(len(x), -1)) for x in made.values())
        return Splits("table", train, valid, test, n_classes=0, source="user")

    def table(self, x: NDArray[Any]) -> pd.DataFrame:
        """Bring inputs or reconstructions (n, width) back to raw units and categories."""
        found, start = {}, 0
        for one in self.used:
            found[one.name] = one.read(x[:, start : start + one.width])
            start += one.width
        return pd.DataFrame(found)

    def check(self, names: Sequence[str]) -> None:
        """Raise DataFormatError unless a table has these columns, and no others but the target."""
        wanted, there = [one.name for one in self.used], {*names}
        allowed = {one.name for one in (*self.columns, *self.target)}
        lacking = [name for name in wanted if name not in there]
        foreign = [name for name in names if name not in allowed]
        if lacking or foreign:
            faults = {"missing": lacking, "not known to the model": foreign}
            told = [f"{what}: {_listed(found)}" for what, found in faults.items() if found]
            raise DataFormatError(
                f"the table must have the {len(wanted)} columns of the model; {'; '.join(told)}"
            )

    def plain(self) -> dict[str, Any]:
        """All of it in plain types; what is at its default is left out."""
        parts = {"columns": self.columns, "target": self.target}
        plain: dict[str, Any] = {part: list(map(_plain, held)) for part, held in parts.items()}
        return plain | ({"missing": list(self.missing)} if self.missing else {})

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Encoding":
        """Read what ``plain`` wrote. Raises ValueError or TypeError for anything else."""
        columns, target = (tuple(map(_column, plain[part])) for part in ("columns", "target"))
        return cls(columns, target, tuple(map(str, plain.get("missing", ()))))


def _plain(one: Column) -> dict[str, Any]:
    said = {f.name: getattr(one, f.name) for f in fields(one) if getattr(one, f.name) != f.default}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in said.items()}


def _column(plain: Mapping[str, Any]) -> Column:
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
    return Column(**given)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more
