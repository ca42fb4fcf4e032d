"""What the estimators cost over the functions and the command line's runs that they stand on.

    ./run experiments/benchmark_estimators.py [--smallest]

Codes and predictions of 10 000 rows of 784 through three layers of 500, beside ``stack.encode`` and
``network.predict``; and a fit of them with one epoch a layer and one of fine-tuning, beside a run
of the command line with the same settings, which also writes its folder. Each is the fastest of
several, in turns.
"""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from lib import script

from sda import SDAClassifier, SDATransformer
from sda.config import compose
from sda.data.splits import Rows, Splits
from sda.experiment.job import Job
from sda.experiment.launch import train_together


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--smallest", action="store_true", help="the smallest sizes, for a test")
    is_small = parser.parse_args().smallest
    torch.set_num_threads(1)
    n, d, hidden, times = (200, 20, (9, 8), 1) if is_small else (10_000, 784, (500, 500, 500), 15)
    rng = np.random.default_rng(0)
    x, y = rng.random((n, d), np.float32), rng.integers(10, size=n)
    valid = (x[: n // 10], y[: n // 10])

    def fit() -> SDAClassifier:
        settings = {"pretrain_epochs": 1, "finetune_epochs": 1, "batch_size": 20, "scaling": None}
        return SDAClassifier(hidden, **settings).fit(x, y, valid=valid)

    fitted = fit()
    coder = SDATransformer(hidden, pretrain_epochs=0, scaling=None).fit(x)
    rows = torch.from_numpy(x)
    pairs = {
        "codes": (lambda: coder.transform(x), lambda: coder.stack_.encode(rows).numpy()),
        "predictions": (
            lambda: fitted.predict(x),
            lambda: fitted.network_.predict(rows).numpy(),
        ),
        "fit": (fit, lambda: command(x, y, hidden)),
    }
    for name, (estimator, plain) in pairs.items():
        ours, theirs = fastest(estimator, plain, times if name != "fit" else min(times, 2))
        print(
            f"{name}: estimator {ours:.3f} s, without it {theirs:.3f} s, {ours / theirs:.3f} times"
        )


def fastest(first: Callable[[], object], second: Callable[[], object], times: int) -> list[float]:
    """Seconds of each, the least of several, in turns."""
    found: list[list[float]] = [[], []]
    for _ in range(times):
        for call, own in zip((first, second), found, strict=True):
            start = time.perf_counter()
            call()
            own.append(time.perf_counter() - start)
    return [min(own) for own in found]


def command(x: np.ndarray, y: np.ndarray, hidden: tuple[int, ...]) -> None:
    """Train a run with the settings of ``fit``, in a folder that goes again."""
    held = Rows(x[: len(x) // 10], y[: len(x) // 10])
    splits = Splits("made", Rows(x, y), held, held, 10, "embedded")
    with TemporaryDirectory() as folder:
        words = [
            f"stack.hidden=[{','.join(map(str, hidden))}]", "pretrain.epochs=1",
            "finetune.epochs=1", "tensorboard=false", "init=sda", f"runs_folder={Path(folder)}",
        ]  # fmt: skip
        job = Job(compose.settings(words), words)
        train_together([job], splits)


if __name__ == "__main__":
    main()
