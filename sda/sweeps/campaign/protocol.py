"""The protocol of a table: which lines of a ledger choose a setting, and which give its figure.

Every setting of an arm is tried with the first seed. The best four are tried with two more. The one
with the lowest mean validation error over the three is chosen, and runs with fresh seeds, which had
no part in the choice. Only these read the test rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

SEARCHED, *AGAIN = SEEDS = (0, 1, 2)  # of the choice
FINALISTS = 4
FRESH = 10  # seeds from here on have no part in the choice
LEARNED = 0.9  # of the error of naming the commonest class: a run above it has learned nothing
Line = Mapping[str, Any]  # of a ledger
Place = tuple[str, str]  # name of the runs, which says the data set, and arm


def arm_of(line: Line) -> str:
    """``sda3``, ``random1``: where fine-tuning starts and how many layers; ``svm_rbf``."""
    layers = line.get("plan", {}).get("layers")
    return str(line.get("arm") or line["init"] + (str(len(layers)) if layers else ""))


def place_of(line: Line) -> Place:
    """What a line's cell of a table is known by."""
    return str(line["name"]), arm_of(line)


def has_learned(line: Line) -> bool:
    """Whether a run has neither diverged nor ended near the error of naming the commonest class."""
    if line.get("status") != "finished":
        return False
    return float(line["valid_error"]) <= LEARNED * float(line.get("chance_error") or 1.0)


@dataclass
class Setting:
    """One setting of an arm, with its lines by seed."""

    lines: dict[int, Line] = field(default_factory=dict)

    @property
    def one(self) -> Line:
        """Any of its lines: all say the same of the setting."""
        return next(iter(self.lines.values()))

    def score(self, seeds: Sequence[int]) -> tuple[float, float]:
        """Mean validation error and cross-entropy over seeds; a run that diverged errs on all."""
        known = [self.lines[seed] for seed in seeds]
        ended = [line if line.get("status") == "finished" else {} for line in known]
        errors = fmean(float(line.get("valid_error", 1.0)) for line in ended)
        return errors, fmean(float(line.get("valid_loss", "inf")) for line in ended)

    @property
    def fresh(self) -> dict[int, Line]:
        """The finished runs that were tested and had no part in the choice, by seed."""
        return {
            seed: line
            for seed, line in sorted(self.lines.items())
            if seed >= FRESH and line.get("test_error") is not None
        }


def settings(lines: Iterable[Line]) -> dict[str, Setting]:
    """The settings of a cell that were tried with any seed, by their digest."""
    found: dict[str, Setting] = {}
    for line in lines:
        if "setting" in line:
            found.setdefault(str(line["setting"]), Setting()).lines[int(line["seed"])] = line
    return found


def tried(lines: Iterable[Line]) -> dict[str, Setting]:
    """Those that have a run of the search, finished or diverged."""
    return {key: one for key, one in settings(lines).items() if SEARCHED in one.lines}


def finalists(lines: Iterable[Line]) -> list[Setting]:
    """The best settings of a search, best first: those that are tried with more seeds."""
    able = [one for one in tried(lines).values() if has_learned(one.lines[SEARCHED])]
    return sorted(able, key=lambda one: one.score([SEARCHED]))[:FINALISTS]


def chosen(lines: Sequence[Line]) -> Setting | None:
    """The finalist with the lowest mean validation error over all seeds of the choice.

    Ties are broken by the validation cross-entropy. None: there is none yet, or one of them lacks a
    seed. No test error takes part.
    """
    best = finalists(lines)
    if not best or any(seed not in one.lines for one in best for seed in SEEDS):
        return None
    return min(best, key=lambda one: one.score(SEEDS))
