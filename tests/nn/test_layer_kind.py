"""A kind of layer of one's own: one class, and everything that layers do."""

import pytest
import torch
from own_parts import Maxout

from sda import (
    Boltzmann,
    Classifier,
    CrossEntropy,
    Finetuning,
    Layer,
    Masking,
    Pretraining,
    StackedDenoisingAutoencoder,
    finetune,
    pretrain,
    save,
    stream,
)

X = torch.rand(60, 9, generator=stream(0, "x"))
Y = (X[:, 0] > X[:, 1]).long()
SETTINGS = Pretraining(epochs=3, learning_rate=0.1, batch_size=20, momentum=0.5)


def stack():
    plans = [Maxout(7, Masking(0.3), CrossEntropy()), Layer(6, Masking(0.2))]
    return StackedDenoisingAutoencoder.plan(9, plans, seed=1)


def bits(module):
    return [p.detach().clone() for p in module.parameters()]


def test_it_is_pretrained_stacked_and_fine_tuned():
    net = stack()
    before = bits(net)
    history = pretrain(net, X, SETTINGS, seed=0)
    own = [float(epoch.loss) for epoch in history if epoch.depth == 0 and epoch.epoch]
    assert own[-1] < own[0]
    network = Classifier(net, 2, seed=0)
    finetune(network, (X, Y), (X, Y), Finetuning(100, 1.0, 10, weight_decay=0.0001), seed=0)
    assert float(network.error_rate(X, Y)) < 0.3
    assert all(not torch.equal(a, b) for a, b in zip(before[:1], bits(net)[:1], strict=True))
    assert torch.equal(net.encode(X, 1), net[0].encode(X))


def test_it_is_no_part_of_a_model_file_and_that_is_said(tmp_path):
    with pytest.raises(ValueError, match="layers, corruptions and losses that come with sda"):
        save(stack(), tmp_path / "model.safetensors")


def test_nothing_but_a_layer_says_how_it_is_trained():
    plans = (Layer(3, Masking(0.0)), Boltzmann(3), Maxout(3, Masking(0.3), CrossEntropy()))
    methods = [plan.build(4, stream(0)).method for plan in plans]
    assert methods == ["closed form", "contrastive divergence", "autograd"]
