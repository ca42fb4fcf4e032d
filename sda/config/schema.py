"""The schema of a run: what a configuration may say, checked and built before anything starts."""

import importlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from sda.common import checks, threads
from sda.config.plan import (
    Run,
    small,
)
from sda.data.splits import Splits
from sda.nn.activation import Activation
from sda.nn.autoencoder import Emphasis, Layer
from sda.nn.distributions import Distribution
from sda.nn.initialisation import Initialisation
from sda.runs.arms import Init
from sda.runs.settings import Plain, flat
from sda.training.settings import Finetuning, Pretraining

_Made = TypeVar("_Made")
PLANNING = ("search", "minutes")  # for campaigns; no setting of a run
STACK = ("hidden", "activation", "tied", "emphasis", "initialisation")
MOST_MEMORY = 1e6  # GB


@contextmanager
def complete() -> Iterator[None]:
    """Around what reads settings: one that is not there raises ValueError in one line."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"the setting {error} is missing: a run needs it") from None


@complete()
def build_run(plain: Plain) -> Run:
    """Turn a resolved configuration into a run. Raises ValueError in one line."""
    for key in _section("stack", plain["stack"]):
        checks.one_of("a setting of stack", key, STACK)
    hidden = plain["stack"]["hidden"]
    if not isinstance(hidden, list) or not hidden:
        raise ValueError(f"stack.hidden must list the units of each layer, got {hidden!r}")
    depth = len(hidden)
    checks.flag("tensorboard", plain["tensorboard"])
    checks.flag("overwrite", plain["overwrite"])
    check_folder(plain)
    threads.threads(plain["threads"])
    if plain["jobs"] != "auto":
        checks.whole("jobs", plain["jobs"], 1)
    _named("data", plain["data"])  # refused here, nothing is read yet
    run = Run(
        name=str(plain["name"]),
        init=Init(checks.one_of("init", plain["init"], (*Init,))),
        seed=checks.whole("seed", plain["seed"], high=math.inf),
        layers=tuple(_layers(plain, hidden)),
        pretraining=tuple(
            _made("pretrain", Pretraining, values)
            for values in _per_layer("pretrain", _with_noise("pretrain", plain["pretrain"]), depth)
        ),
        finetuning=_made("finetune", Finetuning, _with_noise("finetune", plain["finetune"])),
        initialisation=Initialisation(plain["stack"]["initialisation"]),
        device=device(plain["device"]),
        tensorboard=plain["tensorboard"],
        test=checks.flag("test", plain.get("test", True)),
        codes_memory=codes_memory(plain.get("codes_memory", "auto"), device(plain["device"])),
        settings=flat({key: value for key, value in plain.items() if key not in PLANNING}),
        published=published(plain["published"]),
    )
    # Building refuses what does not go together: emphasis with Gaussian noise, dbn with tanh.
    for layer in (*run.layers, *run.trained_layers()):
        small(layer)
    return run


def load_data(plain: Plain) -> Splits:
    """Read or make the data set of a configuration. Raises ValueError in one line."""
    made, values = _named("data", plain["data"])
    splits = made(**values)
    if not isinstance(splits, Splits):
        raise ValueError(
            f"data must be a function that returns Splits, got {type(splits).__name__}"
        )
    return splits


def check_folder(plain: Mapping[str, Any]) -> None:
    """Raise ValueError if there is no telling what folder a run's folder is made in."""
    checks.text("runs_folder", plain["runs_folder"])
    if not isinstance(plain["name"], str | int):
        raise ValueError(f"name must be text, got {plain['name']!r}")


def published(node: object) -> dict[str, Any] | None:
    """What papers report: test errors by arm, fractions, and of how many rows; or None."""
    if node is None:
        return None
    if not isinstance(node, dict):
        raise ValueError(f"published must be null or name figures, got {node!r}")
    for arm, error in _section("published.test_error", node.get("test_error")).items():
        checks.number(f"published.test_error.{arm}", error, 0, 1)
    checks.whole("published.n_test", node.get("n_test"), 1)
    return node


def device(name: object) -> torch.device:
    """The device to train on. Raises ValueError if it is unknown or absent."""
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    checks.one_of("device", name, ("cpu", *here, "auto"))
    found = [kind for kind, there in here.items() if there] + ["cpu"]
    if name == "auto":
        return torch.device(found[0])
    if name not in found:
        raise ValueError(
            f"device={name} is not here, or torch was built without it; here: {', '.join(found)}"
        )
    return torch.device(str(name))


def codes_memory(asked: object, where: torch.device) -> int:
    """Bytes that one array of rows or codes may take; ``asked`` for in GB, ``auto``: by device.

    At most six such arrays exist at once: rows and validation rows, codes of two layers, and so on.
    """
    if asked != "auto":
        return int(1e9 * checks.number("codes_memory", asked, 0, MOST_MEMORY))
    if where.type == "cuda":
        return int(torch.cuda.get_device_properties(where).total_memory) // 8
    return 10**9


