"""Where networks go while they are fine-tuned: Erhan et al. (2010), figures 5 and 6.

    SDA_DATA=<folder of the four MNIST files> ./run experiments/trajectories.py [key=value ...]

Trains networks from random weights and pretrained ones (`conf/experiment/trajectories.yaml`;
`key=value` changes a setting). After every epoch what a network answers to 500 validation rows, the
probability of each class for each row, is a point in function space. Draws the points of all
networks by t-SNE, which keeps neighbours, and by ISOMAP, which keeps distances along the way.
Writes results/figures/trajectories.png and, beside it, a CSV of distances in that space, as root
mean squares over answers: between networks of one arm, and to those of the other.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from lib.figure import save, write_table
from lib.script import FIGURES, png
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE, Isomap

from sda.analysis.styles import styles
from sda.config import compose, schema
from sda.experiment.judging import tensors
from sda.nn.heads import Classifier
from sda.training.finetuning import finetuning_epochs
from sda.training.pretraining import pretrain

ARMS = ("random", "sda")
ROWS = 500  # of validation
Array = NDArray[np.float32]


def main(words: list[str], seeds: int, out: str) -> None:
    paths = {arm: [answers(words, arm, seed) for seed in range(seeds)] for arm in ARMS}
    points = {arm: np.stack([path for path, _ in own]) for arm, own in paths.items()}
    errors = {arm: np.stack([error for _, error in own]) for arm, own in paths.items()}
    write_table(Path(out).with_suffix(".csv"), distances(points, errors))
    save(draw(points), Path(out), "RGB")


def answers(words: list[str], arm: str, seed: int) -> tuple[Array, Array]:
    """A network's answers (epochs + 1, rows x classes), and its validation errors, by epoch."""
    own = ["experiment=trajectories", *words, f"init={arm}", f"seed={seed}"]
    config = compose.settings(own)
    splits = schema.load_data(config)
    run = schema.build_run(config).on(splits)
    train, valid = tensors(splits.train), tensors(splits.valid)
    stack = run.stack(splits.input_shape)
    if run.is_pretrained:
        pretrain(stack, train[0], run.pretraining, seed)
    network = Classifier(stack, splits.n_classes, seed=seed, initialisation=run.initialisation)
    asked = valid[0][:ROWS]
    found, errors = [probabilities(network, asked)], [network.error_rate(*valid)]
    for epoch in finetuning_epochs(network, train, valid, [run.finetuning], [seed]):
        found.append(probabilities(network, asked))
        errors.append(float(epoch.valid_error))
    return np.stack(found), np.array(errors, np.float32)


@torch.no_grad()
def probabilities(network: Classifier, x: torch.Tensor) -> Array:
    return np.asarray(network(x).softmax(-1).flatten().numpy())


def distances(points: dict[str, Array], errors: dict[str, Array]) -> list[dict[str, str]]:
    """A line an epoch and arm: how far its networks are from one another and from the others."""
    rows = []
    for epoch in range(len(points["sda"][0])):
        at = {arm: own[:, epoch] for arm, own in points.items()}
        for arm in ARMS:
            other = at[ARMS[1 - ARMS.index(arm)]]
            within = apart(at[arm], at[arm])
            np.fill_diagonal(within, np.nan)
            across = apart(at[arm], other)
            nearest = np.nanmin(within, 1) < across.min(1)
            rows.append(
                {
                    "epoch": str(epoch),
                    "arm": arm,
                    "validation error %": f"{100 * errors[arm][:, epoch].mean():.2f}",
                    "to the same arm": f"{np.nanmean(within):.4f}",
                    "to the other": f"{across.mean():.4f}",
                    "nearest is of the same arm": f"{nearest.sum()} of {len(nearest)}",
                }
            )
    return rows


def apart(first: Array, second: Array) -> NDArray[np.float64]:
    """Root mean square differences (n, m) of rows (n, d) and (m, d)."""
    return np.sqrt(np.mean((first[:, None] - second[None]) ** 2, -1, dtype=np.float64))


def draw(points: dict[str, Array]) -> Figure:
    """The points by epoch, light to dark, of all networks in one map each."""
    arms, nets, epochs = list(points), len(points["sda"]), len(points["sda"][0])
    every = np.concatenate([own.reshape(nets * epochs, -1) for own in points.values()])
    maps = {
        "t-SNE": TSNE(perplexity=min(30, len(every) // 4), random_state=0, init="pca"),
        "ISOMAP": Isomap(n_neighbors=min(30, len(every) - 1)),
    }
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    for axis, (name, method) in zip(figure.subplots(1, 2), maps.items(), strict=True):
        flat = method.fit_transform(every).reshape(len(arms), nets, epochs, 2)
        for own, style in zip(flat, styles(arms).values(), strict=True):
            for path in own:
                axis.plot(*path.T, color=style["color"], lw=0.4, alpha=0.4)
            for epoch in range(epochs):
                dark = 0.25 + 0.75 * epoch / max(1, epochs - 1)
                axis.plot(*own[:, epoch].T, "o", color=style["color"], ms=3, alpha=dark, mew=0)
        axis.set_title(f"{name} of what {nets} networks of each arm answer", fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
    for arm, style in styles(arms).items():
        axis.plot([], [], "o", color=style["color"], ms=4, label=f"{arm}, pale to full: by epoch")
    axis.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="key=value")
    parser.add_argument("--seeds", type=int, default=20, help="networks of each arm, at least 2")
    parser.add_argument("--out", type=png, default=str(FIGURES / "trajectories.png"))
    asked = parser.parse_intermixed_args()
    if asked.seeds < 2:
        parser.error(f"--seeds must be at least 2, got {asked.seeds}")
    try:
        main(asked.words, asked.seeds, asked.out)
    except (ValueError, *compose.FAULTS) as error:
        sys.exit(f"error: {str(error).splitlines()[0]}")
