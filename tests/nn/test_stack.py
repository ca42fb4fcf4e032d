"""Stacks: one after the other, side by side, and apart again."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rounding import near

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
    assert torch.equal(stack.decode(stack.encode(x, 2), 2), stack.reconstruct(x, 2))
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
            assert near(joined(x)[run], single(x))
            assert near(joined[0].cost(x, corrupted)[run], single[0].cost(x, corrupted))


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
        (lambda: make().decode(torch.rand(2, 3), 5), "depth must be at most 3, .* got 5"),
        (lambda: make().decode(torch.rand(2, 4)), r"codes of layer 3: rows must be \(n, 3\)"),
        (lambda: make()(rows().numpy()), r"rows must be a tensor \(n, 6\), got ndarray"),
        (lambda: make()(rows()[:, :5]), r"rows must be \(n, 6\) .*, got \(7, 5\)"),
        (lambda: make().encode(rows().double()), "rows must be torch.float32 .* got torch.float64"),
        (lambda: make().encode(rows() / 0), "rows must be finite"),
        (lambda: make().reconstruct(rows() / 0), "rows must be finite"),
        (lambda: make().encode(rows(), -1), "depth must be a whole number"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_codes_for_users_have_no_gradient_and_forward_has_one():
    stack, x = make(), rows()
    assert not stack.encode(x).requires_grad
    assert not stack.reconstruct(x).requires_grad
    assert not stack.decode(stack(x)).requires_grad
    assert stack(x).requires_grad


def test_grey_levels_are_taken_as_pretraining_takes_them():
    stack, levels = make(), (rows() * 255).byte()
    for depth in (0, 2):
        assert torch.equal(stack.encode(levels, depth), stack.encode(levels.float() / 255, depth))
    assert torch.equal(stack(levels), stack(levels.float() / 255))


def test_codes_of_many_rows_are_those_of_each_block(monkeypatch):
    stack, x = make(), rows()
    whole = stack.encode(x)
    monkeypatch.setattr("sda.common.rows.ROWS", 3)
    assert near(stack.encode(x), whole)


def test_rows_of_another_scale_than_those_it_learned_from_are_told():
    stack, x = make(), rows()
    stack.extent = (0.0, 1.0)
    stack.encode(2 * x)
    with pytest.warns(UserWarning, match=r"lie in \[.*, 2.*\], those .* learned from in \[0, 1\]"):
        stack.encode(255 * x)


def test_without_a_depth_it_reconstructs_through_the_layers_that_denoise_best():
    stack, x = make(), rows()
    stack.best_depth = 1
    assert torch.equal(stack.reconstruct(x), stack.reconstruct(x, 1))
    assert not torch.equal(stack.reconstruct(x), stack.reconstruct(x, 3))
