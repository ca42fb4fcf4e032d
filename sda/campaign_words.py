"""The words of a campaign's last call, kept beside its runs: with them their table is read."""

import json
from pathlib import Path

from sda import campaign, checkpoint, runfolder
from sda.campaign import Campaign
from sda.search import key_of

FILE = "campaign.json"


def keep(plan: Campaign, folder: Path) -> None:
    """Write them into the folder of the runs, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = [word for word in plan.said if key_of(word) != "runs_folder"]
    checkpoint.replace(folder / FILE, json.dumps(kept).encode())


def recorded(folder: Path) -> Campaign:
    """The campaign whose runs are in a folder of its name, with the words of its last call.

    Words that do not change what its runs compute are left out: its device need not be here.

    Raises:
        ValueError, HydraException: there is no such folder or campaign, or its words are damaged.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder} with runs of a campaign")
    file = folder / FILE
    words = _words(file) if file.exists() else []
    path = str(folder.resolve().parent).replace("'", "\\'")
    here = f"runs_folder='{path}'"
    return campaign.read(folder.resolve().name, ["campaign.hours=0", *words, here])


def _words(file: Path) -> list[str]:
    try:
        words = json.loads(file.read_text("utf-8"))
    except ValueError:
        words = None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"{file} is damaged: it must be a list of the campaign's words")
    return [word for word in words if key_of(word) not in runfolder.HARMLESS]
