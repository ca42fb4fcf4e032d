"""A campaign: a table of data sets and arms, in tiers, and how it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sda.common import checks
from sda.config import compose
from sda.config.parts import section
from sda.config.validation import made
from sda.runs.identity import Init, flat, key_of
from sda.sweeps.campaign import search
from sda.sweeps.campaign.cell import Cell, composed

CHOICES = "campaign.choices"
KEYS = ("campaign.hours", CHOICES, "campaign.tiers", "campaign.words")
PARTLY = ("data.", "baseline.")  # settings that some cells have and others not


@dataclass(frozen=True)
class Tier:
    """Cells that are searched and repeated together: every arm on every data set."""

    data: list[str]  # conf/experiment/<campaign>/<data>.yaml
    arms: list[str]  # conf/arm/<arm>.yaml
    runs: int  # of an arm's search that have learned something
    seeds: int  # of the chosen setting

    def __post_init__(self) -> None:
        checks.whole("runs", self.runs, 1)
        checks.whole("seeds", self.seeds, 1)


@dataclass(frozen=True)
class Campaign:
    """What ``conf/campaign/<name>.yaml`` says."""

    name: str
    hours: float  # of this call
    tiers: tuple[Tier, ...]
    words: tuple[str, ...]  # overrides of every run
    runs_folder: Path  # with the ledger
    choices: Path | None  # the ledger of another search, whose choices are repeated


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
    plain = compose.settings([f"+campaign={name}", *own])["campaign"]
    if plain["hours"] is None:
        raise ValueError("a campaign needs its hours: campaign.hours=2")
    for key in ("tiers", "words"):
        _check_list(f"campaign.{key}", plain[key])
    places = {f"campaign.tiers.{k}": node for k, node in enumerate(plain["tiers"])}
    tiers = [made(place, Tier, section(place, node)) for place, node in places.items()]
    words = (*plain["words"], *(word for word in overrides if word not in own))
    search.refuse(words, search.OWN, "which it sets itself in every run")
    search.refuse(words, ("overwrite",), "since it goes on with what the ledger has")
    compose.check_single(words)
    given = [word for word in words if key_of(word) == "runs_folder"]
    return Campaign(
        name,
        checks.number("campaign.hours", plain["hours"], 0),
        tuple(tiers),
        words,
        Path(compose.settings(given)["runs_folder"]),
        _choices(plain["choices"]),
    )


def _choices(folder: object) -> Path | None:
    if folder is None:
        return None
    path = Path(checks.text(CHOICES, folder))
    if not any(path.glob("*.jsonl")):
        raise ValueError(f"{CHOICES} must be a folder with a ledger (*.jsonl), got {path}")
    return path


def _check_list(name: str, value: object) -> None:
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list, got {value!r}")


def cells(campaign: Campaign, tier: Tier) -> list[Cell]:
    """Compose the cells of a tier, data set by data set.

    Raises:
        HydraException: one has a faulty configuration.
        ValueError: one has no search, or a wrong one, or the campaign's words would override it.
    """
    return [_cell(campaign, data, arm) for data in tier.data for arm in tier.arms]


def _cell(campaign: Campaign, data: str, arm: str) -> Cell:
    first = composed(campaign.name, data, arm)
    known = tuple(word for word in campaign.words if _is_known(first, word))
    cell = composed(campaign.name, data, arm, known)
    if cell.config["init"] != Init.baseline:
        sought = search.read(cell.config)
        search.refuse(known, sought.keys(), f"which the search of {cell} sets")
        return replace(cell, search=sought)
    return cell


def _is_known(cell: Cell, word: str) -> bool:
    """Whether a cell has a use for a word: not one of other data, nor of another baseline."""
    return not word.startswith(PARTLY) or key_of(word) in flat(cell.config)
