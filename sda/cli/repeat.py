"""The commands that repeat finished runs, found from their saved configurations and checked."""

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

import yaml

from sda.analysis.comparison import Arm, Table
from sda.common import plain_yaml
from sda.common.program import program
from sda.config import catalogue, compose
from sda.runs.folder import RunFolder
from sda.runs.identity import HARMLESS, comparable
from sda.runs.results import Trained
from sda.runs.settings import Plain, flat, key_of

# Said by the sweep, or no setting of a run.
ASIDE = {*HARMLESS, "init", "seed", "published", "search", "minutes", "vars"}
CUT = ("data.folds", "data.fold", "data.repeats", "data.repeat")  # said by folds= or repeats=
PLAIN = re.compile(r"[A-Za-z0-9_./-]+")  # what needs no quotes in Hydra's grammar


def commands(table: Table) -> list[str]:
    """Commands that repeat the runs of a table, as few as there are; none that was not checked."""
    groups: dict[tuple[str, ...], list[Arm]] = {}
    for arm in table.arms:
        words = words_of(arm.runs[0])
        if words is not None:
            words = [word for word in words if key_of(word) not in CUT]
            words += ["=".join(reversed(table.cuts.split()))] if table.cuts else []
            seeds = _seeds(sorted({run.seed for run in arm.runs}))
            groups.setdefault((seeds, *words), []).append(arm)
    return [_command(arms, *said) for said, arms in groups.items()]


def words_of(run: Trained) -> list[str] | None:
    """The words that ask for a run, but for init and seed; None if none do."""
    wanted = RunFolder(run.path).config
    named = f"experiment={wanted.get('name')}"
    is_there = (catalogue.folder() / "experiment" / f"{wanted.get('name')}.yaml").is_file()
    tried = [
        _tried(files, wanted) for files in ([named], _files(wanted)) if files != [named] or is_there
    ]
    found = [words for words in tried if words is not None]
    return min(found, key=len) if found else None


def _tried(files: list[str], wanted: Plain) -> list[str] | None:
    """The words that, after those that choose files, make up a configuration."""
    try:
        values = _missing(wanted, compose.resolved(compose.compose(files)))
        words = [f"{key}={_word(value)}" for key, value in values.items()]
        is_whole = not _missing(wanted, compose.resolved(compose.compose([*files, *words])))
    except (ValueError, *compose.FAULTS):
        return None
    return [*files, *words] if is_whole else None


def _missing(wanted: Plain, there: Plain) -> Plain:
    """Overrides that turn one configuration into another."""
    ours, own = flat(there), flat(wanted)
    return {
        key: value
        for key, value in own.items()
        if not {key, key.split(".")[0]} & ASIDE
        and not (key in ours and comparable(ours[key]) == comparable(value))
    }


def _files(wanted: Plain) -> list[str]:
    """For each group, the word for the file that is most like a configuration."""
    words = []
    for group in sorted(path for path in catalogue.folder().iterdir() if path.is_dir()):
        node = wanted.get(group.name)
        options = sorted(group.glob("*.yaml"))
        if isinstance(node, dict) and options and group.name not in ASIDE:
            best = max(options, key=lambda file: _likeness(file.read_text("utf-8"), node))
            words.append(f"{group.name}={best.stem}")
    return [word for word in words if word not in _unsaid()]


def _unsaid() -> list[str]:
    """The choices of files that are made where nothing is said."""
    content = plain_yaml.read((catalogue.folder() / "config.yaml").read_text("utf-8"))
    said = [one for one in content["defaults"] if isinstance(one, dict)]
    return [f"{key}={value}" for one in said for key, value in one.items()]


def _likeness(text: str, node: Plain) -> tuple[bool, int, int]:
    """How much of a node a file has: its class, then its values, and little else."""
    try:
        content = flat(plain_yaml.read(text) or {})
    except yaml.YAMLError:
        return False, 0, 0
    own = flat(node)
    alike = sum(key in own and comparable(own[key]) == comparable(v) for key, v in content.items())
    return content.get("_target_") == own.get("_target_"), alike, -len(content)


def _command(arms: Sequence[Arm], seeds: str, *words: str) -> str:
    inits = ",".join(dict.fromkeys(arm.runs[0].init for arm in arms))
    said = [*words, f"init={inits}", f"seed={seeds}"]
    sweep = ["-m"] if "," in inits or not seeds.isdigit() else []
    return " ".join([program(), *sweep, *map(shlex.quote, said)])


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"range({seeds[0]},{seeds[-1] + 1})" if seeds[0] else f"range({len(seeds)})"
    return ",".join(map(str, seeds))


def _word(value: Any) -> str:
    """A value in Hydra's grammar."""
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) else json.dumps(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_word(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_word, value)) + "]"
    return json.dumps(value)
