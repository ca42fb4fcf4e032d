"""Chains of samples with and without walkback and of two levels, and their Parzen likelihoods.

    SDA_DATA=<folder of the four MNIST files> ./run -m experiment=walkback
    ./run experiments/walkback.py runs/walkback [OUT.png] [--samples N]

As in Bengio, Yao, Alain & Vincent (2013): 10 000 samples, the width of the kernels chosen on
validation rows, the log-likelihood of all test rows. Ten chains start from validation rows; their
first hundred steps are left out, since near the start any chain does well. The samples are the
means of the steps. Beside them, training rows in the samples' place: what a perfect sampler would
come to. Writes results/figures/walkback.png and, beside it, the likelihoods as CSV, which it
prints.
"""

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from lib import script
from lib.figure import save, show_sheet, write_table
from lib.pretrained import Pretrained, data_of, stacks_by
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sda.analysis import parzen, pictures
from sda.common.seeding import stream
from sda.data.splits import Splits
from sda.nn import sampling

CHAINS, BURN = 10, 100
WIDTHS = np.linspace(0.14, 0.32, 10, dtype=np.float32)
CHOOSING = 1000  # validation rows that choose among them
SHOWN = 20  # consecutive samples of a line
LINES = 4
Array = NDArray[np.float32]


def main(folder: str, out: str, count: int) -> None:
    runs = stacks_by("vars.condition", folder)
    data = data_of(next(iter(runs.values())))
    drawn = {name: samples(run, data, count) for name, run in runs.items()}
    every = {name: steps.reshape(-1, steps.shape[-1])[:count] for name, steps in drawn.items()}
    every["training rows"] = data.train.x[:count]
    write_table(
        Path(out).with_suffix(".csv"), [row(name, own, data) for name, own in every.items()]
    )
    save(draw(drawn, data), Path(out))


def samples(run: Pretrained, data: Splits, count: int) -> Array:
    """The means of consecutive steps of chains side by side, (steps, chains, d)."""
    steps = max(-(-count // CHAINS), SHOWN)
    start = torch.from_numpy(data.valid.x[:CHAINS])
    found = sampling.chains(run.stack, start, 1, stream(0, "walkback"))
    return np.asarray(torch.stack(list(islice(found, BURN, BURN + steps))).numpy())


def row(name: str, samples: Array, data: Splits) -> dict[str, str]:
    width = parzen.fit(data.valid.x[:CHOOSING], samples, WIDTHS)
    own = parzen.log_likelihoods(data.test.x, samples, np.array([width], np.float32))[0]
    return {
        "samples": name,
        "number": str(len(samples)),
        "width": f"{width:.2f}",
        "log-likelihood, nats": f"{own.mean():.1f}",
        "standard error": f"{own.std() / np.sqrt(len(own)):.1f}",
    }


def draw(drawn: dict[str, Array], data: Splits) -> Figure:
    figure = Figure(figsize=(9, 2.1 * len(drawn)), layout="constrained")
    for axis, (name, steps) in zip(
        np.ravel(figure.subplots(len(drawn), 1)), drawn.items(), strict=True
    ):
        lines = steps[:SHOWN, :LINES].swapaxes(0, 1).reshape(-1, steps.shape[-1])
        sheet = pictures.examples(lines, data.image_shape, SHOWN, data.train.x)
        show_sheet(axis, sheet, f"{name}: {LINES} chains, {SHOWN} consecutive steps after {BURN}")
    return figure


if __name__ == "__main__":
    parser = script.parser(__doc__)
    parser.add_argument("folder", help="with the runs")
    parser.add_argument(
        "out", nargs="?", type=script.png, default=str(script.FIGURES / "walkback.png")
    )
    parser.add_argument("--samples", type=int, default=10_000)
    args = parser.parse_args()
    script.call(main, args.folder, args.out, args.samples)
