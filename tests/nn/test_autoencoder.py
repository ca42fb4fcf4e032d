"""One layer: its equations by hand, its ties, its cost."""

import copy
import pickle

import numpy as np
import pytest
import torch

from sda import (
    Classifier,
    CrossEntropy,
    DenoisingAutoencoder,
    Emphasis,
    Gaussian,
    Layer,
    LearnedVariance,
    Masking,
    MixtureDensity,
    Pretraining,
    RectifiedSquaredError,
    SquaredError,
    StackedDenoisingAutoencoder,
    pretrain,
    stream,
)
from sda.nn.corruption import Corrupted


def make(d=6, h=4, **choices):
    choices = {"corruption": Masking(0.5)} | choices
    return DenoisingAutoencoder(d, h, generator=stream(0, "w"), **choices)


def batch(n=5, d=6):
    x = torch.rand(n, d, generator=stream(1), dtype=torch.float64)
    return x, Masking(0.5)(x, stream(2))


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


@pytest.mark.parametrize("emphasis", [Emphasis(), Emphasis(1, 0.5), Emphasis(1, 0)])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("reconstruction", [CrossEntropy(), SquaredError()])
def test_cost_and_gradient_equal_a_calculation_by_hand(reconstruction, tied, emphasis):
    layer = make(reconstruction=reconstruction, tied=tied, emphasis=emphasis).double()
    for parameter in layer.parameters():
        parameter.data += 0.1 * torch.rand(
            parameter.shape, generator=stream(3), dtype=torch.float64
        )
    clean, corrupted = batch()
    x, xt, hit = clean.numpy(), corrupted.x.numpy(), corrupted.hit.numpy()
    w, b, c = (p.detach().numpy() for p in (layer.weight, layer.hidden_bias, layer.visible_bias))
    v = w.T if tied else layer.decoder_weight.detach().numpy()
    weights = np.where(hit, emphasis.corrupted, emphasis.intact)
    y = sigmoid(xt @ w + b)
    a = y @ v + c
    if isinstance(reconstruction, CrossEntropy):
        z = sigmoid(a)
        loss = -x * np.log(z) - (1 - x) * np.log(1 - z)
    else:
        z, loss = a, 0.5 * (a - x) ** 2
    delta = weights * (z - x) / len(x)
    epsilon = delta @ v.T * y * (1 - y)
    cost = layer.cost(clean, corrupted)
    cost.backward()
    assert np.isclose(cost.item(), (weights * loss).sum(1).mean(), rtol=1e-12)
    by_hand = {"hidden_bias": epsilon.sum(0), "visible_bias": delta.sum(0)}
    by_hand["weight"] = xt.T @ epsilon + (delta.T @ y if tied else 0)
    if not tied:
        by_hand["decoder_weight"] = y.T @ delta
    for name, gradient in by_hand.items():
        assert np.allclose(layer.get_parameter(name).grad.numpy(), gradient, atol=1e-12), name


def _state_dict_trip(layer):
    other = make()
    other.load_state_dict(layer.state_dict())
    return other


TRIPS = {
    "deepcopy": copy.deepcopy,
    "to double": lambda layer: layer.to(torch.float64),
    "pickle": lambda layer: pickle.loads(pickle.dumps(layer)),
    "state_dict": _state_dict_trip,
}


@pytest.mark.parametrize("trip", TRIPS)
def test_tied_weights_stay_one_parameter(trip):
    layer = TRIPS[trip](make())
    clean, corrupted = batch()
    dtype = layer.weight.dtype
    x, corrupted = clean.to(dtype), Corrupted(corrupted.x.to(dtype), corrupted.hit)
    layer.cost(x, corrupted).backward()
    with torch.no_grad():  # an optimiser of torch's takes seconds to import
        for parameter in layer.parameters():
            parameter -= 0.1 * parameter.grad
    y = torch.rand(3, 4, generator=stream(5)).to(dtype)
    assert torch.allclose(layer.decode(y), y @ layer.weight.T + layer.visible_bias)
    assert sum(p.numel() for p in layer.parameters()) == 6 * 4 + 4 + 6


def test_untied_weights_are_two_parameters():
    assert sum(p.numel() for p in make(tied=False).parameters()) == 2 * 6 * 4 + 4 + 6


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_a_layers_codes_are_what_the_network_computes(activation):
    plan = Layer(4, Masking(0.5), activation=activation)
    stack = StackedDenoisingAutoencoder.plan(6, [plan, plan], seed=0)
    x = torch.rand(3, 6, generator=stream(6))
    by_hand = x
    for layer in stack:
        by_hand = getattr(torch, activation)(by_hand @ layer.weight + layer.hidden_bias)
    assert torch.allclose(stack(x), by_hand)
    network = Classifier(stack, 2, seed=0)
    assert torch.allclose(network(x), stack(x) @ network.weight + network.bias)


