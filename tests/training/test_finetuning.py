"""Fine-tuning: what moves, when it stops, what it ends with."""

import copy
import dataclasses
import inspect

import pytest
import torch
from rounding import near
from small import labelled
from small import network as make

from sda import (
    Classifier,
    DivergenceError,
    Finetuning,
    Layer,
    Masking,
    StackedDenoisingAutoencoder,
    digits,
    finetune,
    join,
)
from sda.nn import predictor as classifiers
from sda.training import finetuning
from sda.training.finetuning import Progress, finetuning_epochs
from sda.training.minibatches import Labelled

SETTINGS = Finetuning(epochs=6, learning_rate=0.5, batch_size=8)


TRAIN, VALID = labelled(60, "train"), labelled(40, "valid")


def weights(module):
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def equal(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_all_encoder_weights_move_and_decoders_do_not():
    network = make(tied=False)
    before = weights(network)
    finetune(network, TRAIN, VALID, SETTINGS, seed=0)
    moved = {name for name, p in weights(network).items() if not torch.equal(p, before[name])}
    assert moved == {
        "weight", "bias", "stack.layers.0.weight", "stack.layers.0.hidden_bias",
        "stack.layers.1.weight", "stack.layers.1.hidden_bias",
    }  # fmt: skip


def test_frozen_encoders_stand_still_while_the_softmax_learns():
    network = make()
    before = weights(network.stack)
    history = finetune(network, TRAIN, VALID, dataclasses.replace(SETTINGS, encoders=False), seed=0)
    assert equal(before, weights(network.stack))
    assert history[-1].loss < history[0].loss


def test_a_frozen_layer_is_refused_unless_all_encoders_stand_still():
    network = make()
    network.stack[1].requires_grad_(False)
    before = weights(network)
    with pytest.raises(ValueError, match=r"frozen .* got layers.1.weight, layers.1.hidden_bias"):
        finetune(network, TRAIN, VALID, SETTINGS, seed=0)
    assert equal(before, weights(network))
    finetune(network, TRAIN, VALID, dataclasses.replace(SETTINGS, encoders=False), seed=0)
    assert equal(weights(network.stack[1]), {n[15:]: w for n, w in before.items() if ".1." in n})
    company = Classifier(join([network.stack, make(1).stack]), 3, seed=[0, 1])
    for one in (company, classifiers.take(company, [0]), classifiers.single(company, 1)):
        with pytest.raises(ValueError, match="frozen parameters cannot be trained"):
            list(finetuning_epochs(one, TRAIN, VALID, [SETTINGS] * 2, [0, 1]))


def test_fine_tuning_moves_the_stack_itself():
    network = make()
    stack = network.stack
    before = weights(stack)
    finetune(network, TRAIN, VALID, SETTINGS, seed=0)
    assert not equal(before, weights(stack))


def test_corruption_has_no_part_in_fine_tuning_or_prediction():
    def trained(fraction):
        network = make(fraction=fraction)
        finetune(network, TRAIN, VALID, SETTINGS, seed=0)
        return weights(network), network.predict(VALID[0])

    (without, answers), (with_noise, same_answers) = trained(0.0), trained(0.9)
    assert equal(without, with_noise)
    assert torch.equal(answers, same_answers)


def test_it_ends_with_the_weights_of_the_lowest_validation_error():
    network, kept = make(initialisation="tutorial"), {}
    settings = dataclasses.replace(SETTINGS, epochs=40, learning_rate=1.0)
    for epoch in finetuning_epochs(network, TRAIN, VALID, [settings], [0]):
        figures = (float(epoch.valid_error), float(epoch.valid_loss), -epoch.epoch)
        kept[epoch.epoch] = (figures, weights(network))
    best = min(kept, key=lambda epoch: kept[epoch][0])
    assert best < 40
    assert equal(weights(network), kept[best][1])
    assert float(network.error_rate(*VALID)) == kept[best][0][0]


def test_patience_ends_a_run_that_many_epochs_after_its_best():
    settings = dataclasses.replace(SETTINGS, epochs=500, learning_rate=3.0, patience=5)
    history = finetune(make(), TRAIN, VALID, settings, seed=0)
    assert history[-1].epoch == int(history[-1].best_epoch) + 5 < 500


def test_patience_does_not_count_until_validation_is_better_than_chance():
    slow = dataclasses.replace(SETTINGS, epochs=12, learning_rate=1e-6, patience=2)
    network = make(initialisation="tutorial")
    history = finetune(network, TRAIN, VALID, slow, seed=0)
    assert len(history) == 12
    assert all(int(epoch.best_epoch) == 0 for epoch in history)


def test_a_run_whose_best_epoch_is_its_last_shows_it():
    settings = dataclasses.replace(SETTINGS, epochs=40, learning_rate=1.0)
    network = make(initialisation="tutorial")
    best = int(finetune(network, TRAIN, VALID, settings, seed=0)[-1].best_epoch)
    cut = dataclasses.replace(settings, epochs=best)
    history = finetune(make(initialisation="tutorial"), TRAIN, VALID, cut, seed=0)
    assert int(history[-1].best_epoch) == history[-1].epoch == best > 0


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_going_on_from_any_epoch_ends_in_the_same_bits(momentum):
    settings = dataclasses.replace(SETTINGS, momentum=momentum, weight_decay=1e-4, patience=3)
    network, progress, kept, rows = make(), Progress(), [], []
    for epoch in finetuning_epochs(network, TRAIN, VALID, [settings], [0], progress):
        rows.append(epoch.row(0))
        kept.append((copy.deepcopy(network), copy.deepcopy(progress), len(rows)))
    for half_way, where, count in kept:
        rest = list(finetuning_epochs(half_way, TRAIN, VALID, [settings], [0], where))
        assert equal(weights(half_way), weights(network))
        assert [epoch.row(0) for epoch in rest] == rows[count:]


@pytest.mark.parametrize("patience", [None, 2])
def test_more_epochs_for_a_finished_network_end_in_the_bits_of_so_many_at_once(patience):
    settings = dataclasses.replace(SETTINGS, epochs=9, momentum=0.5, learning_rate=1.0)
    fewer = dataclasses.replace(settings, epochs=5, patience=patience)
    at_once, in_two, progress = make(), make(), Progress()
    whole = finetune(at_once, TRAIN, VALID, settings, seed=0)
    first = finetune(in_two, TRAIN, VALID, fewer, 0, progress)
    progress = copy.deepcopy(progress)
    assert finetune(in_two, TRAIN, VALID, fewer, 0, progress) == []
    rest = finetune(in_two, TRAIN, VALID, settings, 0, progress)
    assert equal(weights(at_once), weights(in_two))
    assert [e.row(0) for e in first + rest] == [e.row(0) for e in whole]


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_a_run_agrees_with_itself_alone_to_rounding(momentum):
    settings = [
        dataclasses.replace(SETTINGS, epochs=6 + k, learning_rate=rate, momentum=momentum)
        for k, rate in enumerate((0.1, 0.5, 1.0))
    ]
    company = Classifier(join([make(k).stack for k in range(3)]), 3, seed=[0, 1, 2])
    epochs = list(finetuning_epochs(company, TRAIN, VALID, settings, [0, 1, 2]))
    for k in range(3):
        alone = make(k)
        own = list(finetuning_epochs(alone, TRAIN, VALID, [settings[k]], [k]))
        assert near(weights(classifiers.single(company, k)), weights(alone))
        assert near([e.row(k) for e in epochs if e.active[k]], [e.row(0) for e in own])


def test_runs_that_stay_when_others_are_done_agree_with_themselves_alone_to_rounding():
    settings = [dataclasses.replace(SETTINGS, epochs=n, momentum=0.5) for n in (2, 9, 3)]
    company = Classifier(join([make(k).stack for k in range(3)]), 3, seed=[0, 1, 2])
    progress = Progress()
    list(finetuning_epochs(company, TRAIN, VALID, settings, [0, 1, 2], progress, at_least=2))
    assert finetuning.still_training(company, settings, progress) == [False, True, False]
    rest, going_on = classifiers.take(company, [1]), finetuning.take(progress, [1])
    list(finetuning_epochs(rest, TRAIN, VALID, [settings[1]], [1], going_on))
    for k, network in ((0, company), (1, rest), (2, company)):
        alone = make(k)
        finetune(alone, TRAIN, VALID, settings[k], seed=k)
        place = 0 if network is rest else k
        assert near(weights(classifiers.single(network, place)), weights(alone))


def test_a_blown_up_network_is_called_diverged():
    with pytest.raises(DivergenceError, match=r"epoch 1, learning rate 1e\+06"):
        finetune(make(), TRAIN, VALID, dataclasses.replace(SETTINGS, learning_rate=1e6), 0)


def test_fine_tuning_has_no_argument_for_a_test_set():
    names = {*inspect.signature(finetune).parameters}
    names |= {*inspect.signature(finetuning_epochs).parameters}
    assert not any("test" in name for name in names)


REFUSED = [
    ((TRAIN[0][:, :8], TRAIN[1]), r"training rows must be \(n, 9\)"),
    (
        (TRAIN[0], TRAIN[1][:5]),
        r"training classes must be a tensor \(60,\) of int64, got Tensor \(5,\)",
    ),
    ((TRAIN[0], TRAIN[1].float()), "must be a tensor"),
    ((TRAIN[0], TRAIN[1] - 2), "must be in 0..2, or -1 for a row without a label, got -2 in row"),
    ((TRAIN[0], TRAIN[1] + 1), "must be in 0..2, or -1 .*, got 3 in row"),
    ((TRAIN[0], 0 * TRAIN[1] - 1), "training rows need labels, at least one of them; none has"),
    ((*TRAIN, torch.ones(5)), "training weights must be .*, one for each row"),
    ((*TRAIN, -torch.ones(60)), "training weights must be finite numbers of at least 0"),
    ((*TRAIN, torch.zeros(60)), "training weights are 0 in all rows with labels"),
    ((TRAIN[0] / 0, TRAIN[1]), "training rows must be finite"),
    ((TRAIN[0].double(), TRAIN[1]), "training rows must be torch.float32 .*, got torch.float64"),
]


@pytest.mark.parametrize(("train", "message"), REFUSED)
def test_what_cannot_be_trained_on_is_refused_before_anything_moves(train, message):
    network = make()
    before = weights(network)
    with pytest.raises(ValueError, match=message):
        finetune(network, train, VALID, SETTINGS, seed=0)
    assert equal(before, weights(network))


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0}, {"learning_rate": -5}, {"batch_size": 0}, {"momentum": 1.5},
        {"weight_decay": -1}, {"patience": 0}, {"encoders": "no"},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(change):
    with pytest.raises(ValueError, match=f"finetune.{next(iter(change))} must be"):
        dataclasses.replace(SETTINGS, **change)


