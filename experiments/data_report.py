"""Write data.md: where each data set is from, and how ours compare with the real ones.

SDA_DATA=<folder> ./run experiments/data_report.py    (5 minutes on one core)

The folder has mnist/, icml2007/ with its reference samples, and kodak/.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from data_pictures import draw_pictures
from lib import script
from numpy.typing import NDArray
from sklearn.svm import SVC

from sda.analysis import intervals
from sda.data.description import rectangle_statistics, region_statistics
from sda.data.generated.backgrounds import (
    bg_img,
    bg_rand,
    rot_bg_img,
)
from sda.data.generated.basic import BASIC_LABELS, basic
from sda.data.generated.convexity import convex
from sda.data.generated.natural_patches import LEAST_DEVIATION
from sda.data.generated.rectangle_images import rect_img
from sda.data.generated.rectangles import rect
from sda.data.generated.rotations import rot
from sda.data.splits import Rows, Splits

HERE = Path(__file__).parent
DATA = Path(os.environ.get("SDA_DATA", ""))
KODAK = str(DATA / "kodak")
WANTED = ("mnist", "icml2007/reference_samples", "kodak")
BLOCK = 2000


def main() -> None:
    """Measure, draw, and fill the template's places. Raises ValueError in one line."""
    missing = [name for name in WANTED if not (DATA / name).is_dir()]
    if "SDA_DATA" not in os.environ or missing:
        raise ValueError(f"SDA_DATA must be a folder with {', '.join(WANTED)}, got {DATA}")
    start = time.perf_counter()
    made = {
        "basic": basic(None, "auto"),
        "rot": rot(None, "regenerated", 0),
        "bg-rand": bg_rand(None, "regenerated", 0),
        "bg-img": bg_img(None, "regenerated", 0, KODAK),
        "rot-bg-img": rot_bg_img(None, "regenerated", 0, KODAK),
        "rect": rect(None, "regenerated", 0),
        "rect-img": rect_img(None, "regenerated", 0, KODAK),
        "convex": convex(None, "regenerated", 0, 6000),
    }
    real = {"rect": rect(None, "original", 0), "convex": convex(None, "original", 0, 6000)}
    draw_pictures(made, real, DATA, HERE / "results" / "figures" / "data")
    text = (HERE / "data_template.md").read_text(encoding="utf-8")
    filled = text.format(
        rect=side_by_side(statistics_of(real["rect"], rectangle_statistics, None),
                          statistics_of(made["rect"], rectangle_statistics, None)),
        convex1=side_by_side(statistics_of(real["convex"], region_statistics, 1),
                             statistics_of(made["convex"], region_statistics, 1)),
        convex0=side_by_side(statistics_of(real["convex"], region_statistics, 0),
                             statistics_of(made["convex"], region_statistics, 0)),
        pixels=pixel_table(made),
        labels=label_table(made["basic"]),
        crossed_rect=crossed(real["rect"], made["rect"], gamma=0.05, draws=12),
        crossed_convex=crossed(real["convex"], made["convex"], gamma=0.01, draws=4),
        told_apart=told_apart_table(real, made),
        hashes=hash_table(made),
        deviation=LEAST_DEVIATION,
    )  # fmt: skip
    (HERE / "results" / "data.md").write_text(filled, encoding="utf-8")
    print(filled)
    print(f"{time.perf_counter() - start:.0f} s")


def statistics_of(
    splits: Splits, measure: Callable[[NDArray[np.bool_]], dict[str, str]], label: int | None
) -> dict[str, str]:
    rows = list(splits.parts().values())
    x = np.concatenate([part.x if label is None else part.x[part.y == label] for part in rows])
    return measure(x.reshape(-1, 28, 28) > 0.5)


def side_by_side(real: dict[str, str], ours: dict[str, str]) -> str:
    lines = ["| statistic | real | ours |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {key} | {real[key]} | {ours[key]} |" for key in real)])


def pixel_table(made: dict[str, Splits]) -> str:
    known = np.load(DATA / "icml2007" / "reference_samples" / "bn_pixel_stats.npz")
    lines = [
        "| set | statistic of the training images | real | ours |",
        "|---|---|---|---|",
    ]
    for name, key in (("rot", "mnist_rot"), ("bg-img", "mnist_back_image")):
        images = made[name].train.x.reshape(-1, 28, 28)
        mean, variance = known[f"{key}_mean"], known[f"{key}_var"]
        ours = images.mean(axis=0)
        corner = np.ix_([0, -1], [0, -1])
        rows = (
            ("mean of all pixels", mean.mean(), ours.mean()),
            ("mean variance of a pixel", variance.mean(), images.var(axis=0).mean()),
            ("mean of the corners", mean[corner].mean(), ours[corner].mean()),
            (
                "deviation of the corners",
                np.sqrt(variance[corner].mean()),
                np.sqrt(images.var(axis=0)[corner].mean()),
            ),
        )
        lines += [f"| {name} | {what} | {a:.3f} | {b:.3f} |" for what, a, b in rows]
        difference = np.abs(ours - mean)
        lines.append(
            f"| {name} | mean and largest difference of the 784 means | - | "
            f"{difference.mean():.3f}, {difference.max():.3f} |"
        )
    return "\n".join(lines)


