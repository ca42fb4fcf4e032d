"""Output distributions: losses are -log p, samples have its moments, means are means."""

import pytest
import torch
from torch import distributions as known

from sda import Categorical, CrossEntropy, SquaredError, stream

SIZES = (2, 3, 4)
LOGITS = torch.randn(5, 9, generator=stream(0, "logits"), dtype=torch.float64)


def one_of_each(n):
    drawn = [torch.randint(size, (n,), generator=stream(size)) for size in SIZES]
    return torch.cat([torch.eye(s).double()[k] for s, k in zip(SIZES, drawn, strict=True)], -1)


def log_p(kind, x):
    if isinstance(kind, CrossEntropy):
        return known.Bernoulli(logits=LOGITS).log_prob(x)
    if isinstance(kind, SquaredError):  # less its constant
        constant = -0.5 * torch.log(torch.tensor(2 * torch.pi))
        return known.Normal(LOGITS, 1).log_prob(x) - constant
    blocks = zip(LOGITS.split(SIZES, -1), x.split(SIZES, -1), strict=True)
    return torch.stack([known.OneHotCategorical(logits=a).log_prob(b) for a, b in blocks], -1)


@pytest.mark.parametrize("kind", [CrossEntropy(), SquaredError(), Categorical(SIZES)], ids=str)
def test_a_loss_is_minus_log_p_up_to_the_constant_that_it_states(kind):
    x = one_of_each(5) if isinstance(kind, Categorical) else (LOGITS > 0.3).double()
    loss = kind.loss(LOGITS, x)
    assert loss.shape == x.shape
    if isinstance(kind, Categorical):
        loss = torch.stack([block.sum(-1) for block in loss.split(SIZES, -1)], -1)
    torch.testing.assert_close(loss, -log_p(kind, x))


@pytest.mark.parametrize("kind", [CrossEntropy(), SquaredError(), Categorical(SIZES)], ids=str)
def test_the_derivative_of_a_canonical_loss_is_mean_minus_x(kind):
    logits, x = LOGITS.clone().requires_grad_(), one_of_each(5)
    kind.loss(logits, x).sum().backward()
    expected = kind.mean(LOGITS) - x
    torch.testing.assert_close(logits.grad, expected)
    torch.testing.assert_close(kind.residual(LOGITS, x, torch.empty_like(x)), expected)
    assert kind.in_closed_form


@pytest.mark.parametrize(
    ("kind", "variance"),
    [
        (CrossEntropy(), lambda mean: mean * (1 - mean)),
        (SquaredError(), torch.ones_like),
        (Categorical(SIZES), lambda mean: mean * (1 - mean)),
    ],
    ids=["bernoulli", "gaussian", "categorical"],
)
def test_samples_have_the_mean_and_the_variance_of_their_distribution(kind, variance):
    n = 20_000
    drawn = kind.sample(LOGITS[:1].expand(n, -1), stream(3))
    mean = kind.mean(LOGITS[0])
    spread = variance(mean)
    assert ((drawn.mean(0) - mean).abs() < 5 * (spread / n).sqrt()).all()
    assert ((drawn.var(0) - spread).abs() < 0.05).all()
    assert torch.equal(drawn, kind.sample(LOGITS[:1].expand(n, -1), stream(3)))


def test_a_sample_of_categorical_blocks_is_one_category_of_each():
    drawn = Categorical(SIZES).sample(LOGITS, stream(4))
    assert torch.equal(drawn, drawn.bool().double())
    for block in drawn.split(SIZES, -1):
        assert torch.equal(block.sum(-1), torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize("kind", [CrossEntropy(), SquaredError(), Categorical(SIZES)], ids=str)
def test_logits_of_a_mean_have_that_mean(kind):
    mean = kind.mean(LOGITS)
    torch.testing.assert_close(kind.mean(kind.logits_of(mean)), mean)


def test_blocks_that_are_none_are_refused():
    with pytest.raises(ValueError, match="sizes must name the components of each block"):
        Categorical(())
    with pytest.raises(ValueError, match="a size of a categorical block must be a whole number of"):
        Categorical((3, 1))
    with pytest.raises(ValueError, match=r"categorical blocks need values in \[0, 1\]"):
        Categorical((3,)).check(-1, 1, "the inputs of layer 1")
