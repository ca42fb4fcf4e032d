"""How far p(h | x) and p(x | h) of an autoencoder are from one joint, over training and capacity.

    ./run -m experiment=compatibility
    ./run experiments/compatibility.py runs/compatibility [OUT.png]

Both conditionals are tables: a few bits, Bernoulli units. Writes results/figures/compatibility.png
and, beside it, the measures of `sda/analysis/compatibility.py` as CSV, which it prints.
"""

from pathlib import Path

import numpy as np
import torch
from lib import script
from lib.curves import finished_in
from lib.figure import save, write_table
from lib.pretrained import Pretrained, data_of, pretrained
from matplotlib.figure import Figure

from sda.analysis.compatibility import Compatibility, compatibility
from sda.analysis.styles import COLOURS, LINES
from sda.data.generated.bits import states
from sda.data.splits import Splits

MOST_UNITS = 12
SHOWN = {
    "gap": "p(h | x) and p(x | h) from one joint, nats",
    "distance": "chain from the data, total variation",
    "excess": "cost above H(X | H), nats",
}


def main(folder: str, out: str) -> None:
    runs = [pretrained(run.path) for run in finished_in(folder)]
    found = {}
    for run in runs:
        layer = run.stack[0]
        if len(run.stack) > 1 or max(layer.n_hidden, layer.n_visible) > MOST_UNITS:
            raise ValueError(f"{run.path} has no single layer of at most {MOST_UNITS} units")
        place = layer.n_hidden, int(run.settings["pretrain.epochs"])
        found[place] = measured(run, data_of(run))
    found = dict(sorted(found.items()))
    rows = [
        {"units": units, "epochs": epochs} | {k: f"{v:.4f}" for k, v in vars(one).items()}
        for (units, epochs), one in found.items()
    ]
    write_table(Path(out).with_suffix(".csv"), rows)
    save(draw(found), Path(out), "RGB")


@torch.no_grad()
def measured(run: Pretrained, splits: Splits) -> Compatibility:
    layer = run.stack[0].double()
    x, h = (torch.from_numpy(states(n)).double() for n in (layer.n_visible, layer.n_hidden))
    p, z = layer.encode(x)[:, None], layer.reconstruction.mean(layer.decode(h))[:, None]
    encoder = torch.where(h > 0, p, 1 - p).prod(2).numpy()
    decoder = torch.where(x > 0, z, 1 - z).prod(2).numpy()
    places = (splits.train.x @ 2 ** np.arange(layer.n_visible)[::-1]).astype(int)
    law = np.bincount(places, minlength=len(x)) / len(places)
    return compatibility(encoder, decoder, law)


def draw(found: dict[tuple[int, int], Compatibility]) -> Figure:
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    sizes = sorted({units for units, _ in found})
    for axis, (name, label) in zip(figure.subplots(1, 3), SHOWN.items(), strict=True):
        for units, style, colour in zip(sizes, LINES * 2, COLOURS * 2, strict=False):
            own = {epochs: one for (n, epochs), one in found.items() if n == units}
            values = [getattr(one, name) for one in own.values()]
            axis.plot(list(own), values, style, color=colour, label=f"units: {units}", markersize=4)
        axis.set_xscale("symlog", linthresh=1)
        axis.set_yscale("linear" if name == "distance" else "log")
        axis.set_xlabel("epochs of training")
        axis.set_ylabel(label)
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "compatibility.png")
