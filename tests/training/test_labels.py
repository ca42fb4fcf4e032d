"""Few labels and noisy inputs: what fine-tuning sees, while pretraining sees all rows."""

import dataclasses

import numpy as np
import pytest
import torch
from rounding import near
from small import labelled

from sda import (
    Classifier,
    Finetuning,
    Gaussian,
    Layer,
    Masking,
    StackedDenoisingAutoencoder,
    finetune,
    join,
)
from sda.__main__ import main
from sda.common.rows import shared
from sda.config import compose, schema
from sda.data.splits import Rows, Splits
from sda.experiment import experiment
from sda.experiment.phases import State
from sda.nn import predictor as classifiers
from sda.runs.identity import differences
from sda.training import finetuning
from sda.training.finetuning import finetuning_epochs
from sda.training.minibatches import Labelled, labelled_blocks, labelled_rows
from sda.training.pretraining import pretraining_epochs

SETTINGS = Finetuning(epochs=5, learning_rate=0.5, batch_size=8, labelled=20)


TRAIN, VALID = labelled(60, "train"), labelled(40, "valid")


def trained(train=TRAIN, seed=0, **changes):
    """The weights of a network from random weights, trained with other settings."""
    plans = [Layer(n, Masking(0.3), initialisation="tutorial") for n in (12, 7)]
    network = Classifier(StackedDenoisingAutoencoder.plan(9, plans, seed), 3, seed=seed)
    finetune(network, train, VALID, dataclasses.replace(SETTINGS, **changes), seed)
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_fewer_labelled_rows_are_among_more_and_another_seed_has_others():
    few, more = (labelled_rows(1000, n, seed=3).tolist() for n in (100, 300))
    assert len(set(few)) == 100
    assert set(few) < set(more)
    assert few == sorted(few)
    assert few != labelled_rows(1000, 100, seed=4).tolist()


@pytest.mark.parametrize("count", [20, None])
def test_an_epoch_shows_every_labelled_row_once_and_no_other_in_an_order_of_its_own(count):
    x = torch.arange(60.0).unsqueeze(1)
    own = labelled_rows(60, count, seed=0)
    orders = [own.tolist()]
    for epoch in (1, 2):
        train = Labelled(x, TRAIN[1])
        seen = labelled_blocks(train, [own], None, 8, [0], epoch, (), x.device)
        inputs, classes = map(torch.cat, zip(*[block[:2] for block in seen], strict=True))
        orders.append(inputs.flatten().long().tolist())
        assert torch.equal(classes, TRAIN[1][orders[-1]])
    assert all(sorted(order) == orders[0] for order in orders)
    assert len(set(map(tuple, orders))) == 3


def test_a_row_without_a_label_has_no_part_in_fine_tuning_and_one_with_a_label_has():
    x, y = TRAIN
    own = labelled_rows(60, 20, seed=0)
    others = torch.ones(60, dtype=torch.bool).index_fill(0, own, False)
    wrong_elsewhere = (torch.where(others.unsqueeze(1), 1 - x, x), torch.where(others, 2 - y, y))
    assert torch.equal(trained(), trained(wrong_elsewhere))
    assert not torch.equal(trained(), trained((x, y.index_fill(0, own[:1], 2 - y[own[0]]))))


def test_all_rows_by_number_are_all_rows():
    assert torch.equal(trained(labelled=60), trained(labelled=None))
    assert not torch.equal(trained(labelled=59), trained(labelled=None))


def test_chance_is_the_commonest_class_of_the_labels_that_a_run_has():
    y = torch.zeros(50, dtype=torch.int64)
    own = labelled_rows(50, 5, seed=0)
    y[own] = 1
    valid = torch.tensor([0, 1, 1, 1])
    network = Classifier(StackedDenoisingAutoencoder.plan(1, [Layer(1, Masking(0))], 0), 2, seed=0)
    train, valid = (Labelled(torch.zeros(len(labels), 1), labels) for labels in (y, valid))
    for count, chance in ((None, 0.75), (5, 0.25)):
        (rows,) = finetuning.training_rows(y, network, count, [0])
        assert finetuning._chance(network, rows, train, valid) == chance


def test_pretraining_sees_all_rows_however_few_have_labels(monkeypatch, tmp_path):
    seen = []

    def watched(stack, x, *rest):
        seen.append(x.shape)
        return pretraining_epochs(stack, x, *rest)

    monkeypatch.setattr("sda.training.pretraining.pretraining_epochs", watched)
    monkeypatch.chdir(tmp_path)
    quick = ["stack.hidden=[5]", "pretrain.epochs=1", "finetune.epochs=1", "tensorboard=false"]
    with pytest.raises(SystemExit) as end:
        main([*quick, "init=sda", "finetune.labelled=30"])
    assert not end.value.code
    assert seen == [(1000, 64)]


