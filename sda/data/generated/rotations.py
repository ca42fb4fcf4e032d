"""`rot`: MNIST digits turned by any angle."""

import numpy as np

from sda.data.generated.turning import SUBPIXELS, turn
from sda.data.mnist import pick
from sda.data.sources import Made, choose
from sda.data.splits import Splits

RULE = {"rule": "rot 1", "angle": "uniform", "subpixels": SUBPIXELS}


def rot(folder: str | None, source: str, seed: int) -> Splits:
    """10000 / 2000 / 50000 digits turned about the image's centre by a uniform angle, ten classes.

    The published files, or made from MNIST in ``folder`` by ``seed`` (see `sources.choose`); each
    of the 70000 digits is used at most once. Larochelle et al. (2007), the corrected release.
    """
    rule = {**RULE, "seed": seed}
    return choose("rot", folder, source, lambda: rule, lambda: draw(folder, 62000, seed))


def draw(folder: str | None, n: int, seed: int) -> Made:
    """Draw turned digits (n, 28, 28) and their classes (n,)."""
    rng = np.random.default_rng(seed)
    images, labels = pick(folder, n, rng)
    return Made(turn(images, rng.uniform(0, 2 * np.pi, n)), labels)