def label_table(data: Splits) -> str:
    y = np.concatenate([part.y for part in data.parts().values()])
    head = "| row of train, valid, test joined | " + " | ".join(map(str, BASIC_LABELS)) + " |"
    rule = "|---" * (len(BASIC_LABELS) + 1) + "|"
    known = "| published label | " + " | ".join(map(str, BASIC_LABELS.values())) + " |"
    ours = "| ours | " + " | ".join(str(y[row]) for row in BASIC_LABELS) + " |"
    return "\n".join([head, rule, known, ours])


def crossed(real: Splits, ours: Splits, gamma: float, draws: int) -> str:
    """Test error of every kind of training set on held-out halves of both test files."""
    rng = np.random.default_rng(0)
    halves = {name: halved(splits.test, rng) for name, splits in (("real", real), ("ours", ours))}
    held_out = [second for _, second in halves.values()]
    n = len(real.train.y)
    lines = [f"| trained on {n} rows | real test rows | our test rows |", "|---|---|---|"]
    once = [interval(wrong) for wrong in errors(real.train, held_out, gamma)]
    lines.append(f"| real, its training rows | {once[0]} | {once[1]} |")
    for name, (first, _) in halves.items():
        shares = []
        for _ in range(draws):
            chosen = rng.permutation(len(first.y))[:n]
            found = errors(Rows(first.x[chosen], first.y[chosen]), held_out, gamma)
            shares.append([100 * wrong.mean() for wrong in found])
        mean, spread = np.mean(shares, axis=0), np.std(shares, axis=0, ddof=1)
        told = [f"{m:.2f} (deviation {s:.2f}) %" for m, s in zip(mean, spread, strict=True)]
        lines.append(f"| {name}, {draws} draws of other rows | {told[0]} | {told[1]} |")
    return "\n".join(lines)


def halved(rows: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    order = np.array_split(rng.permutation(len(rows.y)), 2)
    first, second = (Rows(rows.x[part], rows.y[part]) for part in order)
    return first, second


def errors(train: Rows, tests: list[Rows], gamma: float) -> list[NDArray[np.bool_]]:
    machine = SVC(C=10, gamma=gamma, cache_size=1000).fit(train.x, train.y)
    return [predict(machine, test.x) != test.y for test in tests]


def told_apart_table(real: dict[str, Splits], made: dict[str, Splits]) -> str:
    lines = ["| set | class | told apart (50 % = not at all) |", "|---|---|---|"]
    for name in real:
        for label in (0, 1):
            halves = [s.test.x[s.test.y == label][:16000] for s in (real[name], made[name])]
            lines.append(f"| {name} | {label} | {told_apart(*halves)} |")
    return "\n".join(lines)


def told_apart(real: NDArray[np.float32], ours: NDArray[np.float32]) -> str:
    """Share of held-out images that a classifier assigns rightly to real or ours."""
    n = 4000
    x = np.concatenate([real[:n], ours[:n]])
    machine = SVC(C=10, gamma=0.01, cache_size=1000).fit(x, np.repeat([0, 1], n))
    right = [predict(machine, half[n:]) == k for k, half in enumerate((real, ours))]
    return interval(np.concatenate(right))


def predict(machine: SVC, x: NDArray[np.float32]) -> NDArray[np.int64]:
    """Classes 0 and 1 by the kernel expansion, in large matrix products: libsvm goes by rows."""
    vectors = machine.support_vectors_.astype(np.float32)
    weights = machine.dual_coef_[0].astype(np.float32)
    squares = (vectors**2).sum(axis=1)
    found = []
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK]
        distance = (block**2).sum(axis=1)[:, None] + squares - 2 * block @ vectors.T
        score = np.exp(-machine.gamma * np.maximum(distance, 0)) @ weights
        found.append(score + machine.intercept_[0] > 0)
    return np.concatenate(found).astype(np.int64)


def interval(hits: NDArray[np.bool_]) -> str:
    share = float(hits.mean())
    return f"{100 * share:.2f} ± {100 * intervals.binomial(share, len(hits)):.2f} %"


def hash_table(made: dict[str, Splits]) -> str:
    lines = ["| set (seed 0) | source | SHA-256 of the arrays |", "|---|---|---|"]
    return "\n".join(
        [*lines, *(f"| {name} | {s.source} | `{s.digest()[:16]}…` |" for name, s in made.items())]
    )


if __name__ == "__main__":
    script.parser(__doc__).parse_args()
    script.call(main)
