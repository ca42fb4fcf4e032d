"""The optimisers of torch.optim: our steps are theirs, run by run, in closed form or not."""

import copy
import math

import pytest
import torch
from torch import nn

from sda import Corrupted, Layer, Masking, Pretraining, StackedDenoisingAutoencoder, join, stream
from sda.common.precision import Precision
from sda.nn.boltzmann import Boltzmann
from sda.nn.layer_kind import LayerKind
from sda.nn.optimisers import Descent
from sda.training.named_optimisers import NamedOptimiser, planned
from sda.training.settings import OPTIMISERS

CASES = [
    ("sgd", {"nesterov": True}, 0.9),
    ("adam", {"betas": [0.8, 0.99], "amsgrad": True}, 0.0),
    ("adamw", {}, 0.0),
    ("nadam", {"momentum_decay": 0.01}, 0.0),
    ("rmsprop", {"centered": True}, 0.5),
    ("adagrad", {"lr_decay": 0.01}, 0.0),
]
RATES, DECAYS = (0.02, 0.05, 0.01), (0.01, 0.0, 0.1)


def plans(name, options, momentum, runs):
    return [
        Pretraining(3, rate, 5, momentum, decay, optimiser=name, optimiser_options=options)
        for rate, decay in zip(RATES[:runs], DECAYS, strict=False)
    ]


def layer(seed=0):
    plan = [Layer(7, Masking(0.3))]
    return StackedDenoisingAutoencoder.plan(9, plan, seed).double()


def rows(*shape):
    return torch.rand(*shape, 9, generator=stream(0, "rows"), dtype=torch.float64)


def by_hand(one, plan, x, steps=3):
    """torch.optim as anyone would use it, decay on weights alone."""
    weights = [p for n, p in one.named_parameters() if not n.endswith("bias")]
    biases = [p for n, p in one.named_parameters() if n.endswith("bias")]
    own = {"momentum": plan.momentum} if plan.momentum else {}
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in plan.optimiser_options.items()}
    optimiser = OPTIMISERS[plan.optimiser](
        [{"params": weights, "weight_decay": plan.weight_decay}, {"params": biases}],
        lr=plan.learning_rate, **({"weight_decay": 0.0} | own | options),
    )  # fmt: skip
    for _ in range(steps):
        for batch in x.split(5):
            optimiser.zero_grad()
            one.cost(batch, Corrupted(batch, None)).backward()
            optimiser.step()


