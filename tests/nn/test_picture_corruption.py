"""Corruptions of pictures: what is hit, how often, where, and that the rest stays."""

import math

import numpy as np
import pytest
import torch

from sda import (
    BlockMasking,
    Blur,
    ColourDropping,
    DownSampling,
    Emphasis,
    Layer,
    PatchShuffling,
    Pretraining,
    StackedDenoisingAutoencoder,
    pretrain,
    stream,
)
from sda.common.layout import Layout

GREY, COLOUR = (8, 12), (3, 8, 12)
KINDS = [
    BlockMasking(3, 5),
    PatchShuffling(4, 0.5),
    ColourDropping(0.5),
    Blur(1.0),
    DownSampling(2),
]
RANDOM = KINDS[:3]


def rows(n, shape=COLOUR):
    return torch.rand(n, math.prod(shape), generator=stream(0, "rows")) + 0.01


def on(kind, shape=COLOUR):
    return kind.on(Layout(image_shape=shape))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_left_alone_and_what_is_not_hit_stays(kind):
    x = rows(20)
    before = x.clone()
    corrupted = on(kind)(x, stream(1))
    assert torch.equal(x, before)
    assert corrupted.x.shape == x.shape
    assert not torch.equal(corrupted.x, x)
    if corrupted.hit is None:
        assert not kind.leaves_intact
    else:
        assert torch.equal(corrupted.x[~corrupted.hit], x[~corrupted.hit])


@pytest.mark.parametrize("kind", RANDOM)
def test_every_row_and_every_presentation_has_a_draw_of_its_own(kind):
    x = rows(1).repeat(6, 1)
    generator = stream(2)
    first, second = (on(kind)(x, generator).x for _ in range(2))
    assert len(first.unique(dim=0)) > 1
    assert not torch.equal(first, second)
    assert torch.equal(first, on(kind)(x, stream(2)).x)


@pytest.mark.parametrize("shape", [GREY, COLOUR])
def test_a_block_is_one_rectangle_in_all_channels(shape):
    x = rows(300, shape)
    corrupted = on(BlockMasking(3, 5, value=-1.0), shape)(x, stream(3))
    assert torch.equal(corrupted.x == -1, corrupted.hit)
    hit = corrupted.hit.reshape(300, -1, 8, 12)
    assert (hit.sum((2, 3)) == 15).all()
    assert torch.equal(hit.all(1), hit.any(1))
    lines, columns = hit[:, 0].any(2), hit[:, 0].any(1)
    assert (lines.sum(1) == 3).all()
    assert (columns.sum(1) == 5).all()
    firsts = lines.int().argmax(1)
    counts = torch.bincount(firsts, minlength=6).double() / 300  # all places equally likely
    assert (counts - 1 / 6).abs().max() < 4 * math.sqrt(5 / 36 / 300)


def patches(x, size=4):
    """Patches of rows (n, 288): (n, 6, 3 * 16)."""
    cut = x.reshape(-1, 3, 2, size, 3, size).permute(0, 2, 4, 1, 3, 5)
    return cut.reshape(len(x), 6, -1)


@pytest.mark.parametrize(("fraction", "count"), [(0.0, 0), (0.5, 3), (1.0, 6), (0.2, 0)])
def test_so_many_patches_change_places_and_none_of_them_stays(fraction, count):
    x = rows(50)
    corrupted = on(PatchShuffling(4, fraction))(x, stream(4))
    before, after = patches(x), patches(corrupted.x)
    moved = (before != after).any(-1)
    assert (moved.sum(1) == count).all()  # one alone has nowhere to go
    assert torch.equal(patches(corrupted.hit).all(-1), moved)
    for own, other in zip(before, after, strict=True):  # the same patches, elsewhere
        assert len(torch.cat([own, other]).unique(dim=0)) == 6


@pytest.mark.parametrize(("fraction", "count"), [(0.25, 24), (1.0, 96)])
def test_exactly_so_many_pixels_lose_their_colour(fraction, count):
    x = rows(20)
    corrupted = on(ColourDropping(fraction))(x, stream(5))
    hit = corrupted.hit.reshape(20, 3, -1)
    assert torch.equal(hit.all(1), hit.any(1))
    assert (hit[:, 0].sum(1) == count).all()
    grey = x.reshape(20, 3, -1).mean(1, keepdim=True).expand(-1, 3, -1)
    torch.testing.assert_close(corrupted.x.reshape(20, 3, -1)[hit], grey[hit])


def test_blur_is_a_gaussian_in_both_directions():
    x = torch.zeros(1, 21 * 21)
    x[0, 10 * 21 + 10] = 1.0
    std = 1.5
    blurred = on(Blur(std), (21, 21))(x, stream(6)).x.reshape(21, 21)
    places = np.arange(21) - 10
    line = np.exp(-0.5 * (places / std) ** 2) * (np.abs(places) <= math.ceil(3 * std))
    line /= line.sum()
    np.testing.assert_allclose(blurred, np.outer(line, line), atol=1e-6)


def test_a_picture_of_one_tone_stays_so_when_it_is_blurred_or_sampled_down():
    x = torch.full((2, 288), 0.4)
    for kind in (Blur(2.0), DownSampling(4)):
        torch.testing.assert_close(on(kind)(x, stream(7)).x, x)
    assert torch.equal(on(Blur(0.0))(rows(2), stream(7)).x, rows(2))


def test_down_sampling_leaves_the_mean_of_each_block():
    x = rows(5)
    small = on(DownSampling(4))(x, stream(8)).x
    means = patches(x).reshape(5, 6, 3, 16).mean(-1, keepdim=True).expand(-1, -1, -1, 16)
    torch.testing.assert_close(patches(small), means.reshape(5, 6, 48))


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_learns_to_undo_it_against_the_clean_picture(kind):
    x = rows(40).clamp(max=1)
    layer = Layer(30, on(kind)).build(288, stream(9))
    stack = StackedDenoisingAutoencoder([layer])
    history = pretrain(stack, x, Pretraining(3, 0.05, 10), seed=0, valid=x)
    assert float(history[-1].valid) < float(history[0].valid)
    assert layer.corruptions[0].image_shape == COLOUR


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: on(BlockMasking(9, 2)), "a rectangle of 9 x 2 does not fit into pictures of 8 x"),
        (lambda: BlockMasking(0, 2), "height must be a whole number of at least 1, got 0"),
        (lambda: on(PatchShuffling(5)), "patches of 5 x 5 pixels do not fill a side of 8"),
        (lambda: on(DownSampling(5)), "blocks of 5 x 5 pixels do not fill a side of 8"),
        (lambda: on(ColourDropping(), GREY), "colour can be dropped of pictures with channels"),
        (lambda: Blur(1.0).on(Layout()), "Blur needs pictures, and these inputs are none"),
        (lambda: Blur(1.0)(rows(1), stream(0)), r"Blur needs image_shape=\(height, width\)"),
        (lambda: on(Blur(1.0), GREY)(rows(1), stream(0)), r"do not have 288 components"),
        (
            lambda: Layer(3, Blur(1.0), emphasis=Emphasis(1, 0.5)).build(4, stream(0)),
            "emphasis needs a corruption that leaves components intact",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(act, message):
    with pytest.raises(ValueError, match=message) as refusal:
        act()
    assert "\n" not in str(refusal.value)
