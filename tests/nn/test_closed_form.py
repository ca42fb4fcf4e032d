"""The fast path and the reference path are the same mathematics."""

import copy
import itertools

import pytest
import torch

from sda import (
    Categorical,
    Classifier,
    Corrupted,
    CrossEntropy,
    Emphasis,
    Layer,
    Masking,
    SquaredError,
    StackedDenoisingAutoencoder,
    join,
    stream,
)
from sda.common.precision import Precision
from sda.nn.layer_kind import LayerKind
from sda.nn.optimisers import Descent

EVERY = list(
    itertools.product(
        ("sigmoid", "tanh", "relu"),
        (CrossEntropy(), SquaredError()),
        (True, False),  # tied
        (Emphasis(), Emphasis(1, 0.5), Emphasis(0.5, 0)),
        ((0.0, 0.0), (0.0, 0.01), (0.9, 0.0), (0.9, 0.01)),  # momentum, decay
        (0, 3),  # runs
    )
)
RATES = (0.1, 0.0, 0.3)


def stack(runs, hidden=(7,), **choices):
    plans = [Layer(n, Masking(0.3), initialisation="papers", **choices) for n in hidden]
    singles = [StackedDenoisingAutoencoder.plan(12, plans, seed) for seed in range(max(1, runs))]
    return join(singles) if runs else singles[0]


def descent(parameters, runs, momentum, decay):
    n = max(1, runs)
    return Descent(parameters, RATES[:n], [momentum] * n, [decay] * n)


def in_closed_form(layer, way, clean, corrupted, batch_size):
    assert layer.method == "closed form"
    return layer.update(way, clean, corrupted, batch_size, [])


def by_autograd(layer, way, clean, corrupted, batch_size):
    return LayerKind.update(layer, way, clean, corrupted, batch_size, [])


def both(module, steps, momentum, decay, runs, parameters, fast, slow):
    """Take the same steps on two copies; return the parameters and costs of each."""
    ends = []
    for descend in (fast, slow):
        copied = copy.deepcopy(module)
        way = descent(parameters(copied), runs, momentum, decay)
        costs = [descend(copied, way, *step) for step in steps]
        ends.append((list(copied.parameters()), costs))
    return ends


def assert_close(ends, atol, rtol):
    for a, b in zip(*(parameters for parameters, _ in ends), strict=True):
        assert torch.allclose(a, b, atol=atol, rtol=rtol)
    for a, b in zip(*(costs for _, costs in ends), strict=True):
        assert torch.allclose(a, b, atol=10 * atol, rtol=10 * rtol)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-10), (torch.float32, 3e-5)])
@pytest.mark.parametrize(
    ("activation", "reconstruction", "tied", "emphasis", "rule", "runs"), EVERY
)
def test_a_layers_steps_equal_autograds(
    activation, reconstruction, tied, emphasis, rule, runs, dtype, atol
):
    net = stack(
        runs, activation=activation, reconstruction=reconstruction, tied=tied, emphasis=emphasis
    ).to(dtype)
    generator, steps = stream(1), []
    for rows in (6, 6, 2):
        x = torch.rand(*net.runs, rows, 12, generator=generator, dtype=dtype)
        hit = torch.rand(x.shape, generator=generator) < 0.3
        steps.append((x, Corrupted(x.masked_fill(hit, 0.0), hit), rows))
    ends = both(
        net[0], steps, *rule, runs, lambda layer: dict(layer.named_parameters()),
        in_closed_form, by_autograd,
    )  # fmt: skip
    assert_close(ends, atol, 1e-10 if dtype == torch.float64 else 1e-4)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-10), (torch.float32, 3e-5)])
@pytest.mark.parametrize("encoders", [True, False])
@pytest.mark.parametrize("runs", [0, 3])
@pytest.mark.parametrize("rule", [(0.0, 0.0), (0.9, 0.01)])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
def test_a_classifiers_steps_equal_autograds(activation, rule, runs, encoders, dtype, atol):
    net = stack(runs, hidden=(7, 5), activation=activation)
    network = Classifier(net, 4, seed=list(range(max(1, runs)))).to(dtype)
    generator = stream(2)
    steps = [
        (
            torch.rand(*net.runs, rows, 12, generator=generator, dtype=dtype),
            torch.randint(4, (*net.runs, rows), generator=generator),
            rows,
        )
        for rows in (6, 6, 2)
    ]
    ends = both(
        network, steps, *rule, runs,
        lambda module: module.trained_parameters(encoders),
        Classifier.update, Classifier._update_by_autograd,
    )  # fmt: skip
    assert_close(ends, atol, 1e-10 if dtype == torch.float64 else 1e-4)


