"""The search of an arm: a list of settings with their rates, then what Optuna proposes.

A space names the settings that are searched, each with its values: ``{from: 0.05, to: 0.5}``, the
same with ``log: true`` where ratios matter, or ``{among: [50, 100, 200]}``. The sampler is the
tree-structured Parzen estimator of Bergstra et al. (2011), seeded with how many were tried: with
one version of Optuna the same outcomes lead to the same proposal.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from sda.common import checks
from sda.runs.identity import UNREAD, flat, key_of, word

RATE = "finetune.learning_rate"
OWN = ("experiment", "arm", "name", "init", "seed", "test", RATE)  # a campaign sets them
PLACE = ("overwrite", "runs_folder")  # of all its runs
STARTUP = 4  # outcomes before the sampler uses its model; a cell's list has more
ASKED = 100  # attempts to propose something that has not been tried
Space = dict[str, BaseDistribution]

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class Search:
    """The settings to try: each with every rate; then those that Optuna proposes."""

    settings: tuple[tuple[str, ...], ...]  # overrides
    rates: tuple[float, ...]  # of fine-tuning
    space: Space  # {}: there are no proposals

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
    for one in words:
        if key_of(one) in keys:
            raise ValueError(f"{whose} must not set {key_of(one)}, {why}: got {one!r}")


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
    sought = described.get("space") or {}
    _refuse_followed(plain, [*chain(*settings.values()), *sought], idle)
    return Search(tuple(settings.values()), tuple(rates), space(sought, plain, idle))


def _refuse_followed(plain: Mapping[str, Any], words: Sequence[str], idle: tuple[str, ...]) -> None:
    """Raise ValueError for a key of ``corruption`` that the arm reads only as noise on rows."""
    noisy = [part for part in ("pretrain", "finetune") if plain[part].get("corruption")]
    for key in map(key_of, words):
        if noisy and key.startswith(idle) and key.startswith("corruption."):
            raise ValueError(
                f"{plain['name']}: a search of init={plain['init']} must not set {key} "
                f"beside {noisy[0]}.corruption, which may follow it"
            )


def space(described: Any, plain: Mapping[str, Any], idle: tuple[str, ...] = ()) -> Space:
    """Read a space of settings of a resolved configuration, without the ``idle`` ones.

    Raises:
        ValueError: it is none, or has a setting that the configuration lacks; in one line.
    """
    if not isinstance(described, Mapping):
        raise ValueError(f"search.space must name settings and their values, got {described}")
    for key in OWN:
        if key in described and key != RATE:
            raise ValueError(f"search.space must not have {key}, which the campaign sets itself")
    used = {key: values for key, values in described.items() if not str(key).startswith(idle)}
    searched = {key: _distribution(key, values) for key, values in used.items()}
    _values(searched, flat(plain))
    return searched


def propose(searched: Space, tried: Sequence[tuple[Mapping[str, Any], float]]) -> list[str] | None:
    """Propose values for all settings of a space, as overrides ``key=value``.

    Args:
        searched: the space.
        tried: flat settings and their validation errors. Those that lie outside the
            space teach nothing.

    Returns:
        The overrides; None if nothing was found that has not been tried.
    """
    known = [(_values(searched, settings), error) for settings, error in tried]
    sampler = optuna.samplers.TPESampler(
        seed=len(tried), n_startup_trials=STARTUP, multivariate=True
    )
    study = optuna.create_study(sampler=sampler)
    for values, error in known:
        with suppress(ValueError):  # outside the space
            trial = optuna.trial.create_trial(params=values, distributions=searched, value=error)
            study.add_trial(trial)
    for _ in range(ASKED):
        asked = study.ask(searched).params
        values = {key: _rounded(searched[key], value) for key, value in asked.items()}
        if all(values != before for before, _ in known):
            return [f"{key}={value}" for key, value in values.items()]
    return None


def _distribution(key: str, values: Any) -> BaseDistribution:
    named = set(values) if isinstance(values, Mapping) else set()
    if named == {"among"} and isinstance(values["among"], list) and values["among"]:
        return CategoricalDistribution([word(value) for value in values["among"]])
    if {"from", "to"} <= named <= {"from", "to", "log"}:
        log = checks.flag(f"search.space {key} log", values.get("log", False))
        low = checks.number(f"search.space {key} from", values["from"], 0)
        high = checks.number(f"search.space {key} to", values["to"], low)
        if not log or low > 0:
            return FloatDistribution(low, high, log=log)
    raise ValueError(
        f"search.space {key} must be {{from: a, to: b}}, {{from: a, to: b, log: true}} with "
        f"a > 0, or {{among: [...]}}, got {values}"
    )


def _values(searched: Space, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The values that flat settings have for a space. Raises ValueError if they lack one."""
    found = {}
    for key, distribution in searched.items():
        if key not in settings:
            is_group = any(name.startswith(f"{key}.") for name in settings)
            what = "a group of settings, not one" if is_group else "no setting of these runs"
            raise ValueError(f"search.space has {key}, which is {what}")
        is_choice = isinstance(distribution, CategoricalDistribution)
        found[key] = word(settings[key]) if is_choice else settings[key]
    return found


def _rounded(distribution: BaseDistribution, value: Any) -> Any:
    """A number with two digits, to keep folder names short; a choice as it is."""
    if isinstance(distribution, FloatDistribution):
        return min(max(float(f"{value:.2g}"), distribution.low), distribution.high)
    return value
