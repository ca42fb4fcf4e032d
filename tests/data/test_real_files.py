"""The generators held against the published files and original images in SDA_DATA."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sda.data.description import outlines
from sda.data.generated import backgrounds, rectangles, rotations
from sda.data.generated.natural_patches import draw_backgrounds, load_photographs
from sda.data.generated.rotations import turn
from sda.data.mnist import pick, pooled

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("SDA_DATA" not in os.environ, reason="SDA_DATA is not set"),
]


def real_rectangles():
    held = np.load(Path(os.environ["SDA_DATA"]) / "icml2007" / "rectangles.npz")
    images = np.concatenate([held["x_train"], held["x_test"]]).reshape(-1, 28, 28) > 0
    return images, np.concatenate([held["y_train"], held["y_test"]])


def test_rectangles_have_the_real_distribution_of_sizes_places_and_classes():
    images, labels = real_rectangles()
    made, made_labels, _ = rectangles.draw(len(images), seed=0)
    (size, first, whole), (made_size, made_first, _) = outlines(images), outlines(made > 0)
    assert whole.all()
    assert ((size[:, 0] > size[:, 1]) == labels).all()
    assert abs(labels.mean() - made_labels.mean()) < 4 * np.sqrt(0.5 / len(labels))
    for ours, theirs, cells in (
        (made_size @ [29, 1], size @ [29, 1], 29 * 29),
        (made_first @ [28, 1], first @ [28, 1], 28 * 28),
    ):
        a, b = (np.bincount(cell, minlength=cells) for cell in (ours, theirs))
        seen = a + b > 10
        # two samples of one distribution: chi squared over the cells, four deviations allowed
        distance = ((a - b)[seen] ** 2 / (a + b)[seen]).sum()
        assert abs(distance - seen.sum()) < 4 * np.sqrt(2 * seen.sum())


def test_originals_turned_back_are_digits_of_mnist():
    """With the digit and the angle known, ours is within 2.7 grey levels on average."""
    known = {0: (26641, 57.6), 10: (65178, 61.4), 12: (44387, 180.1), 5: (61563, 137.7)}
    images, _ = pooled(None)
    errors = []
    for row, (source, degrees) in known.items():
        original = sample(f"bnn_mnist_rot_{row}_label")
        angles = -np.deg2rad(degrees + np.arange(-1.5, 1.6, 0.1))
        turned = turn(np.repeat(images[source][None], len(angles), axis=0), angles)
        errors.append(np.abs(turned.astype(int) - original).mean(axis=(1, 2)).min())
    assert np.mean(errors) < 2.7


def test_backgrounds_vary_as_the_original_ones_do():
    """Corner pixels of the originals: mean 0.507, deviation 0.257; 0.05 and 0.02 allowed."""
    found = load_photographs(str(Path(os.environ["SDA_DATA"]) / "kodak"))
    cut = draw_backgrounds(found, 8000, np.random.default_rng(0))
    corners = cut[:, [0, 0, -1, -1], [0, -1, 0, -1]] / 255
    assert abs(corners.mean() - 0.507) < 0.05
    assert abs(corners.std() - 0.257) < 0.02


def test_whole_sets_made_from_mnist_have_the_real_pixel_statistics():
    """Per-pixel means of the originals, which are a running average: within 0.06 of ours."""
    folder = Path(os.environ["SDA_DATA"])
    known = np.load(folder / "icml2007" / "reference_samples" / "bn_pixel_stats.npz")
    rot = rotations.draw(None, 12000, seed=0).pixels.mean(axis=0) / 255
    assert np.abs(rot - known["mnist_rot_mean"]).max() < 0.06
    assert abs(rot.mean() - known["mnist_rot_mean"].mean()) < 0.01
    found = load_photographs(str(folder / "kodak"))
    images = backgrounds.draw_on_photographs(None, 12000, 0, found, turned=False).pixels
    difference = images.mean(axis=0) / 255 - known["mnist_back_image_mean"]
    assert np.abs(difference).max() < 0.08


def test_no_digit_is_used_twice():
    images, _ = pick(None, 62000, np.random.default_rng(0))
    assert len(np.unique(images.reshape(62000, -1), axis=0)) == 62000


def sample(start):
    folder = Path(os.environ["SDA_DATA"]) / "icml2007" / "reference_samples"
    (file,) = folder.glob(f"{start}*.png")
    assert re.search(r"label\d", file.name)
    with Image.open(file) as image:
        return np.asarray(image).astype(int)
