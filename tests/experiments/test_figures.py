"""What the figures' numbers mean: locality of filters, and how much of one a Gabor explains."""

import importlib
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from lib import gabor, locality

from sda import Masking
from sda.config import compose, schema


def gaussian_wave(side, *, angle=0.6, frequency=0.15, along=2.0, across=3.0, phase=0.7):
    rows, columns = np.divmod(np.arange(side * side), side)
    centre = (side - 1) / 2
    p = np.array([centre, centre - 0.4, angle, frequency, along, across])
    return gabor.waves(p, rows, columns) @ np.array([np.cos(phase), np.sin(phase)])


def bar(side, length, width):
    image = np.zeros((side, side))
    image[4 : 4 + width, 2 : 2 + length] = 1
    return image.ravel()


NOISE = np.random.default_rng(0).uniform(-1, 1, (20, 784))


def test_the_effective_area_of_a_point_is_one_pixel_and_of_a_bar_its_own():
    point = np.eye(784)[[300]]
    np.testing.assert_allclose(locality.effective_area(point), 1)
    np.testing.assert_allclose(locality.effective_area(bar(28, 9, 2)[None]), 18)


def test_uniform_noise_covers_five_ninths_of_the_picture():
    np.testing.assert_allclose(locality.effective_area(NOISE).mean(), 5 / 9 * 784, rtol=0.02)


def test_a_stroke_is_one_region_of_its_length_and_width_and_noise_is_not():
    stroke = locality.region(bar(28, 9, 2), 28)
    assert (stroke.energy, stroke.length, stroke.width) == pytest.approx((1, 9, 2))
    assert max(locality.region(w, 28).energy for w in NOISE) < 0.1


def test_a_slanted_stroke_is_as_long_as_the_diagonal_and_touches_at_corners():
    stroke = locality.region(np.eye(12).ravel(), 12)
    assert stroke.length == pytest.approx(12 * np.sqrt(2), rel=0.02)
    assert stroke.energy == pytest.approx(1)


def test_the_region_leaves_out_other_strokes_and_the_other_sign():
    image = bar(28, 9, 2).reshape(28, 28)
    image[20:22, 2:11] = 0.9
    image[6, 2:11] = -0.9
    region = locality.region(image.ravel(), 28)
    assert (region.length, region.width) == pytest.approx((9, 2))
    assert region.energy == pytest.approx(18 / (18 + 18 * 0.81 + 9 * 0.81))


def test_likeness_is_one_for_copies_even_turned_round_and_small_for_noise():
    likeness = locality.likeness(np.vstack([NOISE, -3 * NOISE[:1]]))
    np.testing.assert_allclose(likeness[[0, -1]], 1)
    assert likeness[1:-1].max() < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("phase", [0.0, 0.7, np.pi / 2])
def test_a_gabor_function_is_explained_by_itself(phase):
    (found,) = gabor.fit(gaussian_wave(12, phase=phase)[None], 12)
    assert found.r2 > 0.999
    assert (found.frequency, found.angle) == pytest.approx((0.15, 0.6), abs=0.01)
    assert (found.along, found.across) == pytest.approx((2, 3), abs=0.05)


@pytest.mark.slow
def test_a_gabor_function_explains_little_of_white_noise():
    noise = np.random.default_rng(1).normal(size=(12, 144))
    assert max(found.r2 for found in gabor.fit(noise, 12)) < 0.3


def test_half_noise_halves_what_a_gabor_function_explains():
    wave = gaussian_wave(12)
    noise = np.random.default_rng(2).normal(size=144)
    both = wave / np.linalg.norm(wave) + noise / np.linalg.norm(noise)
    (found,) = gabor.fit(both[None], 12)
    assert 0.4 < found.r2 < 0.7


def test_neither_sign_nor_scale_changes_a_measure():
    wave = gaussian_wave(12, frequency=0.25)
    filters = np.stack([wave, -7 * wave])
    first, second = gabor.fit(filters, 12)
    assert first.r2 == pytest.approx(second.r2, abs=1e-6)
    assert np.ptp(locality.effective_area(filters)) < 1e-9
    regions = [astuple(locality.region(w, 12)) for w in filters]
    assert regions[0] == pytest.approx(regions[1])


def test_every_condition_of_the_patches_is_one_layer_and_differs_in_one_thing():
    plain = compose.settings(["experiment=patches"])
    swept = compose.swept(["experiment=patches"])["vars.condition"]
    swept = swept.split(",")
    assert sorted(swept) == sorted(plain["vars"]["conditions"])
    runs = {}
    for name in swept:
        words = ["experiment=patches", f"vars.condition={name}"]
        runs[name] = schema.build_run(compose.settings(words))
    assert all(len(run.layers) == 1 and not run.finetuning.encoders for run in runs.values())
    assert [n for n, run in runs.items() if run.pretraining[0].weight_decay] == ["weight_decay"]
    assert [n for n, run in runs.items() if run.layers[0].n_hidden != 200] == ["under_complete"]
    noisy = [n for n, run in runs.items() if run.layers[0].corruption != Masking(0.0)]
    assert noisy == ["gaussian", "salt_and_pepper", "masking"]


def test_the_figure_of_mnist_filters_refuses_filters_of_another_size(monkeypatch):
    monkeypatch.syspath_prepend(Path(gabor.__file__).parent)
    figure3 = importlib.import_module("figure3")
    monkeypatch.setattr(figure3, "runs_by", lambda key, folder: dict.fromkeys(range(4), "run"))
    monkeypatch.setattr(figure3, "first_layer", lambda path: np.zeros((64, 9)))
    with pytest.raises(ValueError, match=r"shows filters of 28 x 28 pixels, not those of run"):
        figure3.main("folder", "out.png")
    monkeypatch.setattr(figure3, "runs_by", lambda key, folder: {0.25: "run"})
    with pytest.raises(ValueError, match=r"shows 4 fractions, folder has 1"):
        figure3.main("folder", "out.png")
