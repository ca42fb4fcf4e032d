"""The search of an arm: settings, supervised rates, a space for proposals."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sda.common import checks
from sda.runs.arms import UNREAD
from sda.runs.settings import key_of
from sda.sweeps.campaign import proposals

RATE = "finetune.learning_rate"
OWN = ("experiment", "arm", "name", "init", "seed", "test", RATE)  # a campaign sets them
PLACE = ("overwrite", "runs_folder")  # of all its runs


@dataclass(frozen=True)
class Search:
    """The settings to try: each with every rate; then those that Optuna proposes."""

    settings: tuple[tuple[str, ...], ...]  # overrides
    rates: tuple[float, ...]  # of fine-tuning
    space: proposals.Space  # {}: there are no proposals

    @property
    def listed(self) -> list[tuple[str, ...]]:
        """The overrides of every run, setting by setting."""
        return [(*words, f"{RATE}={rate:g}") for words in self.settings for rate in self.rates]

    def keys(self) -> set[str]:
        """The names of what it sets."""
        return {key_of(word) for words in self.settings for word in words} | set(self.space)


def refuse(
    words: Iterable[str], keys: Collection[str], why: str, whose: str = "a campaign's words"
) -> None:
    """Raise ValueError for an override of one of the keys."""
    for word in words:
        if key_of(word) in keys:
            raise ValueError(f"{whose} must not set {key_of(word)}, {why}: got {word!r}")


def read(plain: Mapping[str, Any]) -> Search:
    """Read the search of a resolved configuration.

    Settings are overrides with spaces between them and none within; those that differ from an
    earlier one only in what has no effect on the arm are left out.

    Raises:
        ValueError: it has none, or a wrong one; in one line.
    """
    described = plain["search"]
    parts = described if isinstance(described, Mapping) else {}
    if not all(isinstance(parts.get(part), list) for part in ("settings", "rates")):
        raise ValueError(
            f"{plain['name']}: search must have settings (a list of overrides) and rates "
            f"(a list of numbers), got {described}"
        )
    for part in described:
        checks.one_of("a part of search", part, ("settings", "rates", "space"))
    rates = [checks.positive("a rate of search.rates", rate) for rate in described["rates"]]
    if not rates or len({f"{rate:g}" for rate in rates}) < len(rates):  # as folders name them
        raise ValueError(f"search.rates must be different numbers, at least one, got {rates}")
    idle = UNREAD.get(str(plain["init"]), ())
    settings: dict[frozenset[str], tuple[str, ...]] = {}
    for line in described["settings"]:
        words = tuple(str(line).split())
        refuse(words, (*OWN, *PLACE), "which the campaign sets itself", "a setting of a search")
        effective = frozenset(word for word in words if not key_of(word).startswith(idle))
        settings.setdefault(effective, words)
    space = described.get("space") or {}
    _refuse_followed(plain, [*chain(*settings.values()), *space], idle)
    return Search(tuple(settings.values()), tuple(rates), _space(space, plain, idle))


def _refuse_followed(plain: Mapping[str, Any], words: Sequence[str], idle: tuple[str, ...]) -> None:
    """Raise ValueError where what an arm does not read may be read in another place after all."""
    noisy = [part for part in ("pretrain", "finetune") if plain[part].get("corruption")]
    for word in words:
        if noisy and key_of(word).startswith(idle) and key_of(word).startswith("corruption."):
            raise ValueError(
                f"{plain['name']}: a search of init={plain['init']} must not set {key_of(word)} "
                f"beside {noisy[0]}.corruption, which may follow it"
            )


def _space(described: Any, plain: Mapping[str, Any], idle: tuple[str, ...]) -> proposals.Space:
    """The space without what has no effect on the arm."""
    if not isinstance(described, Mapping):
        raise ValueError(f"search.space must name settings and their values, got {described}")
    for key in OWN:
        if key in described and key != RATE:
            raise ValueError(f"search.space must not have {key}, which the campaign sets itself")
    used = {key: values for key, values in described.items() if not str(key).startswith(idle)}
    return proposals.space(used, plain)