def test_what_is_asked_of_a_trained_network_is_checked_as_training_checks_it():
    network = make()
    finetune(network, TRAIN, VALID, SETTINGS, seed=0)
    with pytest.raises(ValueError, match="rows must be finite"):
        network.predict(VALID[0] / 0)
    with pytest.raises(ValueError, match=r"classes must be in 0..2, .* got 7 in row 0"):
        network.error_rate(VALID[0], VALID[1] + 7 - VALID[1][0])
    with pytest.warns(UserWarning, match="should be scaled alike"):
        network.predict(255 * VALID[0])


def test_a_network_that_names_one_class_only_says_so(caplog):
    slow = dataclasses.replace(SETTINGS, epochs=1, learning_rate=1e-9)
    finetune(make(initialisation="papers"), TRAIN, VALID, slow, seed=0)
    assert "answers the same, 0, whatever the row" in caplog.text
    caplog.clear()
    finetune(make(), TRAIN, VALID, dataclasses.replace(SETTINGS, learning_rate=2.0), seed=0)
    assert not caplog.text


def test_without_pretraining_the_default_weights_learn_and_the_papers_do_not():
    (x, y), (valid_x, valid_y) = (map(torch.from_numpy, part) for part in digits_cut())
    settings = Finetuning(epochs=15, learning_rate=1.0, batch_size=20)
    errors = []
    for choices in ({}, {"initialisation": "papers"}):
        stack = StackedDenoisingAutoencoder.plan(64, [Layer(50, Masking(0), **choices)] * 3, 0)
        network = Classifier(stack, 10, seed=0, **choices)
        finetune(network, (x, y), (valid_x, valid_y), settings, seed=0)
        errors.append(float(network.error_rate(valid_x, valid_y)))
    assert errors[0] < 0.3 < 0.7 < errors[1]


