"""Which rows are for training, validation and test, where a table does not say it itself."""

import numpy as np
from numpy.typing import NDArray

from sda.common.errors import DataError

PARTS = {"train": 0, "valid": 1, "test": 2}
TRAIN, VALID, TEST = PARTS.values()
Places = NDArray[np.int64]


def cut(
    parts: NDArray[np.int8],
    y: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    valid_fraction: float,
    test_fraction: float,
    folds: int | None,
    fold: int,
    seed: int | list[int],
) -> NDArray[np.int8]:
    """Draw validation and test rows out of the training rows where there are none: parts (n,).

    Args:
        parts: TRAIN, VALID or TEST for each row (n,).
        y: class of each row (n,), the shares of which are kept; −1: none, it stays for training,
            unless all rows are so.
        groups: number of the group of each row, which stays together; None: rows are drawn.
        valid_fraction: share of the rows that are cut; of the training rows where test rows are
            given.
        test_fraction: the same of the test rows; unused with ``folds``.
        folds: test rows are one of so many parts of equal size.
        fold: which of them, from 0.
        seed: of what is drawn.

    Raises:
        DataError: there are too few rows or groups.
    """
    rng, parts = np.random.default_rng(seed), parts.copy()
    able = y >= 0 if (y >= 0).any() else np.ones(len(y), bool)
    whole = int(((parts == TRAIN) & able).sum())
    for part, fraction in ((TEST, test_fraction), (VALID, valid_fraction)):
        if (parts == part).any():
            continue
        rows = np.flatnonzero((parts == TRAIN) & able)
        own = None if groups is None else groups[rows]
        if part == TEST and folds is not None:
            chosen = _folds(y[rows], own, folds, rng) == fold
        else:
            all_parts = 2 + (part == TEST and not (parts == VALID).any())
            chosen = _chosen(y[rows], own, round(fraction * whole), all_parts, rng)
        parts[rows[chosen]] = part
    return parts


def _chosen(
    y: Places, groups: Places | None, count: int, least: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw ``count`` of the rows, with classes in the shares that they have; or whole groups."""
    if not 0 < count < len(y):
        raise DataError(f"too few rows to be cut in parts: {len(y)}")
    if groups is None:
        return _stratified(y, count, least, rng)
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < least:
        raise DataError(f"{len(names)} groups are too few to be cut into {least} parts")
    order = rng.permutation(len(names))
    total = np.cumsum(sizes[order])
    most = min(len(names) - least + 1, 1 + int(np.argmin(np.abs(total - count))))
    return np.isin(groups, names[order[:most]])


def _stratified(y: Places, count: int, least: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Rows of each class by its share; of a class of at least ``least`` rows at least one."""
    _, codes, sizes = np.unique(y, return_inverse=True, return_counts=True)
    quota = sizes * (count / len(y))
    take = np.floor(quota).astype(int)
    order = np.lexsort((rng.permutation(len(sizes)), -(quota - take)))
    take[order[: count - take.sum()]] += 1
    for poor in np.flatnonzero((take == 0) & (sizes >= least)):
        rich = int(np.argmax(take))
        if take[rich] > 1:
            take[rich], take[poor] = take[rich] - 1, 1
    chosen = np.zeros(len(y), bool)
    for k, n in enumerate(take):
        chosen[rng.permutation(np.flatnonzero(codes == k))[:n]] = True
    return chosen


def _folds(
    y: Places, groups: Places | None, folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The fold of each row: classes dealt out in turn, or groups, the largest first."""
    n = len(y) if groups is None else len(np.unique(groups))
    if not 2 <= folds <= n:
        what = "rows" if groups is None else "groups"
        raise DataError(f"data.folds must be in 2..{n}, the number of {what}, got {folds}")
    if groups is None:
        order = rng.permutation(n)
        order = order[np.argsort(y[order], kind="stable")]
        found = np.empty(n, np.int64)
        found[order] = np.arange(n) % folds
        return found
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = rng.permutation(n)
    order = order[np.argsort(-sizes[order], kind="stable")]
    load, place = np.zeros(folds, int), np.empty(n, np.int64)
    for group in order:
        place[group] = int(np.argmin(load))
        load[place[group]] += sizes[group]
    return place[codes]
