"""What happens around a captured step, with a stand-in for the graph where there is no GPU."""

import contextlib

import pytest
import torch

from sda import Layer, Masking, StackedDenoisingAutoencoder
from sda.common.cuda_graphs import Replayed
from sda.nn import closed_form
from sda.nn.optimisers import Descent


class Graph:
    """Replays by computing again, in the same memory."""

    def __init__(self):
        self.steps = []

    def replay(self):
        for out, step in self.steps:
            out.copy_(step())


@pytest.fixture
def stand_in(monkeypatch):
    graph = Graph()
    nothing = type("Stream", (), {"wait_stream": lambda self, other: None})
    monkeypatch.setattr(torch.cuda, "Stream", nothing)
    monkeypatch.setattr(torch.cuda, "current_stream", nothing)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: contextlib.nullcontext())
    return graph


def parts():
    plan = [Layer(7, Masking(0.3))]
    layer = StackedDenoisingAutoencoder.plan(12, plan, 0)[0]
    descent = Descent(dict(layer.named_parameters()), [0.1], [0.9], [0.01])
    x = torch.rand(1, 6, 12, generator=torch.Generator().manual_seed(0))
    return layer, descent, x


@torch.no_grad()
def test_warming_up_and_capturing_leaves_weights_and_velocities_as_they_were(stand_in):
    layer, descent, x = parts()
    step = closed_form._LayerStep(descent, layer.activation, layer.reconstruction, x)
    step(x, x, x[:, :0])
    moved = (*descent.lifted.values(), *descent.velocities.values())
    before = [t.clone() for t in moved]
    calls = []

    def counted(*inputs):
        calls.append(len(calls))
        # The stand-in computes while it captures, which a GPU does not.
        if len(calls) == 4:
            assert all(torch.equal(a, b) for a, b in zip(moved, before, strict=True))
        return step(*inputs)

    Replayed(counted, moved, x, x, x[:, :0])
    assert len(calls) == 4


@torch.no_grad()
def test_every_call_reads_the_minibatch_that_it_is_given(stand_in):
    seen = []

    def step(x):
        seen.append(x.clone())
        return x * 2

    first = torch.ones(1, 2, 3)
    replayed = Replayed(step, [], first)
    stand_in.steps.append((replayed._result, lambda: replayed._inputs[0] * 2))
    assert torch.equal(replayed(torch.full((1, 2, 3), 5.0)), torch.full((1, 2, 3), 10.0))
    assert torch.equal(first, torch.ones(1, 2, 3))


def test_a_held_run_is_held_in_the_memory_that_a_captured_step_reads():
    _, descent, _ = parts()
    scale = descent.scale(6)
    rates = Descent({"weight": torch.nn.Parameter(torch.ones(2, 2))}, [0.5], [0.0], [0.0])
    own = rates.scale(4)
    rates.only(torch.tensor(False))
    assert rates.scale(4) is own
    assert float(own) == 0.0
    rates.only(torch.tensor(True))
    assert float(own) == 0.5 / 4
    assert float(scale) == pytest.approx(1 / 6)
