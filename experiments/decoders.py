"""What three decoders say of noisy points near a curve: −log p, and p(x | h) of one point.

    ./run -m experiment=decoders
    ./run experiments/decoders.py runs/decoders [OUT.png]

Writes results/figures/decoders.png and, beside it, a CSV of −log p, which it prints.
"""

from pathlib import Path

import torch
from lib import script
from lib.figure import save, write_table
from lib.pretrained import Pretrained, stacks_by, valid_rows
from matplotlib.figure import Figure

import sda

SEEN = (0.0, 0.0)  # the noisy point whose p(x | h) is drawn
LINE = torch.linspace(-1.5, 1.5, 301)


def main(folder: str, out: str) -> None:
    runs = stacks_by("vars.decoder", folder)
    rows = [
        {"decoder": name, "-log p of a clean row, nats": f"{cost(run):.2f}"}
        for name, run in runs.items()
    ]
    write_table(Path(out).with_suffix(".csv"), rows)
    save(draw(runs), Path(out), "RGB")


@torch.no_grad()
def cost(run: Pretrained) -> float:
    """Mean −log p of the validation rows given their noisy ones."""
    layer, clean, draws = run.stack[0], valid_rows(run.path), sda.stream(0, "decoders")
    logits = layer.decode(layer.encode(layer.corruptions[0](clean, draws).x))
    density = layer.reconstruction
    return float((density.loss(logits, clean) + density.left_out).sum(1).mean())


@torch.no_grad()
def densities(run: Pretrained) -> torch.Tensor:
    """p of each coordinate along LINE (k, 2), given the noisy point."""
    layer = run.stack[0]
    logits = layer.decode(layer.encode(torch.tensor([SEEN])))
    points = LINE[:, None].expand(-1, 2)
    density = layer.reconstruction
    return (-density.loss(logits.expand(len(points), -1), points) - density.left_out).exp()


def draw(runs: dict[str, Pretrained]) -> Figure:
    figure = Figure(figsize=(9, 3), layout="constrained")
    first = next(iter(runs.values()))
    rows, noise = valid_rows(first.path), first.stack[0].corruptions[0].std
    # Of the clean rows, each as likely as noise is to have brought it to the point: Bayes' rule.
    weights = torch.exp(-0.5 * ((rows - torch.tensor(SEEN)) / noise).square().sum(1))
    for k, axis in enumerate(figure.subplots(1, 2, sharey=True)):
        axis.hist(rows[:, k], 60, range=(-1.5, 1.5), weights=weights, density=True, color="0.85",
                  label="the rows")  # fmt: skip
        for name, run in runs.items():
            axis.plot(LINE, densities(run)[:, k], label=name.replace("_", " "), linewidth=1)
        axis.set_title(f"coordinate {k + 1}, given the noisy point {SEEN}", fontsize=9)
    axis.legend(fontsize=8)
    return figure


if __name__ == "__main__":
    script.run(main, __doc__, "decoders.png")