def test_codes_of_new_data_are_deterministic_and_clean():
    layer, x = make(), torch.rand(4, 6, generator=stream(7))
    assert torch.equal(layer.train()(x), layer.eval()(x))
    assert torch.equal(layer(x), layer.encode(x))


def test_the_cost_is_a_sum_over_components_and_a_mean_over_examples():
    layer = make().double()
    x, corrupted = batch()
    twice = Corrupted(torch.cat([corrupted.x] * 2), torch.cat([corrupted.hit] * 2))
    assert torch.allclose(layer.cost(torch.cat([x] * 2), twice), layer.cost(x, corrupted))
    each = [
        layer.cost(x[k : k + 1], Corrupted(corrupted.x[k : k + 1], corrupted.hit[k : k + 1]))
        for k in range(len(x))
    ]
    assert torch.allclose(torch.stack(each).mean(), layer.cost(x, corrupted))
    logits = layer.decode(layer.encode(corrupted.x))
    assert torch.allclose(CrossEntropy().loss(logits, x).sum() / len(x), layer.cost(x, corrupted))


@pytest.mark.parametrize("extreme", [-1000.0, 1000.0])
def test_extreme_logits_cost_finite_amounts(extreme):
    logits = torch.full((1, 4), extreme, requires_grad=True)
    x = torch.tensor([[0.0, 0.3, 0.7, 1.0]])
    loss = CrossEntropy().loss(logits, x)
    assert torch.allclose(loss, torch.relu(logits) - logits * x)
    loss.sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_cross_entropy_equals_the_definition():
    logits = torch.linspace(-8, 8, 33, dtype=torch.float64)[None]
    x = torch.rand(1, 33, generator=stream(8), dtype=torch.float64)
    z = torch.sigmoid(logits)
    expected = -x * torch.log(z) - (1 - x) * torch.log(1 - z)
    assert torch.allclose(CrossEntropy().loss(logits, x), expected, atol=1e-12)


def test_emphasis_is_refused_where_every_component_is_hit():
    with pytest.raises(ValueError, match="emphasis needs a corruption that leaves components"):
        make(corruption=Gaussian(0.1), emphasis=Emphasis(1, 0.5))


@pytest.mark.parametrize(
    ("scheme", "bound"), [("papers", 1 / np.sqrt(60)), ("tutorial", 4 * np.sqrt(6 / 100))]
)
def test_initial_weights_fill_the_range_of_their_scheme(scheme, bound):
    weight = make(60, 40, initialisation=scheme).weight.detach()
    assert weight.abs().max() <= bound
    assert weight.abs().max() > 0.99 * bound
    assert abs(weight.var() - bound**2 / 3) < 0.05 * bound**2


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"d": 0}, "n_visible must be a whole number of at least 1, got 0"),
        ({"h": 2.5}, "n_hidden must be a whole number"),
        ({"activation": "selu"}, "activation must be one of sigmoid, tanh, relu, got 'selu'"),
        ({"initialisation": "he"}, "initialisation must be one of papers, tutorial"),
    ],
)
def test_a_layer_that_makes_no_sense_is_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        make(**choices)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", [LearnedVariance(), MixtureDensity(2), RectifiedSquaredError()])
def test_a_decoder_is_as_wide_as_its_distribution_and_is_trained(kind, tied):
    layer = make(reconstruction=kind, tied=tied)
    x = batch(40)[0].float()
    y = layer.encode(x)
    assert layer.decode(y).shape == (40, kind.n_logits(6))
    if tied:  # the first logit of each component is what the transposed weights give
        first = y @ layer.weight.mT + layer.visible_bias[:, :6]
        torch.testing.assert_close(layer.decode(y)[:, :6], first)
    assert layer.reconstruct(x).shape == x.shape
    settings = Pretraining(epochs=8, learning_rate=0.05, batch_size=5)
    history = pretrain(StackedDenoisingAutoencoder([layer]), x, settings, seed=0, valid=x)
    assert layer.method == "autograd"
    costs = [float(epoch.loss) for epoch in history[1:]]
    assert costs[-1] < costs[0] - 0.01
    other = layer.plan().build(6, stream(3))
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.reconstruct(x), layer.reconstruct(x))
