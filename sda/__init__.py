"""Stacked denoising autoencoders: the public names on one screen."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sda.common.errors import DivergenceError
    from sda.common.seeding import stream
    from sda.nn.autoencoder import Activation, DenoisingAutoencoder, Emphasis
    from sda.nn.contrastive_divergence import RestrictedBoltzmannMachine
    from sda.nn.corruption import Corrupted, Corruption, Gaussian, Masking, SaltAndPepper
    from sda.nn.distributions import CrossEntropy, Reconstruction, SquaredError
    from sda.nn.heads import Classifier
    from sda.nn.initialisation import Initialisation
    from sda.nn.stack import Layer, StackedDenoisingAutoencoder, join, select
    from sda.training.codes import Storage
    from sda.training.finetuning import finetune
    from sda.training.pretraining import pretrain
    from sda.training.settings import Finetuning, Pretraining

__version__ = "0.1.0"

__all__ = [
    "Activation",
    "Classifier",
    "Corrupted",
    "Corruption",
    "CrossEntropy",
    "DenoisingAutoencoder",
    "DivergenceError",
    "Emphasis",
    "Finetuning",
    "Gaussian",
    "Initialisation",
    "Layer",
    "Masking",
    "Pretraining",
    "Reconstruction",
    "RestrictedBoltzmannMachine",
    "SaltAndPepper",
    "SquaredError",
    "StackedDenoisingAutoencoder",
    "Storage",
    "finetune",
    "join",
    "pretrain",
    "select",
    "stream",
]

_HOMES = (  # a name that several modules have is the first one's
    "common.errors", "common.seeding", "nn.autoencoder", "nn.contrastive_divergence",
    "nn.corruption", "nn.distributions", "nn.initialisation", "nn.stack", "nn.heads",
    "training.codes", "training.finetuning", "training.pretraining", "training.settings",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: torch alone takes a second."""
    for home in _HOMES if name in __all__ else ():
        module = importlib.import_module(f"sda.{home}")
        if name in vars(module):
            return vars(module)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
