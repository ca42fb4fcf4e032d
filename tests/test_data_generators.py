"""Sets made by rule, held against what is known of the real ones; with SDA_DATA, against the files.

Tolerances are stated where they are used; they are several times what sampling alone explains,
where the rule is known, and what the fit leaves, where it is not.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sda.data import backgrounds, convexity, rectangle_images, rectangles, rotations
from sda.data.convexity import convex
from sda.data.errors import DataError, DataFormatError, MissingDataError
from sda.data.hulls import hull_defects, parts
from sda.data.natural_patches import patches, whitening
from sda.data.photographs import Photographs, draw_patches, load_photographs
from sda.data.rectangle_images import draw_sizes
from sda.data.sources import Made
from sda.data.statistics import chi2, outlines, sides_touched

needs_data = [
    pytest.mark.data,
    pytest.mark.skipif("SDA_DATA" not in os.environ, reason="SDA_DATA is not set"),
]
# Of the real images (paper's archive, measured): area deciles, and per cent of frame sides touched,
# parts, and quantiles (5, 25, 50, 75, 95 %) of hull defects.
REAL_AREA = {
    1: [0.026, 0.037, 0.069, 0.128, 0.213, 0.312, 0.432, 0.571, 0.716, 0.864, 1.0],
    0: [0.023, 0.056, 0.093, 0.151, 0.227, 0.321, 0.435, 0.556, 0.692, 0.835, 0.999],
}
REAL_SIDES = {1: [15.7, 22.3, 24.9, 22.3, 14.8], 0: [12.1, 20.4, 24.2, 23.0, 20.3]}
REAL_PARTS = [42.8, 40.4, 14.1, 2.7]
REAL_DEFECTS = [5, 27, 63, 119, 229]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


# convex


@pytest.fixture(scope="module")
def regions():
    images, labels, _ = convexity.draw(6000, seed=0)
    return images > 0, labels


def percent(values, cells):
    return np.array([100 * (values == cell).mean() for cell in cells])


def slow_defects(white):
    """Hull defects of one image by the definition: linear programmes are not needed on a grid."""
    from scipy.spatial import ConvexHull

    points = np.argwhere(white)
    hull = ConvexHull(points)
    grid = np.argwhere(np.ones_like(white))
    inside = (grid @ hull.equations[:, :2].T + hull.equations[:, 2] <= 1e-9).all(axis=1)
    return int(inside.sum() - white.sum())


def test_hull_defects_are_those_of_the_convex_hull(regions):
    images, labels = regions
    some = np.concatenate([images[labels == 0][:60], images[labels == 1][:20]])
    assert hull_defects(some).tolist() == [slow_defects(image) for image in some]


def test_class_1_is_convex_and_class_0_is_not(regions):
    images, labels = regions
    assert ((hull_defects(images) == 0) == (labels == 1)).all()
    assert (parts(images[labels == 1]) == 1).all()
    assert abs(labels.mean() - 0.5) < 0.03


@pytest.mark.parametrize("label", [0, 1])
def test_areas_have_the_real_deciles_within_3_hundredths(regions, label):
    images, labels = regions
    area = images[labels == label].mean(axis=(1, 2))
    np.testing.assert_allclose(
        np.quantile(area, np.arange(0, 1.01, 0.1)), REAL_AREA[label], atol=0.035
    )
    assert area.min() * 784 >= {1: 20, 0: 12}[label]


@pytest.mark.parametrize(("label", "tolerance"), [(1, 3.0), (0, 5.0)])
def test_frame_sides_are_touched_as_often_as_in_the_real_images(regions, label, tolerance):
    images, labels = regions
    touched = percent(sides_touched(images[labels == label]), range(5))
    np.testing.assert_allclose(touched, REAL_SIDES[label], atol=tolerance)


def test_unions_have_the_real_parts_within_3_per_cent_and_defects_within_a_sixth(regions):
    images, labels = regions
    unions = images[labels == 0]
    found = percent(np.minimum(parts(unions), 4), range(1, 5))
    np.testing.assert_allclose(found, REAL_PARTS, atol=3.0)
    quantiles = np.quantile(hull_defects(unions), [0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(quantiles, REAL_DEFECTS, rtol=1 / 6, atol=1)


def test_convex_is_the_same_for_the_same_seed_only():
    first, second, other = (convexity.draw(300, seed).pixels for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_convex_takes_only_the_three_published_splits():
    with pytest.raises(DataError, match="6000, 6500, 7000, got 5000"):
        convex(None, "regenerated", 0, 5000)


# rectangles


def test_rectangle_images_have_the_sizes_of_the_rule():
    size = draw_sizes(20000, np.random.default_rng(0))
    area = size.prod(axis=1) / 784
    assert size.min() >= 10
    assert abs(np.diff(size)).min() == 5
    assert 0.25 <= area.min() <= area.max() <= 0.75
    counts = np.unique(size, axis=0, return_counts=True)[1]
    assert abs(chi2(counts) - len(counts)) < 4 * np.sqrt(2 * len(counts))


def test_a_rectangle_of_one_patch_lies_on_another_and_its_class_says_whether_it_is_tall():
    speckle = np.random.default_rng(0).integers(0, 2, (60, 60)).astype(np.uint8) * 100
    found = Photographs([speckle, speckle + 155], "")  # a dark and a bright one
    images, labels, told = rectangle_images.draw(400, 0, found)
    assert told.startswith("2 photographs")
    bright = images > 127
    two = bright.any(axis=(1, 2)) & ~bright.all(axis=(1, 2))
    assert abs(two.mean() - 0.5) < 0.1  # each patch is from either photograph
    inverted = bright[two] ^ (bright[two].mean(axis=(1, 2)) > 0.5)[:, None, None]
    for shape, other, label in zip(inverted, ~inverted, labels[two], strict=True):
        size = next(s for s in map(filled_box, (shape, other)) if s is not None)
        assert label == (size[0] > size[1])


def filled_box(shape):
    """(height, width) of a shape that is a rectangle and not the whole image, or None."""
    rows, columns = np.flatnonzero(shape.any(axis=1)), np.flatnonzero(shape.any(axis=0))
    size = np.ptp(rows) + 1, np.ptp(columns) + 1
    return size if size[0] * size[1] == shape.sum() < 784 else None


# digits


@pytest.fixture
def plain_digits(monkeypatch):
    """Digits that are a bright bar, in place of MNIST."""

    def pick(folder, n, rng):
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 8:20, 12:16] = 180
        return Made(images, np.arange(n) % 10)

    for module in (backgrounds, rotations):
        monkeypatch.setattr(module, "pick", pick)


def test_turning_by_a_quarter_is_exact_and_counter_clockwise():
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28), np.uint8)
    for quarters in range(4):
        turned = rotations.turn(images, np.full(4, quarters * np.pi / 2))
        np.testing.assert_array_equal(turned, np.rot90(images, quarters, axes=(1, 2)))


def test_turning_there_and_back_keeps_the_mass_and_nearly_the_picture():
    images = np.zeros((50, 28, 28), np.uint8)
    images[:, 8:20, 11:17] = 200
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 50)
    back = rotations.turn(rotations.turn(images, angles), -angles)
    assert abs(back.mean() / images.mean() - 1) < 0.02
    assert np.abs(back.astype(int) - images).mean() < 5  # grey levels


def test_angles_are_uniform(plain_digits):
    images, _, _ = rotations.draw(None, 2000, seed=0)
    bar = np.argwhere(np.ones((28, 28))) - 13.5
    doubled = (images.reshape(2000, -1).astype(float) @ ((bar @ [1, 1j]) ** 2)) / 1e5
    direction = doubled / abs(doubled)  # twice the angle of the bar
    for power in (1, 2, 3):
        assert abs((direction**power).mean()) < 4 / np.sqrt(2000)


def test_noise_shows_wherever_it_is_brighter_than_the_digit(plain_digits):
    images, _, _ = backgrounds.draw_on_noise(None, 300, seed=0)
    bar, around = images[:, 8:20, 12:16], images[:, :8]
    assert bar.min() == 180
    assert abs((bar == 180).mean() - 181 / 256) < 0.02
    counts = np.bincount(around.ravel(), minlength=256)
    assert abs(chi2(counts) - 256) < 4 * np.sqrt(2 * 256)


@pytest.mark.parametrize("turned", [False, True])
def test_photographs_are_upright_behind_the_digit_and_never_flat(plain_digits, turned):
    ramp = np.tile(np.linspace(0, 250, 28).astype(np.uint8)[:, None], (1, 60))
    found = Photographs([ramp, np.full((40, 40), 99, np.uint8)], "")
    images, _, _ = backgrounds.draw_on_photographs(None, 200, 0, found, turned)
    assert (images >= ramp[:, :28]).all()  # only the ramp is left, and darkens nowhere
    assert (images[:, 0] == 0).all()
    beside = images[:, 12:16, 7:11] == 180  # a bar gets there only by turning
    assert (beside.any(axis=(1, 2)).mean() > 0.2) == turned


# photographs and patches


def test_photographs_are_grey_in_the_order_of_their_names_and_known_by_a_hash(tmp_path):
    for name, grey in (("b.png", 200), ("a.png", 100)):
        Image.new("RGB", (30, 20), (grey, grey, grey)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    found = load_photographs(str(tmp_path))
    assert [image[0, 0] for image in found.images] == [100, 200]
    assert found.digest == load_photographs(str(tmp_path)).digest
    Image.new("L", (30, 20), 101).save(tmp_path / "a.png")
    assert found.digest != load_photographs(str(tmp_path)).digest


def test_a_folder_without_pictures_or_with_a_broken_one_is_told(tmp_path):
    with pytest.raises(MissingDataError, match="no pictures"):
        load_photographs(str(tmp_path))
    with pytest.raises(MissingDataError, match="must be a folder"):
        load_photographs(str(tmp_path / "none"))
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataFormatError, match=r"a\.png: not a readable picture"):
        load_photographs(str(tmp_path))


def test_flat_photographs_end_in_an_error_instead_of_for_ever():
    with pytest.raises(DataFormatError, match="too few 28 x 28 patches"):
        draw_patches([np.zeros((40, 40), np.uint8)], 5, 28, 36.0, np.random.default_rng(0))
    with pytest.raises(DataFormatError, match="smaller than 28 x 28"):
        draw_patches([np.zeros((20, 40), np.uint8)], 5, 28, 0.0, np.random.default_rng(0))


def test_patches_are_whitened_by_the_training_patches():
    data = patches(None, 12, 6000, 300, 300, 0)
    x = data.train.x.astype(float)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-4)
    off = np.corrcoef(x.T) - np.eye(144)
    assert np.abs(off).mean() < 0.02  # raw patches of these photographs: above 0.5
    assert data.image_shape == (12, 12)


def test_whitening_without_regularisation_would_give_the_identity(monkeypatch):
    monkeypatch.setattr("sda.data.natural_patches.REGULARISATION", 0.0)
    x = np.random.default_rng(0).normal(size=(500, 5)) @ np.diag([1, 2, 3, 4, 5.0])
    mean, whiten = whitening(x)
    np.testing.assert_allclose(
        np.cov((x - mean) @ whiten, rowvar=False, bias=True), np.eye(5), atol=1e-9
    )
    np.testing.assert_allclose(whiten, whiten.T)


def test_no_patch_of_one_split_overlaps_one_of_another(tmp_path):
    columns = np.tile(np.arange(200, dtype=np.uint8), (40, 1))
    for name in "ab":
        Image.fromarray(columns).save(tmp_path / f"{name}.png")
    from sda.data.natural_patches import _strip

    strips = [_strip(columns, part) for part in ("train", "valid", "test")]
    assert [len(np.unique(strip)) for strip in strips] == [140, 30, 30]
    assert len(np.unique(np.concatenate([np.unique(strip) for strip in strips]))) == 200


# against the real files


def real(name):
    held = np.load(Path(os.environ["SDA_DATA"]) / "icml2007" / f"{name}.npz")
    images = np.concatenate([held["x_train"], held["x_test"]]).reshape(-1, 28, 28) > 0
    return images, np.concatenate([held["y_train"], held["y_test"]])


class TestAgainstTheRealFiles:
    pytestmark = needs_data

    def test_rectangles_have_the_real_distribution_of_sizes_places_and_classes(self):
        images, labels = real("rectangles")
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

    def test_the_statistics_that_the_convex_rule_is_held_to_are_those_of_the_real_file(self):
        images, labels = real("convex")
        assert ((hull_defects(images) == 0) == (labels == 1)).all()
        for label in (0, 1):
            mine = images[labels == label]
            deciles = np.quantile(mine.mean(axis=(1, 2)), np.arange(0, 1.01, 0.1))
            np.testing.assert_allclose(deciles, REAL_AREA[label], atol=0.004)
            sides = percent(sides_touched(mine), range(5))
            np.testing.assert_allclose(sides, REAL_SIDES[label], atol=0.4)
        unions = images[labels == 0]
        found = percent(np.minimum(parts(unions), 4), range(1, 5))
        np.testing.assert_allclose(found, REAL_PARTS, atol=0.4)

    def test_originals_turned_back_are_digits_of_mnist(self):
        """With the digit and the angle known, ours is within 2.7 grey levels on average."""
        from sda.data.handwritten import pooled

        known = {0: (26641, 57.6), 10: (65178, 61.4), 12: (44387, 180.1), 5: (61563, 137.7)}
        images, _ = pooled(None)
        errors = []
        for row, (source, degrees) in known.items():
            original = sample(f"bnn_mnist_rot_{row}_label")
            angles = -np.deg2rad(degrees + np.arange(-1.5, 1.6, 0.1))
            turned = rotations.turn(np.repeat(images[source][None], len(angles), axis=0), angles)
            errors.append(np.abs(turned.astype(int) - original).mean(axis=(1, 2)).min())
        assert np.mean(errors) < 2.7

    def test_backgrounds_vary_as_the_original_ones_do(self):
        """Corner pixels of the originals: mean 0.507, deviation 0.257; 0.05 and 0.02 allowed."""
        found = load_photographs(str(Path(os.environ["SDA_DATA"]) / "kodak"))
        cut, _ = draw_patches(
            found.images, 8000, 28, backgrounds.LEAST_DEVIATION, np.random.default_rng(0)
        )
        corners = cut[:, [0, 0, -1, -1], [0, -1, 0, -1]] / 255
        assert abs(corners.mean() - 0.507) < 0.05
        assert abs(corners.std() - 0.257) < 0.02

    def test_whole_sets_made_from_mnist_have_the_real_pixel_statistics(self):
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

    def test_no_digit_is_used_twice(self):
        from sda.data.handwritten import pick

        images, _, _ = pick(None, 62000, np.random.default_rng(0))
        assert len(np.unique(images.reshape(62000, -1), axis=0)) == 62000


def sample(start):
    folder = Path(os.environ["SDA_DATA"]) / "icml2007" / "reference_samples"
    (file,) = folder.glob(f"{start}*.png")
    assert re.search(r"label\d", file.name)
    with Image.open(file) as image:
        return np.asarray(image).astype(int)
