"""Dropout in fine-tuning: what is left out, how the rest is scaled, and that nothing else is."""

import copy
import dataclasses
from functools import partial

import pytest
import torch
from rounding import near
from small import network

from sda import (
    Classifier,
    Finetuning,
    finetune,
    join,
    stream,
)
from sda.nn.optimisers import Descent
from sda.training.finetuning import finetuning_epochs
from sda.training.minibatches import dropout

make = partial(network, classes=2)
SETTINGS = Finetuning(epochs=3, learning_rate=0.5, batch_size=8, dropout=0.5, input_dropout=0.2)
X = torch.rand(60, 9, generator=stream(0, "rows"))
TRAIN = (X, (X[:, 0] > X[:, 1]).long())


def test_what_stays_is_scaled_so_that_means_stay():
    network = make(hidden=(40,))
    rows = torch.ones(4000, 9)
    inputs, (units,) = dropout(network.stack, rows, [SETTINGS], [stream(1)])
    for factors, share in ((inputs, 0.2), (units, 0.5)):
        assert factors.unique().tolist() == [0.0, pytest.approx(1 / (1 - share))]
        deviation = (share / (1 - share) / factors.numel()) ** 0.5
        assert abs(float(factors.double().mean()) - 1) < 4 * deviation
        assert not torch.equal(factors[0], factors[1])  # each row has its own


def test_shares_of_0_draw_nothing():
    plan = dataclasses.replace(SETTINGS, dropout=0.0, input_dropout=0.0)
    inputs, units = dropout(make().stack, X, [plan], [stream(1)])
    assert (inputs.numel(), units) == (0, [])


@pytest.mark.parametrize("runs", [0, 2])
def test_the_closed_form_equals_autograd(runs):
    singles = [make(seed).double() for seed in range(max(1, runs))]
    joined = join([one.stack for one in singles]) if runs else singles[0].stack
    network = Classifier(joined, 2, seed=list(range(max(1, runs)))) if runs else singles[0]
    shape = (*network.runs, 14)
    x = torch.rand(*shape, 9, generator=stream(1), dtype=torch.float64)
    y = (x[..., 0] > x[..., 1]).long()
    plans = [SETTINGS, dataclasses.replace(SETTINGS, dropout=0.2)][: max(1, runs)]
    _, factors = dropout(network.stack, x, plans, [stream(k) for k in range(max(1, runs))])
    ends = []
    for update in (Classifier.update, Classifier._update_by_autograd):
        own, n = copy.deepcopy(network), max(1, runs)
        descent = Descent(own.trained_parameters(True), [0.3] * n, [0.5] * n, [0.0] * n)
        cost = update(own, descent, x, y, 6, None, factors)
        ends.append((cost, *own.parameters()))
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(*ends, strict=True))


def test_a_unit_left_out_neither_speaks_nor_learns():
    network = make(hidden=(12,)).double()
    network.weight.data.uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
    factors = torch.ones(8, 12, dtype=torch.float64)
    factors[:, :5] = 0
    before = network.stack[0].weight.detach().clone()
    descent = Descent(network.trained_parameters(True), [0.3], [0.0], [0.0])
    network.update(descent, X[:8].double(), TRAIN[1][:8], 8, None, [factors])
    moved = (network.stack[0].weight != before).any(0)
    assert not moved[:5].any()
    assert moved[5:].all()


def test_validation_and_prediction_leave_out_nothing():
    network = make()
    history = finetune(network, TRAIN, TRAIN, SETTINGS, seed=0)
    best = min(history, key=lambda epoch: (float(epoch.valid_error), float(epoch.valid_loss)))
    wrong = network.predict(X) != TRAIN[1]
    if int(best.best_epoch):  # its best weights are back
        assert float(wrong.double().mean()) == float(best.valid_error)
    assert torch.equal(network.predict(X), network.predict(X))


def test_runs_together_drop_as_they_do_alone():
    each = [SETTINGS, dataclasses.replace(SETTINGS, dropout=0.2, input_dropout=0.4)]
    together = Classifier(join([make(0).stack, make(1).stack]), 2, seed=[0, 1])
    list(finetuning_epochs(together, TRAIN, TRAIN, each, [0, 1]))
    for run, settings in enumerate(each):
        alone = make(run)
        finetune(alone, TRAIN, TRAIN, settings, seed=run)
        assert near(together.weight[run].detach(), alone.weight.detach())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dropout": 1.0}, r"finetune.dropout must be a number in \[0, 0.99\], got 1.0"),
        ({"input_dropout": -1}, "finetune.input_dropout must be a number"),
        ({"encoders": False}, "with finetune.encoders=false it must be 0, got 0.5"),
    ],
)
def test_shares_out_of_range_are_refused_in_one_line(values, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SETTINGS, **values)
