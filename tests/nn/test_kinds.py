"""What every kind of layer can do: go on to the same bits, come back from its file, join or not."""

import copy
from dataclasses import replace

import pytest
import torch
from own_parts import Maxout

import sda
from sda import Masking
from sda.runs import export
from sda.runs.model import Model
from sda.training.pretraining import Progress, pretraining_epochs

X = torch.rand(40, 2 * 6 * 4, generator=sda.stream(0, "x"))
Y = (X[:, 0] > X[:, 1]).long()
M = Masking(0.3)
SETTINGS = sda.Pretraining(epochs=2, learning_rate=0.05, batch_size=10)
KINDS = {
    "dense": [sda.Layer(7, M), sda.Layer(5, M)],
    "machine": [sda.Boltzmann(7), sda.Boltzmann(5)],
    "convolutional": [
        sda.Convolutional(3, M, kernel=3, pooling=2), sda.Convolutional(4, M, kernel=1, tied=False),
    ],
    "joint": [sda.Joint((7, 5), M, tied=False)],
    "stochastic": [sda.Stochastic(7, M), sda.Stochastic(5, M, units=sda.GaussianUnits(0.5))],
    "variational": [sda.Variational(3, M, between=5)],
    "gsn": [sda.GSN(7, M, walkback=2, above=(5, 4), units=sda.BernoulliUnits()), sda.Layer(5, M)],
    "penalised": [sda.Penalised(7, M, penalty=sda.Contractive(0.1)), sda.Layer(5, M)],
    "own": [Maxout(7, M, sda.CrossEntropy()), sda.Layer(6, M)],
}  # fmt: skip
every = pytest.mark.parametrize("kind", KINDS)
ours = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "own"])


def make(kind, seed=1):
    return sda.StackedDenoisingAutoencoder.plan((2, 6, 4), KINDS[kind], seed)


def same(one, other):
    return all(map(torch.equal, one.parameters(), other.parameters()))


@every
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_going_on_from_any_epoch_of_any_layer_ends_in_the_same_bits(kind, momentum):
    settings = [[sda.Pretraining(2, 0.05, 10, momentum=momentum)] * len(KINDS[kind])]
    net, progress, kept = make(kind), Progress(), []
    for _ in pretraining_epochs(net, X, settings, [0], progress=progress):
        weights = {name: weight.clone() for name, weight in net.state_dict().items()}
        kept.append((weights, copy.deepcopy(progress)))
    for weights, where in kept:
        again, depth = make(kind), where.depth
        again.load_state_dict(weights)
        list(pretraining_epochs(again, X, settings, [0], progress=where))
        assert same(again, net)
        assert depth > 0 or again[0].state() == net[0].state()


@every
def test_units_above_are_seen_as_inputs_or_not_at_all(kind):
    lowest = make(kind)[0]
    seen = lowest.seen_through(torch.rand(lowest.n_hidden, 2))
    assert seen is None or seen.shape == (lowest.n_visible, 2)


def test_units_above_a_variational_layer_are_seen_through_both_of_its_weights():
    lowest = make("variational")[0]
    above = torch.rand(3, 2)
    expected = lowest.encoding_weight @ lowest.mean_weight @ above
    assert torch.allclose(lowest.seen_through(above), expected)


@ours
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_it_is_exported_as_a_program_for_any_number_of_rows(kind, tmp_path):
    net = make(kind)
    sda.save(net, tmp_path / "m.safetensors")
    export.program(Model.load(tmp_path / "m.safetensors"), tmp_path / "m.pt2")
    again = torch.export.load(tmp_path / "m.pt2").module()
    for n in (1, 300):
        x = torch.rand(n, net[0].n_visible)
        assert torch.allclose(again(x), net.encode(x), atol=1e-6)


@ours
def test_it_comes_back_from_its_file_and_goes_on_as_what_it_was(kind, tmp_path):
    net, file = make(kind), tmp_path / "model.safetensors"
    sda.pretrain(net, X, SETTINGS, seed=0)
    network = sda.Classifier(net, 2, seed=0)
    sda.finetune(network, (X, Y), (X, Y), sda.Finetuning(2, 0.1, 10), seed=0)
    sda.save(network, file)
    assert torch.equal(sda.load(file).predict(X), network.predict(X))
    sda.save(net, file)
    again = sda.load(file)
    assert [(type(one), one.plan()) for one in again] == [(type(one), one.plan()) for one in net]
    assert torch.equal(again.reconstruct(X), net.reconstruct(X))
    for layer in range(1, len(net) + 1):
        first, second = (next(sda.chains(s, X, layer, sda.stream(0))) for s in (net, again))
        assert first.shape == X.shape
        assert torch.equal(first, second)
    for one in (again, net):
        sda.pretrain(one, X, SETTINGS, seed=1)
    assert same(again, net)


@ours
@pytest.mark.parametrize("scale", [*sda.Initialisation])
def test_it_can_be_saved_from_whatever_weights_it_started(kind, scale, tmp_path):
    has = [hasattr(plan, "initialisation") for plan in KINDS[kind]]
    plans = [replace(plan, initialisation=scale) if own else plan
             for plan, own in zip(KINDS[kind], has, strict=True)]  # fmt: skip
    net = sda.StackedDenoisingAutoencoder.plan((2, 6, 4), plans, seed=0)
    sda.save(net, tmp_path / "model.safetensors")
    assert torch.equal(sda.load(tmp_path / "model.safetensors").encode(X), net.encode(X))


@every
def test_it_joins_a_batch_or_says_that_it_is_trained_alone(kind):
    stacks = [make(kind, seed) for seed in (0, 1)]
    if kind in ("dense", "machine"):
        assert sda.join(stacks).runs == (2,)
        return
    with pytest.raises(ValueError, match=f"a {type(stacks[0][0]).__name__} is trained alone"):
        sda.join(stacks)
