"""Few rows of many columns: what a stack learns of 60 rows and 7000 columns, and what it needs.

    ./run experiments/wide.py [--seeds 5] [--columns 7000] [--out OUT.csv]

Two made sets of two classes, in which 50 columns move with the class, or one of ten hidden factors
does. Right answers on 500 test rows in percent, mean and deviation over seeds, of each setting;
none was chosen by anything. A minute and a half on one core.
"""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from lib.figure import write_table
from lib.script import FIGURES
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sda import SDAClassifier

TRAIN, TEST = 60, 500  # rows
STANDARD = {"scaling": "standard", "pretrain_learning_rate": 0.02}
ONE = {**STANDARD, "hidden": [200]}
SETTINGS: dict[str, Callable[[int], Any]] = {
    "logistic regression": lambda seed: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "default": lambda seed: SDAClassifier(random_state=seed),
    "standardised": lambda seed: SDAClassifier(random_state=seed, **STANDARD),
    "one layer": lambda seed: SDAClassifier(random_state=seed, **ONE),
    "one layer, slow": lambda seed: SDAClassifier(
        random_state=seed, finetune_learning_rate=0.03, **ONE
    ),
    "one layer, not pretrained": lambda seed: SDAClassifier(
        random_state=seed, hidden=[200], scaling="standard", pretrain_epochs=0
    ),
}


def columns(rng: np.random.Generator, y: np.ndarray, d: int) -> np.ndarray:
    """Rows (n, d), the first 50 columns of which move with the class."""
    x = rng.normal(size=(len(y), d))
    x[:, :50] += 0.45 * (2 * y[:, None] - 1)
    return x


def factor(rng: np.random.Generator, y: np.ndarray, d: int) -> np.ndarray:
    """Rows (n, d) of ten hidden factors, one of which moves with the class, and noise."""
    hidden = rng.normal(size=(len(y), 10))
    hidden[:, 2] += 0.85 * (2 * y - 1)
    return hidden @ rng.normal(size=(10, d)) + 3 * rng.normal(size=(len(y), d))


def right(make: Callable[[int], Any], kind: Callable[..., np.ndarray], d: int, seed: int) -> float:
    """The share of test rows that are right."""
    rng = np.random.default_rng(seed)
    y = np.arange(TRAIN + TEST) % 2
    x = kind(rng, y, d)
    model = make(seed).fit(x[:TRAIN], y[:TRAIN])
    return float(np.mean(model.predict(x[TRAIN:]) == y[TRAIN:]))


def main(seeds: int, d: int, out: str) -> None:
    logging.disable(logging.WARNING)  # of so few rows for so many columns
    rows = []
    for name, make in SETTINGS.items():
        row: dict[str, object] = {"setting": name}
        for kind in (columns, factor):
            found = [100 * right(make, kind, d, seed) for seed in range(seeds)]
            row |= {
                f"{kind.__name__} right %": f"{np.mean(found):.1f}",
                f"{kind.__name__} sd": f"{np.std(found, ddof=1):.1f}",
            }
        rows.append(row)
    write_table(Path(out), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="at least 2")
    parser.add_argument("--columns", type=int, default=7000)
    parser.add_argument("--out", default=str(FIGURES / "wide.csv"))
    args = parser.parse_args()
    main(args.seeds, args.columns, args.out)
