import json

import numpy as np
import pandas as pd
import pytest
import torch
from mixed_table import SPECIES, mixed_table

from sda import Classifier, Layer, Masking, Regressor, StackedDenoisingAutoencoder, save
from sda.cli.export import hub
from sda.data.encoding import Encoding
from sda.runs import export
from sda.runs.model import Model

KINDS = {
    "length": "numeric", "weight": "numeric", "smooth": "binary", "town": "categorical",
    "since": "date", "grade": "categorical",
}  # fmt: skip


def rows(n=80, seed=0):
    """Rows of every kind, a category of numbers and rare ones among them."""
    frame = mixed_table(n, seed, holes=True).drop(columns="species")
    return frame.assign(grade=np.where(np.arange(n) % 40 == 0, 9, np.arange(n) % 3))


def model(tmp_path, kind="classes", scaling="standard", named=True):
    encoding = Encoding.fit(rows(), KINDS, scaling, rare=0.1, indicate=True)
    stack = StackedDenoisingAutoencoder.plan(
        encoding.width, [Layer(9, Masking(0.2)), Layer(5, Masking(0.2))], seed=1
    )
    network = {
        "classes": lambda: Classifier(stack, 3, seed=1),
        "numbers": lambda: Regressor(stack, 2, seed=1),
        "codes": lambda: stack,
    }[kind]()
    if kind == "numbers":
        network.scale_to([torch.arange(20.0).reshape(10, 2) * 30])
    about = {"classes": SPECIES, "data": "mine", "n_train": 80, "test_error": 0.25, "n_test": 40}
    save(
        network, tmp_path / "m.safetensors", about | ({"table": encoding.plain()} if named else {})
    )
    return Model.load(tmp_path / "m.safetensors")


def of_columns(tmp_path, names):
    """A classifier of columns of numbers and of one of categories, each called as is said."""
    frame = pd.DataFrame({name: np.random.default_rng(0).normal(size=60) for name in names})
    frame[names[-1]] = ["red", "green", "blue"] * 20
    kinds = dict.fromkeys(names[:-1], "numeric") | {names[-1]: "categorical"}
    encoding = Encoding.fit(frame, kinds)
    plan = [Layer(5, Masking(0.2))]
    network = Classifier(StackedDenoisingAutoencoder.plan(encoding.width, plan, seed=1), 3, seed=1)
    save(network, tmp_path / "m.safetensors", {"classes": SPECIES, "table": encoding.plain()})
    return Model.load(tmp_path / "m.safetensors")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_columns_may_be_called_as_a_part_of_the_graph_is(tmp_path):
    names = ["x", "c0", "linear", "sigmoid", "classes", "place", "/c0", "c1_known"]
    assert export.onnx(of_columns(tmp_path, names), tmp_path / "m.onnx") < 1e-5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_column_called_as_what_is_computed_is_refused(tmp_path):
    with pytest.raises(ValueError, match="an output of the ONNX file is called 'answer': rename"):
        export.onnx(of_columns(tmp_path, ["answer", "a"]), tmp_path / "m.onnx")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "scaling", "named"),
    [
        ("classes", "standard", True), ("classes", "unit", True), ("numbers", "none", True),
        ("codes", "standard", True), ("classes", "quantiles", True), ("classes", "standard", False),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_onnx_computes_the_same_from_raw_cells(tmp_path, kind, scaling, named):
    import onnxruntime

    own = model(tmp_path, kind, scaling, named)
    assert export.onnx(own, tmp_path / "m.onnx") < 1e-5
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    if not named or scaling == "quantiles":
        assert [given.name for given in session.get_inputs()] == ["x"]
        return
    frame = rows(seed=7)
    cells = {}
    for name, cell in frame.items():
        if name == "since":
            cell = (cell - pd.Timestamp(0)) / pd.Timedelta("1D")
        kind_of = np.float32 if name in ("length", "weight", "since", "grade") else object
        cells[name] = cell.fillna("" if kind_of is object else np.nan).to_numpy(kind_of)[:, None]
    answer = session.run(["answer"], cells)[0]
    if kind == "classes":
        expected = own.predict(frame)
        np.testing.assert_allclose(answer, expected.iloc[:, 1:], atol=1e-5)
        label = session.run(["label"], cells)[0]
        assert label.tolist() == [SPECIES[k] for k in answer.argmax(axis=1)]
    else:
        expected = own.encode(frame) if kind == "codes" else own.predict(frame)
        np.testing.assert_allclose(answer, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_torch_program_computes_the_same_for_any_number_of_rows(tmp_path):
    own = model(tmp_path)
    export.program(own, tmp_path / "m.pt2")
    again = torch.export.load(tmp_path / "m.pt2").module()
    for n in (1, 33):
        frame = rows()[:n]
        x = own.rows(frame).nan_to_num(0.0)
        np.testing.assert_allclose(again(x).detach(), own.predict(frame).iloc[:, 1:], atol=1e-6)


def test_a_folder_as_on_a_hub_has_the_model_its_configuration_and_a_card(tmp_path):
    own = model(tmp_path)
    hub(own, tmp_path / "hub")
    config = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert config["plan"]["n_visible"] == own.width
    pd.testing.assert_frame_equal(Model.load(tmp_path / "hub").predict(rows()), own.predict(rows()))
    card = (tmp_path / "hub" / "README.md").read_text()
    for part in (
        "library_name: sda",
        "- test error 25.00 % of 40 rows",
        "- column 'town': categorical",
    ):
        assert part in card
