"""The schema of a run: what a configuration may say, checked and built before anything starts."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sda.common import checks
from sda.common.errors import LackingError
from sda.config.parts import data_function, lists, part, section
from sda.config.plan import Run, Start
from sda.config.settings import BASELINE, PLANNING, Executor, Settings, Stack
from sda.config.validation import made
from sda.data.splits import Splits
from sda.nn.corruption import Corruption, Emphasis
from sda.nn.distributions import Distribution
from sda.nn.layer_kind import LayerPlan
from sda.runs.identity import Init, Plain, flat
from sda.training.settings import Finetuning, Pretraining

if TYPE_CHECKING:
    from sda.config.baseline import Baseline

DEVICES = r"cpu|mps|cuda(:\d+)?"


def build(plain: Plain) -> "Run | Baseline":
    """Turn a resolved configuration into a run of its arm. Raises ValueError in one line."""
    if plain.get("init") != Init.baseline:
        for key in BASELINE[1:]:
            if plain.get(key):
                raise ValueError(f"{key} is for a baseline (baseline=svm_rbf), not for a network")
        return build_run(plain)
    from sda.config import baseline  # here: scikit-learn takes a second

    return baseline.build(plain, build_run({**plain, "init": "random"}))


def build_run(plain: Plain) -> Run:
    """Turn a resolved configuration into the run of a network. Raises ValueError in one line."""
    if Path(str(plain.get("init"))).exists() and plain["init"] not in (*Init,):
        raise ValueError(f"init is an arm; a run's layers are taken by pretrained={plain['init']}")
    stack = made("stack", Stack, section("stack", plain.get("stack")))
    known = made("", Settings, {**plain, "stack": stack})
    depth = len(stack.nodes)
    executor(plain)
    data_function("data", known.data)  # refused here, nothing is read yet
    # A command that sends its runs elsewhere may run on a machine without a GPU.
    where = device(known.device, is_here=known.executor.get("name", "local") == "local")
    start = Start.of(known.pretrained) if known.pretrained else None
    if start is not None and known.init is Init.random:
        raise ValueError(f"init=random takes no pretrained layers, got pretrained={start.path}")
    layers = _layers(known) if start is None else (layer.plan() for layer in start.stack())
    run = Run(
        name=str(known.name),
        init=known.init,
        seed=known.seed,
        layers=tuple(layers),
        pretraining=tuple(
            made("pretrain", Pretraining, values)
            for values in _pretraining(known.pretrain, depth)
            if start is None
        ),
        finetuning=made("finetune", Finetuning, _with_noise("finetune", known.finetune)),
        initialisation=stack.initialisation,
        device=where,
        tensorboard=known.tensorboard,
        test=known.test,
        codes_memory=codes_memory(known.codes_memory, where),
        settings=flat({k: v for k, v in plain.items() if k not in (*PLANNING, *BASELINE)}),
        published=known.published,
        start=start,
    )
    # Building refuses what does not go together: emphasis with Gaussian noise, dbn with tanh.
    for layer in (*run.layers, *run.trained_layers()):
        layer.example()
    run.described()  # a part that cannot be written down is refused now
    return run


def load_data(plain: Plain) -> Splits:
    """Read or make the data set of a configuration. Raises ValueError in one line."""
    function, values = data_function("data", plain.get("data"))
    if plain.get("pretrained") and "like" in values:  # its columns are those of the layers
        values["like"] = values["like"] or plain["pretrained"]
    return function(**values)


def executor(plain: Plain) -> Executor:
    """Where the runs of a sweep are trained. Raises ValueError in one line."""
    return made("executor", Executor, section("executor", plain.get("executor")))


def device(name: str, is_here: bool = True) -> torch.device:
    """The device to train on: cpu, cuda, cuda:1 (the second one), mps, or auto.

    Args:
        name: what a configuration says.
        is_here: whether it must be on this machine.

    Raises:
        LackingError: this machine lacks it.
        ValueError: no device has this name.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = ["cuda"] * bool(gpus) + ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    if name == "auto":
        return torch.device(found[0])
    if not re.fullmatch(DEVICES, name):
        raise ValueError(f"device must be one of cpu, cuda, cuda:1, mps, auto, got {name!r}")
    where = torch.device(name)
    if is_here and (where.type not in found or (where.index or 0) >= max(1, gpus)):
        raise LackingError(
            f"device={name} is not here, or torch was built without it; here: "
            + ", ".join([*(f"cuda:{number}" for number in range(gpus)), *found[bool(gpus) :]])
        )
    return where


