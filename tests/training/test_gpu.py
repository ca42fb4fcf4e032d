"""On a GPU: a captured step is the step, many runs are their single ones, precisions round."""

from functools import partial

import pytest
import torch
from small import stack

from sda import (
    Boltzmann,
    Classifier,
    Emphasis,
    Pretraining,
    StackedDenoisingAutoencoder,
    join,
    pretrain,
    select,
    stream,
)
from sda.nn import boltzmann
from sda.nn.corruption import Corrupted
from sda.nn.optimisers import Descent
from sda.training.finetuning import (
    finetune,
)
from sda.training.pretraining import pretraining_epochs
from sda.training.settings import Finetuning

pytestmark = pytest.mark.gpu
make = partial(stack, hidden=(48, 32), d=40)
GPU = torch.device("cuda")


def rows(n):
    return torch.rand(n, 40, generator=stream(0, "rows"))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("emphasis", [Emphasis(), Emphasis(1, 0.5)])
@pytest.mark.parametrize("tied", [True, False])
def test_captured_steps_of_a_layer_are_the_steps_on_the_cpu(momentum, emphasis, tied):
    ends = []
    x = rows(70)
    hit = torch.rand(x.shape, generator=stream(1)) < 0.3
    for device in (torch.device("cpu"), GPU):
        layer = make(tied=tied, emphasis=emphasis)[0].to(device)
        descent = Descent(dict(layer.named_parameters()), [0.1], [momentum], [0.01])
        given = Corrupted(x.masked_fill(hit, 0.0).to(device), hit.to(device))
        costs = [layer.update(descent, x.to(device), given, 16, []) for _ in range(3)]
        ends.append([t.detach().cpu() for t in (*layer.parameters(), *costs)])
    for a, b in zip(*ends, strict=True):
        assert torch.allclose(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_captured_steps_of_contrastive_divergence_are_the_steps_on_the_cpu(momentum):
    ends = []
    for device in (torch.device("cpu"), GPU):
        plan = [Boltzmann(48)]
        layer = StackedDenoisingAutoencoder.plan(40, plan, 0)[0].to(device)
        descent = Descent(dict(layer.named_parameters()), [0.1], [momentum], [0.01])
        coins = [stream(1)]
        costs = [boltzmann.descend(descent, rows(70).to(device), coins, 16) for _ in range(3)]
        ends.append([t.detach().cpu() for t in (*layer.parameters(), *costs)])
    for a, b in zip(*ends, strict=True):
        assert torch.allclose(a, b, atol=1e-4, rtol=1e-4)


def test_a_held_run_stands_still_also_in_a_captured_step():
    layer = join([make(0), make(1)])[0].to(GPU)
    descent = Descent(dict(layer.named_parameters()), [0.1, 0.1], [0.0, 0.0], [0.0, 0.0])
    x = rows(32).to(GPU).expand(2, 32, 40)
    layer.update(descent, x, Corrupted(x, None), 16, [])
    before = layer.weight.detach().clone()
    descent.only(torch.tensor([True, False], device=GPU))
    layer.update(descent, x, Corrupted(x, None), 16, [])
    assert torch.equal(layer.weight[1], before[1])
    assert not torch.equal(layer.weight[0], before[0])


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_runs_agree_alone_and_in_company_over_an_epoch(precision):
    x = rows(256).to(GPU)
    plans = [[Pretraining(1, rate, 64, precision=precision)] * 2 for rate in (0.05, 0.1, 0.2)]
    company = join([make(seed) for seed in range(3)]).to(GPU)
    list(pretraining_epochs(company, x, plans, [0, 1, 2]))
    atol = {"fp32": 1e-5, "tf32": 1e-3, "bf16": 5e-3}[precision]
    for k in range(3):
        alone = make(k).to(GPU)
        list(pretraining_epochs(alone, x, [plans[k]], [k]))
        for a, b in zip(select(company, k).parameters(), alone.parameters(), strict=True):
            assert torch.allclose(a, b, atol=atol)


def test_the_same_seed_gives_the_same_bits_on_the_gpu():
    ends = []
    for _ in range(2):
        stack = make().to(GPU)
        pretrain(stack, rows(100).to(GPU), Pretraining(2, 0.1, 16), 0)
        ends.append([p.detach() for p in stack.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def test_fine_tuning_learns_on_the_gpu_as_on_the_cpu():
    x = rows(200)
    y = (x[:, :20].sum(1) > x[:, 20:].sum(1)).long()
    losses = []
    for device in (torch.device("cpu"), GPU):
        network = Classifier(make(activation="tanh"), 2, seed=0).to(device)
        data = (x.to(device), y.to(device))
        losses.append(float(finetune(network, data, data, Finetuning(5, 0.5, 20), 0)[-1].loss))
    assert abs(losses[0] - losses[1]) < 1e-3
