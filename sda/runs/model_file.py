"""A network as one file that needs nothing else: weights, and a JSON header with their plan.

The format is safetensors, so that other programs read the weights too. The header stands in its
metadata under ``sda``. Nothing in a file is executed.
"""

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from torch import Tensor

import sda
from sda.common import files
from sda.common.trust import trusted
from sda.nn.corruption import Corruption, Emphasis
from sda.nn.distributions import Distribution
from sda.nn.heads import Classifier, Regressor
from sda.nn.layer_kind import LayerPlan
from sda.nn.penalised import Penalty
from sda.nn.predictor import Predictor
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.nn.stochastic import Units
from sda.runs.checkpoint import CheckpointError
from sda.runs.folder import MODEL, PRETRAINED, RunFolder, RunFolderError, no_run
from sda.runs.identity import described

FORMAT = 1
_OLD = "{} is a model of sda 0.1, or of another program; this version reads model.safetensors only"
_BEFORE = "pretrained."  # before the names of weights as they were before fine-tuning
PARTS = (LayerPlan, Corruption, Distribution, Penalty, Units, Emphasis)
Network = StackedDenoisingAutoencoder | Predictor


def save(
    network: Network,
    path: str | Path,
    about: Mapping[str, Any] | None = None,
    pretrained: StackedDenoisingAutoencoder | None = None,
) -> None:
    """Save an ordinary stack, classifier or regressor, atomically.

    Args:
        network: the stack or classifier.
        path: of the file.
        about: what else is known of it, in plain types: its columns, how it was trained.
        pretrained: its stack as it was before fine-tuning, whose decoders fit its encoders.

    Raises:
        ValueError: it has runs, or parts that do not come with sda.
        OSError: it cannot be written; what was there stays.
    """
    stack = network.stack if isinstance(network, Predictor) else network
    if stack.runs:
        raise ValueError("only an ordinary network can be saved; select a run first")
    plan = {
        "kind": type(network).__name__,
        "n_visible": stack[0].n_visible,
        "layers": [_plain(layer.plan()) for layer in stack],
        "n_classes": network.n_classes if isinstance(network, Classifier) else None,
        "extent": stack.extent,
        "best_depth": (pretrained or stack).best_depth,
    }
    if isinstance(network, Regressor):
        plan |= {"n_targets": network.n_targets, "output": _plain(network.output)}
    header = {"plan": plan} | ({"about": dict(about)} if about else {})
    own = {} if pretrained is None else pretrained.state_dict(prefix=_BEFORE)
    write(Path(path), header, network.state_dict() | own)


def load(path: str | Path) -> Network:
    """Load what ``save`` wrote, on the CPU.

    Raises:
        CheckpointError: the file is damaged, hostile, newer, or its weights are not finite numbers.
    """
    return load_all(path).network


class Saved(NamedTuple):
    """All that a file holds."""

    network: Network
    pretrained: StackedDenoisingAutoencoder | None  # before fine-tuning; None: never pretrained
    about: dict[str, Any]


def load_all(path: str | Path) -> Saved:
    """Load a network with what is known of it. Raises as ``load``."""
    header, tensors = read(Path(path))
    weights = {name: own for name, own in tensors.items() if not name.startswith(_BEFORE)}
    before = {name.removeprefix(_BEFORE): tensors[name] for name in tensors.keys() - weights.keys()}
    try:
        network, pretrained = _build(header["plan"]), None
        network.load_state_dict(weights)
        if before:
            pretrained = _build(header["plan"] | {"kind": "StackedDenoisingAutoencoder"})
            pretrained.load_state_dict(before)
        about = dict(header.get("about", {}))
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CheckpointError(f"{path} holds no network: {error}") from None
    for name, weight in tensors.items():
        if not torch.isfinite(weight).all():
            raise CheckpointError(f"{path} holds NaN or infinite weights in {name}")
    assert pretrained is None or isinstance(pretrained, StackedDenoisingAutoencoder)
    return Saved(network, pretrained, about)


