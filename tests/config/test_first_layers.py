"""Pretraining of the first layers only: the others start from the weights that they were drawn."""

import pytest
import torch
from tiny_run import plan, splits, train

from sda.experiment import phases as states
from sda.experiment.pretrained import keys
from sda.runs import model_file
from sda.runs.folder import MODEL


def test_the_first_layers_are_those_of_a_whole_pretraining_in_the_store():
    first, whole = (
        keys(states.State([plan(*words)[0]], splits()))[0]
        for words in (["pretrain.first=1"], ["pretrain.epochs=2"])
    )
    assert first[0] == whole[0]
    assert first[1] != whole[1]


def test_layers_above_the_first_start_as_they_were_drawn(tmp_path):
    train(tmp_path / "a", "pretrain.first=1", "finetune.encoders=false")
    network = model_file.load(tmp_path / "a" / MODEL)
    drawn = plan("pretrain.first=1")[0].stack(6)
    same = [torch.equal(a.weight, b.weight) for a, b in zip(network.stack, drawn, strict=True)]
    assert same == [False, True]


def test_all_layers_is_the_same_setting_as_none_said():
    assert plan("pretrain.first=2")[0].described() == plan("init=sda")[0].described()


def test_more_layers_than_there_are_is_refused_in_one_line():
    with pytest.raises(
        ValueError, match=r"pretrain\.first must be a whole number of at most 2, got"
    ):
        plan("pretrain.first=3")
