"""Missing cells of mixed tables filled in: a denoising autoencoder against the usual ways.

    ./run experiments/imputation.py [--seeds 5] [--epochs 150] [--out OUT.csv]

Hides 20 % of the cells of each table at random, fills them in, and compares with what was hidden:
numbers by their RMSE in standard deviations (1: the column's mean), categories by accuracy. A made
table has a law behind it, two numbers from which all columns follow by curves and steps; wine and
breast cancer are scikit-learn's, with the class as a column. Writes results/figures/imputation.csv
with means and 95 % t intervals over the seeds, and says how far each is from IterativeImputer.
Rows are those that everything is learned from: to fill in a table that is there, no labels needed.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lib import script
from lib.figure import write_table
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from sda import Layer, Masking, Mixed, Pretraining, StackedDenoisingAutoencoder, pretrain, stream
from sda.common.layout import Block, Layout
from sda.data.encoding import Encoding

MISSING = 0.2


def made(n=600):
    """Ten columns that follow from two hidden numbers, of every kind."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, n))
    noise = rng.normal(size=(10, n))
    frame = {
        "line": a + 0.3 * noise[0], "sum": a + b + 0.3 * noise[1],
        "square": a**2 + 0.3 * noise[2], "wave": np.sin(2 * b) + 0.2 * noise[3],
        "product": a * b + 0.3 * noise[4], "size": np.exp(b / 2) + 0.2 * noise[5],
        "yes": np.where(a - b + 0.5 * noise[6] > 0, "yes", "no"),
        "far": np.where(a**2 + b**2 + 0.5 * noise[7] > 1.4, "far", "near"),
        "quarter": np.array(list("ABCD"))[2 * (a > 0) + (b > 0)],
        "third": np.digitize(a + 0.3 * noise[9], [-0.5, 0.5]).astype(str),
    }  # fmt: skip
    return pd.DataFrame(frame)


def of_sklearn(load):
    loaded = load(as_frame=True)
    return loaded.data.assign(kind=loaded.target_names[loaded.target])


TABLES = {
    "made": made,
    "wine": lambda: of_sklearn(load_wine),
    "breast cancer": lambda: of_sklearn(load_breast_cancer),
}


def kind_of(cells):
    if cells.dtype.kind == "f":
        return "numeric"
    return "binary" if cells.nunique() == 2 else "categorical"


def encoded(frame, seed):
    """The whole table and the one with cells missing, as inputs (n, d), and their encoding."""
    rng = np.random.default_rng(seed)
    hidden = frame.mask(rng.random(frame.shape) < MISSING)
    kinds = {name: kind_of(frame[name]) for name in frame}
    encoding = Encoding.fit(hidden, kinds)
    return encoding.rows(frame), encoding.rows(hidden), encoding


def iterative(x, encoding):
    """By regressions on one another. Of a one-hot column without its last component.

    With all of them a missing one would be told by the means of the others for ever.
    """
    ends = np.cumsum([size for *_, size in encoding.blocks])
    last = [end - 1 for end, (*_, size) in zip(ends, encoding.blocks, strict=True) if size > 1]
    kept = np.setdiff1d(np.arange(x.shape[1]), last)
    filled = x.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        filled[:, kept] = IterativeImputer(max_iter=30).fit_transform(x[:, kept])
    for end, (*_, size) in zip(ends, encoding.blocks, strict=True):
        if size > 1:
            filled[:, end - 1] = 1 - filled[:, end - size : end - 1].sum(1)
    return filled


def denoised(x, encoding, seed, epochs):
    """Fill in by a layer of 150 rectified units that learned to undo masking of whole columns.

    The setting was chosen on the made table with another seed than those that are measured.
    """
    layout = Layout(tuple(Block(*block) for block in encoding.blocks))
    plan = Layer(150, Masking(0.4).on(layout), Mixed().on(layout), "relu", tied=False)
    rows = torch.from_numpy(x)
    order = torch.randperm(len(rows), generator=stream(seed, "cut"))
    train, valid = rows[order[len(rows) // 10 :]], rows[order[: len(rows) // 10]]
    stack = StackedDenoisingAutoencoder.plan(x.shape[1], [plan], seed)
    settings = Pretraining(epochs, 0.003, 10, momentum=0.9, patience=40)
    pretrain(stack, train, settings, seed, valid)
    with torch.no_grad():
        return stack.reconstruct(rows).numpy()


def ways(encoding, seed, epochs):
    return {
        "mean": lambda x: SimpleImputer(strategy="mean").fit_transform(x),
        "nearest 5": lambda x: KNNImputer().fit_transform(x),
        "iterative": lambda x: iterative(x, encoding),
        "autoencoder": lambda x: denoised(x, encoding, seed, epochs),
    }


def scores(whole, x, filled, encoding):
    """RMSE of the numbers that were missing, in deviations, and accuracy of the categories."""
    errors, right, start = [], [], 0
    for _, kind, size in encoding.blocks:
        place = slice(start, start + size)
        gone = np.isnan(x[:, start]) & ~np.isnan(whole[:, start])
        if kind == "numeric":
            errors.append((filled[gone, start] - whole[gone, start]) / whole[:, start].std())
        elif size > 1:
            right.append(filled[gone, place].argmax(1) == whole[gone, place].argmax(1))
        else:
            right.append((filled[gone, start] > 0.5) == (whole[gone, start] > 0.5))
        start += size
    accuracy = np.concatenate(right).mean() if right else np.nan
    return np.sqrt(np.square(np.concatenate(errors)).mean()), accuracy


def measured(table, seeds, epochs):
    """Scores (seeds, 2) of each way on one table."""
    frame, found = TABLES[table](), {}
    for seed in range(seeds):
        whole, x, encoding = encoded(frame, seed)
        for way, fill in ways(encoding, seed, epochs).items():
            found.setdefault(way, []).append(scores(whole, x, fill(x), encoding))
    return {way: np.array(own) for way, own in found.items()}


def spread(values):
    """Mean and half of the 95 % t interval."""
    if len(values) < 2:
        return f"{np.mean(values):.3f}"
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{np.mean(values):.3f} ±{half:.3f}"


def main(seeds, epochs, out, tables):
    rows = []
    for table in tables:
        found = measured(table, seeds, epochs)
        for way, own in found.items():
            rmse, accuracy = own.T
            further = own - found["iterative"]
            rows.append(
                {
                    "table": table, "filled in by": way, "RMSE": spread(rmse),
                    "less iterative": spread(further[:, 0]),
                    "accuracy": spread(accuracy), "less iterative's": spread(further[:, 1]),
                }
            )  # fmt: skip
    write_table(out, rows)


if __name__ == "__main__":
    parser = script.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--out", type=Path, default=script.FIGURES / "imputation.csv")
    args = parser.parse_args()
    main(args.seeds, args.epochs, args.out, args.tables)
