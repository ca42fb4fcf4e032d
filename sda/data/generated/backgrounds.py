"""`bg-rand`, `bg-img`, `rot-bg-img`: digits on noise and on photographs."""

import numpy as np

from sda.data.generated.natural_patches import Photographs, draw_backgrounds, from_photographs
from sda.data.generated.rotations import turn
from sda.data.mnist import pick
from sda.data.sources import Made, choose
from sda.data.splits import Splits

N = 62000


def bg_rand(folder: str | None, source: str, seed: int) -> Splits:
    """10000 / 2000 / 50000 digits on noise uniform over 0..255, ten classes.

    The published files, or made from MNIST in ``folder`` by ``seed`` (see `sources.choose`); each
    of the 70000 digits is used at most once. Larochelle et al. (2007).
    """
    rule = {"rule": "bg-rand 1", "seed": seed}
    return choose("bg-rand", folder, source, lambda: rule, lambda: draw_on_noise(folder, N, seed))


def bg_img(folder: str | None, source: str, seed: int, photographs: str | None) -> Splits:
    """10000 / 2000 / 50000 digits on patches of photographs, ten classes.

    As `bg_rand`, with patches out of the pictures in the folder ``photographs``, or out of
    scikit-learn's two if it is None; flat patches are drawn again.
    """
    return _on_photographs("bg-img", folder, source, seed, photographs)


def rot_bg_img(folder: str | None, source: str, seed: int, photographs: str | None) -> Splits:
    """10000 / 2000 / 50000 turned digits on upright patches of photographs, ten classes.

    As `bg_img`; the digit is turned before it is put on the patch.
    """
    return _on_photographs("rot-bg-img", folder, source, seed, photographs)


def _on_photographs(
    name: str, folder: str | None, source: str, seed: int, photographs: str | None
) -> Splits:
    def draw(found: Photographs) -> Made:
        return draw_on_photographs(folder, N, seed, found, turned=name == "rot-bg-img")

    made = from_photographs(f"{name} 1", seed, photographs, draw)
    return choose(name, folder, source, *made)


def draw_on_noise(folder: str | None, n: int, seed: int) -> Made:
    """Pixels that are the brighter of digit and noise (n, 28, 28), and the digits' classes (n,)."""
    rng = np.random.default_rng(seed)
    digits, labels = pick(folder, n, rng)
    noise = rng.integers(0, 256, digits.shape, np.uint8)
    return Made(np.maximum(digits, noise), labels)


def draw_on_photographs(
    folder: str | None, n: int, seed: int, found: Photographs, turned: bool
) -> Made:
    """Pixels that are the brighter of digit and patch (n, 28, 28), and the digits' classes (n,).

    So is every pixel of 20 original images whose digits were found.
    """
    rng = np.random.default_rng(seed)
    digits, labels = pick(folder, n, rng)
    if turned:
        digits = turn(digits, rng.uniform(0, 2 * np.pi, n))
    patches = draw_backgrounds(found, n, rng)
    return Made(np.maximum(digits, patches), labels, found.told())
