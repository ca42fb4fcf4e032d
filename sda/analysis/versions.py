"""Versions, processor and device of runs."""

from collections import Counter
from collections.abc import Iterable

from sda.analysis.tables import Block
from sda.runs.folder import RunFolder
from sda.runs.results import Trained


def versions(runs: Iterable[Trained]) -> Block:
    """A line for each environment, with how many runs had it."""
    known = [RunFolder(run.path).result.get("environment", {}) for run in runs]
    told = [", ".join(f"{key} {value}" for key, value in one.items()) for one in known]
    counts = Counter(one or "not recorded" for one in told)
    return Block(["runs", "environment"], [[str(n), one] for one, n in counts.items()], "rl")
