"""Photographs, patches of them, and whitening."""

import numpy as np
import pytest
from PIL import Image

from sda.common.errors import DataError, DataFormatError, MissingDataError
from sda.data.generated.natural_patches import (
    colour_patches,
    draw_patches,
    load_photographs,
    patches,
    strip,
    whitening,
)


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
    data = patches(None, 12, 6000, 300, 300, 0.01, 1.0, 0)
    x = data.train.x.astype(float)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-4)
    off = np.corrcoef(x.T) - np.eye(144)
    assert np.abs(off).mean() < 0.02  # raw patches of these photographs: above 0.5
    assert data.image_shape == (12, 12)
    assert np.square(x).mean() == pytest.approx(1, rel=1e-4)


def test_patches_have_the_deviation_asked_for_and_more_regularisation_leaves_them_smoother():
    def neighbours(regularisation):
        x = patches(None, 6, 2000, 20, 20, regularisation, 0.25, 0).train.x.astype(float)
        assert np.square(x).mean() == pytest.approx(0.25**2, rel=1e-4)
        images = x.reshape(-1, 6, 6)
        return np.mean(images[:, :, 1:] * images[:, :, :-1]) / np.mean(images**2)

    assert neighbours(1.0) > neighbours(0.1) > neighbours(0.01)


def test_patches_refuse_a_deviation_of_nothing_and_a_negative_regularisation():
    for regularisation, deviation in ((0.1, 0.0), (-0.1, 1.0), (float("nan"), 1.0)):
        with pytest.raises(DataError, match="regularisation of 0 or more and a deviation above 0"):
            patches(None, 6, 20, 20, 20, regularisation, deviation, 0)


def test_whitening_without_regularisation_would_give_the_identity():
    x = np.random.default_rng(0).normal(size=(500, 5)) @ np.diag([1, 2, 3, 4, 5.0])
    mean, whiten = whitening(x, 0.0)
    np.testing.assert_allclose(
        np.cov((x - mean) @ whiten, rowvar=False, bias=True), np.eye(5), atol=1e-9
    )
    np.testing.assert_allclose(whiten, whiten.T)


def test_no_patch_of_one_split_overlaps_one_of_another(tmp_path):
    columns = np.tile(np.arange(200, dtype=np.uint8), (40, 1))
    for name in "ab":
        Image.fromarray(columns).save(tmp_path / f"{name}.png")
    strips = [strip(columns, part) for part in ("train", "valid", "test")]
    assert [len(np.unique(strip)) for strip in strips] == [140, 30, 30]
    assert len(np.unique(np.concatenate([np.unique(strip) for strip in strips]))) == 200


def test_patches_in_colour_are_the_levels_of_their_photograph_channel_by_channel(tmp_path):
    ramp = np.arange(60 * 80, dtype=np.uint8).reshape(60, 80)
    Image.fromarray(np.stack([ramp, ramp // 2, 255 - ramp], -1)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(tmp_path / "b.png")
    data = colour_patches(str(tmp_path), 5, 40, 10, 10, 0)
    assert data.image_shape == (3, 5, 5)
    assert data.train.x.dtype == np.uint8
    red, green, blue = data.train.x.reshape(-1, 3, 5, 5)[data.train.y == 0].transpose(1, 0, 2, 3)
    np.testing.assert_array_equal(green, red // 2)
    np.testing.assert_array_equal(blue, 255 - red)
    assert (np.diff(red.astype(int), axis=-1) % 256 == 1).all()
    assert not data.train.x[data.train.y == 1].any()
