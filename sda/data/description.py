"""What the rules promise about each set, measured on its images."""

import numpy as np
from numpy.typing import NDArray

from sda.data.generated.convexity import hull_defects, parts
from sda.data.generated.rectangles import shapes
from sda.data.splits import Splits

_DECILES = np.arange(0, 1.01, 0.1)
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
Table = dict[str, str]


def describe(splits: Splits) -> Table:
    """Measured statistics of a data set by name, as text to print."""
    train, test = splits.train, splits.test
    told = {
        "rows (train, valid, test)": " ".join(str(len(p.y)) for p in splits.parts().values()),
        "source": splits.source,
        "classes in train": _numbers(np.bincount(train.y, minlength=splits.n_classes)),
        "classes in test": _numbers(np.bincount(test.y, minlength=splits.n_classes)),
        "values": f"mean {test.x.mean():.4f}, least {test.x.min():.4g}, most {test.x.max():.4g}",
        "SHA-256": splits.digest(),
    }
    if splits.drawn_from:
        told["drawn from"] = splits.drawn_from
    if splits.image_shape != (28, 28):
        return told
    images, labels = test.x.reshape(-1, 28, 28), test.y
    if splits.name == "rect":
        told |= rectangle_statistics(images > 0.5)
    elif splits.name == "convex":
        for name, label in (("convex", 1), ("not convex", 0)):
            found = region_statistics(images[labels == label] > 0.5)
            told |= {f"{name}: {key}": value for key, value in found.items()}
    elif splits.name.startswith(("bg-", "rot", "rect-")):
        told |= corner_statistics(images)
    return told


def corner_statistics(images: NDArray[np.float32]) -> Table:
    """Grey levels of the four corner pixels, where almost no digit reaches, and of all pixels."""
    corners = images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    return {
        "corner pixels": f"mean {corners.mean():.3f}, deviation {corners.std():.3f}",
        "all pixels": f"mean {images.mean():.3f}, deviation {images.std():.3f}",
    }


def rectangle_statistics(white: NDArray[np.bool_]) -> Table:
    """Sizes and places of outlines (n, 28, 28), against the rule that `rectangles.draw` follows."""
    size, first, whole = outlines(white)
    pairs, counts = np.unique(size, axis=0, return_counts=True)
    room = 28 - size
    place = (first[room > 0] / room[room > 0]).mean()
    return {
        "exactly one outline": f"{100 * whole.mean():.2f} %",
        "pairs (height, width)": f"{len(pairs)}, chi2 {chi2(counts):.0f}",
        "sizes": f"{size.min()}..{size.max()}, least difference {abs(np.diff(size)).min()}",
        "mean place (0.5 if uniform)": f"{place:.4f}",
    }


def outlines(
    white: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """(height, width) and corner of the bounding boxes (n, 2), and whether they are all outline."""
    across = np.stack([white.any(axis=2), white.any(axis=1)], axis=1)  # (n, row or column, 28)
    first = across.argmax(axis=2)
    last = 27 - across[:, :, ::-1].argmax(axis=2)
    size = last - first + 1
    drawn, _ = shapes(first, size)
    return size, first, np.asarray((drawn == white).all(axis=(1, 2)))


def region_statistics(white: NDArray[np.bool_]) -> Table:
    """Area, parts, frame sides touched and hull defects of white regions (n, 28, 28)."""
    area, defects = white.mean(axis=(1, 2)), hull_defects(white)
    return {
        "mean area": f"{area.mean():.3f}",
        "area deciles": _numbers(np.quantile(area, _DECILES), ".3f"),
        "1, 2, 3, 4+ parts, %": _shares(np.minimum(parts(white), 4), range(1, 5)),
        "0..4 sides touched, %": _shares(sides_touched(white), range(5)),
        "hull defects, 5 25 50 75 95 %": _numbers(np.quantile(defects, _QUANTILES), ".0f"),
    }


def sides_touched(white: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the frame's four sides with a white pixel, (n, h, w) -> (n,)."""
    sides = (white[:, 0], white[:, -1], white[:, :, 0], white[:, :, -1])
    return np.asarray(np.sum([side.any(axis=1) for side in sides], axis=0), np.int64)


def chi2(counts: NDArray[np.int64]) -> float:
    """Chi squared of counts against all cells being equally likely; about len(counts) if so."""
    expected = counts.sum() / len(counts)
    return float(((counts - expected) ** 2 / expected).sum())


def _shares(values: NDArray[np.int64], cells: range) -> str:
    return _numbers(np.array([100 * (values == cell).mean() for cell in cells]), ".1f")


def _numbers(values: NDArray[np.generic], form: str = "") -> str:
    return " ".join(f"{value:{form}}" for value in values.tolist())
