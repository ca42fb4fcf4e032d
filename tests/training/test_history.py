"""What the public functions give back and show: histories as tables, bars, lines in a log."""

import logging
import sys
import types

import pandas as pd
import torch

from sda import (
    Classifier,
    Finetuning,
    Layer,
    Masking,
    Pretraining,
    StackedDenoisingAutoencoder,
    finetune,
    pretrain,
)

X = torch.rand(40, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0.5).long()


def train(progress=False):
    stack = StackedDenoisingAutoencoder.plan(
        6, [Layer(5, Masking(0.25)), Layer(4, Masking(0.25))], seed=0
    )
    below = pretrain(stack, X, Pretraining(2, 0.1, 10), seed=0, valid=X, progress=progress)
    network = Classifier(stack, n_classes=2, seed=0)
    above = finetune(network, (X, Y), (X, Y), Finetuning(3, 0.1, 10), seed=0, progress=progress)
    return below, above


def shown(caplog):
    """What was said of the progress; of other things others may speak."""
    said = [record for record in caplog.records if record.name == "sda.common.progress"]
    return [record.getMessage() for record in said]


def test_a_history_is_a_list_of_epochs_and_a_table_with_layers_from_1():
    below, above = train()
    assert [epoch.depth for epoch in below] == [0, 0, 0, 1, 1, 1]
    frame = below.frame()
    assert list(frame.columns[:4]) == ["phase", "layer", "epoch", "loss"]
    assert list(frame.layer) == [1, 1, 1, 2, 2, 2]
    assert frame.valid[1] == float(below[1].valid)
    assert frame.loss.isna().tolist() == [True, False, False] * 2  # epoch 0: before the first step
    both = pd.concat([frame, above.frame()])
    assert both[both.phase == "finetune"].valid_error.between(0, 1).all()
    assert len(both) == 9


def test_nothing_is_shown_unless_it_is_asked_for(caplog, capsys):
    caplog.set_level(logging.INFO)
    train()
    assert shown(caplog) == []
    assert "\r" not in capsys.readouterr().err  # no bar


def test_without_a_screen_progress_is_one_line_a_phase(caplog):
    caplog.set_level(logging.INFO)
    train(progress=True)
    lines = shown(caplog)
    assert [line.split(":")[0] for line in lines] == ["layer 1", "layer 2", "fine-tuning"]
    assert all(line.split(": ")[1].startswith("epoch ") for line in lines)
    assert "validation error" in lines[2]


def test_a_notebook_has_bars_though_what_it_writes_to_is_no_terminal(capsys, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    train(progress=True)
    bars = capsys.readouterr().err
    for phase in ("layer 1 2/2 epochs |", "layer 2 2/2 epochs |", "fine-tuning 3/3 epochs |"):
        assert phase in bars
    assert shown(caplog) == []
