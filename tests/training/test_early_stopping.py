"""Early stopping: which epoch is best, who goes on, what comes back."""

import pytest
import torch
from torch import nn

from sda import Pretraining
from sda.training.early_stopping import EarlyStopping


def make(runs=(), epochs=9, patience=None, keep=True):
    n = runs[0] if runs else 1
    weight = nn.Parameter(torch.zeros(*runs, 2, 2))
    plans = [Pretraining(epochs, 0.1, 1, patience=patience)] * n
    stopping = EarlyStopping({"weight": weight}, runs, plans, keep_all=keep)
    return weight, stopping


def observe(stopping, weight, epoch, score, tie=0.0):
    """Mark the weights with the epoch, then report its score."""
    with torch.no_grad():
        weight.fill_(epoch)
    score, tie = (torch.as_tensor(v, dtype=torch.float64) for v in (score, tie))
    score, tie = score.expand(stopping.score.shape), tie.expand(stopping.score.shape)
    stopping.observe(epoch, score, tie, torch.ones_like(stopping.finite))


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(0.3, 1.0), (0.2, 1.0), (0.4, 0.1)], 2),
        ([(0.2, 0.5), (0.2, 0.4), (0.2, 0.6)], 2),  # a tie: the lower cross-entropy
        ([(0.2, 0.5), (0.2, 0.5), (0.3, 0.1)], 2),  # a tie in both: the later epoch
    ],
)
def test_the_best_epoch_is_the_lowest_score_then_the_lowest_tie_then_the_latest(scores, best):
    weight, stopping = make()
    for epoch, (score, tie) in enumerate(scores, 1):
        observe(stopping, weight, epoch, score, tie)
    assert int(stopping.best_epoch) == best
    stopping.restore(torch.tensor(True))
    assert (weight == best).all()


def test_patience_counts_from_the_first_epoch_worth_remembering():
    weight, stopping = make(patience=2)
    assert stopping.active(8)
    observe(stopping, weight, 3, 0.5)
    assert stopping.active(4)
    assert not stopping.active(5)


def test_runs_keep_their_own_best_epochs_and_only_done_ones_are_restored():
    weight, stopping = make(runs=(2,))
    observe(stopping, weight, 1, [0.1, 0.9])
    observe(stopping, weight, 2, [0.2, 0.8])
    observe(stopping, weight, 3, [0.3, 0.9])
    assert stopping.best_epoch.tolist() == [1, 2]
    stopping.restore(torch.tensor([True, False]))
    assert (weight[0] == 1).all()
    assert (weight[1] == 3).all()


def test_a_run_that_does_not_keep_ends_with_its_last_weights():
    weight, stopping = make(keep=False)
    observe(stopping, weight, 1, 0.1)
    observe(stopping, weight, 2, 0.2)
    stopping.restore(torch.tensor(True))
    assert (weight == 2).all()
