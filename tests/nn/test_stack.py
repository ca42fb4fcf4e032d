"""Stacks: one after the other, side by side, and apart again."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sda import Layer, Masking, StackedDenoisingAutoencoder, join, select, stream
from sda.nn.corruption import Corrupted
from sda.nn.stack import take


def make(seed=0, hidden=(5, 4, 3), **choices):
    return StackedDenoisingAutoencoder.plan(
        6, [Layer(n, Masking(0.3), **choices) for n in hidden], seed
    )


def rows(n=7):
    return torch.rand(n, 6, generator=stream(0, "rows"))


@settings(max_examples=10, deadline=None)
@given(hidden=st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_encoding_a_stack_is_encoding_layer_by_layer(hidden):
    stack, x = make(hidden=hidden), rows()
    assert torch.equal(stack.encode(x, 0), x)
    for depth, layer in enumerate(stack):
        assert torch.equal(stack.encode(x, depth + 1), layer.encode(stack.encode(x, depth)))
    assert torch.equal(stack(x), stack.encode(x))


def test_decoding_goes_back_down_through_every_layer():
    stack, x = make(), rows()
    by_hand = stack(x)
    for layer in reversed(list(stack)):
        by_hand = torch.sigmoid(layer.decode(by_hand))
    assert torch.equal(stack.reconstruct(x), by_hand)
    assert stack.reconstruct(x, 1).shape == x.shape


def test_initial_weights_of_a_layer_do_not_depend_on_the_layers_above():
    assert torch.equal(make(hidden=(5, 4))[1].weight, make(hidden=(5, 4, 3, 2))[1].weight)
    assert not torch.equal(make(seed=0)[0].weight, make(seed=1)[0].weight)


@pytest.mark.parametrize("tied", [True, False])
def test_joined_stacks_compute_what_each_computes_alone(tied):
    singles, x = [make(seed, tied=tied) for seed in range(3)], rows()
    joined = join(singles)
    assert joined.runs == (3,)
    hit = torch.rand(7, 6, generator=stream(1)) < 0.3
    corrupted = Corrupted(x.masked_fill(hit, 0.0), hit)
    with torch.no_grad():
        for run, single in enumerate(singles):
            assert torch.equal(joined(x)[run], single(x))
            assert torch.equal(joined[0].cost(x, corrupted)[run], single[0].cost(x, corrupted))


def test_the_sum_of_joined_costs_gives_each_run_its_own_gradient():
    singles, x = [make(seed) for seed in range(2)], rows()
    joined = join(singles)
    corrupted = Corrupted(x, None)
    joined[0].cost(x, corrupted).sum().backward()
    for run, single in enumerate(singles):
        single[0].cost(x, corrupted).backward()
        assert torch.allclose(joined[0].weight.grad[run], single[0].weight.grad, atol=1e-6)


def test_select_gives_an_ordinary_stack_back_that_shares_no_memory():
    singles = [make(seed, hidden=(5, 4)) for seed in range(3)]
    singles[1][0].corruptions = (Masking(0.5),)
    joined = join(singles)
    single = select(joined, 1)
    assert single.runs == ()
    assert single[0].corruptions == (Masking(0.5),)
    for a, b in zip(single.parameters(), singles[1].parameters(), strict=True):
        assert torch.equal(a, b)
    with torch.no_grad():
        joined[0].weight.zero_()
    assert torch.equal(single[0].weight, singles[1][0].weight)
    assert not torch.equal(singles[0][0].weight, joined[0].weight[0])


def test_take_keeps_the_runs_asked_for_in_order():
    singles = [make(seed) for seed in range(3)]
    fewer = take(join(singles), [2, 0])
    assert torch.equal(fewer[1].weight[0], singles[2][1].weight)
    assert torch.equal(fewer[1].weight[1], singles[0][1].weight)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: StackedDenoisingAutoencoder([]), "at least one layer"),
        (
            lambda: StackedDenoisingAutoencoder([make()[0], make(hidden=(4,))[0]]),
            "a layer of 5 units cannot feed one with 6 inputs",
        ),
        (lambda: join([]), "at least one stack"),
        (lambda: join([make(), make(hidden=(5, 4, 2))]), "only stacks of one kind"),
        (lambda: join([make(), make(activation="tanh")]), "only stacks of one kind"),
        (lambda: select(make(), 0), "a stack with runs"),
        (lambda: make().encode(rows(), 4), "depth must be at most 3"),
        (lambda: make().encode(rows(), -1), "depth must be a whole number"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
