"""Restricted Boltzmann machines: against ones small enough to enumerate, and scikit-learn's."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from rounding import near
from sklearn.neural_network import BernoulliRBM
from sklearn.utils import check_random_state
from small import equal, weights

from sda import (
    Boltzmann,
    Classifier,
    Emphasis,
    Gaussian,
    Layer,
    Masking,
    Pretraining,
    RestrictedBoltzmannMachine,
    SquaredError,
    StackedDenoisingAutoencoder,
    join,
    pretrain,
    select,
    stream,
)
from sda.data.digits import digits
from sda.nn import boltzmann
from sda.nn.optimisers import Descent
from sda.training.pretraining import pretraining_epochs

D, H = 6, 4
SETTINGS = Pretraining(epochs=2, learning_rate=0.1, batch_size=8)


def stack(seed=0, d=D, hidden=(H,)):
    plans = [Boltzmann(n) for n in hidden]
    return StackedDenoisingAutoencoder.plan(d, plans, seed)


def machine(seed=0, d=D, h=H, scale=1.0):
    """A machine with weights and biases that matter, in double precision."""
    layer = stack(seed, d, (h,))[0].double()
    generator = stream(seed, "parameters")
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return layer


def states(n):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)), dtype=torch.float64)


def energies(layer):
    """E(x, h) of all x (rows) and all h (columns), from the definition."""
    x, h = states(layer.weight.shape[0]), states(layer.weight.shape[1])
    w, b, c = (p.detach() for p in (layer.weight, layer.hidden_bias[0], layer.visible_bias[0]))
    return -(x @ w @ h.T) - (h @ b)[None, :] - (x @ c)[:, None]


@torch.no_grad()
def log_likelihood(layer, x):
    """Mean log p(x), in nats, with the sum over all states."""
    every = states(layer.weight.shape[0]).to(x)
    return float((-layer.free_energy(x)).mean() - (-layer.free_energy(every)).logsumexp(0))


def descent(layer, rate=0.1, momentum=0.0, decay=0.0):
    n = max(1, *layer.runs) if layer.runs else 1
    return Descent(dict(layer.named_parameters()), [rate] * n, [momentum] * n, [decay] * n)


def rows(n=34, d=9, purpose="x"):
    return torch.rand(n, d, generator=stream(0, purpose))


def test_free_energy_is_the_energy_with_the_hidden_units_summed_out():
    layer = machine()
    summed = -(-energies(layer)).logsumexp(1)
    assert torch.allclose(layer.free_energy(states(D)), summed, atol=1e-12)


def test_codes_and_reconstructions_are_the_conditional_probabilities_of_the_units():
    layer = machine()
    joint = torch.softmax(-energies(layer).flatten(), 0).reshape(2**D, 2**H)
    given_x = (joint / joint.sum(1, keepdim=True)) @ states(H)
    given_h = (joint / joint.sum(0)).T @ states(D)
    assert torch.allclose(layer.encode(states(D)), given_x, atol=1e-12)
    assert torch.allclose(torch.sigmoid(layer.decode(states(H))), given_h, atol=1e-12)


def test_free_energies_of_runs_are_those_of_each_run():
    singles = [stack(seed, hidden=(5,)) for seed in range(3)]
    x = rows(7, D)
    together = join(singles)[0].free_energy(x)
    assert together.shape == (3, 7)
    for k, single in enumerate(singles):
        assert torch.allclose(together[k], single[0].free_energy(x), atol=1e-5)


def moments(layer, x):
    """Mean of x hᵀ, h and x over rows, h given x with its probabilities."""
    h = layer.encode(x)
    return [x.T @ h / len(x), h.mean(0, keepdim=True), x.mean(0, keepdim=True)]


def test_the_positive_phase_is_that_of_the_exact_log_likelihood():
    layer, x = machine(), states(D)[[3, 17, 40, 62]]
    gradients = torch.autograd.grad(-layer.free_energy(x).mean(), list(layer.parameters()))
    with torch.no_grad():
        for gradient, moment in zip(gradients, moments(layer, x), strict=True):
            assert torch.allclose(gradient, moment, atol=1e-12)


@torch.no_grad()
def enumerated_updates(layer, row):
    """The CD-1 update of one row for every z (each a flat vector), and the probabilities of z."""
    positive = moments(layer, row)
    updates = []
    for z in states(D):
        parts = [p - n for p, n in zip(positive, moments(layer, z[None]), strict=True)]
        updates.append(torch.cat([part.flatten() for part in parts]))
    p = layer.encode(row)[0]
    chances_h = torch.where(states(H) > 0, p, 1 - p).prod(1)
    given_h = torch.sigmoid(states(H) @ layer.weight.T + layer.visible_bias)[:, None, :]
    chances_z = torch.where(states(D) > 0, given_h, 1 - given_h).prod(2)  # rows: h
    return torch.stack(updates), chances_h @ chances_z


def test_the_expected_update_is_the_one_with_every_state_enumerated():
    layer, row, n = machine(scale=1.5), states(D)[[37]], 200_000
    updates, chances = enumerated_updates(layer, row)
    expected = chances @ updates
    spread = (chances @ (updates - expected) ** 2).sqrt()
    before = torch.cat([p.flatten() for p in weights(layer)])
    boltzmann.descend(
        descent(layer, rate=1.0), row.expand(n, D), [stream(5)], n
    )  # one minibatch of the same row: its mean over n independent chains
    moved = torch.cat([p.flatten() for p in weights(layer)]) - before
    assert ((moved - expected).abs() <= 5 * spread / math.sqrt(n) + 1e-12).all()
    assert (expected.abs() > 20 * spread / math.sqrt(n)).any()  # a test that could fail


@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_steps_are_the_equations_with_momentum_and_decay(momentum, decay, dtype):
    layer, x, rate = machine().to(dtype), rows(20, D).to(dtype), 0.3
    w, b, c = (p.clone().double() for p in weights(layer))
    velocities = [torch.zeros_like(p) for p in (w, b, c)]
    total = boltzmann.descend(descent(layer, rate, momentum, decay), x, [stream(7)], 8)
    coins, expected_total = stream(7), 0.0
    hidden, visible = (torch.rand(20, n, generator=coins).double() for n in (H, D))
    for start in (0, 8, 16):  # the last minibatch has four rows
        x0, u, v = (t[start : start + 8].double() for t in (x, hidden, visible))
        h0 = torch.sigmoid(x0 @ w + b)
        p = torch.sigmoid((u < h0).double() @ w.T + c)
        z = (v < p).double()
        h1 = torch.sigmoid(z @ w + b)
        expected_total += float(F.binary_cross_entropy(p, x0, reduction="sum"))
        ascent = [
            (x0.T @ h0 - z.T @ h1) / len(x0) - decay * w, (h0 - h1).mean(0), (x0 - z).mean(0),
        ]  # fmt: skip
        velocities = [momentum * v + a for v, a in zip(velocities, ascent, strict=True)]
        w, b, c = (p + rate * v for p, v in zip((w, b, c), velocities, strict=True))
    close = {"atol": 1e-10} if dtype is torch.float64 else {"atol": 1e-5}
    for parameter, expected in zip(weights(layer), (w, b, c), strict=True):
        assert torch.allclose(parameter.double(), expected, **close)
    assert math.isclose(float(total), expected_total, rel_tol=1e-6)


def pairs(n=400):
    """Three pairs of pixels that are equal nine times in ten, and nothing else to learn."""
    generator = stream(0, "pairs")
    x = (torch.rand(n, 3, generator=generator) < 0.5).repeat(1, 2)
    return (x ^ (torch.rand(n, 6, generator=generator) < 0.05)).float()


def test_training_raises_the_exact_log_likelihood_far_above_independent_pixels():
    x, net = pairs(), stack(hidden=(8,))
    shares = x.mean(0).double()
    independent = -float(torch.special.entr(torch.stack([shares, 1 - shares])).sum())
    shares = torch.unique(x, dim=0, return_counts=True)[1].double() / len(x)
    best = -float(torch.special.entr(shares).sum())
    assert log_likelihood(net[0], x) < independent
    pretrain(net, x, Pretraining(100, 0.1, 10), seed=0)
    assert log_likelihood(net[0], x) > independent + 0.75 * (best - independent)


def test_the_cost_of_the_epochs_falls_while_it_learns():
    costs = [float(e.loss) for e in pretrain(stack(), pairs(), Pretraining(60, 0.2, 10), 0)[1:]]
    assert costs[-1] < 0.8 * costs[0]
    assert math.isclose(costs[0], D * math.log(2), rel_tol=0.1)


def theirs_with_our_weights(layer):
    theirs = BernoulliRBM(layer.weight.shape[1], n_iter=1, random_state=3)
    theirs.fit(np.zeros((2, layer.weight.shape[0])))
    w, b, c = (p.numpy() for p in weights(layer))
    theirs.components_, theirs.intercept_hidden_, theirs.intercept_visible_ = w.T, b[0], c[0]
    return theirs


def pseudo_likelihood(layer, x, seed):
    """What scikit-learn estimates: one pixel of each row, drawn as it draws it, is flipped."""
    n, d = x.shape
    flipped = x.clone()
    which = check_random_state(seed).randint(0, d, n)
    flipped[torch.arange(n), which] = 1 - flipped[torch.arange(n), which]
    with torch.no_grad():
        return d * F.logsigmoid(layer.free_energy(flipped) - layer.free_energy(x))


def test_codes_and_free_energies_are_those_of_scikit_learn():
    layer = machine(d=12, h=7)
    theirs = theirs_with_our_weights(layer)
    x = (rows(200, 12) < 0.5).double()
    with torch.no_grad():
        assert np.allclose(layer.encode(x), theirs.transform(x.numpy()), atol=1e-12)
    scores = theirs.score_samples(x.numpy())
    assert np.allclose(pseudo_likelihood(layer, x, seed=3), scores, atol=1e-9)


def test_digits_are_learned_as_well_as_scikit_learn_learns_them():
    splits = digits(seed=0)
    x, valid = (torch.from_numpy(part.x > 0.5).float() for part in (splits.train, splits.valid))
    net = stack(d=64, hidden=(64,))
    pretrain(net, x, Pretraining(20, 0.1, 10), seed=0)
    theirs = BernoulliRBM(64, learning_rate=0.1, batch_size=10, n_iter=20, random_state=0)
    theirs.fit(x.numpy())
    start = pseudo_likelihood(stack(d=64, hidden=(64,))[0], valid, 1).mean()
    ours = pseudo_likelihood(net[0], valid, 1).mean()
    theirs.random_state = 1
    assert ours > theirs.score_samples(valid.numpy()).mean() - 0.5
    assert ours > 0.6 * start  # log-likelihoods are negative


def test_units_are_drawn_from_the_runs_own_stream_afresh_in_every_epoch(monkeypatch):
    drawn = []
    original = torch.rand

    def recorded(*args, **options):
        drawn.append(original(*args, **options))
        return drawn[-1]

    monkeypatch.setattr(torch, "rand", recorded)
    x, net = rows(), stack(d=9, hidden=(5, 4))
    drawn.clear()
    pretrain(net, x, SETTINGS, seed=3)
    names = [(depth, epoch) for depth in (0, 1) for epoch in (1, 2)]
    for depth, epoch in names:
        coins = stream(3, "units", depth, epoch)
        for units in ((5, 4)[depth], (9, 5)[depth]):
            expected = original(len(x), units, generator=coins)
            assert sum(torch.equal(u, expected) for u in drawn) == 1


@pytest.mark.parametrize("hidden", [(7, 5), (64, 32), (33, 50)])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_a_run_agrees_with_itself_alone_to_rounding(hidden, momentum):
    settings = [
        [Pretraining(2 + k, rate, 8, momentum=momentum, weight_decay=0.001 * k)] * 2
        for k, rate in enumerate((0.05, 0.1, 0.2))
    ]
    x, valid = rows(), rows(11, purpose="valid")
    company = join([stack(k, 9, hidden) for k in range(3)])
    epochs = list(pretraining_epochs(company, x, settings, [0, 1, 2], valid))
    for k in range(3):
        alone = stack(k, 9, hidden)
        own = list(pretraining_epochs(alone, x, [settings[k]], [k], valid))
        assert near(weights(select(company, k)), weights(alone))
        mine = [epoch.row(k) for epoch in epochs if epoch.active[k] or epoch.epoch == 0]
        assert near(mine, [epoch.row(0) for epoch in own])


def test_runs_of_one_batch_draw_independently():
    company = join([stack(0, hidden=(5,)), stack(0, hidden=(5,))])
    list(pretraining_epochs(company, rows(d=D), [[SETTINGS]] * 2, [0, 1]))
    assert not torch.equal(company[0].weight[0], company[0].weight[1])


def test_each_layer_is_trained_on_the_clean_codes_of_the_layer_below(monkeypatch):
    seen = {}
    original = RestrictedBoltzmannMachine.update

    def record(layer, descent, clean, *rest):
        seen.setdefault(id(layer), []).append(clean.clone())
        return original(layer, descent, clean, *rest)

    monkeypatch.setattr(RestrictedBoltzmannMachine, "update", record)
    net, x = stack(d=9, hidden=(7, 5)), rows()
    pretrain(net, x, SETTINGS, seed=3)
    for depth, layer in enumerate(net):
        for epoch, block in enumerate(seen[id(layer)], 1):
            order = torch.randperm(len(x), generator=stream(3, "order", depth, epoch))
            with torch.no_grad():
                assert torch.equal(block, net.encode(x, depth)[order])


@pytest.mark.filterwarnings("ignore:precision=bf16")
def test_in_bf16_it_is_the_same_but_for_rounding():
    ends = []
    for precision in ("fp32", "bf16"):
        net, x = stack(d=64, hidden=(48,)), rows(128, 64)
        plan = [[Pretraining(1, 0.1, 64, precision=precision)]]
        _, epoch = pretraining_epochs(net, x, plan, [0])
        ends.append((net[0].weight - stack(d=64, hidden=(48,))[0].weight, epoch.loss))
    (moved, cost), (rounded, other) = ends
    assert 0 < (moved - rounded).norm() < 0.1 * moved.norm()
    assert torch.isclose(cost, other, rtol=0.01)


REFUSED = [
    ({"activation": "tanh"}, "needs activation=sigmoid, got tanh"),
    ({"reconstruction": SquaredError()}, r"reconstruction=cross_entropy .* got SquaredError"),
    ({"tied": False}, "needs tied=true, got untied weights"),
    ({"corruption": Masking(0.1)}, r"needs no corruption, got Masking\(fraction=0.1"),
    ({"corruption": Gaussian(0.1)}, "needs no corruption, got Gaussian"),
    ({"emphasis": Emphasis(1, 0.5)}, "needs no emphasis, got Emphasis"),
]


@pytest.mark.parametrize(("choice", "message"), REFUSED)
def test_what_is_no_restricted_boltzmann_machine_is_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        RestrictedBoltzmannMachine(
            4, 3, generator=stream(0), **{"corruption": Masking(0.0), **choice}
        )


def test_rows_outside_0_and_1_are_refused():
    with pytest.raises(ValueError, match=r"needs values in \[0, 1\]"):
        pretrain(stack(), 2 * rows(d=D), SETTINGS, 0)


def test_machines_and_denoising_autoencoders_do_not_join():
    other = StackedDenoisingAutoencoder.plan(D, [Layer(H, Masking(0.0))], 0)
    with pytest.raises(ValueError, match="only stacks of one kind"):
        join([stack(), other])


def test_a_machine_has_the_initial_weights_of_a_denoising_autoencoder():
    other = StackedDenoisingAutoencoder.plan(D, [Layer(H, Masking(0.0))], 0)
    assert equal(weights(stack()), weights(other))


def test_the_classifier_on_machines_is_trained_in_closed_form():
    assert stack()[0].method == "contrastive divergence"
    assert Classifier(stack(hidden=(5, 3)), 2, seed=0).is_in_closed_form