def test_runs_that_differ_in_their_number_of_labels_share_their_pretraining():
    plans = [plan(f"finetune.labelled={n}", "finetune.learning_rate=0.1") for n in (10, 30, 10)]
    rows = Rows(TRAIN[0].numpy(), TRAIN[1].numpy())
    state = State(plans[::2], Splits("toy", rows, rows, rows, n_classes=3, source="embedded"))
    assert state.pretrained == [0]
    assert state.followers(0) == [0, 1]
    assert plans[0].pretraining_plan() == plans[1].pretraining_plan()


def plan(*words):
    return schema.build_run(compose.settings(["stack.hidden=[5,4]", *words]))


def test_mapped_rows_end_in_the_same_bits(tmp_path):
    levels = (TRAIN[0] * 255).byte()
    np.save(tmp_path / "x.npy", levels.numpy())
    mapped = shared(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert torch.equal(trained((mapped, TRAIN[1])), trained((levels, TRAIN[1])))


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (0, "finetune.labelled must be a whole number of at least 1, got 0"),
        (61, "finetune.labelled must be at most 60, the training rows, got 61"),
        ("some", "finetune.labelled must be a whole number or null, got 'some'"),
    ],
)
def test_a_number_of_labels_out_of_range_is_refused_before_training(n, said):
    parts = [Rows(x.numpy(), y.numpy()) for x, y in (TRAIN, VALID, VALID)]
    splits = Splits("toy", *parts, n_classes=3, source="embedded")
    experiment.check(plan("finetune.labelled=60"), splits)
    with pytest.raises(ValueError) as refused:
        experiment.check(plan(f"finetune.labelled={n}"), splits)
    assert str(refused.value) == said


def test_a_run_of_before_there_was_the_setting_goes_on_as_one_with_all_labels():
    now = plan().settings
    before = {key: value for key, value in now.items() if key != "finetune.labelled"}
    assert differences(before, now) == []
    assert differences(before, plan("finetune.labelled=9").settings) == [
        "finetune.labelled: 'absent' there, 9 now"
    ]


# Noisy inputs


def test_noise_that_changes_nothing_is_no_noise_and_other_noise_is():
    assert torch.equal(trained(corruption=Masking(0.0)), trained())
    assert not torch.equal(trained(corruption=Masking(0.2)), trained())


def test_the_noise_of_inputs_is_drawn_afresh_in_every_epoch_and_by_seed():
    draws = []
    for seed, epoch in ((0, 1), (0, 2), (1, 1)):
        seen = labelled_blocks(
            Labelled(torch.ones(60, 50), TRAIN[1]),
            [torch.arange(60)],
            [Masking(0.2)],
            8,
            [seed],
            epoch,
            (),
            VALID[0].device,
        )
        inputs = torch.cat([block[0] for block in seen])
        assert (inputs.sum(1) == 40).all()
        draws.append(inputs)
    assert not any(torch.equal(draws[0], other) for other in draws[1:])


def test_runs_with_noise_of_their_own_agree_with_themselves_alone_to_rounding():
    settings = [
        dataclasses.replace(SETTINGS, corruption=noise, learning_rate=rate)
        for noise, rate in ((Masking(0.3), 0.2), (Gaussian(0.1), 0.5), (Masking(0.1), 1.0))
    ]

    def network(seed):
        plans = [Layer(n, Masking(0.3), initialisation="tutorial") for n in (12, 7)]
        return StackedDenoisingAutoencoder.plan(9, plans, seed)

    company = Classifier(join([network(k) for k in range(3)]), 3, seed=[0, 1, 2])
    list(finetuning_epochs(company, TRAIN, VALID, settings, [0, 1, 2]))
    for k, own in enumerate(settings):
        together = classifiers.single(company, k).parameters()
        changes = {"corruption": own.corruption, "learning_rate": own.learning_rate}
        alone = trained(seed=k, **changes)
        assert near(torch.cat([p.detach().flatten() for p in together]), alone)


def test_the_noise_of_inputs_is_that_of_pretraining_where_the_configuration_points_there():
    run = plan("corruption.fraction=0.3", "finetune.corruption=${corruption}")
    assert run.finetuning.corruption == Masking(0.3)
    assert plan().finetuning.corruption is None


@pytest.mark.parametrize("phase", ["pretrain", "finetune"])
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("0.3", "{phase}.corruption must be null or one for all layers, a node as in"),
        ("masking", "('${{corruption}}' is one), got 'masking'"),
        ("{layers:[]}", "('${{corruption}}' is one), got one for each layer"),
        ("[null,null]", "('${{corruption}}' is one), got one for each layer"),
        ("{_target_:sda.nn.corruption.Masking,fraction:7}", "fraction must be a number in [0, 1]"),
        ("{_target_:sda.nn.corruption.Masking,std:7}", "allowed: fraction, exact, value"),
    ],
)
def test_noise_that_cannot_be_made_is_refused_in_one_line(phase, word, said):
    with pytest.raises(ValueError) as refused:
        plan(f"{phase}.corruption={word}")
    assert said.format(phase=phase) in str(refused.value)
    assert "\n" not in str(refused.value)
