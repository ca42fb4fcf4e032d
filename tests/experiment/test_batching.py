"""Which runs train together."""

import pytest
from tiny_run import plan

from sda.experiment.batching import likeness


def alike(first, second):
    ours, theirs = (plan("pretrain.momentum=0", *words) for words in (first, second))
    return likeness(*ours) == likeness(*theirs)


def test_runs_of_one_optimiser_join_whatever_their_numbers():
    assert alike(["finetune.optimiser=adam"], ["finetune.optimiser=adam", "finetune.dropout=0"])
    assert alike(["pretrain.learning_rate=0.2"], ["pretrain.schedule=cosine"])
    assert alike(["finetune.averaging=0.9"], ["finetune.averaging=0"])


@pytest.mark.parametrize(
    "words",
    [
        ["finetune.optimiser=adam"],
        ["pretrain.optimiser=adam"],
        ["finetune.optimiser_options={dampening: 0.1}"],
        ["finetune.dropout=0.5"],
        ["finetune.input_dropout=0.5"],
    ],
)
def test_runs_whose_steps_are_others_do_not(words):
    assert not alike([], words)
