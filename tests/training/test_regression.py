"""Fine-tuning for numbers, for weighted rows and for rows of which some have no label."""

import dataclasses

import pytest
import torch
from sklearn.metrics import r2_score

from sda import (
    Classifier,
    Finetuning,
    Layer,
    Masking,
    Regressor,
    StackedDenoisingAutoencoder,
    finetune,
    stream,
)
from sda.training.minibatches import Labelled

SETTINGS = Finetuning(epochs=15, learning_rate=0.1, batch_size=8)


def rows(n, purpose):
    x = torch.rand(n, 9, generator=stream(0, purpose))
    return x, torch.stack([100 + 30 * x[:, 0] - 9 * x[:, 1], x[:, 2].square()], 1)


TRAIN, VALID = rows(150, "train"), rows(60, "valid")
CLASSES = (TRAIN[1][:, 0] > 110).long(), (VALID[1][:, 0] > 110).long()


def trained(kind, train, valid, settings=SETTINGS):
    plans = [Layer(n, Masking(0.3), initialisation="tutorial") for n in (12, 7)]
    network = kind(StackedDenoisingAutoencoder.plan(9, plans, 0), 2, seed=0)
    return network, finetune(network, train, valid, settings, seed=0)


def weights(network):
    return torch.cat([p.flatten() for p in network.state_dict().values()])


def test_a_regressor_learns_and_its_error_is_1_less_r2_of_its_best_epoch():
    settings = dataclasses.replace(SETTINGS, epochs=40, learning_rate=0.3)
    network, history = trained(Regressor, TRAIN, VALID, settings)
    best = min(history, key=lambda epoch: (epoch.valid_error, epoch.valid_loss))
    r2 = r2_score(VALID[1], network.predict(VALID[0]))
    assert float(best.valid_error) == pytest.approx(1 - r2, abs=1e-5)
    assert r2 > 0.7


def test_a_regressor_stops_by_its_patience():
    settings = dataclasses.replace(SETTINGS, epochs=400, learning_rate=0.5, patience=3)
    _, history = trained(Regressor, TRAIN, VALID, settings)
    assert history[-1].epoch == int(history[-1].best_epoch) + 3 < 400


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_rows_without_a_label_have_no_part_in_fine_tuning(kind):
    y, valid_y = CLASSES if kind is Classifier else (TRAIN[1], VALID[1])
    none = torch.full_like(y[:20], -1 if kind is Classifier else torch.nan)
    some = (torch.cat([torch.ones(20, 9), TRAIN[0]]), torch.cat([none, y]))
    more = (torch.cat([VALID[0], torch.ones(20, 9)]), torch.cat([valid_y, none]))
    settings = dataclasses.replace(SETTINGS, epochs=4, labelled=80)
    with_them, history = trained(kind, some, more, settings)
    without, own = trained(kind, (TRAIN[0], y), (VALID[0], valid_y), settings)
    assert torch.equal(weights(with_them), weights(without))
    assert [float(e.valid_error) for e in history] == [float(e.valid_error) for e in own]
    with pytest.raises(ValueError, match="at most 150, the training rows with labels, got 151"):
        trained(kind, some, more, dataclasses.replace(settings, labelled=151))


def test_only_the_ratios_of_weights_count():
    given = torch.rand(150, generator=stream(1))
    settings = dataclasses.replace(SETTINGS, epochs=3)
    ends = [
        weights(trained(Classifier, train, (VALID[0], CLASSES[1]), settings)[0])
        for train in (
            Labelled(TRAIN[0], CLASSES[0], given),
            Labelled(TRAIN[0], CLASSES[0], given * 8),
            Labelled(TRAIN[0], CLASSES[0]),
        )
    ]
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_a_class_of_more_weight_is_named_more_often():
    noise = torch.randint(2, (150,), generator=stream(2))
    valid = (VALID[0], torch.randint(2, (60,), generator=stream(3)))
    named = []
    for heavy in (0, 1):
        weights = torch.where(noise == heavy, 5.0, 1.0)
        of_valid = torch.where(valid[1] == heavy, 5.0, 1.0)
        train = Labelled(TRAIN[0], noise, weights)
        network, _ = trained(Classifier, train, Labelled(*valid, of_valid))
        named.append(float(network.predict(VALID[0]).float().mean()))
    assert named[0] < 0.3 < 0.7 < named[1]


def test_epochs_no_better_than_the_mean_are_not_remembered():
    settings = dataclasses.replace(SETTINGS, learning_rate=1e-9, epochs=3, patience=1)
    noise = 100 + torch.randn(150, 2, generator=stream(4))
    _, history = trained(Regressor, (TRAIN[0], noise), (VALID[0], noise[:60].flip(0)), settings)
    assert [int(epoch.best_epoch) for epoch in history] == [0, 0, 0]
