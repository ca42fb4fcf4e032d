"""`arrays`: a person's own data: a table or arrays, cut, encoded and told in one line."""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sda.common import checks as ranges
from sda.common.errors import DataError, DataFormatError, MissingDataError
from sda.data import cuts, encoded, images, reading, roles, targets
from sda.data.columns import SCALINGS, Column
from sda.data.encoding import Encoding
from sda.data.formats.cells import blanked
from sda.data.formats.npy import read_folder
from sda.data.formats.parquet import Columns
from sda.data.kinds import settle
from sda.data.reading import PARTS, Source
from sda.data.splits import Cut, Rows, Splits, checked
from sda.data.targets import TASKS, Target

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choices:
    """How a table is read, cut and encoded; what is not said is told from the table, and told."""

    label: str = "auto"  # a column, several as a,b; last, first or none
    part: str | None = None  # column that says train, valid or test
    group: str | None = None  # column of groups that the cut keeps together
    folds: int | None = None  # the test rows are one of so many parts
    fold: int = 0  # which of them
    repeats: int | None = None  # the cut is one of so many, each drawn afresh
    repeat: int = 0  # which of them
    header: str = "auto"  # yes or no: whether the first line of a .csv names the columns
    missing: Sequence[
        str | float
    ] = ()  # words or numbers for a missing cell, beside the empty one, NA and so on
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
        ranges.text("data.label", self.label)
        ranges.one_of("data.header", self.header, ("auto", "yes", "no"))
        ranges.one_of("data.task", self.task, TASKS)
        ranges.one_of("data.scaling", self.scaling, ("auto", *SCALINGS))
        ranges.number("data.rare", self.rare, 0, 1)
        low, high = self.valid_fraction, self.test_fraction
        if not (0 < low < 1 and 0 < high < 1 > low + high):
            raise DataError(
                "valid_fraction and test_fraction must be above 0 and sum to less than 1, "
                f"got {low} and {high}"
            )
        for what, number, total in (
            ("fold", self.fold, self.folds),
            ("repeat", self.repeat, self.repeats),
        ):
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
    choices = Choices(
        label, part, group, folds, fold, repeats, repeat, _yes_or_no(header), missing,
        kinds or {}, task, scaling, rare, indicate, valid_fraction, test_fraction, n_classes,
        image_shape, seed,
    )  # fmt: skip
    given = {"path": path, "train": train, "valid": valid, "test": test}
    files = {what: name for what, name in given.items() if name}
    if not files or ("path" in files and len(files) > 1):
        raise MissingDataError(
            "data=arrays needs data.path=FILE (.csv, .tsv, .parquet or .npz) or a folder of .npy "
            "files; or data.train=FILE and, if you have them, data.valid=FILE and data.test=FILE"
        )
    if path and Path(path).expanduser().is_dir():
        return _of_folder(Path(path).expanduser(), choices)
    named = {name for name in (*label.split(","), part, group, *choices.kinds) if name}
    source = reading.of_files(files, missing, choices.header, named)
    if unlabelled:
        source = reading.with_unlabelled(source, unlabelled, missing, choices.header)
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
        is_ready = ranges.is_sparse(x) or isinstance(x, np.ma.MaskedArray)
        return _splits(reading.of_arrays(x if is_ready else np.asarray(x), labels), chosen)
    source = reading.of_frame(x)
    if labels is not None:
        source = source._replace(y=reading.of_labels(labels, len(x), source.name))
    return _splits(source, chosen)


def _yes_or_no(header: str | bool) -> str:
    """YAML reads yes as true."""
    return header if isinstance(header, str) else ("yes" if header else "no")


