"""Chains of samples against machines that are enumerated, and walkback and GSNs by hand."""

import itertools

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from sda import (
    GSN,
    BernoulliUnits,
    Boltzmann,
    GaussianUnits,
    Layer,
    Masking,
    StackedDenoisingAutoencoder,
    Stochastic,
    from_the_prior,
    from_the_top,
    stream,
)
from sda.nn.corruption import Corrupted

D, H = 4, 3
X = (torch.rand(40, D, generator=stream(0, "x")) < 0.5).float()


def scaled(layer, scale=1.0, seed=0):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=stream(seed, "p")))
    return layer


def states(n):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)))


def visited(layer, steps, n=4000, burn=20):
    """How often each state of binary inputs is drawn."""
    counts = torch.zeros(2**D)
    powers = 2 ** torch.arange(D - 1, -1, -1)
    for _, x in itertools.islice(layer.chain(torch.zeros(n, D), stream(1)), burn, steps):
        counts += torch.bincount((x.long() * powers).sum(1), minlength=2**D)
    return counts / counts.sum()


def distance(p, q):
    return float((p - q).detach().abs().sum() / 2)


def test_the_chain_of_a_boltzmann_machine_visits_inputs_as_its_free_energy_says():
    machine = scaled(Boltzmann(H).build(D, stream(0)))
    expected = torch.softmax(-machine.free_energy(states(D)), 0)
    found = visited(machine, 60)
    assert distance(found, expected) < 0.01
    assert distance(torch.full_like(expected, 2.0**-D), expected) > 0.1  # it could fail


def transition(layer):
    """T (x, x') of a chain without corruption and with Bernoulli units, over all states."""
    h, x = states(layer.n_hidden), states(D)
    p = layer.encode(x)[:, None]
    codes = torch.where(h > 0, p, 1 - p).prod(2)
    z = torch.sigmoid(layer.decode(h))[:, None]
    return codes @ torch.where(x > 0, z, 1 - z).prod(2)


def test_the_chain_of_a_stochastic_layer_has_the_stationary_distribution_of_its_kernel():
    layer = scaled(Stochastic(H, Masking(0.0), tied=False).build(D, stream(0)), 1.5)
    kernel = transition(layer).detach().double()
    expected = torch.linalg.matrix_power(kernel, 200)[0]
    assert distance(visited(layer, 60), expected.float()) < 0.01


@pytest.mark.parametrize("above", [(), (5,)])
def test_one_step_of_walkback_is_the_cost_of_a_denoising_autoencoder(above):
    layer = scaled(GSN(H, Masking(0.0), walkback=1, above=above).build(D, stream(0)))
    dense = scaled(Layer(H, Masking(0.0)).build(D, stream(0)))
    for name, parameter in dense.named_parameters():
        parameter.data.copy_(getattr(layer, name))
    x = Corrupted(1 - X, None)  # h2 starts from 0, so it takes no part in the first step
    torch.testing.assert_close(layer.drawn_cost(X, x, [stream(0)]), dense.cost(X, x))


def test_walkback_trains_on_the_corrupted_samples_of_the_chain_by_hand():
    layer = scaled(GSN(H, Masking(0.5), walkback=3).build(D, stream(0)))
    found = layer.drawn_cost(X, Corrupted(X * 0.5, None), [stream(4)])
    w, b, c = layer.weight, layer.hidden_bias, layer.visible_bias
    draws, seen, costs = stream(4), X * 0.5, []
    for _ in range(3):
        logits = torch.sigmoid(seen @ w + b) @ w.T + c
        costs.append(cross_entropy(logits, X, reduction="sum") / len(X))
        drawn = (torch.rand(X.shape, generator=draws) < torch.sigmoid(logits)).float()
        seen = Masking(0.5)(drawn, draws).x
    torch.testing.assert_close(found, sum(costs) / 3)


def test_two_levels_take_the_steps_of_the_paper_by_hand():
    layer = scaled(
        GSN(H, Masking(0.0), walkback=2, above=(2,), units=GaussianUnits(before=2.0),
            activation="tanh").build(D, stream(0))
    )  # fmt: skip
    found = layer.drawn_cost(X, Corrupted(X, None), [stream(4)])
    w1, b1, c = layer.weight, layer.hidden_bias, layer.visible_bias
    w2, b2 = layer.weight_2, layer.level_2_bias
    draws, x, h2, costs = stream(4), X, torch.zeros(len(X), 2), []
    for _ in range(2):
        h1 = torch.tanh(x @ w1 + h2 @ w2.T + b1)
        logits = h1 @ w1.T + c
        h2 = torch.tanh(h1 @ w2 + b2 + 2 * torch.randn(len(X), 2, generator=draws))
        costs.append(cross_entropy(logits, X, reduction="sum") / len(X))
        x = (torch.rand(X.shape, generator=draws) < torch.sigmoid(logits)).float()
        Masking(0.0)(x, draws)  # which draws, too
    torch.testing.assert_close(found, sum(costs) / 2)


def test_codes_of_a_gsn_are_free_of_noise_and_take_the_levels_above_into_account():
    plan = GSN(H, Masking(0.2), above=(5,), units=GaussianUnits(1.0, 1.0))
    layer = scaled(plan.build(D, stream(0)))
    h1 = torch.sigmoid(X @ layer.weight + layer.hidden_bias)
    h2 = torch.sigmoid(h1 @ layer.weight_2 + layer.level_2_bias)
    settled = torch.sigmoid(X @ layer.weight + h2 @ layer.weight_2.T + layer.hidden_bias)
    torch.testing.assert_close(layer.encode(X), settled)
    assert layer.encoder is None
    assert GSN(H, Masking(0.2)).build(D, stream(0)).encoder is not None


def test_from_the_top_draws_each_layer_from_the_decoder_above_it():
    plans = [Layer(H, Masking(0.0)), Layer(2, Masking(0.0))]
    stack = StackedDenoisingAutoencoder.plan(D, plans, seed=0)
    for layer in stack:
        scaled(layer)
    found = from_the_top(stack, X, stream(6))
    draws, y = stream(6), stack.encode(X)
    top = (torch.rand(y.shape, generator=draws) < y).float()
    p = torch.sigmoid(stack[1].decode(top))
    h = (torch.rand(p.shape, generator=draws) < p).float()
    torch.testing.assert_close(found, torch.sigmoid(stack[0].decode(h)))


def test_what_cannot_be_drawn_is_refused():
    stack = StackedDenoisingAutoencoder.plan(D, [Layer(H, Masking(0.0), activation="tanh")], seed=0)
    with pytest.raises(ValueError, match="need units in"):
        from_the_top(stack, X, stream(0))
    with pytest.raises(ValueError, match="has no distribution of codes"):
        from_the_prior(stack, 3, stream(0))
    for plan in (
        GSN(H, Masking(0.0), tied=False),
        GSN(H, Masking(0.0), walkback=0),
        GSN(H, Masking(0.0), units=BernoulliUnits("score")),
    ):
        with pytest.raises(ValueError, match=r"tied|walkback|score"):
            plan.build(D, stream(0))
