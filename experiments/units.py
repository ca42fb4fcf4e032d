"""What noise in the units teaches a layer: filters, and errors with and without that noise.

    SDA_DATA=<folder of the four MNIST files> ./run -m experiment=units
    ./run experiments/units.py runs/units [OUT.png]

Writes results/figures/units.png and, beside it, as CSV, which it prints: the reconstruction error
of clean validation rows from codes without noise and from drawn ones, in nats; the share of codes
within 0.1 of 0 or 1; and the validation and test error of a softmax layer on the codes.
"""

from pathlib import Path

import torch
from lib import script
from lib.curves import finished_in
from lib.figure import save, show, write_table
from lib.pretrained import Pretrained, data_of, stacks_by
from matplotlib.figure import Figure

from sda.common.seeding import stream
from sda.data.splits import Splits
from sda.runs.results import Trained

COLUMNS, TILES = 10, 60
EDGE = 0.1


def main(folder: str, out: str) -> None:
    runs = stacks_by("vars.condition", folder)
    results = {run.result["settings"]["vars.condition"]: run for run in finished_in(folder)}
    data = data_of(next(iter(runs.values())))
    rows = [measured(name, run, results[name], data) for name, run in runs.items()]
    write_table(Path(out).with_suffix(".csv"), rows)
    save(draw(runs, data), Path(out))


@torch.no_grad()
def measured(name: str, run: Pretrained, result: Trained, data: Splits) -> dict[str, str]:
    layer, x = run.stack[0], torch.from_numpy(data.valid.x)
    codes = layer.encode(x)
    nats = [
        float(layer.reconstruction.loss(layer.decode(h), x).sum(-1).mean())
        for h in (codes, layer.draw(x, stream(0, "units")))
    ]
    edge = (codes < EDGE) | (codes > 1 - EDGE)
    bounded = layer.reach == (0.0, 1.0)
    return {
        "noise": name,
        "nats from codes": f"{nats[0]:.1f}",
        "from drawn codes": f"{nats[1]:.1f}",
        "near 0 or 1": f"{100 * float(edge.float().mean()):.0f} %" if bounded else "unbounded",
        "valid error": f"{100 * result.valid_error:.2f}",
        "test error": f"{100 * result.test_error:.2f}",
    }


def draw(runs: dict[str, Pretrained], data: Splits) -> Figure:
    columns = -(-len(runs) // 2)
    figure = Figure(figsize=(3.1 * columns, 4.6), layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    assert data.image_shape is not None
    for axis, (name, run) in zip(axes, runs.items(), strict=False):
        filters = run.stack[0].filters()
        assert filters is not None
        show(axis, filters.detach().numpy().T[:TILES], data.image_shape[0], COLUMNS, name)
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "units.png")
