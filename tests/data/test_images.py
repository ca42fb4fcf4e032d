"""Pictures as data: arrays of 3 or 4 axes, in colour or not, and the set of coloured shapes."""

import numpy as np
import pytest

from sda.analysis import pictures
from sda.common.errors import DataFormatError
from sda.data.generated import coloured_shapes
from sda.data.generated.coloured_shapes import coloured
from sda.data.tables import arrays, table

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (30, 3, 5, 4), np.uint8)
Y = np.arange(30) % 2


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SDA_CACHE", str(tmp_path / "cache"))


def test_an_npz_of_colour_pictures_is_rows_of_grey_levels_and_their_shape_is_found(tmp_path):
    np.savez(tmp_path / "a.npz", x=COLOUR, y=Y)
    found = arrays(str(tmp_path / "a.npz"))
    assert found.image_shape == (3, 5, 4)
    assert found.input_shape == (3, 5, 4)
    assert found.train.x.dtype == np.uint8
    rows = {row.tobytes() for row in COLOUR.reshape(30, -1)}
    assert {row.tobytes() for part in found.parts().values() for row in part.x} == rows


def test_pictures_of_floats_stay_as_they_are_and_grey_ones_have_one_channel():
    x = RNG.normal(0, 3, (30, 5, 4)).astype(np.float32)
    found = table(x, Y)
    assert (found.image_shape, found.input_shape) == ((5, 4), (1, 5, 4))
    assert np.isin(found.test.x, x).all()


def test_a_folder_of_colour_pictures_stays_mapped(tmp_path):
    for part in ("train", "valid", "test"):
        np.save(tmp_path / f"x_{part}.npy", COLOUR)
        np.save(tmp_path / f"y_{part}.npy", Y)
    found = arrays(str(tmp_path))
    assert found.image_shape == (3, 5, 4)
    assert not found.train.x.flags.owndata
    assert np.array_equal(found.train.x, COLOUR.reshape(30, -1))


def test_channels_behind_the_pixels_are_refused_with_the_way_to_move_them():
    with pytest.raises(DataFormatError, match=r"got 30x5x4x3: save np.moveaxis\(x, 3, 1\)"):
        table(np.moveaxis(COLOUR, 1, 3), Y)


def test_a_picture_in_colour_is_shown_in_its_colours():
    rows = COLOUR[:4].reshape(4, -1) / 255
    sheet = pictures.reconstructions(rows, rows, rows, (3, 5, 4))
    assert np.array_equal(sheet[1:6, 1:5], np.moveaxis(COLOUR[0], 0, 2))
    shown = pictures.montage(pictures.in_range(COLOUR.reshape(30, -1), (3, 5, 4)), 6)
    assert np.array_equal(shown[:5, :4], np.moveaxis(COLOUR[0], 0, 2))
    two = pictures.reconstructions(rows, rows, rows, (6, 5, 2))  # channels that are no colours
    assert two.ndim == 2


def test_coloured_shapes_are_of_the_class_their_colour_is_not():
    found = coloured(600, 60, 60, 0)
    assert (found.image_shape, found.n_classes) == ((3, 32, 32), 10)
    assert found.train.x.dtype == np.uint8
    assert np.bincount(found.train.y).min() > 30
    means = found.train.x.reshape(600, 3, -1).mean(2)
    by_class = np.stack([means[found.train.y == k].mean(0) for k in range(10)])
    assert abs(by_class - means.mean(0)).max() < 4 * means.std() / np.sqrt(60)
    assert coloured(600, 60, 60, 0).digest() == found.digest()
    assert coloured(40, 40, 40, 1).digest() != coloured(40, 40, 40, 2).digest()


def test_a_shape_differs_from_its_ground():
    rng = np.random.default_rng(0)
    others = rng.uniform(0, 1, (500, 3, 1, 1))
    apart = coloured_shapes._colours(others, rng) - others
    assert np.linalg.norm(apart, axis=1).min() >= coloured_shapes.LEAST_CONTRAST