def test_steps_with_decay_are_as_near_to_exact_ones_as_autograds():
    batches = [torch.rand(20, 12, generator=stream(4, k)) for k in range(500)]
    ends = []
    for descend, dtype in (
        (by_autograd, torch.float64),
        (by_autograd, torch.float32),
        (in_closed_form, torch.float32),
    ):
        layer = stack(0, hidden=(50,)).to(dtype)[0]
        way = descent(dict(layer.named_parameters()), 0, 0.0, 1e-4)
        for batch in batches:
            x = batch.to(dtype)
            descend(layer, way, x, Corrupted(x, None), 20)
        ends.append(layer.weight.detach().double())
    exact, autograd, closed_form = ends
    assert (closed_form - exact).norm() < 1.5 * (autograd - exact).norm()


@pytest.mark.parametrize("precision", [Precision.fp32, Precision.bf16])
def test_a_small_decay_has_its_full_effect(precision):
    steps, generator = 300, stream(5)
    rate, decay = 0.5, 4.4 * 2.0**-23  # as a factor, 1 − 4.4 / 2²⁴ would be 1 − 4 / 2²⁴
    weight = torch.nn.Parameter(0.5 + torch.rand(60, 60, generator=generator))
    start = weight.detach().double()
    undecayed = start.clone()
    way = Descent({"weight": weight}, [rate], [0.0], [decay], precision=precision)
    for _ in range(steps):
        left, right = (
            (torch.randn(1, 1, 60, generator=generator) / 32).to(way.operand("weight"))
            for _ in range(2)
        )
        way.move("weight", left, right)
        undecayed -= (left.mT * right)[0].double()
    wanted = start * rate * decay * steps
    share = ((undecayed - weight.detach()) * wanted).sum() / wanted.square().sum()
    assert abs(share - 1) < 0.03


@pytest.mark.parametrize("rule", [(0.0, 0.0), (0.9, 0.01)])
def test_a_run_of_rate_zero_stands_still(rule):
    net = stack(3)
    before = net[0].weight[1].detach().clone()
    way = descent(dict(net[0].named_parameters()), 3, *rule)
    x = torch.rand(3, 6, 12, generator=stream(3))
    for _ in range(3):
        net[0].update(way, x, Corrupted(x, None), 6, [])
    assert torch.equal(net[0].weight[1], before)
    assert not torch.equal(net[0].weight[0], net[0].weight[1])


def test_it_is_for_built_in_layers_alone():
    class Derived(type(stack(0)[0])):
        pass

    layer = stack(0)[0]
    assert layer.method == "closed form"
    layer.__class__ = Derived
    assert layer.method == "autograd"


def test_a_loss_derived_from_a_canonical_one_is_left_to_autograd():
    class Doubled(SquaredError):
        def loss(self, logits, x):
            return 2 * super().loss(logits, x)

    assert stack(0, reconstruction=Doubled())[0].method == "autograd"


@pytest.mark.parametrize("runs", [0, 3])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("reconstruction", [Categorical((3, 5, 4)), SquaredError(std=0.5)])
def test_steps_with_blocks_or_another_variance_equal_autograds(reconstruction, runs, tied):
    sizes = (3, 5, 4)
    net = stack(runs, reconstruction=reconstruction, tied=tied).double()
    assert net[0].method == "closed form"
    generator, steps = stream(1), []
    for rows in (6, 2):
        blocks = [torch.eye(n)[torch.randint(n, (rows,), generator=generator)] for n in sizes]
        x = torch.cat(blocks, -1).double().expand(*net.runs, rows, 12)
        steps.append((x, Corrupted(0.5 * x, None), rows))
    ends = both(
        net[0], steps, 0.9, 0.01, runs, lambda layer: dict(layer.named_parameters()),
        in_closed_form, by_autograd,
    )  # fmt: skip
    assert_close(ends, 1e-10, 1e-10)


def test_emphasis_on_categorical_blocks_is_left_to_autograd():
    layer = stack(0, reconstruction=Categorical((6, 6)), emphasis=Emphasis(1, 0.5))[0]
    assert layer.method == "autograd"


def test_velocities_that_were_read_elsewhere_come_to_their_parameters():
    parameters = {"weight": torch.nn.Parameter(torch.zeros(2, 3, device="meta"))}
    read = {"weight": torch.ones(2, 3)}
    way = Descent(parameters, [0.1], [0.9], [0.0], read)
    assert way.velocities["weight"].device == parameters["weight"].device
