"""Filters and mean codes of relatives of the denoising autoencoder, one layer each.

    SDA_DATA=<folder of the four MNIST files> ./run -m experiment=relatives
    ./run experiments/relatives.py runs/relatives [OUT.png]

Writes results/figures/relatives.png and, beside it, a CSV of measures on validation rows, which it
prints.
"""

import math
from pathlib import Path

import torch
from lib import script
from lib.figure import quartiles, save, show, write_table
from lib.pretrained import valid_rows
from matplotlib.figure import Figure

from sda.nn.layer_kind import LayerKind
from sda.nn.penalised import PenalisedAutoencoder, jacobian_norm
from sda.runs import model_file, results
from sda.runs.results import Trained

SHOWN, COLUMNS = 36, 6
NAMES = {"Sparsity": "sparse (KL)", "L1": "L1, rectified", "Contractive": "contractive"}


def main(folder: str, out: str) -> None:
    trained, _ = results.read([Path(folder)])
    if not trained:
        raise ValueError(f"{folder} holds no finished run")
    layers = {}
    for run in trained:
        layer = model_file.load(run.path / "model.safetensors").stack[0]
        codes = layer.encode(valid_rows(run.path)).detach()
        layers[name(layer)] = (layer, codes, run)
    rows = [measures(called, *parts) for called, parts in layers.items()]
    write_table(Path(out).with_suffix(".csv"), rows)
    save(draw({called: parts[:2] for called, parts in layers.items()}), Path(out))


def name(layer: LayerKind) -> str:
    """What a layer is called in the figure."""
    if isinstance(layer, PenalisedAutoencoder):
        return NAMES.get(type(layer.penalty).__name__, type(layer.penalty).__name__)
    return "denoising" if getattr(layer.corruptions[0], "fraction", 0) else "no penalty, no noise"


@torch.no_grad()
def measures(called: str, layer: LayerKind, y: torch.Tensor, run: Trained) -> dict[str, str]:
    """A line of the table."""
    norm = jacobian_norm(y, layer.weight, layer.activation)
    return {
        "layer": called,
        "mean code of a unit": quartiles(y.mean(0).numpy(), 3),
        "codes under 0.05": f"{float((y < 0.05).double().mean()):.1%}",
        "squared norm of the Jacobian": quartiles(norm.numpy(), 2),
        "test error on frozen codes": f"{run.result['test_error']:.2%}",
    }


def draw(layers: dict[str, tuple[LayerKind, torch.Tensor]]) -> Figure:
    figure = Figure(figsize=(2.4 * len(layers), 4.6), layout="constrained")
    axes = figure.subplots(2, len(layers), height_ratios=(3, 2), squeeze=False)
    for (called, (layer, y)), (above, below) in zip(layers.items(), axes.T, strict=True):
        filters = layer.filters().detach().numpy()
        side = math.isqrt(len(filters))
        if side**2 != len(filters):
            raise ValueError(f"filters are drawn of square inputs, these have {len(filters)}")
        show(above, filters.T[:SHOWN], side, COLUMNS, called)
        below.hist(y.mean(0).numpy(), bins=25, color="0.4")
        below.set_xlabel("mean code of a unit", fontsize=8)
        below.tick_params(labelsize=7)
    axes[1, 0].set_ylabel("units", fontsize=8)
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "relatives.png")
