"""The runs that the searches of a campaign have tried: what each choice is the best of."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sda import campaign_table, choices, runfolder
from sda.cell import Cell

# valid_error in percent, at the best epoch, with its cross-entropy; diverged: "".
COLUMNS = (
    "data_set", "arm", "data_hash", "settings_hash", "setting", "status", "valid_error",
    "valid_loss",
)  # fmt: skip
Line = Mapping[str, Any]


def of(cells: Iterable[Cell]) -> list[Line]:
    """A line for every run of the networks' searches that has ended. No test error is in it."""
    return [
        _line(cell, campaign_table.setting(cell, job), result)
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
        "settings_hash": runfolder.digest(result["settings"]),
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


def joined(here: Iterable[Line], kept: Iterable[Line]) -> list[Line]:
    """Those of both, cell by cell; of a run that is in both, what it came to last."""
    parts = ("data_set", "arm", "data_hash", "settings_hash")
    known = {tuple(line[part] for part in parts): line for line in (*kept, *here)}
    cells = list(dict.fromkeys(key[:2] for key in known))
    return sorted(known.values(), key=lambda line: cells.index((line["data_set"], line["arm"])))
