"""Rows with noise that pretraining takes for the data: what is seen, drawn, judged and refused."""

import dataclasses
import itertools
from functools import partial

import pytest
import torch
from rounding import near
from small import stack

from sda import (
    Gaussian,
    Masking,
    Pretraining,
    SaltAndPepper,
    SquaredError,
    join,
    pretrain,
    select,
    stream,
)
from sda.common.precision import Precision
from sda.config import compose, schema
from sda.nn.autoencoder import DenoisingAutoencoder
from sda.training.minibatches import NoisyRows
from sda.training.pretraining import Progress, pretraining_epochs

make = partial(stack, fraction=0.0)
NOISY = Pretraining(epochs=2, learning_rate=0.1, batch_size=8, corruption=Masking(0.3))
X, VALID = (torch.rand(n, 9, generator=stream(0, name)) + 0.01 for n, name in ((30, "x"), (7, "v")))
X, VALID = X / 1.01, VALID / 1.01  # in (0, 1]: what is 0 was masked


def bits(stack):
    return torch.cat([p.detach().flatten() for p in stack.parameters()])


def spied(monkeypatch, stack, settings):
    """Train, and return what every layer took for clean and what its encoder got, by epoch."""
    seen = {}
    descend = DenoisingAutoencoder.update

    def record(layer, descent, clean, corrupted, batch_size, draws):
        seen.setdefault(id(layer), []).append((clean.clone(), corrupted.x.clone()))
        return descend(layer, descent, clean, corrupted, batch_size, draws)

    monkeypatch.setattr(DenoisingAutoencoder, "update", record)
    pretrain(stack, X, settings, seed=3)
    return [seen[id(layer)] for layer in stack]


def test_an_autoencoder_has_to_reconstruct_the_noise_that_it_is_given(monkeypatch):
    lowest, *_ = spied(monkeypatch, make(), NOISY)
    for clean, given in lowest:
        assert torch.equal(clean, given)
        assert ((clean == 0).sum(1) == round(0.3 * 9)).all()
        rows, x = clean.unsqueeze(1), X.unsqueeze(0)
        assert ((rows == x) | (rows == 0)).all(2).any(1).all()


def test_noise_is_drawn_anew_in_every_epoch(monkeypatch):
    lowest, *_ = spied(monkeypatch, make(), NOISY)
    masks = [sorted((clean == 0).tolist()) for clean, _ in lowest]
    assert masks[0] != masks[1]


def test_upper_layers_see_the_codes_of_rows_with_noise(monkeypatch):
    """With everything masked these are the codes of black rows, whatever the rows."""
    stack = make()
    layers = spied(monkeypatch, stack, dataclasses.replace(NOISY, corruption=Masking(1.0)))
    with torch.no_grad():
        for depth, epochs in enumerate(layers):
            for clean, _ in epochs:
                assert torch.equal(clean, stack.encode(torch.zeros(30, 9), depth))


def test_a_denoising_layer_may_have_noise_in_its_rows_too(monkeypatch):
    for clean, given in spied(monkeypatch, make(fraction=0.5), NOISY)[0]:
        assert not torch.equal(clean, given)
        assert torch.equal(given[given != 0], clean[given != 0])


def test_every_layer_is_judged_on_codes_of_clean_validation_rows():
    stack = make()
    with torch.no_grad():
        for epoch in pretraining_epochs(stack, X, [[NOISY] * 3], [3], VALID):
            codes, layer = stack.encode(VALID, epoch.depth), stack[epoch.depth]
            cost = layer.reconstruction.loss(layer.decode(layer.encode(codes)), codes).sum(1).mean()
            assert torch.allclose(epoch.valid_clean.float(), cost)
            assert torch.equal(epoch.valid, epoch.valid_clean)


def test_runs_with_noise_of_their_own_agree_with_themselves_alone_to_rounding():
    noise = [Masking(0.3), SaltAndPepper(0.2), Masking(0.1)]
    settings = [[dataclasses.replace(NOISY, corruption=own)] * 3 for own in noise]
    company = join([make(seed) for seed in range(3)])
    list(pretraining_epochs(company, X, settings, range(3)))
    for seed, own in enumerate(settings):
        alone = make(seed)
        pretrain(alone, X, own, seed)
        assert near(bits(select(company, seed)), bits(alone))


@pytest.mark.parametrize("epochs", [1, 3, 5])
def test_a_stopped_run_goes_on_to_the_same_bits(epochs):
    whole, stopped, progress = make(), make(), Progress()
    pretrain(whole, X, NOISY, 3)
    going = pretraining_epochs(stopped, X, [[NOISY] * 3], [3], progress=progress)
    list(itertools.islice(going, epochs))
    list(pretraining_epochs(stopped, X, [[NOISY] * 3], [3], progress=progress))
    assert torch.equal(bits(stopped), bits(whole))


@pytest.mark.parametrize("noise", [SaltAndPepper(0.0, high=2), Gaussian(0.0)])
def test_noise_that_hits_nothing_is_not_refused_for_where_it_would_lead(noise):
    plain, nothing = make(), make()
    pretrain(plain, X, dataclasses.replace(NOISY, corruption=Masking(0.0)), 3)
    pretrain(nothing, X, dataclasses.replace(NOISY, corruption=noise), 3)
    assert torch.equal(bits(plain), bits(nothing))


def test_every_layer_gets_other_noise():
    stack = make()
    rows, codes = (
        NoisyRows(X, stack, depth, [Masking(0.3)]).seen([3], epoch=1)(X) for depth in (0, 1)
    )
    assert codes.shape == stack.encode(rows, 1).shape
    assert not torch.equal(codes, stack.encode(rows, 1))


def test_codes_with_noise_are_as_exact_as_clean_ones_whatever_a_step_rounds():
    stack, rounded = make(), []
    stack.register_forward_pre_hook(
        lambda *_: rounded.append(torch.backends.cuda.matmul.allow_tf32)
    )
    with Precision.tf32.products():
        NoisyRows(X, stack, 1, [Masking(0.3)]).seen([3], epoch=1)(X)
        assert torch.backends.cuda.matmul.allow_tf32
    assert rounded == [False]


@pytest.mark.parametrize(
    "noise", [Gaussian(0.1), Masking(0.1, value=-1), SaltAndPepper(0.1, True, 0, 2)]
)
def test_cross_entropy_refuses_noise_that_leaves_its_range_before_any_work(noise):
    settings = dataclasses.replace(NOISY, corruption=noise)
    stack = make()
    before = bits(stack)
    with pytest.raises(
        ValueError, match=r"\[0, 1\], but rows with the noise of pretrain.corr"
    ) as no:
        pretrain(stack, X, settings, 3)
    assert "\n" not in str(no.value)
    assert torch.equal(bits(stack), before)
    pretrain(make(reconstruction=SquaredError()), X, settings, 3)


def test_runs_with_noise_and_without_do_not_train_together():
    plans = [[NOISY] * 3, [NOISY, dataclasses.replace(NOISY, corruption=None), NOISY]]
    with pytest.raises(ValueError, match=r"null for all runs .* or for none, got both for layer 2"):
        next(iter(pretraining_epochs(join([make(0), make(1)]), X, plans, [0, 1])))


def settings(*words):
    return schema.build_run(compose.settings(list(words))).settings
