"""The learning rate over epochs, and weights averaged over steps."""

import copy
import dataclasses
import math

import pytest
import torch
from rounding import near
from small import labelled
from small import network as make

from sda import (
    Classifier,
    Finetuning,
    Pretraining,
    finetune,
    join,
    pretrain,
)
from sda.nn.optimisers import Descent
from sda.training import finetuning, pretraining
from sda.training.finetuning import Progress, finetuning_epochs
from sda.training.pretraining import pretraining_epochs

SETTINGS = Finetuning(epochs=4, learning_rate=0.5, batch_size=8)


TRAIN, VALID = labelled(60, "train"), labelled(40, "valid")


def rates(schedule, epochs=10, **more):
    plan = Pretraining(epochs, 0.1, 5, schedule=schedule, **more)
    return [plan.factor(epoch) for epoch in range(1, epochs + 1)]


def test_inverse_time_has_halved_the_rate_after_the_epochs_asked_for():
    found = rates("inverse_time", halved_after=4)
    assert found == [1 / (1 + t / 4) for t in range(10)]
    assert found[4] == 0.5


def test_cosine_falls_from_the_rate_towards_nothing():
    found = rates("cosine")
    assert found == [0.5 * (1 + math.cos(math.pi * t / 10)) for t in range(10)]
    assert found[0] == 1.0


def test_what_has_ended_with_cosine_rates_cannot_go_on_with_others():
    network, few = make(), dataclasses.replace(SETTINGS, epochs=2, schedule="cosine")
    fine, layers = Progress(), pretraining.Progress()
    finetune(network, TRAIN, VALID, few, 0, fine)
    finetune(network, TRAIN, VALID, few, 0, fine)  # there is nothing left to do
    with pytest.raises(ValueError, match=r"finetune.schedule=cosine .* cannot go on"):
        finetune(network, TRAIN, VALID, dataclasses.replace(few, epochs=4), 0, fine)
    plan = Pretraining(1, 0.1, 8, schedule="cosine")
    pretrain(network.stack, TRAIN[0], plan, 0, standing=layers)
    more = [*[plan] * (len(network.stack) - 1), dataclasses.replace(plan, epochs=2)]
    with pytest.raises(ValueError, match=r"pretrain.schedule=cosine .* cannot go on"):
        pretrain(network.stack, TRAIN[0], more, 0, standing=layers)


def test_constant_rates_stay():
    assert rates("constant") == [1.0] * 10


def test_pretraining_and_fine_tuning_take_steps_of_the_scheduled_rate(monkeypatch):
    asked = []
    only = Descent.only

    def noted(self, active, factors=()):
        only(self, active, factors)
        asked.append(round(float(self.rates), 6))

    monkeypatch.setattr(Descent, "only", noted)
    network = make()
    plan = Pretraining(2, 0.4, 8, schedule="cosine")
    list(pretraining_epochs(network.stack, TRAIN[0], [[plan, plan]], [0]))
    tuning = dataclasses.replace(SETTINGS, epochs=2, schedule="inverse_time", halved_after=1)
    finetune(network, TRAIN, VALID, tuning, seed=0)
    assert asked == [0.4, 0.2, 0.4, 0.2, 0.5, 0.25]


def test_averages_follow_their_equation_at_every_step():
    weight = torch.nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float64))
    way = Descent({"weight": weight}, [0.1], [0.0], [0.0], averaging=[0.75])
    average = weight.detach().clone()
    for _ in range(5):
        way.step(weight.square().sum())
        average = 0.75 * average + 0.25 * weight.detach()
    assert torch.allclose(way.averages["weight"], average, atol=1e-15)


def test_the_kept_weights_and_the_validation_error_are_those_of_the_average(monkeypatch):
    settings = dataclasses.replace(SETTINGS, averaging=0.9)
    seen = {}
    evaluate = Classifier.evaluate

    def noted(self, *rows):
        seen["average"] = self.weight.detach().clone()
        return evaluate(self, *rows)

    monkeypatch.setattr(Classifier, "evaluate", noted)
    monkeypatch.setattr(finetuning, "_chance", lambda *_: 1.0)
    network, best = make(), None
    for epoch in finetuning_epochs(network, TRAIN, VALID, [settings], [0]):
        assert not torch.equal(network.weight, seen["average"])  # training goes on from its own
        best = seen["average"] if int(epoch.best_epoch) == epoch.epoch else best
    assert best is not None
    assert torch.equal(network.weight, best)
    error, _ = evaluate(network, *VALID)
    assert error <= epoch.valid_error


def test_a_run_that_is_never_better_than_chance_ends_with_its_average(monkeypatch):
    monkeypatch.setattr(finetuning, "_chance", lambda *_: 0.0)
    settings = dataclasses.replace(SETTINGS, averaging=0.9, epochs=1)
    network, kept = make(), Progress()
    list(finetuning_epochs(network, TRAIN, VALID, [settings], [0], kept))
    assert torch.equal(network.weight, kept.optimiser["average of weight"])


@pytest.mark.parametrize("change", [{"averaging": 0.9}, {"optimiser": "adam"}])
def test_fine_tuning_goes_on_to_the_same_bits(change):
    settings = dataclasses.replace(SETTINGS, learning_rate=0.05, schedule="cosine", **change)
    whole = make()
    rest = list(finetuning_epochs(whole, TRAIN, VALID, [settings], [0]))
    part, kept = make(), Progress()
    epochs = finetuning_epochs(part, TRAIN, VALID, [settings], [0], kept)
    next(epochs), next(epochs)
    network, saved = copy.deepcopy(part), copy.deepcopy(vars(kept))
    again = list(finetuning_epochs(network, TRAIN, VALID, [settings], [0], Progress(**saved)))
    assert [e.row(0) for e in again] == [e.row(0) for e in rest[2:]]
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), network.parameters(), strict=True)
    )


def test_averages_of_runs_together_are_those_of_the_runs_alone():
    each = [dataclasses.replace(SETTINGS, averaging=s, epochs=n) for s, n in ((0.9, 4), (0.0, 2))]
    alone = [make(0), make(1)]
    together = Classifier(join([make(0).stack, make(1).stack]), 3, seed=[0, 1])
    kept = Progress()
    list(finetuning_epochs(together, TRAIN, VALID, each, [0, 1], kept, at_least=2))
    fewer = finetuning.take(kept, [0])
    assert fewer.optimiser["average of weight"].shape == (1, 7, 3)
    list(finetuning_epochs(together, TRAIN, VALID, each, [0, 1], kept))
    for run, (single, settings) in enumerate(zip(alone, each, strict=True)):
        finetune(single, TRAIN, VALID, settings, seed=run)
        assert near(together.weight[run].detach(), single.weight.detach())