def width(plain: Plain) -> int:
    """How many components an input has. Reads the data."""
    return int(load_data(plain).train.x.shape[1])


def _layers(plain: Plain, hidden: Sequence[Any]) -> list[Layer]:
    stack = plain["stack"]
    depth = len(hidden)
    corruptions = _parts("corruption", plain["corruption"], depth, _corruption)
    reconstructions = _parts("reconstruction", plain["reconstruction"], depth, _reconstruction)
    emphases = [
        _made("stack.emphasis", Emphasis, values)
        for values in _per_layer("stack.emphasis", stack["emphasis"], depth)
    ]
    return [
        Layer(
            n_hidden=checks.whole("stack.hidden", n, 1),
            corruption=corruption,
            reconstruction=reconstruction,
            activation=checks.one_of("stack.activation", stack["activation"], (*Activation,)),
            tied=checks.flag("stack.tied", stack["tied"]),
            emphasis=emphasis,
            initialisation=checks.one_of(
                "stack.initialisation", stack["initialisation"], (*Initialisation,)
            ),
        )
        for n, corruption, reconstruction, emphasis in zip(
            hidden, corruptions, reconstructions, emphases, strict=True
        )
    ]


def corruption(where: str, node: object) -> Any:
    """The corruption of rows that a node asks for, or None."""
    if node is None:
        return None
    if isinstance(node, Mapping) and "layers" not in node:
        return _corruption(where, node)
    got = "one for each layer" if isinstance(node, Mapping | list) else repr(node)
    raise ValueError(
        f"{where} must be null or one for all layers, a node as in conf/corruption "
        f"('${{corruption}}' is one), got {got}"
    )


def _with_noise(where: str, node: object) -> Mapping[str, Any]:
    own = _section(where, node)
    return {**own, "corruption": corruption(f"{where}.corruption", own.get("corruption"))}


def _parts(
    where: str, node: Plain, depth: int, build: Callable[[str, Mapping[str, Any]], Any]
) -> list[Any]:
    """One part for each layer, from a node for all of them or a list ``layers`` of nodes."""
    if "layers" in node:
        if not isinstance(node["layers"], list) or len(node["layers"]) != depth:
            raise ValueError(f"{where}.layers must list one for each of {depth} layers")
        return [build(f"{where}.layers", part) for part in node["layers"]]
    return [build(where, part) for part in _per_layer(where, node, depth)]


def _per_layer(where: str, node: Mapping[str, Any], depth: int) -> list[Plain]:
    """Split a node whose values are for all layers, or lists with one for each."""
    for key, value in _section(where, node).items():
        if isinstance(value, list) and len(value) != depth:
            raise ValueError(
                f"{where}.{key} must be one value or a list of {depth}, one for each layer, "
                f"got {len(value)} values"
            )
    return [
        {key: value[k] if isinstance(value, list) else value for key, value in node.items()}
        for k in range(depth)
    ]


def _section(where: str, node: object) -> Mapping[str, Any]:
    if not isinstance(node, Mapping):
        raise ValueError(f"{where} must be settings of its own, key: value; got {node!r}")
    return node


def _corruption(where: str, node: Mapping[str, Any]) -> Any:
    made, values = _named(where, node)
    if not callable(built := made(**values)):
        raise ValueError(f"{where}._target_ must name a corruption, got {node['_target_']!r}")
    return built


def _reconstruction(where: str, node: Mapping[str, Any]) -> Any:
    made, values = _named(where, node)
    if not isinstance(built := made(**values), Distribution):
        raise ValueError(f"{where}._target_ must name a reconstruction, got {node['_target_']!r}")
    return built


def _named(where: str, node: Mapping[str, Any]) -> tuple[Callable[..., Any], Plain]:
    """What ``_target_`` names, which must live in this package, and the other values, checked."""
    values = {str(key): value for key, value in _section(where, node).items()}
    target = values.pop("_target_", None)
    module, _, name = str(target).rpartition(".")
    if not module.startswith("sda."):
        raise ValueError(f"{where}._target_ must name something in sda, got {target!r}")
    try:
        made: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise ValueError(f"{where}._target_ names nothing: {target!r}") from None
    if not callable(made):
        raise ValueError(f"{where}._target_ must name a class or a function, got {target!r}")
    _check_names(where, made, values)
    checks.fits(where, made, values)
    return made, values


def _made(where: str, made: Callable[..., _Made], values: Mapping[str, Any]) -> _Made:
    """Call what checks its values itself; the names of them are checked here."""
    _check_names(where, made, values)
    return made(**values)


def _check_names(where: str, made: Callable[..., Any], values: Mapping[str, Any]) -> None:
    try:
        inspect.signature(made).bind(**values)
    except TypeError as error:
        allowed = ", ".join(inspect.signature(made).parameters) or "none"
        name = f"{made.__module__}.{made.__qualname__}"
        raise ValueError(f"{where}: {error}; {name} takes {allowed}") from None