def digits_cut():
    parts = digits(seed=0).parts()
    return [(part.x[:300], part.y[:300]) for part in (parts["train"], parts["valid"])]


@pytest.mark.parametrize("kind", [{}, {"tied": False}])
@pytest.mark.parametrize("asked", [{0: 3.0, 2: 0.5}, "balanced"])
def test_class_weights_are_weights_of_the_rows_of_each_class(asked, kind):
    """Against weights by hand: those of training rows, n / (k n_c) where they are balanced."""
    y = torch.where(torch.arange(60) < 50, TRAIN[1], -1)
    counts = y[y >= 0].bincount()
    own = torch.tensor([3, 1, 0.5]) if asked != "balanced" else 50 / (3 * counts)
    by_class, by_row = make(**kind), make(**kind)
    given = [Labelled(x, y, torch.where(y < 0, 0, own[y])) for x, y in ((TRAIN[0], y), VALID)]
    plan = dataclasses.replace(SETTINGS, class_weight=asked)
    one = finetune(by_class, (TRAIN[0], y), VALID, plan, seed=0)
    other = finetune(by_row, *given, SETTINGS, seed=0)
    assert equal(weights(by_class), weights(by_row))
    assert [epoch.row(0) for epoch in one] == [epoch.row(0) for epoch in other]


