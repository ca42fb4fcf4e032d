"""Which columns of a table are for something else than input: the label, the part, the group."""

import logging
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sda.common.errors import DataFormatError
from sda.data.formats.cells import is_number
from sda.data.kinds import kind_of
from sda.data.reading import OTHER_NAMES, PARTS, Source

# Names by which a label column is known.
LABELS = ("label", "labels", "class", "classes", "target", "targets", "y", "outcome", "diagnosis")
_log = logging.getLogger(__name__)


def labels(source: Source, label: str, aside: Collection[str]) -> list[str]:
    """The columns that are predicted; what may surprise is told, or refused.

    Args:
        source: the rows.
        label: as in `Choices`.
        aside: columns that are for something else.

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
    called = [name for name in names if name.lower() in LABELS]
    called = [name for name in called if not {"x", name} <= {*names}]  # coordinates
    if label == "auto" and called and called != names[-1:]:
        return [_by_name(source, called, names[-1])]
    place = names[0 if label == "first" else -1]
    for name in called:
        if name != place:
            _log.warning(
                "%s: predicted is %r, the %s column, though one is called %r (data.label)",
                source.name, place, label, name,
            )  # fmt: skip
    if label == "auto" and not called:
        _check_last(source, names)
    return [place]


def parts(source: Source, name: str | None) -> NDArray[np.int8]:
    """What the rows are for by a column, or by their files."""
    if name is None:
        return source.parts
    words = _column(source, name, "part").astype(str).str.strip().str.lower()
    said = {word: PARTS.get(OTHER_NAMES.get(word, word), -1) for word in words.unique()}
    codes: NDArray[np.int8] = words.map(said).to_numpy(np.int8)
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise DataFormatError(
            f"{source.name}: column {name!r} (data.part) must say train, valid or test, got "
            f"{words.iloc[row]!r}"
        )
    return codes


def groups(source: Source, name: str | None) -> NDArray[Any] | None:
    """The number of the group of each row (n,); None: there are none."""
    return None if name is None else pd.factorize(_column(source, name, "group"))[0]


def _by_name(source: Source, called: Sequence[str], last: str) -> str:
    if len(called) > 1:
        raise DataFormatError(
            f"{source.name}: the columns {' and '.join(map(repr, called))} may both be the label; "
            f"say which with data.label, as in data.label={called[0]}"
        )
    _log.warning(
        "%s: predicted is the column %r, by its name, and not the last one, %r; data.label=last "
        "predicts that", source.name, called[0], last,
    )  # fmt: skip
    return called[0]


def _is_trailing(source: Source, name: str) -> bool:
    """Whether a column is there because each line ends with a separator."""
    is_unnamed = source.headed is False or name.startswith("unnamed column ")
    return source.headed is not None and is_unnamed and bool(source.x[name].isna().all())


def _check_last(source: Source, names: Sequence[str]) -> None:
    """Refuse a last column that nobody would predict unasked; warn where the first may be meant."""
    first, last = names[0], names[-1]
    kind, remark = kind_of(last, source.x[last])
    if kind == "date" or (kind == "ignored" and source.x[last].nunique() > 1):
        raise DataFormatError(
            f"{source.name}: the last column, {last!r}, is hardly the label: {remark or 'dates'}; "
            "say data.label=COLUMN, or data.label=none"
        )
    if source.headed is False and kind == "numeric" and not is_number(str(source.x[first].iloc[0])):
        _log.warning(
            "%s: predicted is the last column; data.label=first predicts %r, which has words",
            source.name, first,
        )  # fmt: skip


def _column(source: Source, name: str, what: str) -> pd.Series:
    if source.is_matrix or name not in source.x:
        there = "" if source.is_matrix else ", ".join(map(str, source.x.columns[:12]))
        raise DataFormatError(
            f"{source.name}: no column {name!r} (data.{what}); the columns are {there or 'unnamed'}"
        )
    return source.x[name]
