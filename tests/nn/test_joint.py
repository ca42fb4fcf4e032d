"""A deep autoencoder, trained as a whole."""

import copy

import pytest
import torch
import torch.nn.functional as F

from sda import (
    Classifier,
    Emphasis,
    Finetuning,
    Joint,
    Masking,
    Pretraining,
    StackedDenoisingAutoencoder,
    finetune,
    pretrain,
    stream,
)
from sda.config import compose, schema

X = torch.rand(30, 6, generator=stream(0, "rows"))


def deep(**fields):
    return Joint((5, 4, 3), Masking(0.3), **fields).build(6, stream(0))


@pytest.mark.parametrize("tied", [True, False])
def test_its_cost_goes_up_through_all_encoders_and_down_through_all_decoders(tied):
    network = deep(tied=tied, emphasis=Emphasis(1, 0.5))
    corrupted = Masking(0.3)(X, stream(1))
    h = corrupted.x
    for layer in network.layers:
        h = torch.sigmoid(h @ layer.weight + layer.hidden_bias)
    for layer in reversed(network.layers):
        back = layer.weight.T if tied else layer.decoder_weight
        h = torch.sigmoid(h @ back + layer.visible_bias)
    loss = F.binary_cross_entropy(h, X, reduction="none")
    by_hand = (loss * torch.where(corrupted.hit, 1.0, 0.5)).sum(1).mean()
    assert torch.allclose(network.cost(X, corrupted), by_hand, rtol=1e-5)


def test_all_its_layers_learn_together_and_the_clean_input_comes_out_better():
    stack = StackedDenoisingAutoencoder.plan(6, [Joint((8, 5), Masking(0.1))], seed=0)
    before = copy.deepcopy(stack)
    history = pretrain(stack, X, Pretraining(10, 0.3, 5), seed=0, valid=X)
    assert history[-1].valid_clean < history[0].valid_clean
    assert len(history) == 11  # one layer to the scheduler
    for new, old in zip(stack.parameters(), before.parameters(), strict=True):
        assert not torch.equal(new, old)


def test_fine_tuning_moves_its_encoders_alone():
    plan = Joint((5, 4), Masking(0.2), tied=False)
    network = Classifier(StackedDenoisingAutoencoder.plan(6, [plan], seed=0), 2, seed=0)
    before = {name: p.detach().clone() for name, p in network.stack[0].named_parameters()}
    rows = (X, (X[:, 0] > X[:, 1]).long())
    finetune(network, rows, rows, Finetuning(2, 0.1, 5), seed=0)
    after = dict(network.stack[0].named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == set(network.stack[0].encoder_parameters())


def test_the_command_line_names_it():
    words = ["stack.hidden=null", "stack.layers=[{_target_: sda.Joint, hidden: [9, 7]}]"]
    run = schema.build_run(compose.settings(words))
    assert run.layers[0].hidden == (9, 7)
    assert run.layers[0].corruption == Masking(0.25)


def test_no_layers_are_refused_in_one_line():
    with pytest.raises(ValueError, match="hidden must list the units of each layer, got none"):
        Joint((), Masking(0.3))