def test_runs_of_one_batch_weigh_classes_alike_and_others_train_apart():
    plan = dataclasses.replace(SETTINGS, class_weight={1: 4.0})
    alone = [make(seed) for seed in (0, 1)]
    for seed, network in enumerate(alone):
        finetune(network, TRAIN, VALID, plan, seed)
    both = Classifier(join([make(k).stack for k in range(2)]), 3, seed=[0, 1])
    list(finetuning_epochs(both, TRAIN, VALID, [plan, plan], [0, 1]))
    for k, network in enumerate(alone):
        assert near(classifiers.single(both, k).weight, network.weight)
    assert plan.batch_key != SETTINGS.batch_key


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"class_weight": "even"}, "must be balanced, null or"),
        ({"class_weight": {0: -1.0}}, "finetune.class_weight of 0 must be"),
        ({"class_weight": "balanced", "labelled": 9}, "counts the labels of all rows"),
    ],
)
def test_impossible_class_weights_are_refused(choices, told):
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(SETTINGS, **choices)


def test_classes_are_weighed_by_name():
    plan = dataclasses.replace(SETTINGS, class_weight={"yes": 2.0, 7: 3.0})
    assert plan.of_classes(("7", "no", "yes")).class_weight == {2: 2.0, 0: 3.0}
    with pytest.raises(ValueError, match="there is no class 7; there are no, yes"):
        plan.of_classes(("no", "yes"))
