"""Which columns of a table are for something else than input: the label, the part, the group."""

import logging
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sda.common.errors import DataFormatError
from sda.data.kinds import are_numbers, kind_of
from sda.data.reading import Source, part_of

# Names by which a label column is known.
LABELS = ("label", "labels", "class", "classes", "target", "targets", "y", "outcome", "diagnosis",
          "species", "survived", "churn", "churned", "attrition", "fraud", "isfraud", "is_fraud",
          "spam", "isspam", "is_spam")  # fmt: skip
SAMPLE = 2000  # rows by which columns are told that may be classes
FEW = 20  # different values that such a column has at most
_log = logging.getLogger(__name__)


def labels(source: Source, label: str, aside: Collection[str], task: str = "auto") -> list[str]:
    """The columns that are predicted; a choice that may surprise is reported, or refused.

    Args:
        source: the rows.
        label: as in `Choices`, like ``task``.
        aside: columns that are for something else.
        task: classes, numbers or auto.

    Raises:
        DataFormatError: a column is not there, or one cannot tell which it is.
    """
    unsaid = label == "auto" and not source.is_table
    if source.y is not None or source.is_matrix or label == "none" or unsaid:
        return []
    names = [n for n in source.x.columns if n not in aside]
    if label not in ("auto", "last", "first"):
        found = [label] if label in names else label.split(",")
        for name in found:
            _column(source, name, "label")
        return found
    while names and _is_trailing(source, names[-1]):
        names.pop()
    if not names:
        raise DataFormatError(f"{source.name}: no column has a value")
    return [_placed(source, names, label, task)]


def _placed(source: Source, names: Sequence[str], label: str, task: str) -> str:
    """The first or last column; with ``auto`` the one that is named like a label."""
    place = names[0 if label == "first" else -1]
    called = [name for name in names if name.lower() in LABELS]
    called = [name for name in called if name.lower() != "y" or "x" not in names]  # coordinates
    if label != "auto":
        for name in called:
            if name != place:
                _log.warning(
                    "%s: predicted is %r, the %s column, though one is called %r (data.label)",
                    source.name, place, label, name,
                )  # fmt: skip
        return place
    if len(called) > 1:
        raise DataFormatError(
            f"{source.name}: the columns {' and '.join(map(repr, called))} may both be the label; "
            f"say which with data.label, as in data.label={called[0]}"
        )
    if called and called[0] != place:
        _log.warning(
            "%s: predicted is the column %r, by its name, and not the last one, %r; "
            "data.label=last predicts that", source.name, called[0], place,
        )  # fmt: skip
    elif not called:
        _check_last(source, names, task)
    return called[0] if called else place


def parts(source: Source, name: str | None) -> NDArray[np.int8]:
    """What the rows are for by a column, or by their files."""
    if name is None:
        return source.parts
    words = _column(source, name, "part").astype(str).str.strip().str.lower()
    codes: NDArray[np.int8] = words.map(part_of).to_numpy(np.int8)
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise DataFormatError(
            f"{source.name}: column {name!r} (data.part) must say train, valid or test, got "
            f"{words.iloc[row]!r}"
        )
    return codes


def groups(source: Source, name: str | None) -> NDArray[Any] | None:
    """The number of the group of each row (n,), its own where the cell is missing; None: none."""
    if name is None:
        return None
    numbers, known = pd.factorize(_column(source, name, "group"))
    alone = numbers < 0
    if alone.any():
        count = int(alone.sum())
        told = f"{count} row{'s' * (count > 1)} without {name!r} (data.group)"
        _log.warning("%s: %s, each a group of its own", source.name, told)
        numbers[alone] = len(known) + np.arange(count)
    return np.asarray(numbers)


def _is_trailing(source: Source, name: str) -> bool:
    """Whether a column is there because each line ends with a separator."""
    is_unnamed = source.headed is False or name.startswith("unnamed column ")
    return source.headed is not None and is_unnamed and bool(source.x[name].isna().all())


def _check_last(source: Source, names: Sequence[str], task: str) -> None:
    """Say that the last column is predicted; refuse what nobody would predict unasked."""
    *others, last = names
    cells = source.x[last]
    kind, remark = kind_of(last, cells)
    known = _like_classes(source, others)
    several = known[0] if len(known) == 1 else "COLUMN"
    if kind == "date" or (kind == "ignored" and cells.nunique() > 1):
        raise DataFormatError(
            f"{source.name}: the last column, {last!r}, is hardly the label: {remark or 'dates'}; "
            f"say data.label={several}, or data.label=none"
        )
    if task == "auto" and len(known) == 1 and kind == "numeric" and are_numbers(cells):
        _log.warning(
            "%s: predicted are the numbers of the last column, %r; %r looks like classes: "
            "data.label=%s predicts those", source.name, last, known[0], known[0],
        )  # fmt: skip
        return
    if known:
        _log.info(
            "%s: predicted is the last column, %r; data.label=COLUMN predicts another, such as %s",
            source.name, last, " or ".join(map(repr, known[:3])),
        )  # fmt: skip


def _like_classes(source: Source, names: Sequence[str]) -> list[str]:
    """Columns of few different words or whole numbers, each there twice on average: by a sample."""
    if source.is_large:
        rows = next(source.x.blocks())
    else:
        rows = source.x.iloc[:: max(1, len(source.x) // SAMPLE)]
    found = []
    for name in names:
        cells = rows[name].dropna()
        is_few = 1 < cells.astype(str).nunique() <= min(FEW, len(cells) / 2)
        kind = kind_of(name, cells)[0] if is_few else "ignored"
        if kind in ("binary", "categorical") or (kind == "numeric" and not are_numbers(cells)):
            found.append(name)
    return found


def _column(source: Source, name: str, what: str) -> pd.Series:
    if source.is_matrix or name not in source.x:
        there = "" if source.is_matrix else ", ".join(map(str, source.x.columns[:12]))
        raise DataFormatError(
            f"{source.name}: no column {name!r} (data.{what}); the columns are {there or 'unnamed'}"
        )
    return source.x[name]