def pretrained_stack(folder: Path, key: str = "") -> StackedDenoisingAutoencoder:
    """Load the pretrained stack of a run, on the CPU; errors name the setting ``key``.

    Raises:
        RunFolderError: the folder holds no run, or one that has not been pretrained.
    """
    where = f"{key}={folder}" if key else str(folder)
    result = RunFolder(folder).result
    if not result:
        said = no_run(folder, "readable result.json")
        raise RunFolderError(f"{key}: {said}" if key else said)
    if result.get("init") == "random":
        raise RunFolderError(f"{where} has no pretrained stack: its arm is random")
    try:
        stack = load(folder / PRETRAINED)
    except (CheckpointError, OSError) as error:
        raise RunFolderError(
            f"{key or 'this'} needs the folder of a run that has been pretrained: {error}"
        ) from None
    if not isinstance(stack, StackedDenoisingAutoencoder):
        raise RunFolderError(f"{folder / PRETRAINED} holds no stack")
    return stack


def file_of(place: Path) -> Path:
    """A model file itself; of a run's folder the pretrained stack, or else the finished model."""
    file = place / (PRETRAINED if (place / PRETRAINED).is_file() else MODEL)
    return file if place.is_dir() else place


def write(path: Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write tensors with a header of plain types, atomically. Raises OSError."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    told = {"format": FORMAT} | dict(header)
    # One entry, since the library writes several in any order.
    metadata = {"sda": json.dumps(told | {"sha256": _digest(told, plain)})}
    files.replace(path, safetensors.torch.save(plain, metadata))


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what ``write`` wrote: its header and its tensors, on the CPU.

    Raises:
        CheckpointError: the file is missing, damaged, of a newer format, or not ours.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        if path.with_suffix(".pt").exists():
            raise CheckpointError(_OLD.format(path.with_suffix(".pt"))) from None
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None
    if content[:2] == b"PK":  # an archive, as torch.save writes
        raise CheckpointError(_OLD.format(path))
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["sda"])
        digest, version = header.pop("sha256"), int(header["format"])
        tensors = safetensors.torch.load(content)
    except MemoryError:
        raise
    except Exception:
        # The library and JSON fail in many ways; whatever the way, this is no file of ours.
        raise CheckpointError(f"{path} is not a file of this program, or it is damaged") from None
    if version > FORMAT:
        raise CheckpointError(
            f"{path} has format {version}; this program reads up to {FORMAT}: update it"
        )
    if digest != _digest(header, tensors):
        raise CheckpointError(
            f"{path} is damaged: its SHA-256 differs from the one it was saved with"
        )
    return header, tensors


def _digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    total = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _build(plan: dict[str, Any]) -> Network:
    layers = [_known(layer) for layer in plan["layers"]]
    stack = StackedDenoisingAutoencoder.plan(plan["n_visible"], layers, seed=0)
    stack.extent = plan.get("extent") and tuple(map(float, plan["extent"]))
    stack.best_depth = plan.get("best_depth")
    if plan["kind"] == "Classifier":
        return Classifier(stack, plan["n_classes"], seed=0)
    if plan["kind"] == "Regressor":
        return Regressor(stack, plan["n_targets"], seed=0, output=_known(plan["output"]))
    return stack


def _plain(plan: LayerPlan | Distribution) -> Any:
    """A part in plain types; ValueError for one that could not be read back."""
    said = described(plan)
    try:
        known = _known(said) == plan
    except (KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(
            "only the layers, corruptions and losses that come with sda can be saved, "
            f"got {plan!r}; with parts of your own save network.state_dict()"
        )
    return said


def _known(plain: Any) -> Any:
    """Build what a description describes, of the classes that ``_kind`` allows."""
    if isinstance(plain, dict):
        values = {key: _known(value) for key, value in plain.items() if key != "kind"}
        return _kind(plain["kind"])(**values)
    return tuple(map(_known, plain)) if isinstance(plain, list) else plain


def _kind(name: str) -> Any:
    """A public part of sda, or one of a module which this command line trusts."""
    place, _, own = name.rpartition(".")
    kind = getattr(sda, name) if name in sda.__all__ else None
    if place in trusted():
        kind = vars(trusted()[place]).get(own)
    if inspect.isclass(kind) and issubclass(kind, PARTS):
        return kind
    raise KeyError(f"unknown part {name!r}; one of your own needs parts=[module]")
