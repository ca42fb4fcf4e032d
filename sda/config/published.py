"""The papers' test errors, from their tables in ``conf/experiment/table1``."""

import csv
import functools
from collections.abc import Sequence
from typing import Any

from sda.config import catalogue

TABLES = {  # where a row is looked for, in this order
    "icml2008": ("Vincent et al. (2008), Table 1", 50_000),
    "jmlr2010": ("Vincent et al. (2010), Table 3", 10_000),  # MNIST, which the first has not
}
COLUMNS = {  # by arm; in the second table, saa is sae and sda is sdae
    "svm_rbf": ("svm_rbf",), "svm_poly": ("svm_poly",), "dbn1": ("dbn_1",),
    "saa3": ("saa_3", "sae_3"), "dbn3": ("dbn_3",), "sda3": ("sda_3", "sdae_3"),
}  # fmt: skip


@functools.cache
def row(data_set: str) -> tuple[str, int, dict[str, float]]:
    """What is published of a data set: where, on how many test rows, and test errors by arm.

    Errors are fractions; arms are called ``sda3``, ``dbn1``, ``svm_rbf``. A set that is in no table
    has none.
    """
    for name, (paper, n_test) in TABLES.items():
        file = catalogue.folder() / "experiment" / "table1" / f"{name}.csv"
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


def node(name: str, hidden: Sequence[int] | None) -> dict[str, Any] | None:
    """The setting ``published`` of a data set's runs.

    Args:
        name: of the run; its last part names the data set.
        hidden: units of each layer of a network; None: of something else.
    """
    paper, n_test, errors = row(name.rpartition("/")[2])
    known = {
        arm.rstrip("0123456789"): error
        for arm, error in errors.items()
        if not arm[-1].isdigit() or arm.endswith(str(len(hidden or ())))
    }
    return {"paper": paper, "n_test": n_test, "test_error": known} if known else None
