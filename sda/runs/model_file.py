"""A network as one file that needs nothing else: weights, and a JSON header with their plan.

The format is safetensors, so that other programs read the weights too. The header stands in its
metadata under ``sda``. Nothing in a file is executed.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from sda.common import files
from sda.nn import corruption, distributions
from sda.nn.autoencoder import DenoisingAutoencoder, Emphasis
from sda.nn.contrastive_divergence import RestrictedBoltzmannMachine
from sda.nn.heads import Classifier
from sda.nn.stack import Layer, StackedDenoisingAutoencoder
from sda.runs.checkpoint import CheckpointError
from sda.runs.identity import described

FORMAT = 1
Network = StackedDenoisingAutoencoder | Classifier


def save(network: Network, path: str | Path) -> None:
    """Save an ordinary stack or classifier, atomically.

    Raises:
        ValueError: it has runs, or parts that do not come with sda.
        OSError: it cannot be written; what was there stays.
    """
    stack = network.stack if isinstance(network, Classifier) else network
    if stack.runs:
        raise ValueError("only an ordinary network can be saved; select a run first")
    plan = {
        "kind": type(network).__name__,
        "n_visible": stack[0].weight.shape[0],
        "layers": [_plan(layer) for layer in stack],
        "n_classes": network.n_classes if isinstance(network, Classifier) else None,
    }
    write(Path(path), {"plan": plan}, network.state_dict())


def load(path: str | Path) -> Network:
    """Load what ``save`` wrote, on the CPU.

    Raises:
        CheckpointError: the file is damaged, hostile, newer, or its weights are not finite numbers.
    """
    header, weights = read(Path(path))
    try:
        network = _build(header["plan"])
        network.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CheckpointError(f"{path} holds no network: {error}") from None
    for name, weight in network.state_dict().items():
        if not torch.isfinite(weight).all():
            raise CheckpointError(f"{path} holds NaN or infinite weights in {name}")
    return network


def write(path: Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write tensors with a header of plain types, atomically. Raises OSError."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    told = {"format": FORMAT} | dict(header)
    # One entry: the library writes several in any order.
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
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None
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
    layers = [
        Layer(
            **{
                **layer,
                "corruption": _known(layer["corruption"]),
                "reconstruction": _known(layer["reconstruction"]),
                "emphasis": Emphasis(**layer["emphasis"]),
            }
        )
        for layer in plan["layers"]
    ]
    stack = StackedDenoisingAutoencoder.plan(plan["n_visible"], layers, seed=0)
    if plan["kind"] == "Classifier":
        return Classifier(stack, plan["n_classes"], seed=0)
    return stack


def _plan(layer: DenoisingAutoencoder) -> dict[str, Any]:
    """The plan of a layer in plain types; the scale of its initial weights is no longer needed."""
    return {
        "n_hidden": layer.weight.shape[-1],
        "activation": str(layer.activation),
        "tied": layer.tied,
        "corruption": _plain(layer.corruptions[0]),
        "reconstruction": _plain(layer.reconstruction),
        "emphasis": dataclasses.asdict(layer.emphases[0]),
        "boltzmann": isinstance(layer, RestrictedBoltzmannMachine),
    }


def _plain(part: Any) -> Any:
    if _home(type(part).__name__) is not type(part):
        raise ValueError(
            "only the corruptions and losses that come with sda can be saved, "
            f"got {part!r}; with parts of your own save network.state_dict()"
        )
    return described(part)


def _known(part: dict[str, Any]) -> Any:
    values = dict(part)
    kind = _home(values.pop("kind"))
    if kind is None:
        raise ValueError(f"unknown part {part!r}")
    return kind(**values)


def _home(name: str) -> Any:
    """Find the dataclass of that name in the two modules that may be named in a file."""
    for module in (corruption, distributions):
        kind = vars(module).get(name)
        if dataclasses.is_dataclass(kind):
            return kind
    return None
