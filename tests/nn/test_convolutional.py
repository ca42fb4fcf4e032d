"""The convolutional layer against sums by hand, adjoints, and the dense layer that it contains."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d

from sda import (
    Categorical,
    Classifier,
    Convolutional,
    CrossEntropy,
    Emphasis,
    Finetuning,
    Gaussian,
    Layer,
    LearnedVariance,
    Masking,
    MixtureDensity,
    Pretraining,
    RectifiedSquaredError,
    SaltAndPepper,
    SquaredError,
    StackedDenoisingAutoencoder,
    finetune,
    pretrain,
    stream,
)
from sda.analysis import pictures

CLEAN = Masking(0.0)
LOOKS = torch.randn(4, 2 * 8 * 6, generator=stream(0, "looks"))  # what pictures are mixed of
SHARES = torch.randn(40, 4, generator=stream(0, "shares"))
X, Y = torch.sigmoid(2 * SHARES @ LOOKS), (SHARES[:, 0] > 0).long()
SETTINGS = Pretraining(epochs=2, learning_rate=0.02, batch_size=10, momentum=0.5)


def layer(shape=(2, 8, 6), seed=0, **values):
    plan = replace(Convolutional(3, CLEAN, kernel=3, shape=shape), **values)
    return plan.build(math.prod(shape), stream(seed, "weights"))


def stack(*above):
    plans = [Convolutional(3, Masking(0.2), kernel=3, pooling=2), *above]
    return StackedDenoisingAutoencoder.plan((2, 8, 6), plans, seed=1)


def test_a_code_is_the_sum_of_a_kernel_over_its_place_in_all_channels():
    one = layer()
    codes = one.encode(X).reshape(40, 3, 6, 4)
    images, kernels = X.reshape(40, 2, 8, 6).numpy(), one.weight.detach().numpy()
    by_hand = sum(correlate2d(images[7, c], kernels[1, c], "valid") for c in range(2))
    assert torch.allclose(codes[7, 1], torch.sigmoid(torch.from_numpy(by_hand)), atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("kernel", [3, 4])
def test_the_tied_decoder_is_the_transpose_of_the_encoder(kernel, stride, padding):
    one = layer(kernel=kernel, stride=stride, padding=padding).double()
    one.activation = lambda maps: maps
    assert one.code_shape == (3, *((n + 2 * padding - kernel) // stride + 1 for n in (8, 6)))
    matrix = one.encode(torch.eye(96, dtype=torch.float64))
    back = one.decode(torch.eye(one.n_hidden, dtype=torch.float64))
    assert torch.allclose(matrix, back.T, atol=1e-12)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("distribution", [CrossEntropy(), LearnedVariance(), MixtureDensity(2)])
def test_with_kernels_of_one_pixel_on_one_pixel_it_is_the_dense_layer(tied, distribution):
    x = torch.rand(40, 7, generator=stream(0, "x"))
    conv = layer((7, 1, 1), channels=5, kernel=1, tied=tied, reconstruction=distribution,
                 corruption=Masking(0.3), emphasis=Emphasis(1.0, 0.5))  # fmt: skip
    dense = Layer(5, Masking(0.3), distribution, tied=tied, emphasis=Emphasis(1.0, 0.5))
    dense = dense.build(7, stream(0, "weights"))
    with torch.no_grad():
        dense.weight.copy_(conv.weight[:, :, 0, 0].T)
        own = dense.decoder_weight if dense.further_weight is None else dense.further_weight
        if own is not None:
            own.copy_(conv.decoder_weight[:, :, 0, 0])
    for one in (conv, dense):
        pretrain(StackedDenoisingAutoencoder([one]), x, SETTINGS, seed=0)
    assert torch.allclose(conv.weight[:, :, 0, 0].T, dense.weight, atol=1e-5)
    assert torch.allclose(conv.visible_bias, dense.visible_bias[0], atol=1e-5)
    assert torch.allclose(conv.reconstruct(x), dense.reconstruct(x), atol=1e-5)


def test_a_picture_moved_by_a_pixel_has_codes_moved_by_a_place():
    one, images = layer(), X.reshape(40, 2, 8, 6)
    moved = one.encode(images.roll(1, 3).reshape(40, -1)).reshape(40, 3, 6, 4)
    assert torch.allclose(moved[..., 1:], one.encode(X).reshape(40, 3, 6, 4)[..., :-1], atol=1e-6)


@pytest.mark.parametrize(("pool", "of"), [("max", np.max), ("mean", np.mean)])
def test_pooling_keeps_one_code_of_a_block_and_unpooling_repeats_it(pool, of):
    one, pooled = layer(), layer(pooling=2, pool=pool)
    codes = one.encode(X).detach().numpy().reshape(40, 3, 3, 2, 2, 2)
    found = pooled.encode(X)
    assert np.allclose(found.detach().reshape(40, 3, 3, 2), of(codes, (3, 5)), atol=1e-6)
    repeated = found.reshape(40, 3, 3, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(pooled.decode(found), one.decode(repeated.reshape(40, -1)), atol=1e-6)
    assert pooled.code_shape == (3, 3, 2)


def test_the_cost_weighs_what_was_hit():
    noise, emphasis = SaltAndPepper(0.4), Emphasis(1.0, 0.25)
    one = layer(corruption=noise, emphasis=emphasis)
    corrupted = noise(X, stream(0, "noise"))
    z = one.reconstruct(corrupted.x)
    by_hand = -(X * z.log() + (1 - X) * (1 - z).log())
    by_hand = (by_hand * (0.25 + 0.75 * corrupted.hit)).sum(1).mean()
    assert torch.allclose(one.cost(X, corrupted), by_hand, rtol=1e-5)


@pytest.mark.parametrize("noise", [Masking(0.25), Gaussian(0.3), SaltAndPepper(0.2)])
@pytest.mark.parametrize(
    "distribution",
    [CrossEntropy(), SquaredError(), LearnedVariance(), RectifiedSquaredError(), MixtureDensity(),
     Categorical((2,) * 48)],
    ids=lambda one: type(one).__name__,
)  # fmt: skip
def test_it_learns_with_every_corruption_and_distribution(noise, distribution):
    net = StackedDenoisingAutoencoder(
        [layer(corruption=noise, reconstruction=distribution, activation="tanh")]
    )
    history = pretrain(net, X, Pretraining(4, 0.002, 10), seed=0)
    losses = [float(epoch.loss) for epoch in history if epoch.epoch]
    assert losses[-1] < losses[0]


def test_shapes_come_from_the_layer_below_and_from_the_data():
    net = stack(Convolutional(4, CLEAN, kernel=2), Layer(5, CLEAN))
    assert [one.n_visible for one in net] == [96, 18, 8]
    assert net[1].plan().shape == (3, 3, 2)
    own = Convolutional(2, CLEAN, kernel=2, shape=(1, 3, 2))
    above = StackedDenoisingAutoencoder.plan(96, [Layer(6, CLEAN), own], seed=0)
    assert above[1].n_visible == 6


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: StackedDenoisingAutoencoder.plan(96, [Convolutional(3, CLEAN)], 0),
         r"needs pictures: .* shape=\[channels,height,width\]"),
        (lambda: stack(Layer(5, CLEAN), Convolutional(3, CLEAN)), "needs pictures"),
        (lambda: stack(Convolutional(3, CLEAN, shape=(1, 4, 4))), "do not have 18 components"),
        (lambda: layer(kernel=9), r"kernel=9 does not fit into 8 pixels"),
        (lambda: layer(pooling=4), r"pooling=4 must divide the 6 places"),
        (lambda: layer(padding=3), "padding must be a whole number of at most 2, got 3"),
        (lambda: layer(channels=0), "channels must be a whole number of at least 1"),
        (lambda: layer(pool="least"), "pool must be one of max, mean"),
        (lambda: layer(corruption=Gaussian(0.1), emphasis=Emphasis(1.0, 0.5)), "leaves components"),
        (lambda: layer(reconstruction=Categorical((3, 3))), "of 6 components, the input has 96"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_in_one_line(make, told):
    with pytest.raises(ValueError, match=told):
        make()


def test_a_classifier_on_it_is_fine_tuned_down_to_the_kernels():
    net = stack(Layer(6, CLEAN, initialisation="tutorial"))
    pretrain(net, X, SETTINGS, seed=0)
    before = net[0].weight.detach().clone()
    network = Classifier(net, 2, seed=0)
    finetune(network, (X, Y), (X, Y), Finetuning(30, 1.0, 10), seed=0)
    assert float(network.error_rate(X, Y)) < 0.1
    assert not torch.equal(before, net[0].weight)


def test_kernels_are_pictures_of_their_own_size_and_seen_through_the_layers_below():
    net = stack(Convolutional(4, CLEAN, kernel=2), Layer(5, CLEAN))
    kernels, shape = pictures.cropped(net[0].filters().detach().numpy(), (2, 8, 6))
    assert shape == (2, 3, 3)
    assert np.allclose(kernels, net[0].weight.detach().reshape(3, -1).T, atol=1e-7)
    seen = net[0].seen_through(net[1].filters()).detach().numpy()
    assert pictures.cropped(seen, (2, 8, 6))[1] == (2, 6, 6)  # two pooled places of 2, and 2 beside
    dense = net[0].seen_through(net[1].seen_through(net[2].filters()))
    assert dense.shape == (96, 5)
