"""Output distributions: losses are -log p, samples have its moments, means are means."""

import math

import pytest
import torch
from torch import distributions as known

from sda import (
    Categorical,
    CrossEntropy,
    LearnedVariance,
    MixtureDensity,
    RectifiedSquaredError,
    SquaredError,
    stream,
)

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


CANONICAL = [CrossEntropy(), SquaredError(), SquaredError(0.5), Categorical(SIZES)]


@pytest.mark.parametrize("kind", CANONICAL, ids=str)
def test_the_derivative_of_a_canonical_loss_is_mean_minus_x_over_a_fixed_variance(kind):
    logits, x = LOGITS.clone().requires_grad_(), one_of_each(5)
    kind.loss(logits, x).sum().backward()
    expected = (kind.mean(LOGITS) - x) / getattr(kind, "std", 1.0) ** 2
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


CONSTANT = 0.5 * torch.log(torch.tensor(2 * torch.pi))  # that densities leave out
WIDE = [SquaredError(0.3), RectifiedSquaredError(), LearnedVariance(), MixtureDensity(3)]


def density(kind, logits):
    """The same density as torch.distributions has it, of logits (n, m)."""
    if isinstance(kind, SquaredError):
        return known.Normal(logits, kind.std)
    if isinstance(kind, RectifiedSquaredError):
        return known.Normal(logits.clamp(min=0), 1)
    if isinstance(kind, LearnedVariance):
        mean, a = logits.chunk(2, -1)
        return known.Normal(mean, (2 * torch.tanh(a / 4)).exp())  # exp(log-variance / 2)
    means, a, spreads = (t.reshape(len(t), 3, -1).mT for t in logits.chunk(3, -1))
    places = torch.tensor([-1.0, 0.0, 1.0], dtype=logits.dtype)
    parts = known.Normal(means + places, (2 * torch.tanh(spreads / 4)).exp())
    return known.MixtureSameFamily(known.Categorical(logits=a), parts)


def wide(kind, n, d=4):
    return torch.randn(n, kind.n_logits(d), generator=stream(1), dtype=torch.float64)


@pytest.mark.parametrize("kind", WIDE, ids=str)
def test_a_density_is_that_of_torch_up_to_the_constant_that_it_states(kind):
    logits, x = wide(kind, 6), torch.randn(6, 4, generator=stream(2), dtype=torch.float64)
    constant = CONSTANT + (math.log(kind.std) if isinstance(kind, SquaredError) else 0)
    expected = -density(kind, logits).log_prob(x) - constant
    torch.testing.assert_close(kind.loss(logits, x), expected)
    torch.testing.assert_close(kind.mean(logits), density(kind, logits).mean)
    assert not kind.in_closed_form or isinstance(kind, SquaredError)


@pytest.mark.parametrize("kind", WIDE, ids=str)
def test_draws_of_a_density_have_its_mean_and_its_variance(kind):
    n, logits = 40_000, wide(kind, 1)
    drawn = kind.sample(logits.expand(n, -1), stream(3))
    wanted = density(kind, logits)
    mean, variance = wanted.mean[0], wanted.variance[0]
    assert ((drawn.mean(0) - mean).abs() < 5 * (variance / n).sqrt()).all()
    torch.testing.assert_close(drawn.var(0), variance, rtol=0.05, atol=0)
    assert torch.equal(drawn, kind.sample(logits.expand(n, -1), stream(3)))


@pytest.mark.parametrize("kind", WIDE, ids=str)
def test_a_density_can_be_put_at_any_mean(kind):
    mean = torch.rand(5, 4, generator=stream(4), dtype=torch.float64)
    logits = kind.logits_of(mean)
    assert logits.shape == (5, kind.n_logits(4))
    torch.testing.assert_close(kind.mean(logits), mean)


