"""A product has the same bits alone and in company, wherever its operands and its result lie."""

from itertools import product

import pytest
import torch

from sda.nn import exact

SHAPES = list(product((1, 2, 3, 8, 11), (5, 12, 33, 50), (3, 7, 9, 10, 32, 33)))  # n, d, h


def _random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def _alone(x):
    """Its runs, each in memory of its own."""
    return [part.clone(memory_format=torch.preserve_format) for part in x.split(1)]


@pytest.mark.parametrize("runs", [2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_an_affine_map_has_the_same_bits_alone_and_in_company(runs, transposed):
    for n, d, h in SHAPES:
        x, c = _random(runs, n, d), _random(runs, 1, h)
        w = _random(runs, h, d).mT if transposed else _random(runs, d, h)
        together = exact.affine(x, w, c)
        for k, alone in enumerate(zip(_alone(x), _alone(w), _alone(c), strict=True)):
            assert torch.equal(together[k], exact.affine(*(t[0] for t in alone))), (n, d, h)
        shared = exact.affine(x[0], w, c)
        assert torch.equal(shared[1], exact.affine(x[0], w[1].clone(), c[1])), (n, d, h)


@pytest.mark.parametrize("runs", [2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_product_and_its_sum_have_the_same_bits_alone_and_in_company(runs, transposed):
    for n, d, h in SHAPES:
        x = _random(runs, n, d)
        w = _random(runs, h, d).mT if transposed else _random(runs, d, h)
        together, total = exact.product(x, w), _random(runs, n, h)
        sums = _alone(total)
        exact.add_product(total, x, w, -0.5)
        for k, (one, other) in enumerate(zip(_alone(x), _alone(w), strict=True)):
            assert torch.equal(together[k], exact.product(one, other)[0]), (n, d, h)
            exact.add_product(sums[k], one, other, -0.5)
            assert torch.equal(total[k], sums[k][0]), (n, d, h)


def test_a_gradient_has_the_same_bits_alone_and_in_company():
    for n, d, h in SHAPES:
        x, y, w = _random(3, n, d), _random(3, n, h), _random(3, d, h)
        alone = _alone(w)
        exact.add_product(w, x.mT, y, -1.0)
        for k, (one, other) in enumerate(zip(_alone(x), _alone(y), strict=True)):
            exact.add_product(alone[k], one.mT, other, -1.0)
            assert torch.equal(w[k], alone[k][0]), (n, d, h)


def test_products_are_those_of_float64_but_for_rounding():
    for n, d, h in SHAPES:
        x, w, c = _random(2, n, d), _random(2, h, d).mT, _random(2, 1, h)
        wanted = x.double() @ w.double()
        torch.testing.assert_close(exact.product(x, w).double(), wanted, rtol=1e-4, atol=1e-4)
        total = c.expand(2, n, h).clone()
        exact.add_product(total, x, w, 2.0)
        torch.testing.assert_close(total.double(), 2 * wanted + c, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(exact.affine(x, w, c).double(), wanted + c, rtol=1e-4, atol=1e-4)


def test_memory_of_matrices_has_a_gap_only_where_a_matrix_would_begin_elsewhere():
    like = torch.empty(0)
    assert exact.matrices(like, 3, 4, 5).is_contiguous()
    assert exact.matrices(like, 1, 3, 5).is_contiguous()
    assert exact.matrices(like, 3, 3, 5).stride() == (16, 5, 1)


def test_rows_under_any_leading_axes_are_mapped_as_they_are_with_a_gradient():
    x, w, c = _random(2, 4, 5, 6), _random(6, 3), _random(1, 3)
    torch.testing.assert_close(exact.affine(x, w, c), x @ w + c)
    torch.testing.assert_close(exact.affine(x[0, 0], w, c), x[0, 0] @ w + c)


def test_frozen_weights_of_several_runs_pass_a_gradient_on_to_their_input():
    x, w, c = _random(5, 6).requires_grad_(), _random(2, 6, 3), _random(2, 1, 3)
    exact.affine(x, w, c).sum().backward()
    torch.testing.assert_close(x.grad, w.sum((0, 2)).expand(5, 6))
