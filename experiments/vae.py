"""The variational autoencoder: its bound over epochs and sizes of code, and what two numbers hold.

    SDA_DATA=<folder of the four MNIST files> ./run -m experiment=vae
    ./run experiments/vae.py runs/vae [OUT.png]

Writes results/figures/vae.png and, beside it, as CSV, which it prints: the ELBO of validation rows
at the end of pretraining and its KL term, in nats; the log-likelihood estimated with K draws of
each code, which is nearer (Burda et al., 2016: importance weights), on the first validation rows;
and components of the code that say something: of more than 0.01 nats.
"""

import json
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import torch
from lib import script
from lib.figure import save, show_sheet, write_table
from lib.pretrained import Pretrained, data_of, stacks_by
from matplotlib.figure import Figure

from sda.analysis import pictures
from sda.analysis.styles import COLOURS
from sda.common.seeding import stream
from sda.data.splits import Splits
from sda.nn.variational import VariationalAutoencoder, divergence

DRAWS, ROWS = 100, 500
SIDE = 15  # pictures a side of the grid
ACTIVE = 0.01  # nats


def main(folder: str, out: str) -> None:
    runs = stacks_by("vars.code", folder)
    data = data_of(next(iter(runs.values())))
    curves = {size: elbos(run.path) for size, run in runs.items()}
    rows = [measured(size, layer_of(run), curves[size], data) for size, run in runs.items()]
    write_table(Path(out).with_suffix(".csv"), rows)
    save(draw(runs, curves, data), Path(out), "RGB")


def layer_of(run: Pretrained) -> VariationalAutoencoder:
    layer = run.stack[len(run.stack) - 1]
    if not isinstance(layer, VariationalAutoencoder) or len(run.stack) > 1:
        raise ValueError(f"{run.path} is not one variational layer")
    return layer


def elbos(path: Path) -> list[float]:
    """The ELBO of the validation rows at every epoch, from the record."""
    lines = map(json.loads, (path / "metrics.jsonl").read_text("utf-8").splitlines())
    return [line["valid_elbo"] for line in lines if line["phase"] == "pretrain"]


@torch.no_grad()
def measured(
    size: int, layer: VariationalAutoencoder, curve: list[float], data: Splits
) -> dict[str, str]:
    x = torch.from_numpy(data.valid.x[:ROWS])
    mean, spread = layer.posterior(x)
    own = 0.5 * (mean.square() + spread.exp() - 1 - spread).mean(0)
    generator = stream(0, "vae")
    weights = []
    for _ in range(DRAWS):
        h = layer.draw(x, generator)
        likelihood = -layer.reconstruction.loss(layer.decode(h), x).sum(-1)
        prior = -0.5 * h.square().sum(-1)
        posterior = -0.5 * ((h - mean).square() / spread.exp() + spread).sum(-1)
        weights.append(likelihood + prior - posterior)
    nearer = torch.stack(weights).logsumexp(0) - math.log(DRAWS)
    return {
        "components": str(size),
        "ELBO, nats": f"{curve[-1]:.1f}",
        "KL, nats": f"{float(divergence(mean, spread).mean()):.1f}",
        f"log-likelihood, {DRAWS} draws": f"{float(nearer.mean()):.1f}",
        "components in use": str(int((own > ACTIVE).sum())),
    }


@torch.no_grad()
def draw(runs: dict[int, Pretrained], curves: dict[int, list[float]], data: Splits) -> Figure:
    figure = Figure(figsize=(12, 4), layout="constrained")
    bound, plane, grid = figure.subplots(1, 3)
    for (size, curve), colour in zip(curves.items(), COLOURS, strict=False):
        bound.plot(range(1, len(curve)), curve[1:], color=colour, label=f"{size} components")
    bound.set_xlabel("epochs")
    bound.set_ylabel("ELBO of validation rows, nats")
    bound.legend(frameon=False)
    least = min(runs)
    layer = layer_of(runs[least])
    codes = layer.encode(torch.from_numpy(data.valid.x)).numpy()
    for k in range(data.n_classes):
        x, y = codes[data.valid.y == k].T[[0, min(1, least - 1)]]
        plane.plot(x, y, ".", markersize=1.5, color=f"C{k % 10}", label=str(k))
    plane.legend(frameon=False, fontsize=7, markerscale=5, ncols=2)
    plane.set_title(f"codes of validation rows, by class ({least} components)", fontsize=9)
    places = np.array([NormalDist().inv_cdf(q) for q in np.linspace(0.03, 0.97, SIDE)])
    z = torch.zeros(SIDE * SIDE, least)
    z[:, 0] = torch.from_numpy(np.tile(places, SIDE))
    z[:, min(1, least - 1)] = torch.from_numpy(np.repeat(places[::-1], SIDE).copy())
    made = layer.reconstruction.mean(layer.decode(z)).numpy()
    sheet = pictures.examples(made, data.image_shape, SIDE, data.train.x)
    show_sheet(grid, sheet, "what codes decode to, even shares of the prior")
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "vae.png")