def test_a_mixture_finds_two_modes_that_no_single_gaussian_has():
    x = torch.where(torch.rand(500, 1, generator=stream(5)) < 0.3, -0.8, 0.9)
    x = x + 0.2 * torch.randn(500, 1, generator=stream(6))
    kind = MixtureDensity(2)
    logits = torch.zeros(1, kind.n_logits(1), requires_grad=True)
    for _ in range(300):  # an optimiser of torch's takes seconds to import
        cost = kind.loss(logits.expand(500, -1), x).mean()
        with torch.no_grad():
            logits -= 0.1 * torch.autograd.grad(cost, logits)[0]
    log_chances, means, log_variances = kind.parts(logits.detach())
    torch.testing.assert_close(means.flatten(), torch.tensor([-0.8, 0.9]), atol=0.03, rtol=0)
    torch.testing.assert_close(
        log_chances.exp().flatten(), torch.tensor([0.3, 0.7]), atol=0.05, rtol=0
    )
    assert (log_variances.mul(0.5).exp() - 0.2).abs().max() < 0.13  # from 1


@pytest.mark.parametrize("kind", [LearnedVariance(), MixtureDensity(2)], ids=str)
def test_a_component_that_never_changes_has_a_bounded_loss_and_gradient(kind):
    x = torch.zeros(4, 3)
    logits = (-1e4 * torch.ones(4, kind.n_logits(3))).requires_grad_()
    with torch.no_grad():
        logits[:, :3] = 0
    loss = kind.loss(logits, x)
    assert loss.isfinite().all()
    assert loss.min() >= -kind.bound / 2 - 1e-6
    assert torch.autograd.grad(loss.sum(), logits)[0].isfinite().all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SquaredError(0), "std must be a number above 0, got 0"),
        (lambda: LearnedVariance(-1), "bound must be a number above 0, got -1"),
        (lambda: MixtureDensity(1), "components must be a whole number of at least 2, got 1"),
        (lambda: MixtureDensity(spread=0), "spread must be a number above 0, got 0"),
        (
            lambda: RectifiedSquaredError().check(-0.5, 1, "the inputs of layer 1"),
            r"at least 0, but the inputs of layer 1 lie in \[-0.5, 1\]",
        ),
    ],
)
def test_densities_out_of_range_are_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as refusal:
        make()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "kind",
    [SquaredError(), SquaredError(0.5), RectifiedSquaredError(), LearnedVariance(),
     MixtureDensity(2)],
    ids=str,
)  # fmt: skip
def test_a_density_integrates_to_one_with_the_constant_that_its_loss_leaves_out(kind):
    x = torch.linspace(-30, 30, 60_001, dtype=torch.float64)[:, None]
    logits = torch.randn(1, kind.n_logits(1), generator=stream(4), dtype=torch.float64)
    density = torch.exp(-kind.loss(logits.expand(len(x), -1), x) - kind.left_out)
    assert float(torch.trapezoid(density[:, 0], x[:, 0])) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("rows", [1, 15, 16, 37, 128])
@pytest.mark.parametrize("kind", [CrossEntropy(), SquaredError()], ids=str)
def test_a_total_is_the_sum_of_the_losses(kind, rows):
    logits = 8 * torch.randn(2, rows, 9, generator=stream(1, "logits"), dtype=torch.float64)
    x = torch.rand(2, rows, 9, generator=stream(2), dtype=torch.float64)
    expected = kind.loss(logits, x).sum((1, 2))
    assert torch.allclose(kind.total(logits, x), expected, rtol=1e-12)
    single = kind.total(logits.float(), x.float()).double()
    assert torch.allclose(single, expected, rtol=1e-5)


def test_a_total_of_logits_that_blew_up_is_no_small_number():
    assert not CrossEntropy().total(torch.full((1, 3, 2), math.nan), torch.ones(1, 3, 2)) < 1e9
    assert not CrossEntropy().total(torch.full((1, 3, 2), math.inf), torch.zeros(1, 3, 2)) < 1e9
