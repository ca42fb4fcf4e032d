"""Layers on top: what they predict, how wrong that is, and that rows count by their weights."""

import copy

import pytest
import torch
from sklearn.metrics import accuracy_score, r2_score

from sda import (
    Classifier,
    Layer,
    LearnedVariance,
    Masking,
    Regressor,
    StackedDenoisingAutoencoder,
    join,
    stream,
)
from sda.nn.optimisers import Descent
from sda.nn.predictor import single, take

ROWS = stream(7)


def stack(runs=0):
    plans = [Layer(n, Masking(0.3)) for n in (7, 5)]
    singles = [StackedDenoisingAutoencoder.plan(6, plans, seed) for seed in range(max(1, runs))]
    return join(singles) if runs else singles[0]


def predictor(kind, runs=0):
    seeds = list(range(max(1, runs)))
    return kind(stack(runs), 3, seed=seeds).double()


def targets(kind, *shape):
    if kind is Classifier:
        return torch.randint(3, shape, generator=ROWS)
    return 5 + 2 * torch.randn(*shape, 3, generator=ROWS, dtype=torch.float64)


@pytest.mark.parametrize("encoders", [True, False])
@pytest.mark.parametrize("runs", [0, 3])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_its_steps_equal_autograds_with_weights_and_without(kind, weighted, runs, encoders):
    network = predictor(kind, runs)
    network.scale_to([targets(kind, 9) for _ in range(max(1, runs))])
    x = torch.rand(*network.runs, 14, 6, generator=ROWS, dtype=torch.float64)
    y = targets(kind, *network.runs, 14)
    weights = torch.rand(y.shape[: len(network.runs) + 1], generator=ROWS).double()
    ends = []
    for update in (kind.update, kind._update_by_autograd):
        own = copy.deepcopy(network)
        n = max(1, runs)
        parameters = own.trained_parameters(encoders)
        descent = Descent(parameters, [0.3] * n, [0.5] * n, [0.01] * n)
        cost = update(own, descent, x, y, 6, weights if weighted else None)
        ends.append((cost, *own.parameters()))
    for fast, slow in zip(*ends, strict=True):
        assert torch.allclose(fast, slow, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_a_row_of_weight_0_is_as_if_it_were_not_there(kind):
    x, y = torch.rand(8, 6, generator=ROWS, dtype=torch.float64), targets(kind, 8)
    weights = torch.tensor([2.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    ends = []
    for given in ((x, y, 8, weights), (x[:4], y[:4], 4, None)):
        network = predictor(kind)
        network.scale_to([y])
        descent = Descent(network.trained_parameters(True), [0.3], [0.0], [0.0])
        network.update(descent, *given)
        ends.append(list(network.parameters()))
    for a, b in zip(*ends, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_the_error_of_a_regressor_is_1_less_r2_as_scikit_learn_has_it():
    y, answers = targets(Regressor, 20), targets(Regressor, 20)
    weights = torch.rand(20, generator=ROWS).double()
    network = predictor(Regressor)
    assert float(network.error(answers, y)) == pytest.approx(1 - r2_score(y, answers))
    own = 1 - r2_score(y, answers, sample_weight=weights)
    assert float(network.error(answers, y, weights)) == pytest.approx(own)


def test_the_error_of_a_classifier_counts_rows_by_weight():
    y, answers = targets(Classifier, 20), targets(Classifier, 20)
    weights = torch.rand(20, generator=ROWS).double()
    own = 1 - accuracy_score(y, answers, sample_weight=weights)
    assert float(predictor(Classifier).error(answers, y, weights)) == pytest.approx(own)


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_rows_without_a_target_are_no_part_of_error_and_loss(kind):
    network, x, y = predictor(kind), torch.rand(9, 6, dtype=torch.float64), targets(kind, 9)
    network.scale_to([y])
    gone = y.clone()
    gone[5:] = -1 if kind is Classifier else torch.nan
    for whole, part in zip(network.evaluate(x, gone), network.evaluate(x[:5], y[:5]), strict=True):
        assert torch.allclose(whole, part)
    weights = torch.ones(9, dtype=torch.float64)
    assert torch.allclose(network.evaluate(x, gone, weights)[1], network.evaluate(x, gone)[1])


def test_a_regressor_answers_in_the_units_of_its_targets():
    network, y = predictor(Regressor), targets(Regressor, 50)
    network.weight.data.zero_()
    network.scale_to([y])
    x = torch.rand(4, 6, dtype=torch.float64)
    assert torch.allclose(network.predict(x), y.mean(0).expand(4, 3))
    network.bias.data.fill_(1)  # one deviation more
    assert torch.allclose(network.predict(x), (y.mean(0) + y.std(0, correction=0)).expand(4, 3))


def test_a_target_that_never_changes_is_predicted_and_does_no_harm():
    network, y = predictor(Regressor), torch.full((6, 3), 2.5, dtype=torch.float64)
    network.weight.data.zero_()
    network.scale_to([y])
    x = torch.rand(6, 6, dtype=torch.float64)
    assert torch.equal(network.predict(x), y)
    assert float(network.evaluate(x, y)[0]) == 0


def test_a_network_that_has_learned_keeps_its_units():
    network = predictor(Regressor)
    network.scale_to([targets(Regressor, 9)])
    before = network.mean.clone()
    network.scale_to([targets(Regressor, 9)])
    assert torch.equal(network.mean, before)


def test_runs_that_are_taken_out_take_their_units_along():
    network = predictor(Regressor, 3)
    labels = [targets(Regressor, 9) for _ in range(3)]
    network.scale_to(labels)
    x = torch.rand(4, 6, dtype=torch.float64)
    assert torch.allclose(single(network, 1).mean, labels[1].mean(0))
    assert torch.allclose(single(network, 2).predict(x), network.predict(x)[2])
    assert torch.allclose(take(network, [2, 0]).predict(x), network.predict(x)[[2, 0]])


def test_the_one_answer_that_suits_all_rows_best():
    y = torch.tensor([0, 1, 1, 2])
    assert predictor(Classifier).constant(y).tolist() == [1]
    assert predictor(Classifier).constant(y, torch.tensor([1.0, 1, 1, 9])).tolist() == [2]
    y = torch.tensor([[1.0], [3.0]])
    assert predictor(Regressor).constant(y).tolist() == [[2.0]]
    assert predictor(Regressor).constant(y, torch.tensor([3.0, 1.0])).tolist() == [[1.5]]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.zeros(5), r"must be torch.float64 of shape \(5, 3\), got torch.float32 \(5,\)"),
        (torch.full((5, 3), torch.inf, dtype=torch.float64), "finite, or NaN for a row without"),
    ],
)
def test_what_are_no_targets_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        predictor(Regressor).check_targets("training", y, 5)


def test_a_regressor_may_have_a_variance_for_each_row_and_learns_by_its_density():
    plan = StackedDenoisingAutoencoder.plan(6, [Layer(5, Masking(0.0))], 0)
    network = Regressor(plan, 2, seed=0, output=LearnedVariance()).double()
    y = torch.randn(9, 2, generator=ROWS, dtype=torch.float64) * 3 + 1
    network.scale_to([y])
    x = torch.rand(9, 6, generator=ROWS, dtype=torch.float64)
    logits = network(x)
    deviation = (network.output.log_variance(logits) / 2).exp() * network.scale
    density = torch.distributions.Normal(network.predict(x), deviation).log_prob(y).sum(-1)
    constant = 0.5 * torch.tensor(2 * torch.pi).log() + network.scale.log().mean()
    assert torch.allclose(network.losses(logits, y), -density - 2 * constant)
    before = float(network.cost(x, y).detach())
    descent = Descent(network.trained_parameters(True), [0.05], [0.0], [0.0])
    for _ in range(5):
        network.update(descent, x, y, 9)
    assert float(network.cost(x, y).detach()) < before


def test_a_network_refuses_what_training_refuses_and_takes_grey_levels():
    stack = StackedDenoisingAutoencoder.plan(6, [Layer(4, Masking(0.2))], seed=0)
    network, x = Classifier(stack, 3, seed=0), torch.arange(12, dtype=torch.uint8).reshape(2, 6)
    assert torch.equal(network(x), network(x / torch.tensor(255.0)))
    with pytest.raises(ValueError, match="must be a tensor"):
        network(x.numpy())
    with pytest.raises(ValueError, match=r"got \(2, 5\)"):
        network(x[:, :5])