def _of_folder(folder: Path, choices: Choices) -> Splits:
    """Mapped rows as they are, cut by their files; classes are the values of all of them."""
    if choices.scaling not in ("none", "auto"):
        raise DataError(
            f"{folder}: a folder is memory-mapped and used as it is (uint8 as k / 255): it needs "
            f"data.scaling=none, got {choices.scaling}"
        )
    found, choices = _flat(folder, choices)
    sizes = [len(x) for x, _ in found.values()]
    for part, (x, y) in found.items():
        if x.ndim != 2:
            raise DataFormatError(
                f"{folder}, {part}: features must have shape (rows, columns), got {x.shape}"
            )
        if y.shape != (len(x),):
            raise DataFormatError(
                f"{folder}, {part}: labels must have shape ({len(x)},), one per row, got {y.shape}"
            )
    labels = pd.DataFrame({"y": np.concatenate([y for _, y in found.values()])}).rename_axis("row")
    known = _target(str(folder), labels, choices)
    codes = np.repeat(list(PARTS.values()), sizes).astype(np.int8)
    parts = {part: x for part, (x, _) in found.items()}
    encoding = _of_levels(parts["train"])
    return _told(folder.name, parts, known, codes, encoding, choices, [], None)


def _flat(
    folder: Path, choices: Choices
) -> tuple[dict[str, tuple[NDArray[Any], NDArray[Any]]], Choices]:
    """The parts of a folder as rows; of pictures, their shape is chosen."""
    parts = {}
    for part, (x, y) in read_folder(folder).items():
        rows, shape = images.as_rows(f"{folder}, {part}", x)
        parts[part] = (rows, y)
        if choices.image_shape is None:
            choices = replace(choices, image_shape=shape)
    return parts, choices


def _splits(source: Source, choices: Choices, like: Encoding | None = None) -> Splits:
    if choices.image_shape is None:
        choices = replace(choices, image_shape=source.image_shape)
    if source.is_matrix and choices.scaling in ("standard", "unit", "quantiles"):
        source = reading.as_table(source)
    if choices.missing and not source.is_large:
        source = _blanked(source, choices.missing)
    frame = None if source.is_matrix else source.x
    aside = {name for name in (choices.part, choices.group) if name}
    labels, remarks = roles.labels(source, choices.label, aside, choices.task), list[str]()
    parts = roles.parts(source, choices.part)
    groups = roles.groups(source, choices.group)
    known = None
    if source.y is not None:
        known = _target(source.name, source.y.to_frame(), choices)
    elif labels:
        known = _target(source.name, source.x[labels], choices)
    y = np.full(len(parts), -1) if known is None else known.y
    strata = y
    if y.dtype.kind == "f":
        strata = np.where(np.isfinite(y.reshape(len(y), -1)).all(axis=1), 0, -1)
    try:
        parts = cuts.cut(parts, strata, groups, choices.valid_fraction, choices.test_fraction,
                         choices.folds, choices.fold, [choices.seed, choices.repeat])  # fmt: skip
    except DataError as error:
        raise DataFormatError(f"{source.name}: {error}") from None
    where = {part: parts == code for part, code in PARTS.items()}
    if frame is None:
        x = {part: source.x[rows] for part, rows in where.items()}
        encoding = _of_levels(source.x)
    else:
        names = [name for name in frame if name not in {*labels, *aside}]
        frame = frame.only(names) if source.is_large else frame[names]
        x, encoding = _encoded(source.name, frame, where, choices, remarks, like)
    splits = _told(source.name, x, known, parts, encoding, choices, remarks, source.headed)
    return replace(splits, cut=_which_cut(source, choices))


def _blanked(source: Source, missing: Sequence[str | float]) -> Source:
    """Cells and labels that are words for none."""
    if not source.is_matrix:
        source = source._replace(x=blanked(source.x, missing))
    if source.y is not None:
        source = source._replace(y=blanked(source.y.to_frame(), missing)["y"])
    return source


def _which_cut(source: Source, choices: Choices) -> Cut | None:
    """Which of several cuts this is, and the rows that all of them are of."""
    if choices.folds is None and choices.repeats is None:
        return None
    total = hashlib.sha256()
    for part in (source.x, source.y):
        if isinstance(part, Columns):
            with part.path.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
        elif isinstance(part, pd.DataFrame | pd.Series):
            total.update(pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes())
        elif part is not None:
            arrays = (part.data, part.indices, part.indptr) if ranges.is_sparse(part) else (part,)
            for array in arrays:
                total.update(np.ascontiguousarray(array).data)
    if choices.folds is not None:
        return Cut("folds", choices.fold, choices.folds, total.hexdigest())
    return Cut("repeats", choices.repeat, choices.repeats or 1, total.hexdigest())


