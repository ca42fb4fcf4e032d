"""Parzen windows against scikit-learn's kernel density, and a width that is known."""

import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

from sda.analysis import parzen

RNG = np.random.default_rng(0)


def test_log_likelihoods_are_those_of_a_kernel_density():
    x, samples, widths = RNG.normal(size=(7, 3)), RNG.normal(size=(40, 3)), np.array([0.2, 0.7])
    found = parzen.log_likelihoods(x, samples, widths)
    for width, own in zip(widths, found, strict=True):
        expected = KernelDensity(bandwidth=width).fit(samples).score_samples(x)
        np.testing.assert_allclose(own, expected, rtol=1e-10)


def test_rows_far_from_all_samples_have_a_finite_log_likelihood():
    found = parzen.log_likelihoods(np.full((2, 5), 1e3), np.zeros((3, 5)), np.array([0.1]))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("width", [0.1, 0.4])
def test_the_width_is_found_that_rows_were_drawn_with(width):
    samples = RNG.normal(size=(30, 20))
    rows = samples[RNG.integers(30, size=300)] + width * RNG.normal(size=(300, 20))
    assert parzen.fit(rows, samples, np.array([0.05, 0.1, 0.2, 0.4, 0.8])) == width
