"""Samples of stacks side by side, drawn from the top down: JMLR 2010, figures 14 and 15.

    SDA_DATA=<folder of the four MNIST files> ./run -m experiment=stack_samples
    ./run experiments/stack_samples.py runs/stack_samples [OUT.png]

A line starts from the code that one validation row has at the top. Measured over many rows: the
distance of a sample to the nearest training row and to the row that it started from, and between
two samples of one row, all as root mean squares over pixels; and the share of samples that the
nearest training row puts into the class of their row. Beside them, other validation rows in the
samples' place. Writes results/figures/stack_samples.png and, beside it, the measures as CSV, which
it prints.
"""

from pathlib import Path

import numpy as np
import torch
from lib import script
from lib.figure import save, show_sheet, write_table
from lib.pretrained import Pretrained, data_of, stacks_by
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sda.analysis import pictures
from sda.common.seeding import stream
from sda.data.splits import Splits
from sda.nn import sampling

MEASURED = 500  # rows
SHOWN, DRAWS = 10, 10  # lines and samples of each
ARMS = {"saa": "SAE", "sda": "SDAE", "dbn": "DBN"}
Array = NDArray[np.float32]


def main(folder: str, out: str) -> None:
    runs = {ARMS.get(init, init): run for init, run in stacks_by("init", folder).items()}
    runs = {name: runs[name] for name in ARMS.values() if name in runs}
    if not runs:
        raise ValueError(f"{folder} has no run of {', '.join(ARMS)}")
    data = data_of(next(iter(runs.values())))
    drawn = {name: draws(run, data) for name, run in runs.items()}
    rows = [measured(name, own, data) for name, own in drawn.items()]
    other = np.stack([np.roll(data.valid.x[:MEASURED], k, 0) for k in (1, 2)], 1)
    rows.append(measured("other rows", other, data))
    write_table(Path(out).with_suffix(".csv"), rows)
    save(draw(drawn, data), Path(out))


def draws(run: Pretrained, data: Splits) -> Array:
    """Samples (rows, draws, d) from the codes at the top of validation rows."""
    x = torch.from_numpy(data.valid.x[:MEASURED])
    generator = stream(0, "stack samples")
    found = [sampling.from_the_top(run.stack, x, generator) for _ in range(DRAWS)]
    return np.asarray(torch.stack(found, 1).numpy())


def measured(name: str, drawn: Array, data: Splits) -> dict[str, str]:
    first, second = drawn[:, 0], drawn[:, 1]
    squares = (first**2).sum(1)[:, None] - 2 * first @ data.train.x.T + (data.train.x**2).sum(1)
    nearest = squares.argmin(1)
    agree = data.train.y[nearest] == data.valid.y[: len(first)]
    return {
        "stack": name,
        "to the nearest training row": f"{rms(first - data.train.x[nearest]):.3f}",
        "to its own row": f"{rms(first - data.valid.x[: len(first)]):.3f}",
        "between two of a row": f"{rms(first - second):.3f}",
        "of its row's class": f"{100 * agree.mean():.1f} %",
    }


def rms(difference: Array) -> float:
    return float(np.sqrt((difference**2).mean()))


def draw(drawn: dict[str, Array], data: Splits) -> Figure:
    figure = Figure(figsize=(3.6 * len(drawn), 3.7), layout="constrained")
    for axis, (name, own) in zip(
        np.ravel(figure.subplots(1, len(drawn))), drawn.items(), strict=True
    ):
        lines = np.concatenate([data.valid.x[:SHOWN, None], own[:SHOWN]], 1)
        sheet = pictures.examples(
            lines.reshape(-1, lines.shape[-1]), data.image_shape, lines.shape[1], data.train.x
        )
        show_sheet(axis, sheet, f"{name}: rows, and {DRAWS} samples of each")
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "stack_samples.png")
