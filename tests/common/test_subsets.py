"""Random subsets of an exact size: exact, even, and the same for the same seed."""

import hashlib
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from sda import stream
from sda.common import subsets as module
from sda.common.subsets import subsets


@settings(max_examples=40, deadline=None)
@given(data=st.data(), d=st.integers(1, 90), n=st.integers(1, 9), seed=st.integers(0, 99))
def test_every_row_has_exactly_k(data, d, n, seed):
    k = data.draw(st.integers(0, d))
    hit = subsets(n, d, k, stream(seed))
    assert hit.shape == (n, d)
    assert (hit.sum(1) == k).all()


def test_rows_wider_than_sixteen_bits_have_exactly_k():
    assert (subsets(3, 70_001, 66_000, stream(0)).sum(1) == 66_000).all()


@pytest.mark.parametrize(("d", "k"), [(6, 3), (12, 6), (9, 2), (9, 7)])
def test_all_subsets_are_equally_likely(d, k):
    n = 60_000
    hit = subsets(n, d, k, stream(1)).numpy()
    seen = np.unique(hit @ (1 << np.arange(d)), return_counts=True)[1]
    expected = n / comb(d, k)
    assert len(seen) == comb(d, k)
    assert chi2.sf(((seen - expected) ** 2 / expected).sum(), len(seen) - 1) > 1e-3


def test_rows_that_got_too_many_are_as_even_as_the_others(monkeypatch):
    monkeypatch.setattr(module, "_chance", lambda size, d: np.uint8(192))  # far too often
    test_all_subsets_are_equally_likely(12, 6)


def test_a_seed_gives_the_same_bits_with_every_version():
    hit = subsets(20, 784, 196, stream(0, "corruption", 0, 1)).numpy()
    digest = hashlib.sha256(np.packbits(hit).tobytes()).hexdigest()
    assert digest.startswith("d4a25df1f726ba52")
    assert (subsets(20, 784, 196, stream(0, "corruption", 0, 1)).numpy() == hit).all()


def test_a_generator_moves_on_between_calls():
    generator = stream(2)
    first, second = (subsets(5, 40, 20, generator) for _ in range(2))
    assert not (first == second).all()
