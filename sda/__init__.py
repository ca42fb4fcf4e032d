"""Stacked denoising autoencoders: the public names on one screen."""

from sda.autoencoder import Activation, DenoisingAutoencoder, Emphasis
from sda.classifier import Classifier
from sda.contrastive_divergence import RestrictedBoltzmannMachine
from sda.corruption import Corrupted, Corruption, Gaussian, Masking, SaltAndPepper
from sda.descent import DivergenceError
from sda.finetuning import Finetuning, finetune
from sda.initialisation import Initialisation
from sda.pretraining import Pretraining, pretrain
from sda.reconstruction import CrossEntropy, Reconstruction, SquaredError
from sda.seeding import stream
from sda.stack import Layer, StackedDenoisingAutoencoder, join, select
from sda.storage import Storage

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