@pytest.mark.parametrize(("name", "options", "momentum"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("closed", [True, False])
def test_each_run_of_a_batch_takes_the_steps_of_torch_optim(name, options, momentum, closed):
    singles, x = [layer(seed) for seed in range(3)], rows(3, 12)
    together = join(singles)[0]
    asked = plans(name, options, momentum, 3)
    way = planned(dict(together.named_parameters()), asked, {}, Precision.fp32)
    assert isinstance(way, NamedOptimiser)
    update = type(together).update if closed else LayerKind.update
    for _ in range(3):
        update(together, way, x, Corrupted(x, None), 5, [])
    for run, single in enumerate(singles):
        by_hand(single[0], asked[run], x[run])
        for key, parameter in single[0].named_parameters():
            assert torch.allclose(getattr(together, key)[run], parameter, rtol=1e-9, atol=1e-9)


def test_the_gradient_of_the_closed_form_is_autograds():
    one, x = layer()[0], rows(8)
    noise = Masking(0.4)(x, stream(1))
    way = planned(dict(one.named_parameters()), plans("adam", {}, 0.0, 1), {}, Precision.fp32)
    cost = one.cost(x, noise)
    expected = torch.autograd.grad(cost, list(one.parameters()))
    one.update(way, x, noise, 8, [])
    for gradient, (name, _) in zip(expected, one.named_parameters(), strict=True):
        assert torch.allclose(way._views[name][0].grad, gradient, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("name", "options", "momentum"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("runs", [1, 2])
def test_a_state_goes_on_to_the_same_bits(name, options, momentum, runs):
    singles = [layer(seed) for seed in range(runs)]
    whole = join(singles)[0] if runs > 1 else singles[0][0]
    x, asked = rows(*([runs] if runs > 1 else []), 10), plans(name, options, momentum, runs)
    way = planned(dict(whole.named_parameters()), asked, {}, Precision.fp32)
    whole.update(way, x, Corrupted(x, None), 5, [])
    other = copy.deepcopy(whole)
    kept = {key: value.clone() for key, value in way.state().items()}
    again = planned(dict(other.named_parameters()), asked, kept, Precision.fp32)
    for one, descent in ((whole, way), (other, again)):
        one.update(descent, x, Corrupted(x, None), 5, [])
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), other.parameters(), strict=True)
    )
    assert kept.keys() == again.state().keys()


def test_a_run_that_is_held_does_not_move_and_forgets_nothing():
    together, x = join([layer(0), layer(1)])[0], rows(2, 5)
    way = planned(dict(together.named_parameters()), plans("adam", {}, 0.0, 2), {}, Precision.fp32)
    together.update(way, x, Corrupted(x, None), 5, [])
    before, moments = together.weight.detach().clone(), way.state()["weight exp_avg"].clone()
    way.only(torch.tensor([True, False]), [0.5, 1.0])
    together.update(way, x, Corrupted(x, None), 5, [])
    moved = (together.weight != before).flatten(1).any(1)
    assert moved.tolist() == [True, False]
    assert torch.equal(way.state()["weight exp_avg"][1], moments[1])
    assert way._optimiser.param_groups[0]["lr"] == 0.5 * RATES[0]


def test_plain_descent_stays_the_fast_path():
    parameters = {"weight": nn.Parameter(torch.ones(2, 2))}
    way = planned(parameters, [Pretraining(1, 0.1, 5, momentum=0.9)], {}, Precision.fp32)
    assert type(way) is Descent


def test_rounded_products_see_the_weights_after_each_step():
    one, x = layer().float()[0], rows(6).float()
    asked = plans("adam", {}, 0.0, 1)
    way = planned(dict(one.named_parameters()), asked, {}, Precision.bf16)
    one.update(way, x, Corrupted(x, None), 3, [])
    assert torch.equal(way.operand("weight")[0], one.weight.detach().bfloat16())


def test_contrastive_divergence_may_use_them_too():
    machine, x = Boltzmann(6).build(9, stream(0)), rows(5).float()
    way = planned(dict(machine.named_parameters()), plans("adam", {}, 0.0, 1), {}, Precision.fp32)
    before = machine.weight.detach().clone()
    machine.update(way, x, Corrupted(x, None), 5, [stream(1)])
    assert ((machine.weight - before).abs() <= 1.001 * RATES[0]).all()  # Adam's first step is η
    assert not torch.equal(machine.weight, before)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimiser": "lion"}, "pretrain.optimiser must be one of sgd, adam, .* got 'lion'"),
        (
            {"optimiser": "adam", "optimiser_options": {"beta": 0.9}},
            "pretrain.optimiser_options of adam must be among amsgrad, betas, .* got 'beta'",
        ),
        (
            {"optimiser": "adam", "optimiser_options": {"betas": [0.9, 1.2]}},
            "pretrain.optimiser_options of adam: Invalid beta parameter",
        ),
        (
            {"optimiser": "adam", "optimiser_options": {"betas": "big"}},
            "pretrain.optimiser_options.betas must be a list of 2 numbers, got 'big'",
        ),
        ({"optimiser": "adam", "optimiser_options": {"betas": [0.9, 0.99, 0.9]}}, "list of 2"),
        ({"optimiser": "adam", "optimiser_options": {"betas": [0.9, "b"]}}, "betas must be a num"),
        (
            {"optimiser": "adam", "optimiser_options": {"eps": math.inf}},
            "options.eps must be a num",
        ),
        ({"optimiser": "adam", "optimiser_options": {"amsgrad": 3}}, "amsgrad must be true or fal"),
        ({"optimiser": "rmsprop", "optimiser_options": {"centered": "x"}}, "must be true or false"),
        ({"optimiser_options": {"dampening": "abc"}}, "dampening must be a number, got 'abc'"),
        ({"optimiser_options": 3}, "pretrain.optimiser_options must be settings by name or null"),
        ({"optimiser": "adam", "momentum": 0.5}, "pretrain.momentum must be 0 with adam"),
        ({"schedule": "linear"}, "pretrain.schedule must be one of constant, inverse_time, cosine"),
        ({"halved_after": 0}, "pretrain.halved_after must be a number above 0"),
    ],
)
def test_what_there_is_not_is_refused_in_one_line(values, message):
    with pytest.raises(ValueError, match=message) as refusal:
        Pretraining(3, 0.1, 5, **values)
    assert "\n" not in str(refusal.value)
