"""The variational autoencoder against torch.distributions and a model whose likelihood is known."""

import pytest
import torch
from torch import distributions as known

from sda import (
    CrossEntropy,
    Masking,
    Pretraining,
    SquaredError,
    StackedDenoisingAutoencoder,
    Variational,
    from_the_prior,
    pretrain,
    stream,
)
from sda.nn.corruption import Corrupted
from sda.nn.variational import divergence

D, H = 6, 2
X = torch.rand(50, D, generator=stream(0, "x"))
SETTINGS = Pretraining(epochs=3, learning_rate=0.02, batch_size=10)


def test_the_divergence_is_that_of_torch_distributions_and_by_hand():
    mean, spread = torch.randn(2, 7, 3, generator=stream(0), dtype=torch.float64)
    q = known.Normal(mean, (0.5 * spread).exp())
    expected = known.kl_divergence(q, known.Normal(torch.zeros(3).double(), 1.0)).sum(-1)
    torch.testing.assert_close(divergence(mean, spread), expected)
    one = divergence(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 0.0]]))
    assert float(one) == 0.5  # ½ (1 + 1 − 1 − 0), and 0 of the other component


def test_the_drawn_cost_is_minus_elbo_by_torch_distributions():
    layer = Variational(H, between=4).build(D, stream(1))
    x, draw = (X > 0.5).float(), stream(5)
    cost = layer.drawn_cost(x, Corrupted(x, None), [draw])
    mean, spread = layer.posterior(x)
    q, p = known.Normal(mean, (0.5 * spread).exp()), known.Normal(0.0, 1.0)
    h = mean + (0.5 * spread).exp() * torch.randn(mean.shape, generator=stream(5))
    likelihood = known.Bernoulli(logits=layer.decode(h)).log_prob(x).sum(-1)
    elbo = (likelihood - known.kl_divergence(q, p).sum(-1)).mean()
    torch.testing.assert_close(cost, -elbo)
    torch.testing.assert_close(layer.measures(x, [stream(5)])["elbo"], elbo)


def factor_analysis():
    """A layer that is probabilistic PCA with its exact posterior, and the law of its inputs.

    x = h Vᵀ + c + ε. With orthogonal columns the posterior of h is N((x − c) V S, S) with
    S = (I + VᵀV)⁻¹ diagonal: Tipping & Bishop (1999), eq. 5.
    """
    layer = Variational(H, reconstruction=SquaredError()).build(D, stream(0)).double()
    basis = torch.linalg.qr(torch.randn(D, H, generator=stream(2), dtype=torch.float64))[0]
    loadings = basis * torch.tensor([2.0, 0.7])
    centre = torch.randn(D, generator=stream(3), dtype=torch.float64)
    variance = 1 / (1 + loadings.square().sum(0))
    with torch.no_grad():
        layer.visible_weight.copy_(loadings.T)
        layer.visible_bias.copy_(centre)
        layer.mean_weight.copy_(loadings * variance)
        layer.mean_bias.copy_(-centre @ loadings * variance)
        layer.spread_weight.zero_()
        layer.spread_bias.copy_(variance.log())
    covariance = loadings @ loadings.T + torch.eye(D)
    return layer, known.MultivariateNormal(centre, covariance.double())


def test_with_the_exact_posterior_the_elbo_is_the_log_likelihood():
    layer, law = factor_analysis()
    x = law.mean + torch.randn(3, D, generator=stream(4), dtype=torch.float64)
    found = [layer.measures(row.expand(100_000, D), [stream(6)])["elbo"] for row in x]
    torch.testing.assert_close(torch.stack(found), law.log_prob(x), atol=0.03, rtol=0)


def test_with_another_posterior_the_elbo_lies_below_the_log_likelihood_by_its_divergence():
    layer, law = factor_analysis()
    with torch.no_grad():
        layer.spread_bias += 1.0  # variances too large by e
    x = law.mean.expand(200_000, D)
    gap = law.log_prob(x[:1]) - layer.measures(x, [stream(6)])["elbo"]
    expected = H * 0.5 * (torch.e - 1 - 1)  # KL of two Gaussians of one mean
    assert float(gap) == pytest.approx(expected, abs=0.02)


def test_training_comes_near_the_log_likelihood_of_the_law_that_rows_are_drawn_from():
    _, law = factor_analysis()
    x = (law.mean + torch.randn(1000, D, generator=stream(8), dtype=torch.float64)
         @ torch.linalg.cholesky(law.covariance_matrix).T).float()  # fmt: skip
    plan = Variational(H, reconstruction=SquaredError())
    stack = StackedDenoisingAutoencoder.plan(D, [plan], seed=0)
    history = pretrain(stack, x[:700], Pretraining(10, 0.03, 20), seed=0, valid=x[700:])
    elbos = [float(epoch.measures["elbo"]) for epoch in history]
    best = float(law.log_prob(x[700:].double()).mean())
    assert elbos[0] < best - 0.5
    assert best - 0.15 < sum(elbos[-4:]) / 4 < best + 0.05


def test_the_elbo_and_its_divergence_stand_in_the_record_of_every_epoch():
    stack = StackedDenoisingAutoencoder.plan(D, [Variational(H, between=5)], seed=0)
    rows = [epoch.row(0) for epoch in pretrain(stack, X, SETTINGS, seed=0, valid=X)]
    assert len(rows) == 4
    assert all(row["valid_kl"] >= 0 and row["valid_elbo"] < 0 for row in rows)


def test_codes_are_the_mean_and_fine_tuning_moves_only_what_they_depend_on():
    layer = Variational(H, between=5).build(D, stream(0))
    mean, spread = layer.posterior(X)
    assert torch.equal(layer.encode(X), mean)
    drawn = layer.draw(X[:1].expand(50_000, D), stream(1))
    torch.testing.assert_close(drawn.mean(0), mean[0], atol=0.02, rtol=0)
    torch.testing.assert_close(drawn.std(0), (0.5 * spread[0]).exp(), atol=0.02, rtol=0)
    assert set(layer.encoder_parameters()) == {
        "encoding_weight", "encoding_bias", "mean_weight", "mean_bias",
    }  # fmt: skip


def test_it_is_drawn_from_its_prior():
    stack = StackedDenoisingAutoencoder.plan(D, [Variational(H, Masking(0.1), between=5)], seed=0)
    drawn = from_the_prior(stack, 9, stream(0))
    h = torch.randn(9, H, generator=stream(0))
    torch.testing.assert_close(drawn, stack.decode(h))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"between": -1}, "between must be a whole number of at least 0"),
        ({"kl_weight": -0.1}, "kl_weight must be a number of at least 0"),
        ({"activation": "sine"}, "activation must be one of sigmoid, tanh, relu"),
    ],
)
def test_what_is_out_of_range_is_refused(fields, said):
    with pytest.raises(ValueError, match=said):
        Variational(H, reconstruction=CrossEntropy(), **fields).build(D, stream(0))
