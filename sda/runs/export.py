"""A model for other programs: as ONNX with its preprocessing, or by torch.export."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sda.data.columns import OTHER, Column, text_of
from sda.data.encoding import Encoding
from sda.nn.heads import Classifier
from sda.nn.predictor import Predictor
from sda.runs.model import Model

OPSET = 20
CLOSE = 1e-5  # how far what ONNX computes may be from what is computed here
EXAMPLES = 64  # rows that are compared
FLOAT, DOUBLE = 1, 11  # as ONNX numbers its types
_LARGE = 1e30  # stands for a category that was never seen


class Whole(nn.Module):
    """From inputs (n, d), 0 where a cell is missing, to probabilities, numbers or codes (n, k)."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = model.network

    def forward(self, x: Tensor) -> Tensor:
        """Encode, then predict; without checks, which an exported graph cannot have."""
        network = self.network
        codes = x
        for layer in network.stack if isinstance(network, Predictor) else network:
            codes = layer.encode(codes)
        if not isinstance(network, Predictor):
            return codes
        logits = codes @ network.weight + network.bias
        if isinstance(network, Classifier):
            return torch.softmax(logits, -1)
        return network.answer(logits)


def program(model: Model, file: Path) -> None:
    """Write the network in the format of torch.export (.pt2); it takes encoded inputs (n, d)."""
    torch.export.save(_exported(model), file)


def onnx(model: Model, file: Path) -> float:
    """Write an ONNX graph from raw cells to the answer, and compare it with this program.

    It has an input (n, 1) for each column: floats for numbers, dates (days since 1970) and
    categories that are numbers, text for the others; NaN or an empty text is a missing cell.
    Without names of columns, or with quantiles, which ONNX has no node for, the input is x (n, d)
    as ``encode layer=0`` gives it. The outputs are ``answer`` (n, k) and, for classes, ``label``
    (n,).

    Returns:
        The largest difference of ``answer`` over random rows.

    Raises:
        ValueError: onnx or onnxruntime is not installed, a column has the name of an output, or
            the difference is above 1e-5.
    """
    try:
        import onnx as library
        import onnxruntime
    except ImportError:
        raise ValueError("export to ONNX needs more packages: pip install 'sda[onnx]'") from None
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it names absent libraries
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about itself
        made = torch.onnx.export(_exported(model), opset_version=OPSET, verbose=False)
    assert made is not None
    graph = made.model_proto
    raw = model.encoding is not None and not any(one.quantiles for one in model.encoding.used)
    library.save(_with_ends(graph, model, raw), file)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    x = _examples(model)
    cells = {"x": x.nan_to_num(0.0).numpy()}
    if raw:
        assert model.encoding is not None
        table = model.encoding.table(x.numpy())
        single = {n: np.float32 for n in table if table[n].dtype == np.float64}
        table = table.astype(single)  # ONNX gets numbers in single precision
        x, cells = model.rows(table), _cells(model.encoding, table)
    answer = session.run(["answer"], cells)[0]
    with torch.no_grad():
        expected = Whole(model)(x.nan_to_num(0.0)).numpy()
    worst = float(np.abs(answer - expected).max() / max(1.0, np.abs(expected).max()))
    if worst > CLOSE:
        raise ValueError(f"{file}: what ONNX computes differs by {worst:.1e}")
    return worst


def _exported(model: Model) -> Any:
    rows = torch.export.Dim("rows", min=1)
    x = torch.zeros(2, model.width)
    module = Whole(model).eval()
    with torch.no_grad():
        return torch.export.export(module, (x,), dynamic_shapes={"x": {0: rows}})


def _with_ends(network: Any, model: Model, raw: bool) -> Any:
    """Put nodes that encode raw columns before a network, and the names of classes behind it."""
    import onnx
    from onnx import helper, numpy_helper

    columns = model.encoding.used if model.encoding and raw else ()
    prefix = _prefix([column.name for column in columns])
    network = onnx.compose.add_prefix(network, prefix)
    (given,), (made,) = network.graph.input, network.graph.output
    nodes, inputs, constants = [], [], []
    for number, column in enumerate(columns):
        made_of = _Encoding(column, f"{prefix}c{number}")
        nodes += made_of.nodes
        constants += made_of.constants
        kind = onnx.TensorProto.FLOAT if _is_float(column) else onnx.TensorProto.STRING
        inputs.append(helper.make_tensor_value_info(column.name, kind, ["rows", 1]))
    if raw:
        parts = [f"{prefix}c{number}" for number in range(len(inputs))]
        nodes.append(helper.make_node("Concat", parts, [given.name], axis=1))
    else:
        wanted: list[str | int | None] = ["rows", model.width]
        inputs.append(helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, wanted))
        nodes.append(helper.make_node("Identity", ["x"], [given.name]))
    outputs = [helper.make_tensor_value_info("answer", onnx.TensorProto.FLOAT, ["rows", None])]
    behind = [helper.make_node("Identity", [made.name], ["answer"])]
    if isinstance(model.network, Classifier):
        kind = onnx.TensorProto.STRING
        classes, place = f"{prefix}classes", f"{prefix}place"
        constants.append(numpy_helper.from_array(np.array(model.classes, object), classes))
        behind.append(helper.make_node("ArgMax", [made.name], [place], axis=1, keepdims=0))
        behind.append(helper.make_node("Gather", [classes, place], ["label"]))
        outputs.append(helper.make_tensor_value_info("label", kind, ["rows"]))
    graph = helper.make_graph(
        [*nodes, *network.graph.node, *behind],
        "sda",
        inputs,
        outputs,
        [*constants, *network.graph.initializer],
    )
    whole = helper.make_model(
        graph, opset_imports=network.opset_import, functions=network.functions
    )
    whole.ir_version = network.ir_version
    onnx.checker.check_model(whole)
    return whole


