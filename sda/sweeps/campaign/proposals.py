"""What to try next: settings that Optuna proposes, from what those in the ledger have come to.

A space names the settings that are searched, each with its values: ``{from: 0.05, to: 0.5}``, the
same with ``log: true`` where ratios matter, or ``{among: [50, 100, 200]}``. The sampler is the
tree-structured Parzen estimator of Bergstra et al. (2011), seeded with how many were tried: with
one version of Optuna the same outcomes lead to the same proposal.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)

from sda.common import checks
from sda.runs.settings import word

STARTUP = 4  # outcomes before the model is believed; of a cell's list there are more
ASKED = 100  # times, for something that has not been tried
Space = dict[str, BaseDistribution]

optuna.logging.set_verbosity(optuna.logging.WARNING)


def space(described: Mapping[str, Any], plain: Mapping[str, Any]) -> Space:
    """Read a space of settings of a resolved configuration.

    Raises:
        ValueError: it is none, or has a setting that the configuration lacks; in one line.
    """
    searched = {key: _distribution(key, values) for key, values in described.items()}
    for key, value in _values(searched, plain).items():
        if isinstance(value, Mapping):
            raise ValueError(f"search.space has {key}, which is a group of settings, not one")
    return searched


def propose(searched: Space, tried: Sequence[tuple[Mapping[str, Any], float]]) -> list[str] | None:
    """Propose values for all settings of a space, as overrides ``key=value``.

    Args:
        searched: the space.
        tried: resolved configurations and their validation errors. Those that lie outside the
            space teach nothing.

    Returns:
        The overrides; None if nothing was found that has not been tried.
    """
    known = [(_values(searched, plain), error) for plain, error in tried]
    sampler = optuna.samplers.TPESampler(
        seed=len(tried), n_startup_trials=STARTUP, multivariate=True
    )
    study = optuna.create_study(sampler=sampler)
    for values, error in known:
        if all(_contains(searched[key], value) for key, value in values.items()):
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


def _values(searched: Space, plain: Mapping[str, Any]) -> dict[str, Any]:
    """Look up what a configuration has of a space."""
    found = {}
    for key, distribution in searched.items():
        value: Any = plain
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise ValueError(f"search.space has {key}, which is no setting of these runs")
            value = value[part]
        choice = isinstance(distribution, CategoricalDistribution)
        found[key] = word(value) if choice and not isinstance(value, Mapping) else value
    return found


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, FloatDistribution)
    return isinstance(value, float | int) and distribution.low <= value <= distribution.high


def _rounded(distribution: BaseDistribution, value: Any) -> Any:
    """Two digits, which a name of a folder can bear, of what is no choice."""
    if isinstance(distribution, FloatDistribution):
        return min(max(float(f"{value:.2g}"), distribution.low), distribution.high)
    return value
