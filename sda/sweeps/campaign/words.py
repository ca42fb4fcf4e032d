"""The words of a campaign's last call, kept beside its runs: with them their table is read."""

import json
from dataclasses import asdict, replace
from pathlib import Path

from sda.common import files
from sda.runs import identity
from sda.runs.settings import key_of
from sda.sweeps.campaign import campaign, choices
from sda.sweeps.campaign.campaign import Campaign

FILE = "campaign.json"
CHOICES = "choices.json"  # of an earlier search, if the last call had any


def keep(plan: Campaign, folder: Path) -> None:
    """Write them into the folder of the runs, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = [word for word in plan.said if key_of(word) != "runs_folder"]
    files.replace(folder / FILE, json.dumps(kept).encode())
    if plan.choices:
        known = {cell: asdict(choice) for cell, choice in plan.choices.items()}
        files.replace(folder / CHOICES, json.dumps(known, indent=1).encode())
    elif plan.choices is not None:
        (folder / CHOICES).unlink(missing_ok=True)


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
    none = f"{campaign.CHOICES}=null"  # those of the last call count
    plan = campaign.read(folder.resolve().name, ["campaign.hours=0", none, *words, here])
    return with_choices(replace(plan, choices=None), folder)


def with_choices(plan: Campaign, folder: Path) -> Campaign:
    """The campaign with the choices that its last call had, if this one says nothing of them."""
    file = folder / CHOICES
    if plan.choices is not None or not file.exists():
        return plan
    again = f"{campaign.CHOICES}=FILE writes it anew, {campaign.CHOICES}=null forgets it"
    try:
        known = json.loads(file.read_text("utf-8"))
        found = {cell: choices.made(values, cell) for cell, values in known.items()}
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{file} is damaged; {again}: {error}") from None
    return replace(plan, choices=found)


def _words(file: Path) -> list[str]:
    try:
        words = json.loads(file.read_text("utf-8"))
    except ValueError:
        words = None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"{file} is damaged: it must be a list of the campaign's words")
    return [word for word in words if key_of(word) not in identity.HARMLESS]
