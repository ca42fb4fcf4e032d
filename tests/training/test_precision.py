"""Rounded products: what is rounded, what is not, and where it is refused."""

import warnings
from functools import partial

import pytest
import torch
from small import stack

from sda import (
    Classifier,
    Masking,
    Pretraining,
    StackedDenoisingAutoencoder,
    join,
    pretrain,
    select,
    stream,
)
from sda.common.precision import Precision
from sda.nn.autoencoder import DenoisingAutoencoder
from sda.nn.optimisers import Descent
from sda.training.finetuning import (
    finetune,
)
from sda.training.pretraining import pretraining_epochs
from sda.training.settings import Finetuning

pytestmark = pytest.mark.filterwarnings("ignore:precision=bf16")
make = partial(stack, hidden=(48, 32), d=40)


def rows(n, runs=()):
    return torch.rand(*runs, n, 40, generator=stream(0, "rows"))


def stepped(precision, tied=True, momentum=0.0):
    layer, x = make(tied=tied)[0], rows(64)
    descent = Descent(
        dict(layer.named_parameters()), [0.1], [momentum], [0.01], precision=precision
    )
    corrupted = Masking(0.3)(x, stream(1))
    cost = layer.update(descent, x, corrupted, 16, [])
    return layer, cost


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_an_epoch_in_bf16_is_that_in_fp32_but_for_rounding(tied, momentum):
    exact, cost = stepped(Precision.fp32, tied, momentum)
    rounded, other_cost = stepped(Precision.bf16, tied, momentum)
    assert torch.allclose(cost, other_cost, rtol=0.01)
    for (name, a), b in zip(exact.named_parameters(), rounded.parameters(), strict=True):
        assert b.dtype == torch.float32
        moved = (a - dict(make(tied=tied)[0].named_parameters())[name]).norm()
        assert 0 < (a - b).norm() < 0.05 * moved


def test_a_move_too_small_for_bf16_still_moves_float32_weights():
    weight = torch.nn.Parameter(torch.ones(2, 2))
    descent = Descent({"weight": weight}, [1.0], [0.0], [0.0], precision=Precision.bf16)
    left = torch.full((1, 1, 2), 2.0**-10, dtype=torch.bfloat16)  # bf16 has 8 bits at 1
    for _ in range(8):
        descent.move("weight", left, torch.ones(1, 1, 2, dtype=torch.bfloat16))
    assert torch.equal(weight.detach(), torch.full((2, 2), 1 - 8 * 2.0**-10))
    assert torch.equal(descent.operand("weight").float(), weight.detach().bfloat16().float()[None])


def test_the_softmax_and_the_encoders_learn_in_bf16():
    x = rows(200)
    y = (x[:, :20].sum(1) > x[:, 20:].sum(1)).long()
    ends = {}
    for precision in ("fp32", "bf16"):
        network = Classifier(make(activation="tanh"), 2, seed=0)
        settings = Finetuning(30, 0.5, 20, precision=precision)
        history = finetune(network, (x, y), (x, y), settings, 0)
        ends[precision] = float(history[-1].loss)
    assert ends["bf16"] < 0.5  # chance: 0.69
    assert abs(ends["bf16"] - ends["fp32"]) < 0.05


def test_runs_in_bf16_agree_alone_and_in_company():
    x = rows(64)
    plans = [[Pretraining(2, rate, 16, precision="bf16")] * 2 for rate in (0.05, 0.1, 0.2)]
    company = join([make(seed) for seed in range(3)])
    list(pretraining_epochs(company, x, plans, [0, 1, 2]))
    for k in range(3):
        alone = make(k)
        list(pretraining_epochs(alone, x, [plans[k]], [k]))
        for a, b in zip(select(company, k).parameters(), alone.parameters(), strict=True):
            assert torch.allclose(a, b, atol=1e-3)


def test_codes_and_evaluation_stay_in_float32():
    stack, x = make(), rows(64)
    pretrain(stack, x, Pretraining(1, 0.1, 32, precision="bf16"), 0)
    codes = stack.encode(x)
    assert codes.dtype == torch.float32
    assert not torch.equal(codes, codes.bfloat16().float())


def test_tf32_needs_a_gpu_and_a_foreign_layer_has_no_bf16():
    with pytest.raises(ValueError, match="tf32 needs a GPU"):
        pretrain(make(), rows(8), Pretraining(1, 0.1, 4, precision="tf32"), 0)

    class Own(DenoisingAutoencoder):
        pass

    layer = Own(40, 5, generator=stream(0), corruption=Masking(0.1))
    settings = Pretraining(1, 0.1, 64, precision="bf16")
    with pytest.raises(ValueError, match="bf16 needs layers whose step is in closed form"):
        pretrain(StackedDenoisingAutoencoder([layer]), rows(8), settings, 0)


@pytest.mark.parametrize("units", ["", "_is_amx_tile_supported", "_is_avx512_bf16_supported"])
def test_bf16_is_said_to_be_slower_only_where_the_processor_cannot_multiply_it(monkeypatch, units):
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name == units)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Precision.bf16.check(torch.device("cpu"), 256, closed_form=True)
    assert ["no AMX, no AVX512_BF16" in str(one.message) for one in said] == [True] * (not units)


@pytest.mark.filterwarnings("default:precision=bf16")
def test_small_minibatches_in_bf16_are_warned_about():
    with pytest.warns(UserWarning, match=r"precision=bf16 (does not pay|is slower)"):
        pretrain(make(), rows(8), Pretraining(1, 0.1, 4, precision="bf16"), 0)


def test_unknown_precisions_are_refused_with_what_is_allowed():
    with pytest.raises(ValueError, match="must be one of auto, fp32, tf32, bf16, got 'fp16'"):
        Pretraining(1, 0.1, 4, precision="fp16")
