"""Columns of a table side by side: each counts by its own density, a missing cell not at all."""

import copy
import math

import pytest
import torch
from torch import distributions as known

from sda import (
    GSN,
    BernoulliUnits,
    Categorical,
    Classifier,
    CrossEntropy,
    Emphasis,
    Finetuning,
    Layer,
    LearnedVariance,
    Masking,
    Mixed,
    Pretraining,
    SquaredError,
    StackedDenoisingAutoencoder,
    Stochastic,
    Swap,
    Variational,
    finetune,
    load,
    pretrain,
    save,
    stream,
)
from sda.common.layout import Block, Layout
from sda.nn.layer_kind import LayerKind
from sda.nn.optimisers import Descent
from sda.training.reconstruction_error import Judge

TABLE = Layout(
    (
        Block("city", "categorical", 3),
        Block("age", "numeric", 1),
        Block("smokes", "binary", 1),
        Block("job", "categorical", 4),
        Block("pay", "numeric", 1),
        Block("pay", "binary", 1),  # that says where pay is missing
        Block("size", "categorical", 3),
    )
)
MIXED = Mixed().on(TABLE)
D = 14
PLACES = [
    slice(0, 3),
    slice(3, 4),
    slice(4, 5),
    slice(5, 9),
    slice(9, 10),
    slice(10, 11),
    slice(11, 14),
]


PLACE_OF = torch.arange(7).repeat_interleave(torch.tensor(MIXED.sizes))  # the column of a component


def table(n, missing=0.0, seed=0, dtype=torch.float32):
    """Rows (n, D) whose columns hang together, with a share of the cells missing."""
    generator = stream(seed, "table")
    hidden = torch.randn(n, 1, generator=generator)
    columns = []
    for _, kind, size, *_ in TABLE.blocks:
        value = hidden + 0.3 * torch.randn(n, size, generator=generator)
        if kind == "categorical":
            value = torch.eye(size)[(hidden[:, 0].abs() * size).long().clamp(max=size - 1)]
        columns.append((value > 0).float() if kind == "binary" else value)
    gone = torch.rand(n, len(columns), generator=generator) < missing
    for k, column in enumerate(columns):
        column[gone[:, k]] = math.nan
    return torch.cat(columns, -1).to(dtype)


def by_column(logits, x):
    """-log p of each column by torch.distributions, 0 where it is missing: (n, columns)."""
    found = []
    for (_, kind, *_), place in zip(TABLE.blocks, PLACES, strict=True):
        a, target = logits[:, place], x[:, place].nan_to_num(0.0)
        if kind == "categorical":
            chances = torch.log_softmax(a, -1)
            cost = -(chances * target).sum(-1)
        elif kind == "binary":
            cost = -known.Bernoulli(logits=a).log_prob(target)[:, 0]
        else:
            cost = -known.Normal(a, 1).log_prob(target)[:, 0] - 0.5 * math.log(2 * math.pi)
        found.append(torch.where(x[:, place.start].isnan(), 0.0, cost))
    return torch.stack(found, -1)


def logits_of(n, dtype=torch.float64):
    return torch.randn(n, D, generator=stream(1), dtype=dtype)


def test_each_column_counts_once_by_minus_log_p_and_a_missing_cell_not_at_all():
    x, logits = table(50, 0.3, dtype=torch.float64), logits_of(50)
    assert x.isnan().any()
    loss = MIXED.loss(logits, x)
    own = torch.stack([loss[:, place].sum(-1) for place in PLACES], -1)
    torch.testing.assert_close(own, by_column(logits, x))


def test_columns_count_by_their_weights():
    weights = (1.0, 0.0, 2.0, 0.5, 3.0, 1.0, 1.0)
    kind = Mixed(MIXED.columns, MIXED.sizes, weights)
    x, logits = table(20, 0.2, dtype=torch.float64), logits_of(20)
    loss = kind.loss(logits, x)
    own = torch.stack([loss[:, place].sum(-1) for place in PLACES], -1)
    torch.testing.assert_close(own, by_column(logits, x) * torch.tensor(weights))


