"""The information view: what the codes of each layer tell of the input, from below.

    ./run -m experiment=information              (or information_bits)
    ./run experiments/information.py runs/information [OUT.png]

I(X; Y) >= H(X) - E[-log p(x | y)], with p(x | y) by the decoders, for codes Y of a corrupted input
(Vincent et al., 2008, section 4). Of digits H(X) is not known: the cross-entropy is shown, beside
that of independent pixels. Of bits every state is summed over: the bound and I(X; Y) itself are
exact. Writes results/figures/NAME.png, NAME that of the experiment, and, beside it, the measures as
CSV, which it prints.
"""

import itertools
from pathlib import Path

import numpy as np
import torch
from lib import script
from lib.figure import save, write_table
from lib.pretrained import Pretrained, data_of, stacks_by
from matplotlib.figure import Figure
from torch import Tensor

from sda.analysis.styles import COLOURS, LINES
from sda.common.seeding import stream
from sda.data.generated.bits import states
from sda.data.splits import Splits
from sda.nn.stack import StackedDenoisingAutoencoder

ALIKE = 5  # decimals to which codes count as the same


def main(folder: str, out: str) -> None:
    runs = stacks_by("corruption.fraction", folder)
    data = data_of(next(iter(runs.values())))
    of = of_bits if data.name == "bits" else of_digits
    rows = [row for fraction, run in runs.items() for row in of(run, data, float(fraction))]
    write_table(Path(out).with_suffix(".csv"), [formatted(row) for row in rows])
    save(draw(rows, data.name == "bits"), Path(out), "RGB")


@torch.no_grad()
def costs(stack: StackedDenoisingAutoencoder, x: Tensor, corrupted: Tensor) -> Tensor:
    """-log p(x | y) in nats, (layers, n), of rows x (n, d) from the codes of each layer."""
    lowest = stack[0]
    found = []
    for depth in range(1, len(stack) + 1):
        codes = stack.encode(corrupted, depth)
        for layer in reversed(list(stack)[1:depth]):
            codes = layer.reconstruction.mean(layer.decode(codes))
        found.append(lowest.reconstruction.loss(lowest.decode(codes), x).sum(-1))
    return torch.stack(found)


def of_digits(run: Pretrained, data: Splits, fraction: float) -> list[dict[str, float]]:
    """The cross-entropy from each layer on validation rows, and that of independent pixels."""
    x = torch.from_numpy(data.valid.x)
    corrupted = run.stack[0].corruptions[0](x, stream(0, "information")).x
    p = np.clip(data.train.x.mean(0), 1e-4, 1 - 1e-4)
    apart = -(data.valid.x * np.log(p) + (1 - data.valid.x) * np.log(1 - p)).sum(1).mean()
    means = costs(run.stack, x, corrupted).mean(1)
    return [
        {"masked": fraction, "layer": k, "-log p(x | y), nats": float(mean),
         "independent pixels": float(apart)}
        for k, mean in enumerate(means, 1)
    ]  # fmt: skip


def of_bits(run: Pretrained, data: Splits, fraction: float) -> list[dict[str, float]]:
    """The bound and I(X; Y) of each layer, over all states and all masks of an exact count."""
    d = data.train.x.shape[1]
    x = torch.from_numpy(states(d))
    places = (data.train.x @ 2 ** np.arange(d)[::-1]).astype(int)
    law = np.bincount(places, minlength=len(x)) / len(places)
    masks = list(itertools.combinations(range(d), round(fraction * d)))
    corrupted = x.repeat(len(masks), 1, 1)
    for rows, mask in zip(corrupted, masks, strict=True):
        rows[:, list(mask)] = 0
    flat = corrupted.reshape(-1, d)
    own = costs(run.stack, x.repeat(len(masks), 1), flat).reshape(len(run.stack), len(masks), -1)
    entropy = -float((law[law > 0] * np.log(law[law > 0])).sum())
    rows = []
    for k in range(1, len(run.stack) + 1):
        with torch.no_grad():
            codes = run.stack.encode(flat, k).numpy().round(ALIKE)
        cost = float(own[k - 1].mean(0).double().numpy() @ law)
        exact = information(codes.reshape(len(masks), len(x), -1), law)
        rows.append(
            {"masked": fraction, "layer": k, "H(X) - cost, nats": entropy - cost,
             "I(X; Y), nats": exact, "H(X), nats": entropy}
        )  # fmt: skip
    return rows


def information(codes: np.ndarray, law: np.ndarray) -> float:
    """I(X; Y) in nats, of codes (masks, x, h) that each mask is as likely to give."""
    names = np.unique(codes.reshape(-1, codes.shape[-1]), axis=0, return_inverse=True)[1]
    chances = np.zeros((len(law), names.max() + 1))
    for own in names.reshape(codes.shape[:2]):
        np.add.at(chances, (np.arange(len(law)), own), 1 / len(codes))
    joint = law[:, None] * chances
    seen = joint > 0
    apart = (law[:, None] * joint.sum(0))[seen]
    return float((joint[seen] * np.log(joint[seen] / apart)).sum())


def formatted(row: dict[str, float]) -> dict[str, str]:
    return {key: f"{value:.3f}" if "nats" in key else f"{value:g}" for key, value in row.items()}


def draw(rows: list[dict[str, float]], known: bool) -> Figure:
    figure = Figure(figsize=(5.6, 4), layout="constrained")
    axis = figure.subplots()
    shown = "H(X) - cost, nats" if known else "-log p(x | y), nats"
    fractions = sorted({row["masked"] for row in rows})
    for layer, style, colour in zip(
        sorted({row["layer"] for row in rows}), LINES, COLOURS, strict=False
    ):
        own = [row[shown] for row in rows if row["layer"] == layer]
        axis.plot(fractions, own, style, color=colour, label=f"layer {layer:g}")
    first = [row for row in rows if row["layer"] == 1]
    if known:
        exact = [row["I(X; Y), nats"] for row in first]
        axis.plot(fractions, exact, "k--", label="I(X; Y), exact")
        axis.axhline(first[0]["H(X), nats"], color="0.5", linewidth=0.8, label="H(X)")
        axis.set_ylabel("lower bound on I(X; Y), nats")
    else:
        axis.axhline(first[0]["independent pixels"], color="k", linestyle="--", linewidth=0.8,
                     label="independent pixels")  # fmt: skip
        axis.set_ylabel("-log p(x | y), nats: I(X; Y) is at least H(X) less this")
    axis.set_xlabel("fraction masked")
    axis.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    script.run(main, __doc__)
