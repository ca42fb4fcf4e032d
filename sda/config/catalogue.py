"""The configuration files: where they are, what there is to choose, the papers' figures in them."""

import csv
import functools
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

TABLES = {  # where a row is looked for, in this order
    "icml2008": ("Vincent et al. (2008), Table 1", 50_000),
    "jmlr2010": ("Vincent et al. (2010), Table 3", 10_000),  # has MNIST, the first has not
}
COLUMNS = {  # by arm; in the second table, saa is sae and sda is sdae
    "svm_rbf": ("svm_rbf",), "svm_poly": ("svm_poly",), "dbn1": ("dbn_1",),
    "saa3": ("saa_3", "sae_3"), "dbn3": ("dbn_3",), "sda3": ("sda_3", "sdae_3"),
}  # fmt: skip


def folder() -> Path:
    """Where the configuration files are: in the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    return next(path for path in (package / "conf", package.parent / "conf") if path.is_dir())


def choices(start: str) -> list[str]:
    """Words for the files with names that start so: ``data=rect`` for ``rect``."""
    groups = ("data", "baseline", "experiment")
    files = {group: (folder() / group).glob(f"{start}*.yaml") for group in groups}
    return [f"{group}={name}" for group in groups for name in sorted(p.stem for p in files[group])]


def listing() -> str:
    """The options of every config group, as text for --help."""
    lines = ["\nChoices:"]
    groups = (path for path in folder().iterdir() if path.is_dir())
    for group in sorted(path for path in groups if path.name != "campaign"):
        options = sorted(path.stem for path in group.glob("*.yaml"))
        # A folder of options is named, not listed.
        options += sorted(f"{path.name}/..." for path in group.iterdir() if path.is_dir())
        if options:
            lines.append(f"  {group.name + '=':17}{' '.join(options)}")
    return "\n".join(lines)


def near_miss(word: str, names: Iterable[str]) -> str | None:
    """The name that a misspelt or shortened word is nearest to, ``lr`` to ``learning_rate``."""
    known = list(dict.fromkeys(names))
    close = get_close_matches(word, known, n=1, cutoff=0.75)
    short = [name for name in known if _is_short_for(word, name)]
    return next(iter([*close, *short, *get_close_matches(word, known, n=1)]), None)


def _is_short_for(word: str, name: str) -> bool:
    parts = name.split("_")
    return len(word) > 1 and (word == "".join(part[:1] for part in parts) or word in parts)


@functools.cache
def published(data_set: str) -> tuple[str, int, dict[str, float]]:
    """What is published of a data set: where, on how many test rows, and test errors by arm.

    Errors are fractions; arms are called ``sda3``, ``dbn1``, ``svm_rbf``. A set that is in no table
    has none.
    """
    for name, (paper, n_test) in TABLES.items():
        file = folder() / "experiment" / "table1" / f"{name}.csv"
        lines = csv.DictReader(file.read_text("utf-8").splitlines())
        line = next((line for line in lines if line["data_set"] == data_set), None)
        if line is not None:
            found = {
                arm: round(float(line[f"{column}_error"]) / 100, 6)
                for arm, columns in COLUMNS.items()
                for column in columns
                if line.get(f"{column}_error")
            }
            return paper, n_test, found
    return "", 0, {}


def published_node(name: str, hidden: Sequence[int] | None) -> dict[str, Any] | None:
    """The setting ``published`` of a data set's runs.

    Args:
        name: of the run; its last part names the data set.
        hidden: units of each layer of a network; None: it is no network.
    """
    paper, n_test, errors = published(name.rpartition("/")[2])
    known = {
        arm.rstrip("0123456789"): error
        for arm, error in errors.items()
        if not arm[-1].isdigit() or arm.endswith(str(len(hidden or ())))
    }
    return {"paper": paper, "n_test": n_test, "test_error": known} if known else None
