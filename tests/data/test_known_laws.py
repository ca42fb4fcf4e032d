"""Data of a known law: bits as often as they should be, the score of the curve's density."""

import numpy as np
import pytest
import torch

from sda.data.generated import bits, curve


def test_states_of_bits_are_as_frequent_as_their_probabilities_say():
    splits = bits.bits(4, 1.5, 1000, 100, 100, seed=3)
    p = bits.probabilities(4, 1.5, 3)
    index = (splits.train.x @ (2 ** np.arange(3, -1, -1))).astype(int)
    shares = np.bincount(index, minlength=16) / 1000
    assert np.abs(shares - p).max() < 1e-3
    assert np.array_equal(bits.states(4)[index], splits.train.x)
    assert np.ptp(p) > 0.05


def test_the_score_is_the_gradient_of_the_log_density_by_autograd():
    points = curve.centres("spiral")
    x = torch.tensor(np.random.default_rng(0).normal(size=(20, 2)), requires_grad=True)
    law = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(len(points)).double()),
        torch.distributions.Independent(torch.distributions.Normal(torch.tensor(points), 0.3), 1),
    )
    (expected,) = torch.autograd.grad(law.log_prob(x).sum(), x)
    found = curve.score(x.detach().numpy(), points, 0.3)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9)


@pytest.mark.parametrize("shape", curve.SHAPES)
def test_points_lie_around_the_curve_as_far_as_it_is_thick(shape):
    splits = curve.curve(shape, 0.05, 2000, 100, 100, seed=0)
    away = np.linalg.norm(splits.train.x[:, None] - curve.centres(shape), axis=2).min(1)
    assert 0.02 < away.mean() < 0.06
    steps = np.linalg.norm(np.diff(curve.centres(shape), axis=0), axis=1)
    assert steps.max() < 1.2 * steps.min()  # evenly along it
