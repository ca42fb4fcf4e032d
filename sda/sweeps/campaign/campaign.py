"""A campaign: tiers of the cells of a table, and how it is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sda.common import checks
from sda.config import catalogue, compose
from sda.runs import settings as settings_words
from sda.runs.settings import key_of
from sda.sweeps.campaign import choices, search
from sda.sweeps.campaign.cell import Cell, job_of
from sda.sweeps.campaign.choices import Choice

CHOICES = "campaign.choices"
KEYS = ("campaign.hours", CHOICES, "campaign.tiers", "campaign.words")


@dataclass(frozen=True)
class Tier:
    """Cells that get the same share of the hours."""

    cells: tuple[str, ...]  # conf/experiment/<campaign>/<cell>.yaml
    settings: int  # how many of a cell's settings are tried
    seeds: int  # of the chosen setting

    def __post_init__(self) -> None:
        checks.whole("settings of a tier", self.settings, 1)
        checks.whole("seeds of a tier", self.seeds, 1)


@dataclass(frozen=True)
class Campaign:
    """What ``conf/campaign/<name>.yaml`` says."""

    name: str
    hours: float  # of this call
    tiers: tuple[Tier, ...]
    words: tuple[str, ...]  # overrides of every run
    said: tuple[str, ...]  # those among them that came with this call
    choices: Mapping[str, Choice] | None = None  # of an earlier search, by cell; None: not said


def read(name: str, overrides: Sequence[str]) -> Campaign:
    """Read ``conf/campaign/<name>.yaml``.

    Raises:
        ValueError, HydraException: there is none, or a word of it or of the call is no good.
    """
    for word in overrides:
        if word.startswith("-"):
            raise ValueError(f"a campaign takes key=value, no options; got {word}")
    own = [word for word in overrides if key_of(word).startswith("campaign.")]
    for word in own:
        checks.one_of("what a call sets of a campaign", key_of(word), KEYS)
    # A campaign's file need not have choices.
    known = [f"++{w.lstrip('+')}" if key_of(w) == CHOICES else w for w in own]
    plain = compose.resolved(compose.compose([f"+campaign={name}", *known]))["campaign"]
    if plain["hours"] is None:
        raise ValueError("a campaign needs its hours: campaign.hours=2")
    for key in ("tiers", "words"):
        _check_list(f"campaign.{key}", plain[key])
    said = tuple(word for word in overrides if word not in own)
    words = (*plain["words"], *said)
    search.refuse(words, search.OWN, "which it sets itself in every run")
    search.refuse(words, ("overwrite",), "since it goes on: remove a folder to have its run again")
    hours = checks.number("campaign.hours", plain["hours"], 0)
    tiers = tuple(map(_tier, plain["tiers"]))
    return Campaign(name, hours, tiers, words, said, _choices(plain.get("choices"), tiers, own))


def _choices(
    file: object, tiers: Sequence[Tier], own: Sequence[str]
) -> Mapping[str, Choice] | None:
    """Those of the campaign's cells in a table; {}: none are wanted; None: that was not said."""
    if file is None:
        return {} if any(key_of(word) == CHOICES for word in own) else None
    named = {name for tier in tiers for name in tier.cells}
    path = Path(checks.text(CHOICES, file))
    found = {cell: choice for cell, choice in choices.read(path).items() if cell in named}
    if not found:
        raise ValueError(f"{CHOICES}: {path} has no choice for a cell of the campaign")
    return found


def _tier(plain: Any) -> Tier:
    if not isinstance(plain, dict) or set(plain) != {"cells", "settings", "seeds"}:
        raise ValueError(f"a tier must have cells, settings and seeds, got {plain}")
    _check_list("cells of a tier", plain["cells"])
    for name in plain["cells"]:
        checks.text("a cell of a tier", name)
    return Tier(tuple(plain["cells"]), plain["settings"], plain["seeds"])


def _check_list(name: str, value: object) -> None:
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list, got {value!r}")


def cells(campaign: Campaign, tier: Tier) -> list[Cell]:
    """Compose the cells of a tier.

    Raises:
        HydraException: one has a faulty configuration.
        ValueError: one has none, or no search, or a wrong one, or the campaign's words would
            override it.
    """
    found = []
    there = [path.stem for path in (catalogue.folder() / "experiment" / campaign.name).glob("*")]
    for name in tier.cells:
        if name not in there:
            close = get_close_matches(name, there, n=1)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(f"there is no conf/experiment/{campaign.name}/{name}.yaml{meant}")
        primary = "svm" if "_svm_" in name else "config"
        known = words_for(primary, campaign.words)
        plain = job_of((f"experiment={campaign.name}/{name}", *known), primary).config
        sought = None if primary == "svm" else search.read(plain)
        if sought is not None:
            search.refuse(known, sought.keys(), f"which the search of {name} sets")
        choice = None if sought is None else (campaign.choices or {}).get(name)
        if choice is not None:
            search.refuse(known, {key_of(w) for w in choice.words}, f"which {name} chose")
        found.append(Cell(campaign.name, name, plain, known, sought, choice))
    return found


def words_for(primary: str, words: Sequence[str]) -> tuple[str, ...]:
    """Without the overrides that only support vector machines, or only networks, have a use for."""
    other = {"svm": "config", "config": "svm"}[primary]
    others = compose.settings(other) - compose.settings(primary)
    return tuple(word for word in words if settings_words.top(word) not in others)
