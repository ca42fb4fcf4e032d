"""Pictures: what is black, grey and white, where tiles lie, and what curves are drawn."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sda.analysis import curves, pictures
from sda.analysis.curves import Panel
from sda.analysis.pictures import BORDER, ZERO
from sda.analysis.styles import COLOURS, styles


def tile(sheet, row, column, shape):
    """The picture at a place of a sheet, without its border."""
    height, width = shape
    top, left = 1 + row * (height + 1), 1 + column * (width + 1)
    return sheet[top : top + height, left : left + width]


def test_each_filter_is_scaled_by_itself_and_0_is_mid_grey():
    weight = np.array([[1, -0.01], [0, 0], [-1, 0.005], [0.5, 0]], np.float32)
    sheet = pictures.filters(weight, (2, 2), 1, 2)
    assert sheet.dtype == np.uint8
    assert tile(sheet, 0, 0, (2, 2)).tolist() == [[255, 128], [0, 192]]
    assert tile(sheet, 0, 1, (2, 2)).tolist() == [[0, 128], [192, 128]]


def test_a_negated_filter_is_the_negative():
    weight = np.random.default_rng(0).normal(size=(12, 1)).astype(np.float32)
    both = pictures.filters(np.hstack([weight, -weight]), (3, 4), 1, 2).astype(int)
    total = tile(both, 0, 0, (3, 4)) + tile(both, 0, 1, (3, 4))
    assert np.abs(total - 2 * ZERO).max() <= 2


def test_images_that_are_not_square_stay_upright():
    weight = np.zeros((6, 1), np.float32)
    weight[1] = 1  # first row, second column of 2 x 3
    assert tile(pictures.filters(weight, (2, 3), 1, 1), 0, 0, (2, 3)).tolist() == [
        [128, 255, 128],
        [128, 128, 128],
    ]


def test_tiles_go_row_by_row_with_a_line_of_one_pixel_around_each():
    weight = np.zeros((4, 6), np.float32)
    weight[0, 4] = 1  # the fifth unit: second row, second column
    sheet = pictures.filters(weight, (2, 2), 2, 3)
    assert sheet.shape == (2 * 3 + 1, 3 * 3 + 1)
    assert tile(sheet, 1, 1, (2, 2))[0, 0] == 255
    assert (sheet == 255).sum() == 1
    lines = np.ones_like(sheet, bool)
    for row in range(2):
        for column in range(3):
            tile(lines, row, column, (2, 2))[:] = False
    assert set(sheet[lines]) == {BORDER}


def test_no_more_units_than_tiles_and_no_more_tiles_than_units():
    weight = np.ones((4, 7), np.float32)
    assert pictures.filters(weight, (2, 2), 1, 3).shape == (4, 10)
    assert pictures.filters(weight, (2, 2), 10, 5).shape == (7, 16)
    assert pictures.filters(weight[:, :2], (2, 2), 10, 10).shape == (4, 7)


@pytest.mark.parametrize(("d", "shape"), [(12, (3, 4)), (13, (4, 4)), (9, (3, 3)), (1, (1, 1))])
def test_inputs_that_are_no_pictures_fill_the_squarest_rectangle(d, shape):
    sheet = pictures.filters(np.ones((d, 1), np.float32), None, 1, 1)
    cells = tile(sheet, 0, 0, shape).ravel()
    assert sheet.shape == (shape[0] + 2, shape[1] + 2)
    assert (cells[:d] == 255).all()
    assert (cells[d:] == BORDER).all()  # no input: not to be read as a weight


def test_dead_and_diverged_units_are_drawn_without_a_warning():
    weight = np.array([[0, np.nan, np.inf], [0, 2, 1]], np.float32)
    sheet = pictures.filters(weight, (1, 2), 1, 3)
    assert [tile(sheet, 0, k, (1, 2)).tolist() for k in range(3)] == [
        [[128, 128]],
        [[128, 255]],
        [[128, 255]],
    ]


def test_a_shape_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="3 x 3 does not hold 8 components"):
        pictures.filters(np.ones((8, 2), np.float32), (3, 3), 1, 2)
    with pytest.raises(ValueError, match="at least 1, got 0 and 2"):
        pictures.filters(np.ones((9, 2), np.float32), (3, 3), 0, 2)


def test_reconstructions_are_rows_of_clean_corrupted_reconstructed():
    clean, corrupted, made = (np.full((2, 4), v, np.float32) for v in (1, 0, 0.4))
    clean[1] = 0.2
    sheet = pictures.reconstructions(clean, corrupted, made, (2, 2))
    assert sheet.shape == (2 * 3 + 1, 3 * 3 + 1)
    greys = [[int(tile(sheet, r, c, (2, 2))[0, 0]) for c in range(3)] for r in range(2)]
    assert greys == [[255, 0, 102], [51, 0, 102]]


def test_real_valued_rows_share_the_scale_of_the_clean_ones():
    clean = np.array([[-1, 3]], np.float32)
    sheet = pictures.reconstructions(clean, clean * 5, clean * 0 + 1, (1, 2))
    assert [tile(sheet, 0, k, (1, 2)).tolist()[0] for k in range(3)] == [
        [0, 255],
        [0, 255],
        [128, 128],
    ]


def test_views_of_other_examples_are_refused():
    rows = np.zeros((2, 4), np.float32)
    with pytest.raises(ValueError, match="one shape"):
        pictures.reconstructions(rows, rows[:1], rows, (2, 2))


def test_a_saved_picture_is_read_back_unchanged(tmp_path):
    sheet = pictures.filters(np.random.default_rng(1).normal(size=(6, 4)), (2, 3), 2, 2)
    pictures.save_png(sheet, tmp_path / "filters.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "filters.png")), sheet)


def test_a_run_that_ended_counts_with_its_last_value_in_the_mean():
    assert curves.mean([([1, 2], [4, 2]), ([1, 2, 3], [2, 2, 0])]) == ([1, 2, 3], [3, 2, 1])


def drawn(panels):
    return np.asarray(Image.open(io.BytesIO(curves.draw(panels))).convert("RGB"))


def has(image, colour):
    wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return bool((np.abs(image.astype(int) - wanted).max(-1) <= 2).any())


def test_every_arm_has_its_own_colour_and_keeps_it():
    epochs = [1, 2, 3]
    one = Panel("a", {"random": [(epochs, [3, 2, 1])], "sda": [(epochs, [2, 1, 0])]}, {})
    other = Panel("layer 1", {"sda": [(epochs, [9, 8, 7])]}, {"sda": [(epochs, [8, 7, 6])]})
    both = drawn([one, other])
    random, saa, sda = COLOURS[:3]
    assert has(both, random)
    assert has(both, sda)
    assert not has(both, saa)  # whose colour is its own, also where it is not
    right = both[100:, both.shape[1] // 2 :]  # the second panel, below the legend
    assert has(right, sda)
    assert not has(right, random)


def test_arms_differ_in_dashes_too_and_several_of_one_init_in_colour():
    alone = styles(["random", "svm", "sda", "dbn"])
    assert alone["sda"] == styles(["sda"])["sda"]
    assert alone["svm"]["color"] == COLOURS[4]
    several = styles([f"sda corruption.fraction={k}" for k in range(9)])
    for group in (alone, dict(list(several.items())[:6])):
        for key in ("color", "linestyle", "marker"):
            assert len({str(style[key]) for style in group.values()}) == len(group)
    assert len({str(style) for style in several.values()}) == 9


@pytest.mark.parametrize(
    "values",
    [[0.0], [0, 0, 0], [90, 50, 0], [90, 20, 1, 0.5], [1e-9, 1e9], [-3, -4], [5.0] * 40],
)
def test_curves_of_any_values_are_drawn_without_a_warning(values):
    line = (list(range(1, len(values) + 1)), values)
    assert has(drawn([Panel("a", {"sda": [line, line]}, {})]), COLOURS[2])


def test_more_arms_than_colours_and_long_names_are_drawn():
    lines = {
        f"sda corruption.fraction={k / 10} finetune.lr={k}": [([1, 2], [k, 1])] for k in range(9)
    }
    assert drawn([Panel("a", lines, {})]).shape[1] < 2000


@pytest.mark.slow
def test_importing_what_draws_imports_no_drawing_library():
    code = "import sys, sda, sda.analysis.curves, sda.cli.compare; print(*sys.modules)"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    loaded = set(done.stdout.split())
    assert "sda.analysis.curves" in loaded
    assert not loaded & {"matplotlib", "PIL", "scipy.stats"}
