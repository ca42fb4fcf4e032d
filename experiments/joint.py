"""Greedy, layer-wise pretraining beside joint training: what comes back, and errors after tuning.

    ./run -m experiment=joint
    ./run experiments/joint.py runs/joint [OUT.png]

Writes results/figures/joint.png and, beside it, a CSV of measures, which it prints.
"""

import math
from pathlib import Path

import numpy as np
import torch
from lib import script
from lib.figure import save, show, write_table
from lib.pretrained import valid_rows
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sda.nn.joint import DeepAutoencoder
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs import model_file, results
from sda.runs.results import Trained

SHOWN = 10  # validation rows that are drawn with what comes back
WAYS = ("greedy", "joint")


def main(folder: str, out: str) -> None:
    trained = [run for run in results.read([Path(folder)])[0] if run.init != "random"]
    if not trained:
        raise ValueError(f"{folder} holds no finished run that was pretrained")
    runs = [(run, model_file.load(run.path / "pretrained.safetensors")) for run in trained]
    rows = [measures(run, stack) for run, stack in sorted(runs, key=place)]
    write_table(Path(out).with_suffix(".csv"), rows)
    save(draw(rows, {way(stack): (run, stack) for run, stack in runs}), Path(out))


def place(pair: tuple[Trained, StackedDenoisingAutoencoder]) -> tuple[str, int]:
    return way(pair[1]), pair[0].seed


def way(stack: StackedDenoisingAutoencoder) -> str:
    """How a stack was pretrained."""
    return WAYS[isinstance(stack[0], DeepAutoencoder)]


@torch.no_grad()
def measures(run: Trained, stack: StackedDenoisingAutoencoder) -> dict[str, object]:
    """A line of the table: the input through all layers and back; errors after fine-tuning."""
    x = valid_rows(run.path)
    z = stack.reconstruct(x)
    loss = torch.nn.functional.binary_cross_entropy(z.clamp(1e-6, 1 - 1e-6), x, reduction="none")
    return {
        "pretraining": way(stack),
        "seed": run.seed,
        "cross-entropy of what comes back, nats": f"{float(loss.sum(1).mean()):.1f}",
        "validation error": f"{run.result['valid_error']:.2%}",
        "test error": f"{run.result['test_error']:.2%}",
    }


@torch.no_grad()
def draw(
    rows: list[dict[str, object]], one: dict[str, tuple[Trained, StackedDenoisingAutoencoder]]
) -> Figure:
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(2.4, 1, 1))
    sheets: list[NDArray[np.float32]] = []
    for run, stack in one.values():
        x = valid_rows(run.path)[:SHOWN]
        sheets = sheets or [x.numpy()]
        sheets.append(stack.reconstruct(x).numpy())
    side = math.isqrt(sheets[0].shape[1])
    show(left, np.concatenate(sheets), side, SHOWN, "rows: input, " + ", ".join(one))
    named = ("cross-entropy of what comes back, nats", "test error")
    for axis, key in zip((middle, right), named, strict=True):
        for k, called in enumerate(one):
            found = [float(str(r[key]).rstrip("%")) for r in rows if r["pretraining"] == called]
            axis.plot([k] * len(found), found, "o", color="0.2")
        axis.set_xticks(range(len(one)), list(one))
        axis.set_xlim(-0.5, len(one) - 0.5)
        axis.set_title(key.removesuffix(", nats") + (", %" if "error" in key else ""), fontsize=8)
        axis.tick_params(labelsize=8)
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "joint.png")
