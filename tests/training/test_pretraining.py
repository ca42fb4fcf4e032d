"""The scheduler: who sees what, in which order, and what may move."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch
from rounding import near
from small import equal, weights
from small import rows as data
from small import stack as make

import sda
from sda import (
    Boltzmann,
    Classifier,
    CrossEntropy,
    DivergenceError,
    Finetuning,
    Layer,
    Masking,
    Pretraining,
    SquaredError,
    StackedDenoisingAutoencoder,
    finetune,
    join,
    pretrain,
    select,
    stream,
)
from sda.nn.autoencoder import DenoisingAutoencoder
from sda.nn.optimisers import Descent
from sda.training import pretraining
from sda.training.pretraining import Progress, pretraining_epochs
from sda.training.reconstruction_error import denoising_errors

SETTINGS = Pretraining(epochs=2, learning_rate=0.1, batch_size=8)


def spy(monkeypatch):
    """Record (clean, corrupted, hit) of every minibatch, by layer."""
    seen = {}
    descend = DenoisingAutoencoder.update

    def record(layer, descent, clean, corrupted, batch_size, draws):
        batches = [rows.clone().split(batch_size) for rows in (clean, *corrupted)]
        seen.setdefault(id(layer), []).extend(zip(*batches, strict=True))
        return descend(layer, descent, clean, corrupted, batch_size, draws)

    monkeypatch.setattr(DenoisingAutoencoder, "update", record)
    return seen


def sorted_rows(x):
    x = x.detach()
    return x[np.lexsort(x.T.numpy())]


def test_each_layer_sees_the_clean_codes_of_the_layer_below(monkeypatch):
    seen, stack, x = spy(monkeypatch), make(), data()
    pretrain(stack, x, SETTINGS, seed=3)
    for depth, layer in enumerate(stack):
        batches = seen[id(layer)]
        epoch = torch.cat([clean for clean, _, _ in batches[: len(batches) // 2]])
        with torch.no_grad():  # where gradients are kept, another product: other last bits
            assert torch.equal(sorted_rows(epoch), sorted_rows(stack.encode(x, depth)))


def test_the_target_is_the_clean_input_and_the_encoder_gets_the_corrupted_one(monkeypatch):
    seen = spy(monkeypatch)
    pretrain(make(), data(), SETTINGS, seed=3)
    for clean, corrupted, hit in itertools.chain(*seen.values()):
        assert torch.equal(corrupted, clean.masked_fill(hit, 0.0))
        assert not torch.equal(corrupted, clean)
        assert (hit.sum(1) == round(0.3 * clean.shape[1])).all()


def test_noise_is_fresh_for_every_row_minibatch_and_epoch(monkeypatch):
    seen, stack = spy(monkeypatch), make()
    pretrain(stack, data(n=32), dataclasses.replace(SETTINGS, epochs=3), seed=3)
    hits = [hit for _, _, hit in seen[id(stack[0])]]
    assert not torch.equal(hits[0][0], hits[0][1])
    for first, second in itertools.combinations(hits, 2):
        assert not torch.equal(first, second)


def test_rows_are_shuffled_anew_in_every_epoch_and_each_comes_once(monkeypatch):
    seen, stack, x = spy(monkeypatch), make(), data(n=32)
    pretrain(stack, x, SETTINGS, seed=3)
    batches = [clean for clean, _, _ in seen[id(stack[0])]]
    epochs = [torch.cat(batches[:4]), torch.cat(batches[4:])]
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[0], x)
    for epoch in epochs:
        assert torch.equal(sorted_rows(epoch), sorted_rows(x))


def test_without_corruption_it_is_the_plain_autoencoder_bit_for_bit():
    x, stack = data(n=32), make(fraction=0.0, hidden=(8,))
    w, b, c = (p.detach().clone() for p in stack[0].parameters())
    pretrain(stack, x, SETTINGS, seed=3)
    for epoch in (1, 2):
        order = torch.randperm(32, generator=stream(3, "order", 0, epoch))
        for rows in order.split(8):
            clean = x[rows]
            y = torch.sigmoid(torch.addmm(b, clean, w))
            delta = (torch.sigmoid(torch.addmm(c, y, w.T)) - clean) * (torch.tensor(0.1) / 8)
            epsilon = torch.ops.aten.sigmoid_backward(delta @ w, y)
            w = w.addmm(torch.cat([clean, delta]).T, torch.cat([epsilon, y]), alpha=-1)
            b, c = b - epsilon.sum(0, keepdim=True), c - delta.sum(0, keepdim=True)
    assert equal(weights(stack), [w, b, c])


def test_lower_layers_stand_still_while_upper_ones_train():
    stack = make()
    before = None
    for epoch in pretraining_epochs(stack, data(), [[SETTINGS] * 3], [0]):
        if epoch.depth == 1 and epoch.epoch == 0:
            before, initial = weights(stack[0]), weights(stack[1])
    assert equal(before, weights(stack[0]))
    assert not torch.equal(initial[0], stack[1].weight)


@pytest.mark.parametrize("kind", [lambda n: Layer(n, Masking(0.3)), Boltzmann], ids=["dA", "RBM"])
@pytest.mark.parametrize("depth", [0, 2])
def test_a_frozen_layer_is_refused_before_anything_moves(kind, depth):
    stack = StackedDenoisingAutoencoder.plan(9, [kind(n) for n in (7, 5, 4)], 0)
    stack[depth].requires_grad_(False)
    for one in (stack, join([stack, stack])):
        before = weights(one)
        with pytest.raises(ValueError, match=f"got layers.{depth}.weight, .*requires_grad=False"):
            list(pretraining_epochs(one, data(), [[SETTINGS] * 3] * 2, [0, 1]))
        assert equal(before, weights(one))
    with pytest.raises(ValueError, match="frozen parameters cannot be trained"):
        Descent(dict(stack[depth].named_parameters()), [0.1], [0.0], [0.0])


def test_the_layers_that_denoise_best_are_found_on_validation_rows():
    stack, valid = make(), data(40, purpose="valid")
    assert stack.best_depth is None
    pretrain(stack, data(60), dataclasses.replace(SETTINGS, epochs=20), 0, valid)
    errors = denoising_errors(stack, valid, Masking(0.3), 0)
    corrupted = Masking(0.3)(valid, stream(0, "validation corruption", 0)).x
    for depth, error in enumerate(errors):
        made = stack.reconstruct(corrupted, depth)
        assert error == pytest.approx(float((made - valid).square().mean()), rel=1e-5)
    assert errors[stack.best_depth] == min(errors[1:])


def test_a_stack_knows_where_the_rows_lie_that_it_has_learned_from():
    stack, x = make(), data()
    pretrain(stack, x, SETTINGS, 0)
    assert stack.extent == (float(x.min()), float(x.max()))


def test_every_parameter_of_every_layer_is_trained():
    stack = make(tied=False)
    before = weights(stack)
    pretrain(stack, data(), SETTINGS, seed=0)
    assert not any(torch.equal(a, b) for a, b in zip(before, weights(stack), strict=True))


def test_the_same_seed_gives_the_same_bits_in_any_order_of_runs():
    def trained(seed):
        stack = make(seed)
        pretrain(stack, data(), SETTINGS, seed)
        return weights(stack)

    forwards = {seed: trained(seed) for seed in (0, 1, 2)}
    backwards = {seed: trained(seed) for seed in (2, 1, 0)}
    assert all(equal(forwards[seed], backwards[seed]) for seed in (0, 1, 2))
    assert not torch.equal(forwards[0][0], forwards[1][0])


@pytest.mark.parametrize("hidden", [(7, 5), (64, 32), (33, 50)])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_a_run_agrees_with_itself_alone_to_rounding(hidden, momentum):
    fractions, rates = (0.0, 0.3, 0.5), (0.05, 0.1, 0.2)
    settings = [
        [Pretraining(2 + k, rate, 8, momentum=momentum)] * 2 for k, rate in enumerate(rates)
    ]
    x, valid = data(n=34), data(11, purpose="valid")

    def stacks():
        return [make(k, fraction, hidden) for k, fraction in enumerate(fractions)]

    company = join(stacks())
    epochs = list(pretraining_epochs(company, x, settings, [0, 1, 2], valid))
    for k, alone in enumerate(stacks()):
        own = list(pretraining_epochs(alone, x, [settings[k]], [k], valid))
        assert near(weights(select(company, k)), weights(alone))
        mine = [epoch.row(k) for epoch in epochs if epoch.active[k] or epoch.epoch == 0]
        assert near(mine, [epoch.row(0) for epoch in own])


def test_the_mean_cost_of_an_epoch_weighs_a_short_last_batch_right():
    x, stack = data(n=13), make(fraction=0.0, hidden=(5,))
    expected = float(stack[0].cost(x, sda.Corrupted(x, None)).detach())
    still = dataclasses.replace(SETTINGS, learning_rate=1e-30, batch_size=5, epochs=1)
    assert abs(float(pretrain(stack, x, still, 0)[-1].loss) - expected) < 1e-4


def test_settings_differ_by_layer():
    settings = [dataclasses.replace(SETTINGS, epochs=n) for n in (3, 1, 0)]
    stack = make()
    last = weights(stack[2])
    history = pretrain(stack, data(), settings, seed=0)
    assert [(e.depth, e.epoch) for e in history] == [
        *[(0, k) for k in range(4)], (1, 0), (1, 1), (2, 0),
    ]  # fmt: skip
    assert equal(last, weights(stack[2]))


@pytest.mark.parametrize("loss", [CrossEntropy(), SquaredError()])
def test_the_baselines_are_the_mean_predictor_and_the_corrupted_input(loss):
    x, valid = data(), data(11, purpose="valid")
    stack = make(hidden=(5,), reconstruction=loss)
    first = pretrain(stack, x, dataclasses.replace(SETTINGS, epochs=0), 4, valid)[0]
    mean, targets = x.mean(0).double(), valid.double()
    if isinstance(loss, CrossEntropy):
        expected = -(targets * mean.log() + (1 - targets) * (1 - mean).log()).sum(1).mean()
        assert set(first.baselines) == {"mean"}
    else:
        expected = 0.5 * ((targets - mean) ** 2).sum(1).mean()
        corrupted = Masking(0.3)(valid, stream(4, "validation corruption", 0)).x
        passed = 0.5 * ((corrupted - valid) ** 2).sum(1).mean()
        assert torch.isclose(first.baselines["input"].float(), passed)
    assert torch.isclose(first.baselines["mean"], expected, atol=1e-4)


def test_validation_rows_are_corrupted_by_one_draw_and_never_train():
    x, valid = data(), data(11, purpose="valid")
    with_valid, without = make(), make()
    frozen = [dataclasses.replace(SETTINGS, epochs=2, learning_rate=1e-30)]
    history = pretrain(make(hidden=(5,)), x, frozen, 0, valid)
    assert len({float(epoch.valid) for epoch in history}) == 1  # one draw for all epochs
    assert float(history[0].valid) != float(history[0].valid_clean)
    pretrain(with_valid, x, SETTINGS, 0, valid)
    pretrain(without, x, SETTINGS, 0)
    assert equal(weights(with_valid), weights(without))


def test_a_layer_with_patience_stops_and_has_its_best_weights_back():
    x, valid = data(), data(11, purpose="valid")
    settings = Pretraining(60, 30.0, 8, patience=4)
    stack, at_epoch = make(hidden=(5,)), {}
    for epoch in pretraining_epochs(stack, x, [[settings]], [0], valid):
        at_epoch[epoch.epoch] = (float(epoch.valid), weights(stack))
    trained = {epoch: at_epoch[epoch] for epoch in at_epoch if epoch > 0}
    best = min(trained, key=lambda epoch: (trained[epoch][0], -epoch))
    assert max(trained) == best + 4 < 60
    assert equal(weights(stack), at_epoch[best][1])


def test_an_ordinary_autoencoder_beside_denoising_ones_is_stopped_on_clean_rows():
    x, valid = data(), data(11, purpose="valid")
    settings = Pretraining(60, 3.0, 8, patience=4)
    stack, at_epoch = make(hidden=(5,), fraction=0.0, initialisation="papers"), {}
    for epoch in pretraining_epochs(stack, x, [[settings]], [0], valid, [[Masking(0.5)]]):
        at_epoch[epoch.epoch] = (float(epoch.valid), float(epoch.valid_clean), weights(stack))
    trained = [epoch for epoch in at_epoch if epoch > 0]
    tried, clean = (min(trained, key=lambda k: (at_epoch[k][which], -k)) for which in (0, 1))
    assert tried != clean  # else this would tell nothing
    assert max(trained) == clean + 4 < 60
    assert equal(weights(stack), at_epoch[clean][2])


def test_a_generator_that_nobody_iterates_trains_nothing_and_pretrain_does():
    stack = make()
    before = weights(stack)
    pretraining_epochs(stack, data(), [[SETTINGS] * 3], [0])
    assert equal(before, weights(stack))
    pretrain(stack, data(), SETTINGS, 0)
    assert not equal(before, weights(stack))


@pytest.mark.parametrize("patience", [None, 2])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_going_on_from_any_epoch_of_any_layer_ends_in_the_same_bits(momentum, patience):
    x, valid = data(), data(11, purpose="valid")
    settings = [[Pretraining(3, 0.5, 8, momentum=momentum, patience=patience)] * 3]
    stack, progress, kept = make(), Progress(), []
    rows = []
    for epoch in pretraining_epochs(stack, x, settings, [0], valid, progress=progress):
        rows.append(epoch.row(0))
        kept.append((copy.deepcopy(stack), copy.deepcopy(progress), len(rows)))
    for half_way, where, count in kept:
        rest = list(pretraining_epochs(half_way, x, settings, [0], valid, progress=where))
        assert equal(weights(half_way), weights(stack))
        assert [epoch.row(0) for epoch in rest] == rows[count:]


@pytest.mark.parametrize("patience", [None, 2])
def test_more_epochs_for_the_top_layer_end_in_the_bits_of_so_many_at_once(patience):
    x, valid = data(), data(11, purpose="valid")
    few = dataclasses.replace(SETTINGS, momentum=0.5, patience=patience, learning_rate=3.0)
    more = dataclasses.replace(few, epochs=9, patience=patience and 20)
    at_once, in_two, progress = make(), make(), Progress()
    whole = pretrain(at_once, x, [few, few, more], 0, valid)
    first = pretrain(in_two, x, [few] * 3, 0, valid, standing=progress)
    progress = copy.deepcopy(progress)
    assert pretrain(in_two, x, [few] * 3, 0, valid, standing=progress) == []
    rest = pretrain(in_two, x, [few, few, more], 0, valid, standing=progress)
    assert equal(weights(at_once), weights(in_two))
    assert [e.row(0) for e in first + rest] == [e.row(0) for e in whole]


def test_divergence_names_layer_epoch_and_rate():
    settings = [SETTINGS, Pretraining(5, 1e38, 8)]
    with pytest.raises(DivergenceError, match=r"layer 2, epoch 1, learning rate 1e\+38"):
        pretrain(make(hidden=(7, 5), reconstruction=SquaredError()), data(), settings, 0)


def test_a_cost_of_finite_millions_is_divergence_too():
    settings = dataclasses.replace(SETTINGS, learning_rate=1e6)
    with pytest.raises(DivergenceError, match=r"layer 1, epoch 1, learning rate 1e\+06"):
        pretrain(make(), data(), settings, 0)


def test_a_diverged_run_leaves_the_others_alone():
    settings = [[Pretraining(3, rate, 8)] for rate in (0.01, 1e38)]
    company = join([make(k, hidden=(5,), reconstruction=SquaredError()) for k in (0, 1)])
    epochs = list(pretraining_epochs(company, data(), settings, [0, 1]))
    alone = make(0, hidden=(5,), reconstruction=SquaredError())
    pretrain(alone, data(), settings[0][0], 0)
    assert equal(weights(select(company, 0)), weights(alone))
    assert [epoch.diverged(1) for epoch in epochs] == [False, True, True, True]
    assert epochs[-1].active.tolist() == [True, False]


REFUSED = [
    ({"x": data() * 3}, r"inputs of layer 1 lie in \[.*\]; use reconstruction=squared_error, or"),
    ({"activation": "tanh"}, r"inputs of layer 2 lie in \[-1, 1\]"),
    ({"activation": "relu"}, r"inputs of layer 2 lie in \[0, inf\]"),
    ({"x": data(d=8)}, r"training rows must be \(n, 9\).*got \(30, 8\)"),
    ({"x": data()[:0]}, "with n at least 1"),
    ({"x": data()[0]}, r"got \(9,\)"),
    ({"x": torch.full((3, 9), torch.nan)}, "must be finite"),
    ({"x": data().double()}, r"must be torch.float32 .*, got torch.float64"),
    ({"x": data().round().long()}, r"must be torch.float32 .*, got torch.int64"),
    ({"x": data().numpy()}, r"must be a tensor \(n, 9\), got ndarray"),
    ({"settings": [SETTINGS]}, "settings for each of 3 layers, got 1"),
    ({"settings": dataclasses.replace(SETTINGS, patience=2)}, "needs validation rows"),
]


@pytest.mark.parametrize(("case", "message"), REFUSED)
def test_what_cannot_be_trained_on_is_refused_before_anything_moves(case, message):
    stack = make(activation=case.get("activation", "sigmoid"))
    before = weights(stack)
    with pytest.raises(ValueError, match=message):
        pretrain(stack, case.get("x", data()), case.get("settings", SETTINGS), 0)
    assert equal(before, weights(stack))


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": -1}, {"epochs": 1.5}, {"learning_rate": 0}, {"learning_rate": float("inf")},
        {"batch_size": 0}, {"momentum": 1}, {"weight_decay": -1}, {"patience": 0},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(change):
    with pytest.raises(ValueError, match=f"pretrain.{next(iter(change))} must be"):
        dataclasses.replace(SETTINGS, **change)


def test_a_stack_of_several_runs_is_for_those_that_yield_epochs():
    stack = join([make(), make(4)])
    with pytest.raises(ValueError, match="pretraining_epochs"):
        pretrain(stack, data(), SETTINGS, seed=3)
    network = Classifier(stack, 2, seed=[0, 1])
    with pytest.raises(ValueError, match="finetuning_epochs"):
        finetune(network, (data(), data()), (data(), data()), Finetuning(1, 0.1, 5), seed=3)


def test_pretraining_cannot_see_a_label():
    homes = [str(getattr(value, "__module__", "")) for value in vars(pretraining).values()]
    seeing = ("sda.nn.heads", "sda.training.finetuning", "sda.data")
    assert not [home for home in homes if home.startswith(seeing)]


@pytest.mark.parametrize(
    ("train", "wanted"),
    [
        (lambda net, x, y: sda.pretrain(net.stack, x, 3, seed=0), "Pretraining"),
        (lambda net, x, y: sda.finetune(net, (x, y), (x, y), 3, seed=0), "Finetuning"),
        (lambda net, x, y: sda.SDATransformer((5,), pretraining=3).fit(x), "Pretraining"),
        (
            lambda net, x, y: sda.SDAClassifier((5,), pretrain_epochs=1, finetuning=3).fit(x, y),
            "Finetuning",
        ),
    ],
    ids=["pretrain", "finetune", "transformer", "classifier"],
)
def test_settings_that_are_none_are_refused_in_one_line(train, wanted):
    stack = sda.StackedDenoisingAutoencoder.plan(8, [sda.Layer(5, sda.Masking(0.2))], seed=0)
    x, y = torch.rand(60, 8, generator=sda.stream(0, "x")), torch.arange(60) % 2
    with pytest.raises(ValueError, match=rf"settings must be {wanted}\(\.\.\.\), got 3"):
        train(sda.Classifier(stack, 2, seed=0), x, y)