def test_a_number_counts_in_its_unit_so_that_its_scale_does_not_matter():
    units = (1.0, 0.2, 1.0, 1.0, 50.0, 1.0, 1.0)
    kind = Mixed(MIXED.columns, MIXED.sizes, units=units)
    scale = torch.tensor(units, dtype=torch.float64)[PLACE_OF]
    x, logits = table(30, 0.2, dtype=torch.float64), logits_of(30)
    torch.testing.assert_close(kind.loss(logits, x * scale), MIXED.loss(logits, x))
    torch.testing.assert_close(kind.mean(logits), MIXED.mean(logits) * scale)
    mean = kind.mean(logits)
    torch.testing.assert_close(kind.mean(kind.logits_of(mean)), mean)
    drawn = [one.sample(logits, stream(5)) for one in (kind, MIXED)]
    torch.testing.assert_close(drawn[0], drawn[1] * scale)
    out = [torch.empty_like(x) for _ in range(2)]
    residuals = kind.residual(logits, x * scale, out[0]), MIXED.residual(logits, x, out[1])
    torch.testing.assert_close(*residuals)


@pytest.mark.parametrize("weights", [(), (1.0, 0.0, 2.0, 0.5, 3.0, 1.0, 1.0)])
def test_the_derivative_is_the_gradient_and_0_where_a_cell_is_missing(weights):
    kind = Mixed(MIXED.columns, MIXED.sizes, weights)
    x, logits = table(30, 0.3, dtype=torch.float64), logits_of(30).requires_grad_()
    kind.loss(logits, x).sum().backward()
    residual = kind.residual(logits.detach(), x, torch.empty_like(x))
    torch.testing.assert_close(logits.grad, residual)
    assert (residual[x.isnan()] == 0).all()


def test_means_are_in_order_and_logits_of_them_lead_back():
    logits = logits_of(9)
    mean = MIXED.mean(logits)
    torch.testing.assert_close(mean[:, 0:3], torch.softmax(logits[:, 0:3], -1))
    torch.testing.assert_close(mean[:, 3], logits[:, 3])
    torch.testing.assert_close(mean[:, 4], torch.sigmoid(logits[:, 4]))
    torch.testing.assert_close(mean[:, 11:], torch.softmax(logits[:, 11:], -1))
    torch.testing.assert_close(MIXED.mean(MIXED.logits_of(mean)), mean)


def test_draws_are_tables_with_the_means_of_their_columns():
    n = 20_000
    logits = logits_of(1).float().expand(n, -1)
    drawn = MIXED.sample(logits, stream(2))
    spread = drawn.var(0)
    assert ((drawn.mean(0) - MIXED.mean(logits)[0]).abs() < 5 * (spread / n).sqrt()).all()
    for (_, kind, *_), place in zip(TABLE.blocks, PLACES, strict=True):
        own = drawn[:, place]
        if kind == "categorical":
            assert torch.equal(own.sum(-1), torch.ones(n))
        if kind != "numeric":
            assert torch.equal(own, own.bool().float())


def layer(kind=MIXED, tied=True, h=6, corruption=None, seed=0):
    plan = Layer(h, corruption or Swap(0.3).on(TABLE), kind, tied=tied)
    return StackedDenoisingAutoencoder.plan(D, [plan], seed)[0]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("weights", [(), (1.0, 0.0, 2.0, 0.5, 3.0, 1.0, 1.0)])
def test_the_closed_form_serves_it_with_missing_cells_as_autograd_would(tied, weights):
    x = table(13, 0.3, dtype=torch.float64)
    ends = []
    for update in (None, LayerKind.update):
        own = layer(Mixed(MIXED.columns, MIXED.sizes, weights), tied).double()
        assert own.method == "closed form"
        descent = Descent(dict(own.named_parameters()), [0.1], [0.5], [0.01])
        corrupted = Swap(0.3).on(TABLE)(x, stream(3))
        assert corrupted.x.isnan().any()
        cost = (update or type(own).update)(own, descent, x, corrupted, 5, [stream(4)])
        ends.append([cost, *(p.detach() for p in own.parameters())])
    for fast, slow in zip(*ends, strict=True):
        torch.testing.assert_close(fast, slow)


