"""Corruption: what is hit, how often, and what stays."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sda import Gaussian, Masking, SaltAndPepper, Swap, stream
from sda.common.layout import Block, Layout


def rows(n=200, d=30):
    return torch.rand(n, d, generator=stream(0, "rows")) + 0.01  # no zeros of its own


@settings(max_examples=25, deadline=None)
@given(d=st.integers(1, 60), fraction=st.floats(0, 1), seed=st.integers(0, 99))
def test_masking_hits_exactly_the_rounded_count_in_every_row(d, fraction, seed):
    x = rows(7, d)
    corrupted = Masking(fraction)(x, stream(seed))
    assert (corrupted.hit.sum(1) == round(fraction * d)).all()
    assert torch.equal(corrupted.x == 0, corrupted.hit)


def test_survivors_are_not_rescaled_as_dropout_would():
    x = rows()
    corrupted = Masking(0.4)(x, stream(1))
    assert torch.equal(corrupted.x[~corrupted.hit], x[~corrupted.hit])


@pytest.mark.parametrize("corruption", [Masking(0.3), SaltAndPepper(0.3), Gaussian(0.2)])
def test_rows_and_draws_are_corrupted_differently(corruption):
    x = torch.full((2, 50), 0.5)
    generator = stream(2)
    first, second = corruption(x, generator).x, corruption(x, generator).x
    assert not torch.equal(first[0], first[1])  # not one mask for the batch
    assert not torch.equal(first, second)  # not one mask for every step


@pytest.mark.parametrize("corruption", [Masking(0.5), SaltAndPepper(0.5), Gaussian(0.5), Swap(0.5)])
def test_the_clean_rows_are_left_alone(corruption):
    x = rows()
    before = x.clone()
    corruption(x, stream(3))
    assert torch.equal(x, before)


def test_every_component_and_every_pair_is_hit_equally_often():
    n, d, k = 20000, 8, 3
    hit = Masking(k / d)(torch.ones(n, d), stream(4)).hit.double().numpy()
    assert np.allclose(hit.mean(0), k / d, atol=4 * np.sqrt(0.25 / n))
    pairs = (hit.T @ hit / n)[np.triu_indices(d, 1)]
    assert np.allclose(pairs, k * (k - 1) / (d * (d - 1)), atol=4 * np.sqrt(0.1 / n))


def test_bernoulli_masking_hits_each_component_by_itself():
    n, d = 4000, 20
    counts = Masking(0.25, exact=False)(rows(n, d), stream(5)).hit.sum(1).double()
    assert abs(counts.mean() - 5) < 4 * np.sqrt(3.75 / n)
    assert abs(counts.var() - 3.75) < 0.4  # binomial, not constant


def test_a_masked_component_takes_the_value_asked_for():
    corrupted = Masking(0.5, value=0.7)(rows(), stream(6))
    assert (corrupted.x[corrupted.hit] == torch.tensor(0.7)).all()


def test_a_masked_zero_counts_as_hit():
    assert Masking(0.5)(torch.zeros(3, 10), stream(7)).hit.sum() == 15


def test_salt_and_pepper_are_even_odds_on_an_exact_count():
    x = torch.full((2000, 10), 0.5)
    corrupted = SaltAndPepper(0.4, low=-1.0, high=2.0)(x, stream(8))
    assert (corrupted.hit.sum(1) == 4).all()
    values = corrupted.x[corrupted.hit]
    assert set(values.tolist()) == {-1.0, 2.0}
    assert abs((values == 2).double().mean() - 0.5) < 4 * np.sqrt(0.25 / 8000)
    assert (corrupted.x[~corrupted.hit] == 0.5).all()


def test_gaussian_noise_has_the_deviation_asked_for_and_hits_everything():
    x = rows(2000, 20)
    corrupted = Gaussian(0.3)(x, stream(9))
    noise = (corrupted.x - x).double()
    assert corrupted.hit is None
    assert abs(noise.std() - 0.3) < 0.005
    assert abs(noise.mean()) < 4 * 0.3 / np.sqrt(40000)


@pytest.mark.parametrize("corruption", [Masking(0.0), SaltAndPepper(0.0), Gaussian(0.0), Swap(0.0)])
def test_strength_zero_leaves_every_bit(corruption):
    x = rows()
    assert torch.equal(corruption(x, stream(10)).x, x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Masking(1.3), r"fraction must be a number in \[0, 1\], got 1.3"),
        (lambda: Masking("half"), "fraction must be a number"),
        (lambda: Masking(float("nan")), "fraction must be a number"),
        (lambda: Masking(0.1, exact="yes"), "exact must be true or false"),
        (lambda: SaltAndPepper(-0.1), "fraction must be a number"),
        (lambda: SaltAndPepper(0.1, low=1, high=0), "low must be below high"),
        (lambda: Swap(2), r"fraction must be a number in \[0, 1\], got 2"),
        (lambda: Swap(0.1, columns=(1, 0)), "components of a column must be a whole number of at"),
        (lambda: Masking(0.1, columns=(0,)), "components of a column must be a whole number of at"),
        (lambda: Gaussian(-1), "std must be a number of at least 0, got -1"),
    ],
)
def test_a_strength_out_of_range_is_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as refusal:
        make()
    assert "\n" not in str(refusal.value)


SIZES = (3, 1, 1, 4, 2, 1)  # of the columns of a table
PLACES = torch.arange(6).repeat_interleave(torch.tensor(SIZES))
LAYOUT = Layout(
    (
        Block("a", "categorical", 3), Block("b", "numeric", 1), Block("c", "binary", 1),
        Block("d", "categorical", 4), Block("e", "numeric", 1), Block("e", "binary", 1),
        Block("f", "numeric", 1),
    )
)  # fmt: skip


def numbered(n):
    """Rows (n, 12) of which every cell has a value of its own: 100 * row + column."""
    return 100.0 * torch.arange(n)[:, None] + PLACES


@pytest.mark.parametrize("kind", [Masking, Swap])
def test_a_column_is_hit_as_a_whole_and_exactly_the_rounded_count_of_them(kind):
    corruption = kind(0.5).on(LAYOUT)
    assert corruption.columns == SIZES  # what says that e is missing belongs to e
    hit = corruption(numbered(50), stream(11)).hit
    for column in range(6):
        own = hit[:, column == PLACES]
        assert torch.equal(own.all(1), own.any(1))
    first = [int((column == PLACES).nonzero()[0]) for column in range(6)]
    assert (hit[:, first].sum(1) == 3).all()
    assert kind(0.5).on(Layout((Block("a", "numeric", 1), Block("b", "binary", 1)))) == kind(0.5)


@pytest.mark.parametrize("columns", [(), SIZES])
def test_a_swapped_cell_has_the_value_of_its_column_in_another_row(columns):
    x = numbered(40)
    corrupted = Swap(0.5, columns=columns)(x, stream(12))
    taken = corrupted.x[corrupted.hit]
    assert torch.equal(taken % 100, PLACES.expand(40, -1)[corrupted.hit].float())
    assert (taken != x[corrupted.hit]).all()  # never the row's own
    assert torch.equal(corrupted.x[~corrupted.hit], x[~corrupted.hit])
    for row in corrupted.x:  # a column's components come from one row
        assert all(len(row[column == PLACES].unique()) == 1 for column in range(6) if columns)


def test_every_other_row_is_equally_likely_to_lend_a_value():
    n, times = 4, 4000
    x = torch.arange(n).float()[:, None].expand(n, times)  # every column draws by itself
    drawn = Swap(1.0)(x, stream(13)).x
    for row in range(n):
        counts = torch.bincount(drawn[row].long(), minlength=n).double() / times
        assert counts[row] == 0
        others = counts[torch.arange(n) != row]
        assert (others - 1 / 3).abs().max() < 4 * np.sqrt(2 / 9 / times)


def test_swapping_keeps_what_a_column_holds_and_a_row_alone_stays_as_it_is():
    x = torch.randn(500, 3, generator=stream(14))
    swapped = Swap(1.0)(x, stream(15)).x
    assert torch.isin(swapped, x).all()
    torch.testing.assert_close(swapped.mean(0), x.mean(0), rtol=0, atol=5 / 500**0.5)
    alone = Swap(1.0)(x[:1], stream(16))
    assert torch.equal(alone.x, x[:1])
    assert not alone.hit.any()
