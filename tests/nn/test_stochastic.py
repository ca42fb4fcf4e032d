"""Units that draw: their moments, and their gradients by hand and by enumeration."""

import itertools
import math

import pytest
import torch

from sda import (
    BernoulliUnits,
    Classifier,
    Emphasis,
    Finetuning,
    GaussianUnits,
    Layer,
    Masking,
    Pretraining,
    StackedDenoisingAutoencoder,
    Stochastic,
    finetune,
    pretrain,
    stream,
)
from sda.nn.corruption import Corrupted

D, H = 5, 3
X = torch.rand(60, D, generator=stream(0, "x"))
SETTINGS = Pretraining(epochs=2, learning_rate=0.1, batch_size=20)


def layer(units, seed=0, scale=1.0, **fields):
    """A layer with weights and biases that matter, in double precision."""
    built = Stochastic(H, Masking(0.0), units=units, **fields).build(D, stream(seed)).double()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=stream(seed, "p")))
    return built


def gradient(cost, kind):
    return torch.cat([g.flatten() for g in torch.autograd.grad(cost, list(kind.parameters()))])


def test_drawn_codes_have_the_moments_of_their_distribution():
    x = X[:1].double().expand(20_000, D)
    kind = layer(BernoulliUnits())
    p = kind.encode(x[:1])
    drawn = kind.draw(x, stream(1))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(0, keepdim=True), p, atol=0.015, rtol=0)
    kind = layer(GaussianUnits(after=0.3))
    noise = kind.draw(x, stream(1)) - kind.encode(x)
    torch.testing.assert_close(noise.mean(0), torch.zeros(H).double(), atol=0.01, rtol=0)
    torch.testing.assert_close(noise.std(0), torch.full((H,), 0.3).double(), atol=0.01, rtol=0)
    kind = layer(GaussianUnits(before=0.5))
    logits = torch.logit(kind.draw(x, stream(1)))
    torch.testing.assert_close(logits.std(0), torch.full((H,), 0.5).double(), atol=0.02, rtol=0)


def test_a_straight_through_gradient_is_that_of_the_code_times_the_slope_of_the_sigmoid():
    kind, x = layer(BernoulliUnits()), X.double()
    found = torch.autograd.grad(
        kind.drawn_cost(x, Corrupted(x, None), [stream(3)]), list(kind.parameters())
    )
    with torch.no_grad():
        w, b, c = kind.weight, kind.hidden_bias, kind.visible_bias
        p = torch.sigmoid(x @ w + b)
        h = (torch.rand(p.shape, generator=stream(3)) < p).double()
        delta = (torch.sigmoid(h @ w.T + c) - x) / len(x)
        epsilon = (delta @ w) * p * (1 - p)
        by_hand = x.T @ epsilon + delta.T @ h, epsilon.sum(0, True), delta.sum(0, True)
    for one, other in zip(found, by_hand, strict=True):
        torch.testing.assert_close(one, other)


def expected_gradient(kind, x):
    """The gradient of E[loss] of one row, over all codes of its units."""
    codes = torch.tensor(list(itertools.product((0.0, 1.0), repeat=H))).double()
    p = kind.encode(x)
    chances = torch.where(codes > 0, p, 1 - p).prod(1)
    return gradient(chances @ kind.losses(codes, x.expand(len(codes), D), None), kind)


@pytest.mark.parametrize(("estimator", "unbiased"), [("score", True), ("straight_through", False)])
def test_the_score_gradient_is_unbiased_and_straight_through_is_not(estimator, unbiased):
    kind, row, parts, n = layer(BernoulliUnits(estimator), scale=2.0), X[:1].double(), 100, 1500
    x = row.expand(n, D)
    draws = stream(7)
    found = torch.stack(
        [gradient(kind.drawn_cost(x, Corrupted(x, None), [draws]), kind) for _ in range(parts)]
    )
    error = found.mean(0) - expected_gradient(kind, row)
    spread = found.std(0) / math.sqrt(parts)
    assert bool((error.abs() <= 5 * spread + 1e-12).all()) == unbiased


def test_the_mean_cost_is_the_expected_loss_whatever_the_gradient():
    x = X[:1].double().expand(20_000, D)
    costs = [
        float(layer(BernoulliUnits(g)).drawn_cost(x, Corrupted(x, None), [stream(2)]).detach())
        for g in ("score", "straight_through")
    ]
    assert costs[0] == pytest.approx(costs[1], rel=0.01)


def test_units_without_noise_learn_what_a_dense_layer_learns():
    plans = (
        Layer(H, Masking(0.4), emphasis=Emphasis(1, 0.5)),
        Stochastic(H, Masking(0.4), emphasis=Emphasis(1, 0.5), units=GaussianUnits()),
    )
    stacks = [StackedDenoisingAutoencoder.plan(D, [plan], seed=0) for plan in plans]
    histories = [pretrain(stack, X, SETTINGS, seed=0, valid=X) for stack in stacks]
    torch.testing.assert_close(stacks[0][0].weight, stacks[1][0].weight)
    for one, other in zip(*histories, strict=True):
        assert float(one.valid) == pytest.approx(float(other.valid), rel=1e-5)


@pytest.mark.parametrize("units", [BernoulliUnits(), GaussianUnits(0.5, 0.1)])
def test_noise_is_on_while_a_layer_trains_and_off_in_codes_fine_tuning_and_features(units):
    stack = StackedDenoisingAutoencoder.plan(D, [Stochastic(H, Masking(0.2), units=units)] * 2, 0)
    kind = stack[0]
    assert torch.equal(kind.encode(X), kind.encode(X))
    assert torch.equal(stack.encode(X, 1), torch.sigmoid(X @ kind.weight + kind.hidden_bias))
    assert not torch.equal(kind.draw(X, stream(0)), kind.encode(X))
    pretrain(stack, X, SETTINGS, seed=0)
    network = Classifier(stack, 2, seed=0)
    assert network.is_in_closed_form  # of noise-free encoders
    finetune(network, (X, (X[:, 0] > 0.5).long()), (X, (X[:, 0] > 0.5).long()),
             Finetuning(2, 0.1, 20), seed=0)  # fmt: skip
    assert str(units) in kind.noise


def test_a_layer_with_noise_is_the_same_bits_for_a_seed():
    def trained(seed):
        stack = StackedDenoisingAutoencoder.plan(D, [Stochastic(H, Masking(0.2))], 0)
        pretrain(stack, X, SETTINGS, seed=seed)
        return stack[0].weight

    assert torch.equal(trained(0), trained(0))
    assert not torch.equal(trained(0), trained(1))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GaussianUnits(before=-1.0), "before must be a number of at least 0"),
        (lambda: BernoulliUnits("reinforce"), "gradient must be one of straight_through, score"),
        (lambda: layer(BernoulliUnits(), activation="tanh"), "need activation=sigmoid, got tanh"),
    ],
)
def test_what_does_not_go_together_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