@pytest.mark.parametrize("tied", [True, False])
def test_numbers_may_have_a_learned_variance_beside_other_columns(tied):
    kind = Mixed(numeric=LearnedVariance()).on(TABLE)
    own = layer(kind, tied)
    x = table(100, 0.1)
    logits = own.decode(own.encode(x))
    assert logits.shape == (100, D + 2)  # a log-variance of each number
    age = LearnedVariance().loss(logits[:, [3, 14]], x[:, 3:4].nan_to_num(0.0))
    present = ~x[:, 3].isnan()
    torch.testing.assert_close(kind.loss(logits, x)[present, 3], age[present, 0])
    stack = StackedDenoisingAutoencoder([own])
    history = pretrain(stack, x, Pretraining(8, 0.05, 10), seed=0)
    assert own.method == "autograd"
    costs = [float(epoch.loss) for epoch in history[1:]]
    assert costs[-1] < costs[0] - 0.3


@pytest.mark.parametrize(
    "plan",
    [
        Stochastic(6, Swap(0.3), MIXED, units=BernoulliUnits()),
        GSN(6, Swap(0.3), MIXED, walkback=2, above=(5,)),
        Variational(6, Masking(0.1), MIXED, activation="sigmoid", between=9),
    ],
)
def test_layers_that_draw_their_codes_take_missing_cells_too(plan):
    x = table(60, 0.3)
    stack = StackedDenoisingAutoencoder.plan(D, [plan], 0)
    history = pretrain(stack, x, Pretraining(2, 0.01, 10), seed=0, valid=x)
    assert all(math.isfinite(float(epoch.valid)) for epoch in history)
    assert stack.encode(x).isfinite().all()
    assert stack[0].draw(x, stream(0)).isfinite().all()


def test_the_constant_that_a_row_leaves_out_is_that_of_its_numbers():
    assert MIXED.left_out * D == pytest.approx(math.log(2 * math.pi))  # of two
    kind = Mixed((SquaredError(), CrossEntropy()), (1, 1), units=(3.0, 1.0))
    logits, x = torch.tensor([[0.2, 0.0]]), torch.tensor([[1.5, 1.0]])
    wanted = -known.Normal(0.6, 3.0).log_prob(torch.tensor(1.5)) + math.log(2)
    assert float(kind.loss(logits, x).sum()) + 2 * kind.left_out == pytest.approx(float(wanted))


def test_an_encoder_reads_a_missing_cell_as_0_and_codes_are_never_nan():
    own, x = layer(), table(40, 0.3)
    assert torch.equal(own.encode(x), own.encode(x.nan_to_num(0.0)))
    assert own.encode(x).isfinite().all()
    assert own.reconstruct(x).isfinite().all()


@pytest.mark.parametrize("corruption", [Swap(0.3), Masking(0.3)])
def test_it_learns_to_fill_in_cells_that_are_missing(corruption):
    whole = table(200, seed=1)
    x = table(200, 0.2, seed=1)
    hidden = x.isnan() & ~whole.isnan()
    stack = StackedDenoisingAutoencoder([layer(h=12, corruption=corruption.on(TABLE))])
    history = pretrain(stack, x, Pretraining(30, 0.05, 10), seed=0, valid=x)
    assert all(math.isfinite(float(epoch.valid)) for epoch in history)
    filled = stack.reconstruct(x)
    means = torch.where(x.isnan(), x.nanmean(0), x)
    assert stack.encode(x).isfinite().all()
    better = (filled - whole)[hidden].square().mean(), (means - whole)[hidden].square().mean()
    assert better[0] < 0.6 * better[1]


