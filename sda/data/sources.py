"""One name, several sources: the published file where it can be had, else the set made by rule."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sda.common.errors import DataError, MissingDataError
from sda.common.program import program
from sda.data.cache import cached, opened
from sda.data.checks import checked
from sda.data.folders import downloads_folder, identity
from sda.data.published import (
    PROBLEMS,
    Problem,
    find_original,
    read_original,
)
from sda.data.splits import Rows, Splits

SOURCES = ("auto", "original", "regenerated")


class Made(NamedTuple):
    """What a generator draws, and a line on what it was drawn from, where that can differ."""

    pixels: NDArray[np.uint8]  # 0..255, (n, 28, 28)
    labels: NDArray[np.int64]  # (n,)
    drawn_from: str | None = None


def choose(
    name: str,
    folder: str | None,
    source: str,
    rule: Callable[[], Mapping[str, Any]],
    make: Callable[[], Made],
    made_as: str = "regenerated",
    cut: tuple[int, int] | None = None,
) -> Splits:
    """Return the published data, or what ``make`` draws; either is read or made just once.

    ``source`` is ``auto`` (published if found), ``original`` (published or an error) or
    ``regenerated``. ``rule()`` has all that the drawn arrays depend on. ``cut`` gives the numbers
    of training and validation rows where they are not the problem's own.
    """
    if source not in SOURCES:
        raise DataError(f"data.source must be one of {', '.join(SOURCES)}, got {source}")
    problem = PROBLEMS[name]
    if cut is not None:
        problem = replace(problem, n_train=cut[0], n_valid=cut[1])
    cuts = [problem.n_train, problem.n_valid]
    published = None if source == "regenerated" else _published(problem, folder, cuts)
    if published is not None:
        return published
    if source == "original":
        raise MissingDataError(
            f"{name}: no original data: {problem.archive} is neither in the data folder (SDA_DATA "
            f"or data_folder) nor in {downloads_folder()}; run: {program()} data fetch {name}"
        )
    key = {"rule": dict(rule()), "cut": cuts}
    return cached(name, key, lambda: _assemble(problem, made_as, make()))


def _published(problem: Problem, folder: str | None, cuts: list[int]) -> Splits | None:
    """Read the published files, or what was read of them before, whether or not they still exist.

    What has a published checksum is cached under it, extracted text under its path, size and date.
    """
    found = find_original(problem, folder)
    if found is not None:
        key = {"original": problem.checksum(found.form) or identity(found.files), "cut": cuts}
        return cached(problem.name, key, lambda: read_original(problem, found))
    for form in ("archive", "converted"):
        kept = opened(problem.name, {"original": problem.checksum(form), "cut": cuts})
        if kept is not None:
            return kept
    return None


def _assemble(problem: Problem, source: str, made: Made) -> Splits:
    x = made.pixels.reshape(len(made.pixels), -1).astype(np.float32)
    x /= 255
    height, width = made.pixels.shape[1:]
    cuts = [problem.n_train, problem.n_train + problem.n_valid]
    train, valid, test = map(Rows, np.split(x, cuts), np.split(made.labels, cuts))
    splits = Splits(problem.name, train, valid, test, problem.n_classes, source, (height, width))
    return checked(replace(splits, drawn_from=made.drawn_from))
