"""A run on a table with columns: what only the data know is completed when the run is built."""

import json

import numpy as np
import pytest
import tiny_run
import torch

from sda import Categorical, CrossEntropy, SquaredError, Swap, load, stream
from sda.data.columns import Column
from sda.data.encoding import Encoding
from sda.data.splits import Rows, Splits
from sda.runs.identity import digest

ENCODING = Encoding(
    (
        Column("age", "numeric"),
        Column("job", "categorical", categories=("a", "b", "c")),
        Column("smokes", "binary", categories=("no", "yes")),
        Column("pay", "numeric", indicated=True),
    )
)
WORDS = ["reconstruction=mixed", "corruption=swap"]


def splits(missing=0.2, encoding=ENCODING):
    generator = stream(0, "mixed")
    parts = []
    for n in (60, 30, 50):
        x = torch.randn(n, 7, generator=generator)
        x[:, 1:4] = torch.eye(3)[torch.randint(3, (n,), generator=generator)]
        x[:, 4] = (x[:, 0] > 0).float()
        y = (x[:, 0] > x[:, 5]).long().numpy()
        gone = torch.rand(n, 4, generator=generator) < missing
        for column, place in enumerate((slice(0, 1), slice(1, 4), slice(4, 5), slice(5, 6))):
            x[gone[:, column], place] = torch.nan
        x[:, 6] = gone[:, 3].float()
        parts.append(Rows(x.numpy(), y))
    return Splits("toy", *parts, n_classes=2, source="user", encoding=encoding)


def test_columns_and_blocks_are_those_of_the_data():
    data = splits()
    plan = tiny_run.plan(*WORDS)[0].on(data)
    columns = (SquaredError(), Categorical((3,)), CrossEntropy(), SquaredError(), CrossEntropy())
    kind = plan.layers[0].reconstruction
    assert (kind.columns, kind.sizes) == (columns, (1, 3, 1, 1, 1))
    spread = np.nanstd(data.train.x.astype(np.float64), axis=0)
    np.testing.assert_allclose(kind.units, [spread[0], 1, 1, spread[5], 1])
    assert plan.layers[0].corruption == Swap(0.2, columns=(1, 3, 1, 2))
    assert plan.layers[1].reconstruction == CrossEntropy()
    assert plan.layers[1].corruption == Swap(0.2)


def test_a_run_is_known_by_what_was_asked_and_its_data_whatever_their_columns():
    asked = tiny_run.plan(*WORDS)[0]
    assert digest(asked.described()) != digest(asked.on(splits()).described())
    assert "columns" not in json.dumps(asked.described())


@pytest.mark.parametrize("init", ["random", "saa", "sda"])
def test_every_arm_trains_on_a_table_with_missing_cells(tmp_path, init):
    data = splits()
    result = tiny_run.train(tmp_path / "run", *WORDS, f"init={init}", data=data)
    assert result["status"] == "finished"
    record = json.loads((tmp_path / "run" / "result.json").read_text())
    assert record["setting"] == digest(tiny_run.plan(*WORDS, f"init={init}")[0].described())
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        numbers = [v for v in json.loads(line).values() if isinstance(v, float)]
        assert np.isfinite(numbers).all()
    network = load(tmp_path / "run" / "model.safetensors")
    codes = network.stack.encode(torch.from_numpy(data.test.x))
    assert codes.isfinite().all()
    if init != "random":
        assert record["step"] == "closed form"


def test_noise_in_the_rows_has_the_columns_too():
    plan = tiny_run.plan(*WORDS, "finetune.corruption=${corruption}")[0].on(splits())
    assert plan.finetuning.corruption == Swap(0.2, columns=(1, 3, 1, 2))


def test_pictures_of_rows_with_missing_cells_can_be_drawn(tmp_path):
    tiny_run.train(tmp_path / "run", *WORDS, "tensorboard=true", data=splits())


@pytest.mark.parametrize("noise", ["blocks", "patches", "blur", "scheduled", "compose"])
def test_noise_for_pictures_knows_their_shape(tmp_path, noise):
    asked = [f"corruption={noise}"]
    asked += {
        "blocks": ["corruption.height=1", "corruption.width=2"], "patches": ["corruption.size=1"],
        "scheduled": ["corruption.epochs=2"],
    }.get(noise, [])  # fmt: skip
    result = tiny_run.train(tmp_path / "run", *asked)
    assert result["status"] == "finished"
    network = load(tmp_path / "run" / "model.safetensors")
    if noise not in ("scheduled", "compose"):
        assert network.stack[0].corruptions[0].image_shape == (2, 3)


@pytest.mark.parametrize(
    ("words", "data", "message"),
    [
        (
            ["init=dbn"],
            splits(),
            "a restricted Boltzmann machine .* needs reconstruction=cross_ent",
        ),
        ([], splits(encoding=None), "needs a table with columns"),
        (["reconstruction=squared_error"], splits(), "missing cells needs reconstruction=mixed"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    tmp_path, words, data, message
):
    with pytest.raises(ValueError, match=message):
        tiny_run.train(tmp_path / "run", *WORDS, *words, data=data)
    assert not (tmp_path / "run").exists()
