"""Stacked denoising autoencoders: the public names on one screen."""

from sda.common.errors import DivergenceError
from sda.common.seeding import stream
from sda.common.version import __version__
from sda.data.digits import digits
from sda.nn.activation import Activation
from sda.nn.autoencoder import DenoisingAutoencoder, Emphasis, Layer
from sda.nn.boltzmann import Boltzmann, RestrictedBoltzmannMachine
from sda.nn.corruption import Corrupted, Corruption, Gaussian, Masking, SaltAndPepper
from sda.nn.distributions import Categorical, CrossEntropy, Distribution, SquaredError
from sda.nn.heads import Classifier
from sda.nn.initialisation import Initialisation
from sda.nn.layer_kind import LayerKind, LayerPlan
from sda.nn.stack import StackedDenoisingAutoencoder, join, select
from sda.runs.model_file import load, save
from sda.training.codes import Storage
from sda.training.finetuning import (
    finetune,
)
from sda.training.pretraining import (
    pretrain,
)
from sda.training.settings import Finetuning, Pretraining

__all__ = [
    "Activation",
    "Boltzmann",
    "Categorical",
    "Classifier",
    "Corrupted",
    "Corruption",
    "CrossEntropy",
    "DenoisingAutoencoder",
    "Distribution",
    "DivergenceError",
    "Emphasis",
    "Finetuning",
    "Gaussian",
    "Initialisation",
    "Layer",
    "LayerKind",
    "LayerPlan",
    "Masking",
    "Pretraining",
    "RestrictedBoltzmannMachine",
    "SaltAndPepper",
    "SquaredError",
    "StackedDenoisingAutoencoder",
    "Storage",
    "__version__",
    "digits",
    "finetune",
    "join",
    "load",
    "pretrain",
    "save",
    "select",
    "stream",
]
