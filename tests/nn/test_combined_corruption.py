"""Corruptions one after the other, and noise that changes over the epochs."""

import math

import pytest
import torch

from sda import (
    BlockMasking,
    Compose,
    Emphasis,
    Gaussian,
    Layer,
    LocalShuffling,
    Masking,
    Pretraining,
    SaltAndPepper,
    Scheduled,
    StackedDenoisingAutoencoder,
    pretrain,
    stream,
)
from sda.common.layout import Layout
from sda.training import pretraining
from sda.training.minibatches import labelled_blocks


def test_one_comes_after_the_other_and_what_any_hit_is_hit():
    x = torch.rand(40, 30, generator=stream(0)) + 1
    salt, mask = SaltAndPepper(0.2, low=-1.0, high=9.0), Masking(0.3)
    corrupted = Compose((salt, mask))(x, stream(1))
    generator = stream(1)
    first = salt(x, generator)
    second = mask(first.x, generator)
    assert torch.equal(corrupted.x, second.x)
    assert torch.equal(corrupted.hit, first.hit | second.hit)
    assert Compose((mask, Gaussian(0.1)))(x, stream(2)).hit is None


def test_it_knows_what_its_parts_know():
    both = Compose((Gaussian(0.1), BlockMasking(2, 2)))
    assert both.on(Layout(image_shape=(4, 4))).corruptions[1].image_shape == (4, 4)
    assert not both.leaves_intact
    assert Compose((Masking(0.1), BlockMasking(2, 2))).leaves_intact
    assert Compose((Masking(0.1, value=-2.0), SaltAndPepper(0.1, high=5.0))).reach(0, 1) == (-2, 5)
    assert both.reach(0, 1) == (-math.inf, math.inf)


def test_numbers_go_evenly_from_start_to_end():
    schedule = Scheduled(Masking(0.7), Masking(0.1), 4)
    strengths = [schedule.at(epoch).fraction for epoch in (1, 2, 3, 4, 5, 100)]
    assert strengths == pytest.approx([0.7, 0.5, 0.3, 0.1, 0.1, 0.1])
    assert schedule.at(4) == Masking(0.1)
    x = torch.rand(5, 20, generator=stream(0))
    assert torch.equal(schedule(x, stream(1)).x, Masking(0.1)(x, stream(1)).x)
    nested = Compose((schedule, Gaussian(0.1)))
    assert nested.at(1).corruptions == (Masking(0.7), Gaussian(0.1))


def test_training_has_the_noise_of_its_epoch_and_validation_the_last(monkeypatch):
    seen = []
    original = pretraining.presentations

    def spied(rows, corruptions, *others):
        seen.append(corruptions[0])
        return original(rows, corruptions, *others)

    monkeypatch.setattr(pretraining, "presentations", spied)
    x = torch.rand(20, 10, generator=stream(2))
    schedule = Scheduled(Masking(0.6), Masking(0.2), 3)
    ends = []
    for corruption in (schedule, Masking(0.2)):
        stack = StackedDenoisingAutoencoder.plan(10, [Layer(4, corruption)], seed=0)
        ends.append(pretrain(stack, x, Pretraining(4, 0.1, 5), seed=0, valid=x))
    fractions = [corruption.fraction for corruption in seen[:4]]
    assert fractions == pytest.approx([0.6, 0.4, 0.2, 0.2])
    assert torch.equal(ends[0][0].valid, ends[1][0].valid)  # before training, on the same draw


def test_noise_in_fine_tuning_follows_its_schedule_too():
    x, y = torch.ones(8, 10), torch.zeros(8, dtype=torch.int64)
    schedule = Scheduled(Masking(0.5), Masking(0.1), 3)
    for epoch, gone in ((1, 5), (2, 3), (3, 1)):
        rows = [torch.arange(8)]
        blocks = labelled_blocks(
            (x, y, None), rows, [schedule], 4, [0], epoch, (), torch.device("cpu")
        )
        for inputs, *_ in blocks:
            assert ((inputs == 0).sum(1) == gone).all()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Compose(()), "corruptions must name at least one, got none"),
        (lambda: Scheduled(Masking(0.1), Masking(0.2), 1), "epochs must be a whole number of at"),
        (lambda: Scheduled(Masking(0.1), Gaussian(0.2), 3), "start and end must be of one kind"),
        (
            lambda: Scheduled(Masking(0.1), Masking(0.2, exact=False), 3),
            "start and end must be of one kind and differ in numbers",
        ),
        (
            lambda: Scheduled(LocalShuffling(3), LocalShuffling(1), 3),
            "start and end must be of one kind and differ in numbers",
        ),
        (
            lambda: Layer(3, Compose((Gaussian(0.1),)), emphasis=Emphasis(1, 0)).build(
                4, stream(0)
            ),
            "emphasis needs a corruption that leaves components intact",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(act, message):
    with pytest.raises(ValueError, match=message) as refusal:
        act()
    assert "\n" not in str(refusal.value)
