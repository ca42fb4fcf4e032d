"""Codes of a stack that was pretrained on all rows, where few of them have labels.

    SDA_DATA=<folder> ./run experiments/few_labels.py [--quick] [--sets NAME ...] [--out OUT.csv]

Logistic regression on the columns as they are, and on the codes of layers 1 and 2, with 5, 10 and
20 labels of each class, five seeds: each draws other labels, initial weights and noise. Both choose
their penalty by cross-validation on the labelled rows. Prints test accuracies and their paired
differences with 95 % t intervals over seeds, and writes results/figures/few_labels.csv. Some twenty
minutes on one core; MNIST needs its files, the others come with scikit-learn or are made.
"""

import os
import warnings
from pathlib import Path

import numpy as np
from lib import script
from lib.figure import write_table
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sda import SDATransformer
from sda.analysis.intervals import paired
from sda.data.generated.rectangles import rect
from sda.data.mnist import mnist

EACH = (5, 10, 20)  # labels of a class
SEEDS = range(5)


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="one set, one epoch, two seeds")
    parser.add_argument("--sets", nargs="+", choices=[*SETS], default=[*SETS])
    parser.add_argument("--out", default=str(script.FIGURES / "few_labels.csv"))
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    table = []
    counts, seeds, epochs = (EACH[:1], range(2), 1) if asked.quick else (EACH, SEEDS, 100)
    for name in asked.sets[: 1 if asked.quick else None]:
        found = np.array([accuracies(*SETS[name](), counts, seed, epochs) for seed in seeds])
        for k, each in enumerate(counts):
            table += rows(name, each, found[:, k])
        write_table(Path(asked.out), table)


def accuracies(x, y, counts, seed: int, epochs: int) -> list[list[float]]:
    """Test accuracies on the columns and the codes of each layer, for each number of labels."""
    train, test = train_test_split(np.arange(len(y)), test_size=0.4, random_state=seed, stratify=y)
    rng = np.random.default_rng(seed)
    order = [rng.permutation(train[y[train] == k]) for k in np.unique(y)]
    stack = SDATransformer(
        (400, 400), corruption=0.3, pretrain_epochs=epochs, pretrain_learning_rate=0.1,
        random_state=seed,
    ).fit(x[train])  # fmt: skip
    scaler = MinMaxScaler().fit(x[train])
    inputs = [scaler.transform(x), stack.transform(x, 1), stack.transform(x, 2)]
    drawn = [np.concatenate([own[:each] for own in order]) for each in counts]
    return [[_accuracy(z, y, labelled, test) for z in inputs] for labelled in drawn]


def _accuracy(z, y, labelled, test) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegressionCV(Cs=8, cv=3, max_iter=300))
    return float(model.fit(z[labelled], y[labelled]).score(z[test], y[test]))


def rows(name: str, each: int, found: np.ndarray) -> list[dict[str, object]]:
    """A line for the columns, and one for the codes of each layer with what they gain."""
    table = []
    for k, what in enumerate(("columns", "codes of layer 1", "codes of layer 2")):
        gain = paired(found[:, k], found[:, 0])
        line = {
            "set": name,
            "labels of a class": each,
            "logistic regression on": what,
            "test accuracy %": f"{100 * found[:, k].mean():.1f}",
            "gain": "" if k == 0 else f"{100 * gain.mean:+.1f}",
            "± 95 %": "" if k == 0 else f"{100 * gain.half_width:.1f}",
            "seeds": len(found),
        }
        table.append(line)
    return table


def digits():
    return load_digits(return_X_y=True)


def rectangles():
    """All rows of the papers' rectangles, tall or wide, 28 x 28 pixels."""
    parts = rect(None, "regenerated", 0).parts().values()
    x, y = (np.concatenate([getattr(part, name)[:1000] for part in parts]) for name in "xy")
    return x, y


def handwritten():
    """The first 5000 rows of MNIST, 28 x 28 pixels."""
    train = mnist(os.environ.get("SDA_DATA")).train
    return train.x[:5000], train.y[:5000]


def cancer():
    return load_breast_cancer(return_X_y=True)


SETS = {"digits": digits, "rect": rectangles, "mnist": handwritten, "breast cancer": cancer}


if __name__ == "__main__":
    main()
