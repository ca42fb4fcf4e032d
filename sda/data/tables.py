"""`arrays`: a person's own data: a table or arrays, cut, encoded and told in one line."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sda.common import checks
from sda.common.errors import DataError, DataFormatError, MissingDataError
from sda.data import cuts, reading, roles
from sda.data.columns import SCALINGS, Column
from sda.data.cuts import PARTS
from sda.data.encoding import Encoding
from sda.data.formats.cells import blanked
from sda.data.formats.parquet import Columns
from sda.data.kinds import TASKS, Target, settle, target
from sda.data.reading import Source
from sda.data.splits import Cut, Rows, Splits, checked, contents

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choices:
    """How a table is read, cut and encoded; what is not set follows from the table."""

    label: str = "auto"  # a column, several as a,b; last, first or none
    part: str | None = None  # column that says train, valid or test
    group: str | None = None  # column of groups that the cut keeps together
    folds: int | None = None  # the test rows are one of so many parts
    fold: int = 0  # which of them
    repeats: int | None = None  # the cut is one of so many, each drawn afresh
    repeat: int = 0  # which of them
    header: str = "auto"  # yes or no: whether the first line of a .csv names the columns
    missing: Sequence[str | float] = ()  # words or numbers for a missing cell, besides NA
    kinds: Mapping[str, str] = field(default_factory=dict)  # of columns, by name
    task: str = "auto"  # classes or numbers: what the label is
    scaling: str = "auto"  # of numbers: standard, unit, quantiles or none; auto: unit
    rare: float = 0.001  # categories of a smaller share of the training rows are put together
    indicate: bool = False  # a component that says where a cell is missing
    valid_fraction: float = 0.2  # of all rows; of the training rows where there are test rows
    test_fraction: float = 0.2  # of all rows
    n_classes: int | None = None  # labels are numbers below it; None: classes are what occurs
    image_shape: Sequence[int] | None = None  # ([channels,] height, width) of a picture
    seed: int = 0  # of the cut

    def __post_init__(self) -> None:
        checks.text("data.label", self.label)
        checks.one_of("data.header", self.header, ("auto", "yes", "no"))
        checks.one_of("data.task", self.task, TASKS)
        checks.one_of("data.scaling", self.scaling, ("auto", *SCALINGS))
        checks.number("data.rare", self.rare, 0, 1)
        low, high = self.valid_fraction, self.test_fraction
        if not (0 < low < 1 and 0 < high < 1 > low + high):
            raise DataError(
                "valid_fraction and test_fraction must be above 0 and sum to less than 1, "
                f"got {low} and {high}"
            )
        for what in ("fold", "repeat"):
            number, total = getattr(self, what), getattr(self, f"{what}s")
            if not 0 <= number < (total or 1):
                raise DataError(f"data.{what} must be below data.{what}s={total}, got {number}")
        if self.folds is not None and self.repeats is not None:
            raise DataError("data.folds and data.repeats are two ways to cut: one of them")
        shape = self.image_shape
        if shape is not None and (len(shape) not in (2, 3) or min(shape) < 1):
            raise DataError(
                "image_shape must be [height, width] or [channels, height, width], "
                f"got {list(shape)}"
            )


def arrays(
    path: str | None,
    train: str | None = None,
    valid: str | None = None,
    test: str | None = None,
    unlabelled: str | None = None,
    label: str = "auto",
    part: str | None = None,
    group: str | None = None,
    folds: int | None = None,
    fold: int = 0,
    repeats: int | None = None,
    repeat: int = 0,
    header: str | bool = "auto",
    missing: Sequence[str | float] = (),
    kinds: Mapping[str, str] | None = None,
    task: str = "auto",
    scaling: str = "auto",
    rare: float = 0.001,
    indicate: bool = False,
    valid_fraction: float = 0.2,
    test_fraction: float = 0.2,
    n_classes: int | None = None,
    image_shape: Sequence[int] | None = None,
    seed: int = 0,
    like: str | None = None,
) -> Splits:
    """Read a person's files: ``path`` alone, or one for each part, and further rows ``unlabelled``.

    ``like`` is a run's folder or a model file whose columns, scaling and categories are taken.

    The others are as in `Choices`. The .npy files of a folder are memory-mapped and neither cut nor
    scaled, so that they may be larger than memory; uint8 there are grey levels that count as k/255.
    """
    said = dict(locals())
    given = {what: said.pop(what) for what in ("path", "train", "valid", "test")}
    further = [said.pop(what) for what in ("unlabelled", "like")]
    if not isinstance(header, str):  # YAML reads yes as true
        said["header"] = "yes" if header else "no"
    choices = Choices(**said | {"kinds": kinds or {}})
    return _of_files({what: file for what, file in given.items() if file}, choices, *further)


def _of_files(
    files: Mapping[str, str], choices: Choices, unlabelled: str | None, like: str | None
) -> Splits:
    if not files or ("path" in files and len(files) > 1):
        raise MissingDataError(
            "data=arrays needs data.path=FILE (.csv, .tsv, .parquet or .npz) or a folder of .npy "
            "files; or data.train=FILE and, if you have them, data.valid=FILE and data.test=FILE"
        )
    folder, how = Path(files.get("path", "")).expanduser(), (choices.missing, choices.header)
    if "path" in files and folder.is_dir():
        source = reading.of_folder(folder)
    else:
        named = (*choices.label.split(","), choices.part, choices.group, *choices.kinds)
        source = reading.of_files(files, *how, {name for name in named if name})
    if unlabelled:
        source = reading.with_unlabelled(source, unlabelled, *how)
    return _splits(source, choices, Encoding.of_model(like) if like else None)


def table(x: Any, y: Any = None, **choices: Any) -> Splits:
    """Cut and encode a data frame, or a matrix x (n, d), dense or sparse, with labels y (n,).

    Args:
        x: a pandas DataFrame, whose label is one of its columns unless ``y`` is given; an array of
            floats, of uint8 for grey levels, or a scipy sparse matrix.
        y: labels of any kind; a missing one, and −1 of a class, is a row without label.
        choices: as in `Choices`.

    Raises:
        DataError: in one line.
    """
    chosen = Choices(**choices)
    labels = None if y is None else np.asarray(y)
    if not isinstance(x, pd.DataFrame):
        is_ready = checks.is_sparse(x) or isinstance(x, np.ma.MaskedArray)
        rows = x if is_ready else np.asarray(x)
        return _splits(reading.of_arrays({"train": (rows, labels)}), chosen)
    source = reading.of_frame(x)
    if labels is not None:
        source = source._replace(y=reading.of_labels(labels, len(x), source.name))
    return _splits(source, chosen)


def _splits(source: Source, choices: Choices, like: Encoding | None = None) -> Splits:
    if source.is_matrix and choices.scaling in ("standard", "unit", "quantiles"):
        source = reading.as_table(source)
    if choices.missing and not source.is_large:
        source = _blanked(source, choices.missing)
    aside = {name for name in (choices.part, choices.group) if name}
    labels = roles.labels(source, choices.label, aside, choices.task)
    parts = roles.parts(source, choices.part)
    groups = roles.groups(source, choices.group)
    told = None if source.y is None else source.y.to_frame()
    if labels:
        told = pd.concat([source.x[name] for name in labels], axis=1)
    try:
        found = Target((), np.full(len(parts), -1))
        if told is not None and not told.isna().all(axis=None):
            found = target(told, choices.task, choices.n_classes)
        strata = found.y
        if strata.dtype.kind == "f":
            strata = np.where(np.isfinite(strata.reshape(len(parts), -1)).all(axis=1), 0, -1)
        parts = cuts.cut(parts, strata, groups, choices.valid_fraction, choices.test_fraction,
                         choices.folds, choices.fold, [choices.seed, choices.repeat])  # fmt: skip
        where = {part: parts == code for part, code in PARTS.items()}
        x, encoding, remarks = _inputs(source, {*labels, *aside}, where, choices, like)
    except DataError as error:
        raise DataFormatError(f"{source.name}: {error}") from None
    encoding = replace(encoding, target=found.columns, missing=tuple(map(str, choices.missing)))
    rows = {part: Rows(x[part], found.y[own]) for part, own in where.items()}
    splits = _checked(source, rows, encoding, choices)
    for remark in [*remarks, *found.remarks]:
        _log.info("%s: %s", source.name, remark)
    return splits


def _blanked(source: Source, missing: Sequence[str | float]) -> Source:
    """Cells and labels that are words for none."""
    if not source.is_matrix:
        source = source._replace(x=blanked(source.x, missing))
    if source.y is not None:
        source = source._replace(y=blanked(source.y.to_frame(), missing)["y"])
    return source


def _inputs(
    source: Source,
    aside: set[str],
    where: Mapping[str, NDArray[np.bool_]],
    choices: Choices,
    like: Encoding | None,
) -> tuple[Mapping[str, Any], Encoding, list[str]]:
    """The rows of each part, encoded by what was learned on those for training, or as ``like``."""
    if source.is_matrix:  # it stays as it is; grey levels are k / 255
        apart = isinstance(source.x, dict)
        x = source.x if apart else {part: source.x[rows] for part, rows in where.items()}
        scale = 255.0 if x["train"].dtype == np.uint8 else 1.0
        names = [f"x{k}" for k in range(1, x["train"].shape[1] + 1)]
        return x, Encoding(tuple(Column(name, "numeric", scale=scale) for name in names)), []
    names = [name for name in source.x if name not in aside]
    frame = source.x[names]
    if like is not None:
        return like.parts(frame, where), like, []
    kinds, remarks = settle(frame, choices.kinds)
    scaling = "unit" if choices.scaling == "auto" else choices.scaling
    encoding = Encoding.fit(frame, kinds, scaling, choices.rare, choices.indicate, where["train"])
    if not encoding.width:
        raise DataFormatError("; ".join(["no column is left to learn from", *remarks]))
    return encoding.parts(frame, where), encoding, remarks


def _checked(
    source: Source, rows: Mapping[str, Any], encoding: Encoding, choices: Choices
) -> Splits:
    """Put the splits together, check them, and say in one line what was decided."""
    names, shape = encoding.classes, choices.image_shape or source.image_shape
    numbered = names == tuple(map(str, range(len(names or ()))))
    splits = Splits(
        source.name if "+" in source.name else Path(source.name).stem,
        **rows,
        n_classes=len(names or ()),
        source="user",
        image_shape=None if shape is None else tuple(map(int, shape)),
        classes=None if numbered else names,
        cut=_which_cut(source, choices),
        encoding=encoding,
    )
    splits = checked(splits)
    header = "" if source.headed is None else f"; header {'yes' if source.headed else 'no'}"
    sizes = "/".join(str(part.x.shape[0]) for part in splits.parts().values())
    _log.info("%s: %s%s; %s", source.name, _decided(splits, encoding), header, sizes)
    return splits


def _decided(splits: Splits, encoding: Encoding) -> str:
    """How many rows, columns of each kind and classes there are."""
    n = sum(part.x.shape[0] for part in splits.parts().values())
    kinds = Counter(one.kind for one in encoding.used)
    counted = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    told = f"{n} rows, {len(encoding.used)} features ({counted}), "
    if splits.kind == "nothing":
        return told + "no labels"
    classes = f"{splits.n_classes} classes of"
    told += classes if splits.kind == "classes" else "numbers to predict:"
    told += " " + " and ".join(f'"{one.name}"' for one in encoding.target)
    without = sum(int((~part.labelled).sum()) for part in splits.parts().values())
    return told + f", {without} rows without label" * bool(without)


def _which_cut(source: Source, choices: Choices) -> Cut | None:
    """Which of several cuts this is, and the rows that all of them are of."""
    if choices.folds is None and choices.repeats is None:
        return None
    total = hashlib.sha256()
    for held in (source.x, source.y):
        for content in _contents(held):
            total.update(content)
    if choices.folds is not None:
        return Cut("folds", choices.fold, choices.folds, total.hexdigest())
    return Cut("repeats", choices.repeat, choices.repeats or 1, total.hexdigest())


def _contents(held: Any) -> Iterator[Any]:
    """What rows or labels are, as bytes, or their hash."""
    if isinstance(held, Columns):
        with held.path.open("rb") as stream:
            yield hashlib.file_digest(stream, "sha256").digest()
    elif isinstance(held, pd.DataFrame | pd.Series):
        yield pd.util.hash_pandas_object(held, index=False).to_numpy().tobytes()
    elif isinstance(held, dict):
        for part in held.values():
            yield from _contents(part)
    elif held is not None:
        yield from contents(held)
