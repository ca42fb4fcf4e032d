"""What a cell of a campaign searches: settings, supervised rates, a space of proposals."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sda import proposing, ranges

IDLE = {  # settings that have no effect on an arm
    "saa": ("corruption.",),
    "dbn": ("corruption.",),
    "random": ("corruption.", "pretrain."),
}
OWN = ("experiment", "name", "init", "seed", "finetune.learning_rate")  # a campaign sets them


@dataclass(frozen=True)
class Search:
    """What is tried: each setting with every rate; beyond the settings, what is proposed."""

    settings: tuple[tuple[str, ...], ...]  # overrides
    rates: tuple[float, ...]  # of fine-tuning
    space: proposing.Space  # {}: there are no proposals

    def keys(self) -> set[str]:
        """The names of what its settings set."""
        return {key_of(word) for words in self.settings for word in words} | set(self.space)


def key_of(word: str) -> str:
    """The name of what an override sets."""
    return word.lstrip("+~").partition("=")[0].strip()


def effective(words: Iterable[str], init: str) -> frozenset[str]:
    """Those of the overrides that have an effect on an arm."""
    idle = IDLE.get(init, ())
    return frozenset(word for word in words if not key_of(word).startswith(idle))


def refuse(words: Sequence[str], keys: Collection[str], why: str) -> None:
    """Raise ValueError for an override of one of the keys."""
    for word in words:
        if key_of(word) in keys:
            raise ValueError(f"a campaign's words must not set {key_of(word)}, {why}: got {word!r}")


def read(plain: Mapping[str, Any]) -> Search:
    """Read the search of a resolved configuration.

    Settings are overrides with spaces between them and none within; those that differ from an
    earlier one only in what has no effect on the arm are left out.

    Raises:
        ValueError: it has none, or a wrong one; in one line.
    """
    described = plain["search"]
    if not isinstance(described, Mapping) or not {"settings", "rates"} <= set(described):
        raise ValueError(
            f"{plain['name']}: search must have settings (a list of overrides) and rates "
            f"(a list of numbers), got {described}"
        )
    for part in described:
        ranges.one_of("a part of search", part, ("settings", "rates", "space"))
    init = str(plain["init"])
    settings: dict[frozenset[str], tuple[str, ...]] = {}
    for line in described["settings"]:
        words = tuple(str(line).split())
        settings.setdefault(effective(words, init), words)
    return Search(
        tuple(settings.values()),
        tuple(ranges.positive("a rate of search.rates", rate) for rate in described["rates"]),
        _space(described.get("space") or {}, plain, IDLE.get(init, ())),
    )


def _space(described: Any, plain: Mapping[str, Any], idle: tuple[str, ...]) -> proposing.Space:
    """The space without what has no effect on the arm."""
    if not isinstance(described, Mapping):
        raise ValueError(f"search.space must name settings and their values, got {described}")
    for key in OWN:
        if key in described:
            raise ValueError(f"search.space must not have {key}, which the campaign sets itself")
    used = {key: values for key, values in described.items() if not str(key).startswith(idle)}
    return proposing.space(used, plain)
