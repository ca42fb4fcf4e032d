"""Sparse and contractive autoencoders: each cost against its equation by hand."""

import math

import pytest
import torch

from sda import (
    L1,
    Classifier,
    Contractive,
    CrossEntropy,
    Layer,
    Masking,
    Penalised,
    Pretraining,
    Sparsity,
    SquaredError,
    StackedDenoisingAutoencoder,
    pretrain,
    stream,
)
from sda.config import compose, schema
from sda.nn.penalised import jacobian_norm

X = torch.rand(20, 6, generator=stream(0, "rows"), dtype=torch.float64)


def layer(penalty, activation="sigmoid", reconstruction=None):
    plan = Penalised(5, Masking(0.3), reconstruction or CrossEntropy(), activation, penalty=penalty)
    built = plan.build(6, stream(0)).double()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream(1)))
    return built


def beside_the_loss(one, x):
    """What the cost has more than that of the plain layer with the same weights."""
    plain = Layer(5, Masking(0.3), one.reconstruction, one.activation).build(6, stream(0)).double()
    plain.load_state_dict(one.state_dict())
    corrupted = Masking(0.3)(x, stream(2))
    given = corrupted.x
    extra = (one.cost(x, corrupted) - plain.cost(x, corrupted)).detach()
    return extra, one.encode(given).detach(), given


def test_sparsity_is_the_divergence_of_each_units_mean_code_from_the_target():
    extra, y, _ = beside_the_loss(layer(Sparsity(target=0.1, strength=3.0)), X)
    by_hand = 0.0
    for rate in y.mean(0).tolist():
        by_hand += 0.1 * math.log(0.1 / rate) + 0.9 * math.log(0.9 / (1 - rate))
    assert float(extra) == pytest.approx(3 * by_hand, rel=1e-10)


def test_sparsity_of_units_at_their_target_costs_nothing():
    y = torch.full((7, 4), 0.05, dtype=torch.float64)
    assert float(Sparsity(0.05)(y, X, layer(L1()).activation)) == pytest.approx(0, abs=1e-12)
    silent = Sparsity(0.05)(torch.zeros(7, 4), X, layer(L1()).activation)
    assert math.isfinite(float(silent))


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "tanh"])
def test_l1_is_the_sum_of_code_sizes(activation):
    one = layer(L1(0.7), activation, SquaredError())
    extra, y, _ = beside_the_loss(one, X)
    assert float(extra) == pytest.approx(0.7 * float(y.abs().sum()) / 20, rel=1e-10)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_contraction_is_the_norm_of_autograds_jacobian(activation):
    one = layer(Contractive(0.4), activation, SquaredError())
    extra, _, given = beside_the_loss(one, X)
    jacobians = torch.stack([torch.autograd.functional.jacobian(one.encode, x) for x in given])
    norms = jacobians.square().flatten(1).sum(1)
    own = jacobian_norm(one.encode(given), one.weight, one.activation)
    assert torch.allclose(own, norms, rtol=1e-10)
    assert float(extra) == pytest.approx(0.4 * float(norms.mean()), rel=1e-10)


def test_the_gradient_of_the_contraction_is_that_through_autograds_jacobian():
    one = layer(Contractive(1.0))
    jacobian = torch.autograd.functional.jacobian(
        lambda x: one.encode(x).sum(0), X, create_graph=True
    )  # (h, n, d): rows do not see each other
    expected = torch.autograd.grad(jacobian.square().sum() / 20, [one.weight, one.hidden_bias])
    got = torch.autograd.grad(
        one.penalty(one.encode(X), one.weight, one.activation), [one.weight, one.hidden_bias]
    )
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize(
    ("penalty", "activation", "figure"),
    [
        (Sparsity(0.05, 3.0), "sigmoid", "mean_code"),
        (L1(1.0), "relu", "mean_code"),
        (Contractive(1.0), "sigmoid", "jacobian"),
    ],
)
def test_training_brings_down_what_the_penalty_names(penalty, activation, figure):
    x = X.float()
    found = []
    for own in (penalty, L1(0.0)):
        plan = Penalised(8, Masking(0.0), SquaredError(), activation, penalty=own)
        stack = StackedDenoisingAutoencoder.plan(6, [plan], seed=0)
        pretrain(stack, x, Pretraining(30, 0.1, 10), seed=0)
        found.append(float(stack[0].measures(x, [])[figure]))
    assert found[0] < 0.7 * found[1]


def test_it_is_pretrained_by_autograd_and_fine_tuned_in_closed_form():
    plan = Penalised(5, Masking(0.2), penalty=Contractive(0.1))
    stack = StackedDenoisingAutoencoder.plan(6, [plan], seed=0)
    assert stack[0].method == "autograd"
    assert Classifier(stack, 2, seed=0).is_in_closed_form


def test_the_command_line_names_it_and_arms_leave_out_what_they_do_not_read():
    words = [
        "stack.hidden=null",
        "stack.layers=[{_target_: sda.Penalised, n_hidden: 9, "
        "penalty: {_target_: sda.Sparsity, target: 0.1}}]",
    ]
    arms = {
        init: schema.build_run(compose.settings([*words, f"init={init}"]))
        for init in ("sda", "saa", "random")
    }
    assert arms["sda"].trained_layers()[0].penalty == Sparsity(0.1)
    assert arms["saa"].trained_layers()[0].penalty == Sparsity(0.1)
    assert arms["saa"].trained_layers()[0].corruption == Masking(0.0)
    assert arms["random"].trained_layers()[0].penalty == L1(0.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sparsity(1.5), "target must be a number in"),
        (lambda: Contractive(-1), "strength must be a number of at least 0, got -1"),
        (lambda: L1("much"), "strength must be a number"),
        (
            lambda: layer(Sparsity(), "relu", SquaredError()),
            "Sparsity needs activation=sigmoid, whose codes are rates, got relu",
        ),
    ],
)
def test_what_has_no_meaning_is_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message):
        make()
