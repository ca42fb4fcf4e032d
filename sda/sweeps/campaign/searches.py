"""The runs that the searches of a campaign have tried: what each choice is the best of."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sda.sweeps.campaign import choices, search, table
from sda.sweeps.campaign.cell import Cell

# valid_error in percent, at the best epoch, with its cross-entropy; diverged: "".
COLUMNS = (
    "data_set", "arm", "data_hash", "settings_hash", "setting", "status", "valid_error",
    "valid_loss",
)  # fmt: skip
KEY = ("data_set", "arm", "data_hash", "settings_hash")  # of a run
Line = Mapping[str, Any]


def of(cells: Iterable[Cell]) -> list[Line]:
    """A line for every run of the networks' searches that has ended. No test error is in it."""
    return [
        _line(cell, table.setting(cell, job), result)
        for cell in cells
        if not cell.is_machine
        for job, result in cell.ended()
    ]


def _line(cell: Cell, setting: str, result: Mapping[str, Any]) -> Line:
    is_finished = result["status"] == "finished"
    return {
        "data_set": cell.data_set,
        "arm": cell.arm,
        "data_hash": result["data_hash"][:8],
        "settings_hash": search.settings_digest(result["settings"]),
        "setting": setting,
        "status": result["status"],
        "valid_error": f"{100 * result['valid_error']:.2f}" if is_finished else "",
        "valid_loss": f"{result['valid_loss']:.4f}" if is_finished else "",
    }


def read(file: Path) -> list[Line]:
    """The lines of an earlier file; []: there is none.

    Raises:
        ValueError: it is no such file, in one line.
    """
    return list(choices.lines(file, COLUMNS)) if file.exists() else []


def joined(here: Sequence[Line], kept: Sequence[Line], stay: Collection[str]) -> list[Line]:
    """The lines of both, cell by cell, each where it was in the earlier file.

    Of a run that is in both, what it came to last; what it had come to if the line of its cell in
    the table stays.
    """
    first = [line for line in here if choices.cell_of(line) in stay]
    then = [line for line in here if choices.cell_of(line) not in stay]
    known = {tuple(line[part] for part in KEY): line for line in (*first, *kept, *then)}
    order = [tuple(line[part] for part in KEY) for line in (*kept, *here)]
    cells = list(dict.fromkeys(key[:2] for key in order))
    return [known[key] for key in sorted(dict.fromkeys(order), key=lambda k: cells.index(k[:2]))]