def _prefix(columns: Sequence[str]) -> str:
    """A prefix for the names inside the graph; no column's name begins with it."""
    for name in ("answer", "label"):
        if name in columns:
            raise ValueError(f"an output of the ONNX file is called {name!r}: rename the column")
    prefix = "/"
    while any(name.startswith(prefix) for name in columns):
        prefix += "/"
    return prefix


class _Encoding:
    """Nodes and constants that make components (n, width), 0 if missing, of a column (n, 1)."""

    def __init__(self, column: Column, out: str) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._column, self._out = column, out
        if _is_float(column):
            missing = self._node("IsNaN", [column.name], "missing")
        else:
            nothing = self._constant("nothing", np.array([[""]], object))
            missing = self._node("Equal", [column.name, nothing], "missing")
        value = self._number(missing) if column.is_number else self._categories(missing)
        if column.indicated:
            flag = self._node("Cast", [missing], "flag", to=FLOAT)
            value = self._node("Concat", [value, flag], "flagged", axis=1)
        self._node("Identity", [value], "")

    def _number(self, missing: str) -> str:
        """Scaled in double precision: the shift of a date or a year is large beside its scale."""
        column = self._column
        wide = self._node("Cast", [column.name], "wide", to=DOUBLE)
        moved = self._node("Sub", [wide, self._constant("shift", column.shift)], "moved")
        value = self._node("Div", [moved, self._constant("scale", column.scale)], "divided")
        if column.scaling == "unit":
            ends = [self._constant("low", 0.0), self._constant("high", 1.0)]
            value = self._node("Clip", [value, *ends], "clipped")
        value = self._node("Cast", [value], "value", to=FLOAT)
        zero = self._constant("zero", np.array([[0]], np.float32))
        return self._node("Where", [missing, zero, value], "known")

    def _categories(self, missing: str) -> str:
        """One of k. Where rare categories share a component, it is 1 if no other is."""
        column = self._column
        held = column.categories[1:] if column.kind == "binary" else column.categories
        words = [] if _is_float(column) else [text_of(value) for value in held]
        known = np.array([words], object) if words else np.array([held], np.float32)
        equal = self._node("Equal", [column.name, self._constant("known", known)], "equal")
        value = self._node("Cast", [equal], "hot", to=FLOAT)
        if not column.together:
            return value
        absent = self._node("Cast", [missing], "absent", to=FLOAT)
        every = self._node("Concat", [value, absent], "all", axis=1)
        seen = self._node("ReduceSum", [every, self._constant("axes", np.array([1]))], "seen")
        one = self._constant("one", np.array([[1]], np.float32))
        other = self._node("Sub", [one, seen], "other")
        return self._node("Concat", [value, other], "parts", axis=1)

    def _constant(self, name: str, value: NDArray[Any] | float) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.array(value), f"{self._out}_{name}"))
        return f"{self._out}_{name}"

    def _node(self, kind: str, inputs: list[str], name: str, **more: Any) -> str:
        from onnx import helper

        made = f"{self._out}_{name}".removesuffix("_")
        self.nodes.append(helper.make_node(kind, inputs, [made], **more))
        return made


def _is_float(column: Column) -> bool:
    """Whether ONNX gets the cells as floats, not as text."""
    values = column.categories
    return column.is_number or not any(isinstance(value, str | bool) for value in values)


def _examples(model: Model) -> Tensor:
    """Random inputs (n, d) like encoded rows, some cells missing; numbers lie in [0, 1)."""
    generator = np.random.default_rng(0)
    if model.encoding is None:
        return torch.from_numpy(generator.random((EXAMPLES, model.width), np.float32))
    parts = []
    for column in model.encoding.used:
        own = generator.random((EXAMPLES, column.width)).astype(np.float32)
        if column.kind == "binary":
            own[:, 0] = own[:, 0] > 0.5
        if column.kind == "categorical":
            places = generator.integers(0, column.size, EXAMPLES)
            own[:, : column.size] = np.eye(column.size)[places]
        hidden = generator.random(EXAMPLES) < 0.1
        own[hidden] = np.nan
        if column.indicated:
            own[:, -1] = hidden
        parts.append(own)
    return torch.from_numpy(np.concatenate(parts, axis=1))


def _cells(encoding: Encoding, table: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """Raw cells (n, 1) of a table, as an ONNX graph takes them."""
    cells = {}
    for column in encoding.used:
        own = table[column.name]
        if column.kind == "date":
            days = (own - np.datetime64(0, "s")) / np.timedelta64(1, "D")
            cells[column.name] = days.to_numpy(np.float32)[:, None]
        elif _is_float(column):
            values = own.replace(OTHER, _LARGE).to_numpy(np.float32)
            cells[column.name] = values[:, None]
        else:
            words = ["" if value != value or value is None else text_of(value) for value in own]
            cells[column.name] = np.array(words, object)[:, None]
    return cells