def _encoded(
    name: str,
    frame: Any,
    where: Mapping[str, NDArray[np.bool_]],
    choices: Choices,
    remarks: list[str],
    like: Encoding | None,
) -> tuple[dict[str, NDArray[np.float32]], Encoding]:
    """The rows of each part, encoded by what was learned on those for training, or ``like``."""
    try:
        if like is not None:
            return encoded.parts(frame, where, like), like
        kinds, own = settle(frame, choices.kinds)
        remarks += own
        scaling = "unit" if choices.scaling == "auto" else choices.scaling
        encoding = Encoding.fit(
            frame, kinds, scaling, choices.rare, choices.indicate, where["train"]
        )
        if not encoding.width:
            raise DataFormatError("; ".join(["no column is left to learn from", *own]))
        return encoded.parts(frame, where, encoding), encoding
    except DataFormatError as error:
        raise DataFormatError(f"{name}: {error}") from None


def _of_levels(x: Any) -> Encoding:
    """Columns of a matrix that stays as it is; of grey levels, their unit is 1/255."""
    scale = 255.0 if x.dtype == np.uint8 else 1.0
    names = (f"x{k}" for k in range(1, x.shape[1] + 1))
    return Encoding(tuple(Column(name, "numeric", scale=scale) for name in names))


def _target(name: str, labels: pd.DataFrame, choices: Choices) -> Target | None:
    """What is predicted; None: no row has a label."""
    if labels.isna().all(axis=None):
        return None
    try:
        return targets.target(labels, choices.task, choices.n_classes)
    except DataFormatError as error:
        raise DataFormatError(f"{name}: {error}") from None


def _told(
    name: str,
    x: Mapping[str, Any],
    known: Target | None,
    parts: NDArray[np.int8],
    encoding: Encoding,
    choices: Choices,
    remarks: Sequence[str],
    headed: bool | None,
) -> Splits:
    """Put the splits together, check them, and say in one line what was decided."""
    columns: tuple[Column, ...] = () if known is None else known.columns
    y: NDArray[Any] = np.full(len(parts), -1) if known is None else known.y
    encoding = replace(encoding, target=columns, missing=tuple(map(str, choices.missing)))
    names = encoding.classes
    numbered = names == tuple(map(str, range(len(names or ()))))
    shape = choices.image_shape
    train, valid, test = (Rows(x[part], y[parts == code]) for part, code in PARTS.items())
    splits = Splits(
        Path(name).stem if "+" not in name else name,
        train,
        valid,
        test,
        n_classes=len(names or ()),
        source="user",
        image_shape=None if shape is None else tuple(map(int, shape)),
        classes=None if numbered else names,
        encoding=encoding,
    )
    splits = checked(splits)
    _log.info("%s", _decided(name, splits, headed))
    for remark in [*remarks, *(known.remarks if known else ())]:
        _log.info("%s: %s", name, remark)
    return splits


def _decided(name: str, splits: Splits, headed: bool | None) -> str:
    encoding = splits.encoding
    assert encoding is not None
    sizes = [part.x.shape[0] for part in splits.parts().values()]
    kinds = Counter(one.kind for one in encoding.used)
    told = [f"{sum(sizes)} rows, {len(encoding.used)} features "
            f"({', '.join(f'{n} {kind}' for kind, n in kinds.items())})"]  # fmt: skip
    target = " and ".join(f'"{one.name}"' for one in encoding.target)
    if splits.kind == "nothing":
        told.append("no labels")
    else:
        what = (
            f"{splits.n_classes} classes of" if splits.kind == "classes" else "numbers to predict:"
        )
        told.append(f"{what} {target}")
    without = sum(int((~part.labelled).sum()) for part in splits.parts().values())
    if splits.kind != "nothing" and without:
        told.append(f"{without} rows without label")
    header = "" if headed is None else f"; header {'yes' if headed else 'no'}"
    return f"{name}: {', '.join(told)}{header}; {'/'.join(map(str, sizes))}"
