"""`arrays`: a person's own data: a .npz or .csv file, cut and scaled, or a folder, as it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sda.common.errors import DataError, DataFormatError, MissingDataError
from sda.data import checks
from sda.data.formats.csv import read_csv
from sda.data.formats.npy import PARTS, read_folder
from sda.data.formats.npz import read_npz
from sda.data.labels import as_labels
from sda.data.splits import Rows, Splits

SCALINGS = ("unit", "standard", "none")


class _Table(NamedTuple):
    x: NDArray[Any]
    y: NDArray[Any]


def arrays(
    path: str | None,
    label: str,
    valid_fraction: float,
    test_fraction: float,
    scaling: str,
    n_classes: int | None,
    image_shape: Sequence[int] | None,
    seed: int,
) -> Splits:
    """Read a person's table, cut by the file itself or by fractions with ``seed``, and scale it.

    Scaling takes its statistics from the training rows alone. ``unit`` maps each column's training
    range to [0, 1] and clips the other rows to it; ``standard`` gives mean 0 and deviation 1;
    a constant column is shifted but not stretched. Labels are whole numbers from 0, in a .csv also
    strings, whose sorted values are the classes.

    The .npy files of a folder are memory-mapped and neither cut nor scaled by column, so that they
    may be larger than memory; uint8 there are grey levels that stand for k / 255.
    """
    _check_choices(valid_fraction, test_fraction, scaling, image_shape)
    file = _existing(path)
    mapped = file.is_dir()
    if mapped:
        tables, classes = _mapped(file, scaling), None
    else:
        tables, classes = _read(file, label)
        tables = _cut(tables, valid_fraction, test_fraction, np.random.default_rng(seed), file)
    x = [checks.as_features(f"{file}, {part}", tables[part].x, levels=mapped) for part in PARTS]
    checks.same_columns(str(file), dict(zip(PARTS, x, strict=True)))
    if scaling != "none":
        x = _scaled(scaling, [tables[part].x for part in PARTS])
    y = [as_labels(f"{file}, {p}", tables[p].y, len(tables[p].x)) for p in PARTS]
    train, valid, test = map(Rows, x, y)
    shape = None if image_shape is None else (int(image_shape[0]), int(image_shape[1]))
    count = n_classes or _count_classes(file, y)
    return checks.checked(Splits(file.stem, train, valid, test, count, "user", shape, classes))


def _check_choices(
    valid_fraction: float, test_fraction: float, scaling: str, image_shape: Sequence[int] | None
) -> None:
    if scaling not in SCALINGS:
        raise DataError(f"scaling must be one of {', '.join(SCALINGS)}, got {scaling}")
    if not (0 < valid_fraction < 1 and 0 < test_fraction < 1 > valid_fraction + test_fraction):
        raise DataError(
            "valid_fraction and test_fraction must be above 0 and sum to less than 1, "
            f"got {valid_fraction} and {test_fraction}"
        )
    if image_shape is not None and (len(image_shape) != 2 or min(image_shape) < 1):
        raise DataError(f"image_shape must be [height, width], got {list(image_shape)}")


def _existing(path: str | None) -> Path:
    if not path:
        raise MissingDataError(
            "data=arrays needs data.path=FILE, a .npz or a .csv file, or a folder of .npy files"
        )
    file = Path(path).expanduser()
    if file.is_dir():
        return file
    if not file.is_file():
        raise MissingDataError(f"no such file: {file} (data.path)")
    if file.suffix.lower() not in (".npz", ".csv"):
        raise DataFormatError(f"{file}: data.path must end in .npz or .csv, or be a folder")
    return file


def _mapped(folder: Path, scaling: str) -> dict[str, _Table]:
    if scaling != "none":
        raise DataError(
            f"{folder}: a folder is memory-mapped and used as it is (uint8 as k / 255): it needs "
            f"data.scaling=none, got {scaling}"
        )
    return {part: _Table(x, y) for part, (x, y) in read_folder(folder).items()}


def _read(file: Path, label: str) -> tuple[dict[str, _Table], tuple[str, ...] | None]:
    """Read tables by split, or one table named ``all``, and the names of the classes."""
    if file.suffix.lower() == ".csv":
        x, y, classes = read_csv(file, label)
        return {"all": _Table(x, y)}, classes
    keys = ("x", "y", *(f"{kind}_{part}" for part in PARTS for kind in "xy"))
    found = read_npz(file, keys)
    if {"x", "y"} <= found.keys():
        return {"all": _Table(found["x"], found["y"])}, None
    if {"x_train", "y_train", "x_test", "y_test"} <= found.keys():
        parts = [part for part in PARTS if {f"x_{part}", f"y_{part}"} <= found.keys()]
        return {part: _Table(found[f"x_{part}"], found[f"y_{part}"]) for part in parts}, None
    raise DataFormatError(
        f"{file}: needs the arrays x and y, or x_train, y_train, x_test, y_test "
        f"(and x_valid, y_valid), got {', '.join(sorted(found)) or 'none of them'}"
    )


def _cut(
    tables: dict[str, _Table],
    valid_fraction: float,
    test_fraction: float,
    rng: np.random.Generator,
    file: Path,
) -> dict[str, _Table]:
    """Cut what the file did not; rows cut off are drawn at random, all others keep their order."""
    if "all" in tables:
        rest, test = _cut_off(tables["all"], test_fraction, rng, file)
        tables = {"train": rest, "test": test}
        valid_fraction = valid_fraction / (1 - test_fraction)
    if "valid" not in tables:
        train, valid = _cut_off(tables["train"], valid_fraction, rng, file)
        tables = {**tables, "train": train, "valid": valid}
    return tables


def _cut_off(
    table: _Table, fraction: float, rng: np.random.Generator, file: Path
) -> tuple[_Table, _Table]:
    n, n_labels = (len(a) if a.ndim else 0 for a in table)
    if n != n_labels:
        raise DataFormatError(f"{file}: one label per row needed, got {n} rows, {n_labels} labels")
    cut = round(fraction * n)
    if not 0 < cut < n:
        raise DataFormatError(f"{file}: {n} rows are too few to cut {fraction:.3g} of them off")
    chosen = np.zeros(n, bool)
    chosen[rng.permutation(n)[:cut]] = True
    return _Table(table.x[~chosen], table.y[~chosen]), _Table(table.x[chosen], table.y[chosen])


def _scaled(scaling: str, x: list[NDArray[Any]]) -> list[NDArray[np.float32]]:
    train = x[0].astype(np.float64)
    constant = checks.constants(train)
    shift = train.min(axis=0) if scaling == "unit" else train.mean(axis=0)
    scale = train.max(axis=0) - shift if scaling == "unit" else train.std(axis=0)
    scale = np.where(constant | (scale == 0), 1.0, scale)
    scaled = [(part - shift) / scale for part in x]
    if scaling == "unit":
        scaled = [np.clip(part, 0, 1) for part in scaled]
    return [part.astype(np.float32) for part in scaled]


def _count_classes(file: Path, y: list[NDArray[np.int64]]) -> int:
    count = 1 + max(int(part.max()) for part in y)
    total = sum(map(len, y))
    if count > total:
        raise DataFormatError(
            f"{file}: labels must be class numbers from 0, got {count - 1} among {total} rows"
        )
    return count
