"""What autoencoders with few and many units learn without noise: how near the identity they are.

    ./run -m experiment=identity
    ./run experiments/identity.py runs/identity [OUT.png]

Measured on validation rows: the error of reconstructing them; that of the same rows with the pixels
of each shuffled, which are no digits but as bright; and the trace of the Jacobian of r over the
number of inputs, which is 1 for the identity and k / d for a projection on k directions. Errors are
relative to those of the mean row as the answer. Writes results/figures/identity.png and, beside it,
the measures as CSV, which it prints.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lib import script
from lib.curves import finished_in
from lib.figure import save, write_table
from lib.pretrained import data_of, pretrained
from matplotlib.figure import Figure
from torch import Tensor

from sda.analysis.styles import COLOURS, LINES
from sda.data.splits import Splits
from sda.nn.layer_kind import LayerKind

ROWS = 200  # of the Jacobian
ARMS = {"saa": "without noise", "sda": "with noise"}


class Measures(NamedTuple):
    """Of one run."""

    digits: float  # error of validation rows, relative to the mean row's
    shuffled: float  # of the same with shuffled pixels, relative to the mean row's on them
    trace: float  # of the Jacobian over d


def main(folder: str, out: str) -> None:
    found: dict[tuple[str, int], Measures] = {}
    for run in finished_in(folder):
        if run.init in ARMS:
            own = pretrained(run.path)
            found[run.init, own.stack[0].n_hidden] = measured(own.stack[0], data_of(own))
    if not found:
        raise ValueError(f"{folder} has no finished run of {' or '.join(ARMS)}")
    found = dict(sorted(found.items()))
    rows = [
        {"noise": ARMS[init], "units": units, "error": f"{one.digits:.4f}",
         "error, shuffled pixels": f"{one.shuffled:.4f}", "trace / d": f"{one.trace:.3f}"}
        for (init, units), one in found.items()
    ]  # fmt: skip
    write_table(Path(out).with_suffix(".csv"), rows)
    save(draw(found), Path(out), "RGB")


def measured(layer: LayerKind, data: Splits) -> Measures:
    x = torch.from_numpy(data.valid.x)
    mean = torch.from_numpy(data.train.x).mean(0)
    rng = np.random.default_rng(0)
    shuffled = torch.from_numpy(rng.permuted(data.valid.x, axis=1))
    with torch.no_grad():
        errors = [
            float((layer.reconstruct(rows) - rows).square().sum() / (mean - rows).square().sum())
            for rows in (x, shuffled)
        ]
    return Measures(*errors, trace(layer, x[:ROWS]))


def trace(layer: LayerKind, x: Tensor) -> float:
    """Mean over rows of Σ ∂r_i/∂x_i, over d."""
    jacobian = torch.func.vmap(torch.func.jacrev(lambda row: layer.reconstruct(row[None])[0]))(x)
    return float(jacobian.diagonal(dim1=1, dim2=2).mean().detach())


def draw(found: dict[tuple[str, int], Measures]) -> Figure:
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    labels = (
        "error on digits",
        "error on digits with shuffled pixels",
        "trace of the Jacobian / d",
    )
    for k, (axis, label) in enumerate(zip(figure.subplots(1, 3), labels, strict=True)):
        for (init, said), style, colour in zip(ARMS.items(), LINES, COLOURS, strict=False):
            own = {units: one[k] for (arm, units), one in found.items() if arm == init}
            axis.plot(list(own), list(own.values()), style, color=colour, label=said)
        axis.set_xscale("log", base=2)
        axis.set_xlabel("units")
        axis.set_ylabel(label)
        if k < 2:
            axis.set_yscale("log")
        else:
            axis.axhline(1, color="0.5", linestyle="--", linewidth=0.8)
    figure.axes[0].legend(frameon=False)
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "identity.png")