def codes_memory(asked: float | str, where: torch.device) -> int:
    """Bytes that one array of rows or codes may take; ``asked`` is in GB, or ``auto``: by device.

    At most six such arrays exist at once: rows and validation rows, codes of two layers, and so on.
    """
    if not isinstance(asked, str):
        return int(1e9 * asked)
    if where.type == "cuda" and torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(where).total_memory) // 8
    return 10**9


def width(plain: Plain) -> int:
    """How many components an input has. Reads the data."""
    return int(load_data(plain).train.x.shape[1])


def corruption(where: str, node: object) -> Corruption | None:
    """The corruption of rows that a node asks for, or None."""
    if node is None:
        return None
    if isinstance(node, Mapping) and "layers" not in node:
        own = {key: value for key, value in node.items() if key != "above"}
        built: Corruption = part(where, own, Corruption)
        return built
    got = "one for each layer" if isinstance(node, Mapping | list) else repr(node)
    raise ValueError(
        f"{where} must be null or one for all layers, a node as in conf/corruption "
        f"('${{corruption}}' is one), got {got}"
    )


def _layers(known: Settings) -> Iterator[LayerPlan]:
    """The plan of each layer: what its node does not say, the settings of all layers do."""
    stack, depth = known.stack, len(known.stack.nodes)
    corruptions = _parts("corruption", known.corruption, depth, Corruption)
    reconstructions = _parts("reconstruction", known.reconstruction, depth, Distribution)
    emphases = _per_layer("stack.emphasis", stack.emphasis, depth)
    for k, node in enumerate(stack.nodes):
        common = {
            "corruption": corruptions[k],
            "reconstruction": reconstructions[k],
            "activation": stack.activation,
            "tied": stack.tied,
            "emphasis": made("stack.emphasis", Emphasis, emphases[k]),
            "initialisation": stack.initialisation,
        }
        plan = part(f"stack.layers.{k}", node, LayerPlan, common)
        if not (common["emphasis"].is_plain or hasattr(plan, "emphasis")):
            raise ValueError(
                f"stack.emphasis: a {type(plan).__name__} (layer {k + 1}) weighs all components "
                "alike; lists give each layer its own, as in stack.emphasis.intact=[1.0,0.5]"
            )
        yield plan


def _pretraining(node: Plain, depth: int) -> list[Plain]:
    """The settings of each layer; those above the ``first`` ones are not trained."""
    first = node.get("first")
    trained = depth if first is None else checks.whole("pretrain.first", first, 0, depth)
    own = {key: value for key, value in node.items() if key != "first"}
    each = _per_layer("pretrain", _with_noise("pretrain", own), depth)
    return [values if k < trained else {**values, "epochs": 0} for k, values in enumerate(each)]


def _with_noise(where: str, node: Plain) -> Plain:
    return {**node, "corruption": corruption(f"{where}.corruption", node.get("corruption"))}


def _parts(where: str, node: Plain, depth: int, kind: type) -> list[Any]:
    """One part for each layer, from a node for all of them or a list ``layers`` of nodes.

    A node may have another one, ``above``, for all layers but the lowest.
    """
    if "layers" in node:
        if not isinstance(node["layers"], list) or len(node["layers"]) != depth:
            raise ValueError(f"{where}.layers must list one for each of {depth} layers")
        return [part(f"{where}.layers", each, kind) for each in node["layers"]]
    if "above" in node:
        lowest = {key: value for key, value in node.items() if key != "above"}
        nodes = [lowest, *[node["above"]] * (depth - 1)]
    else:
        nodes = _per_layer(where, node, depth, lists(where, node))
    return [part(where, each, kind) for each in nodes]


def _per_layer(
    where: str, node: Mapping[str, Any], depth: int, whole: Collection[str] = ()
) -> list[Plain]:
    """Split a node whose values are for all layers, or lists with one for each.

    Values of the names in ``whole`` are lists themselves.
    """
    split = {key for key, value in node.items() if isinstance(value, list) and key not in whole}
    for key in split:
        if len(value := node[key]) != depth:
            raise ValueError(
                f"{where}.{key} must be one value or a list of {depth}, one for each layer, "
                f"got {len(value)} values"
            )
    return [
        {key: value[k] if key in split else value for key, value in node.items()}
        for k in range(depth)
    ]
