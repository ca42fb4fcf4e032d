"""A trained network as one file: its plan and its weights, and back."""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import torch

from sda.common.trust import trusted
from sda.nn import corruption, distributions
from sda.nn.autoencoder import DenoisingAutoencoder, Emphasis
from sda.nn.contrastive_divergence import RestrictedBoltzmannMachine
from sda.nn.corruption import Corruption
from sda.nn.distributions import Reconstruction
from sda.nn.heads import Classifier
from sda.nn.stack import Layer, StackedDenoisingAutoencoder
from sda.runs import checkpoint
from sda.runs.checkpoint import CheckpointError

Network = StackedDenoisingAutoencoder | Classifier


def save(network: Network, path: str | Path) -> None:
    """Save an ordinary stack or classifier, atomically. Raises ValueError for one with runs."""
    stack = network.stack if isinstance(network, Classifier) else network
    if stack.runs:
        raise ValueError("only an ordinary network can be saved; select a run first")
    plan: dict[str, Any] = {
        "kind": type(network).__name__,
        "n_visible": stack[0].weight.shape[0],
        "layers": [_describe(layer) for layer in stack],
        "n_classes": network.n_classes if isinstance(network, Classifier) else None,
    }
    checkpoint.write(Path(path), {"plan": plan, "weights": network.state_dict()})


def load(path: str | Path) -> Network:
    """Load what ``save`` wrote, on the CPU. Nothing in the file is executed.

    Raises:
        CheckpointError: the file is damaged, hostile, newer, or its weights are not finite numbers.
    """
    payload = checkpoint.read(Path(path))
    try:
        network = _build(payload["plan"])
        network.load_state_dict(payload["weights"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} holds no network: {error}") from None
    for name, weight in network.state_dict().items():
        if not torch.isfinite(weight).all():
            raise CheckpointError(f"{path} holds NaN or infinite weights in {name}")
    return network


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


def _describe(layer: DenoisingAutoencoder) -> dict[str, Any]:
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


def _plain(part: Any) -> dict[str, Any]:
    if _home(type(part).__name__) is not type(part):
        raise ValueError(
            "only the corruptions and losses that come with sda, or from a module that the command "
            f"line trusts, can be saved, got {part!r}; save network.state_dict()"
        )
    return {"name": type(part).__name__, **dataclasses.asdict(part)}


def _known(part: dict[str, Any]) -> Any:
    values = dict(part)
    kind = _home(values.pop("name"))
    if kind is None:
        raise ValueError(f"unknown part {part!r}; one of your own needs parts=[module]")
    return kind(**values)


def _home(name: str) -> Any:
    """Find the part of that name in the modules that may be named in a file."""
    for module in (corruption, distributions, *trusted().values()):
        kind = vars(module).get(name)
        if inspect.isclass(kind) and issubclass(kind, (Corruption, Reconstruction)):
            return kind
    return None