def test_a_cost_on_validation_rows_is_that_of_the_cells_that_are_there():
    own, x = layer(), table(70, 0.3)
    judge = Judge(own, x, 0, [0], own.corruptions)
    _, clean = judge.errors()
    logits = own.decode(own.encode(x)).detach()
    assert float(clean) == pytest.approx(float(by_column(logits, x).sum(-1).mean()), rel=1e-5)
    present = ~x.isnan()
    mean = x.nanmean(0)
    baseline = MIXED.loss(MIXED.logits_of(mean).expand(70, -1), x)[present].sum() / 70
    assert float(judge.baselines(x)["mean"]) == pytest.approx(float(baseline), rel=1e-4)


@pytest.mark.parametrize("encoders", [True, False])
def test_fine_tuning_with_missing_cells_is_fine_tuning_with_zeros_there(encoders):
    x, y = table(60, 0.3), torch.arange(60) % 2
    ends = []
    for rows in (x, x.nan_to_num(0.0)):
        stack = StackedDenoisingAutoencoder([copy.deepcopy(layer())])
        network = Classifier(stack, 2, seed=0)
        finetune(network, (rows, y), (rows, y), Finetuning(3, 0.1, 7, encoders=encoders), seed=0)
        ends.append([*network.state_dict().values(), network.predict(rows)])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def test_the_layers_above_have_what_suits_codes():
    assert Mixed().on(Layout(reach=(0.0, 1.0))) == CrossEntropy()
    assert Mixed().on(Layout(reach=(-1.0, 1.0))) == SquaredError()
    assert Mixed().on(Layout(reach=(0.0, math.inf))) == SquaredError()
    assert MIXED.on(Layout(reach=(0.0, 1.0))) is MIXED


def test_a_column_of_one_category_is_no_softmax():
    kind = Mixed().on(Layout((Block("x", "categorical", 1), Block("y", "categorical", 2))))
    assert kind.columns == (CrossEntropy(), Categorical((2,)))


def test_it_is_saved_and_read_again(tmp_path):
    stack = StackedDenoisingAutoencoder([layer(Mixed(MIXED.columns, MIXED.sizes, (2.0,) * 7))])
    save(stack, tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    x = table(5, 0.3)
    assert torch.equal(again.reconstruct(x), stack.reconstruct(x))
    assert again[0].plan() == stack[0].plan()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Mixed((SquaredError(),), (1, 1)), "each of 1 columns needs a size"),
        (lambda: Mixed((SquaredError(),), (1,), (1.0, 1.0)), "got 1, 2 and 0"),
        (lambda: Mixed((SquaredError(),), (0,)), "size of a column must be a whole number of at"),
        (lambda: Mixed((SquaredError(),), (1,), (-1.0,)), "weight of a column must be a number"),
        (lambda: Mixed((SquaredError(),), (1,), units=(0.0,)), "unit of a column must be a number"),
        (lambda: Mixed((Categorical((3,)),), (2,)), "a column of 2 components cannot be Categor"),
        (lambda: Mixed((MIXED,), (14,)), "a column of 14 components cannot be Mixed"),
        (lambda: Mixed().on(Layout()), "needs a table with columns, and these data have none"),
        (lambda: layer().plan().build(9, stream(0)), "of 14 components, the input has 9"),
        (lambda: train(table(9) / 0), "rows must be finite, or NaN where cells are missing"),
        (lambda: train(2 + table(9)), "the inputs of layer 1, column 1, lie in"),
        (lambda: train(table(9, 0.5), CrossEntropy()), "missing cells needs reconstruction=mixed"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(act, message):
    with pytest.raises(ValueError, match=message) as refusal:
        act()
    assert "\n" not in str(refusal.value)


def train(x, kind=MIXED):
    pretrain(StackedDenoisingAutoencoder([layer(kind)]), x, Pretraining(1, 0.1, 5), seed=0)


def test_emphasis_leaves_a_softmax_to_autograd_and_a_table_of_numbers_not():
    numbers = Mixed((SquaredError(), CrossEntropy()), (5, 9))
    emphasis = Emphasis(1, 0.5)
    methods = [
        Layer(3, Swap(0.1), kind, emphasis=emphasis).build(D, stream(0)).method
        for kind in (numbers, MIXED)
    ]
    assert methods == ["closed form", "autograd"]
