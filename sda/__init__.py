"""Stacked denoising autoencoders: the public names on one screen."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from sda.common.errors import DivergenceError
    from sda.common.layout import Layout
    from sda.common.seeding import stream
    from sda.data.digits import digits
    from sda.data.tables import table
    from sda.estimators.classifier import SDAClassifier
    from sda.estimators.imputer import SDAImputer
    from sda.estimators.regressor import SDARegressor
    from sda.estimators.transformer import SDATransformer
    from sda.experiment.kernel_svc import KernelSVC
    from sda.nn.autoencoder import DenoisingAutoencoder, Layer
    from sda.nn.boltzmann import Boltzmann, RestrictedBoltzmannMachine
    from sda.nn.combined_corruption import Compose, Scheduled
    from sda.nn.convolutional import Convolutional, ConvolutionalAutoencoder
    from sda.nn.corruption import (
        Corrupted,
        Corruption,
        Emphasis,
        Gaussian,
        Masking,
        SaltAndPepper,
        Swap,
    )
    from sda.nn.densities import LearnedVariance, MixtureDensity, RectifiedSquaredError
    from sda.nn.distributions import Categorical, CrossEntropy, Distribution, SquaredError
    from sda.nn.encoder import Activation, Initialisation
    from sda.nn.gsn import GSN, GenerativeStochasticNetwork
    from sda.nn.heads import Classifier, Regressor
    from sda.nn.joint import DeepAutoencoder, Joint
    from sda.nn.layer_kind import LayerKind, LayerPlan
    from sda.nn.mixed import Mixed
    from sda.nn.penalised import L1, Contractive, Penalised, PenalisedAutoencoder, Penalty, Sparsity
    from sda.nn.picture_corruption import (
        BlockMasking,
        Blur,
        ColourDropping,
        DownSampling,
        PatchShuffling,
    )
    from sda.nn.sampling import chains, from_the_prior, from_the_top
    from sda.nn.sequence_corruption import Deletion, LocalShuffling, Replacement
    from sda.nn.stack import StackedDenoisingAutoencoder, join, select
    from sda.nn.stochastic import (
        BernoulliUnits,
        GaussianUnits,
        Stochastic,
        StochasticAutoencoder,
        Units,
    )
    from sda.nn.variational import Variational, VariationalAutoencoder
    from sda.runs.model import Model
    from sda.runs.model_file import load, save
    from sda.training.codes import Storage
    from sda.training.finetuning import finetune
    from sda.training.history import History
    from sda.training.pretraining import pretrain
    from sda.training.settings import Finetuning, Pretraining

__all__ = [
    "GSN", "L1", "Activation", "BernoulliUnits", "BlockMasking", "Blur", "Boltzmann",
    "Categorical", "Classifier", "ColourDropping", "Compose", "Contractive", "Convolutional",
    "ConvolutionalAutoencoder", "Corrupted", "Corruption", "CrossEntropy", "DeepAutoencoder",
    "Deletion", "DenoisingAutoencoder", "Distribution", "DivergenceError", "DownSampling",
    "Emphasis", "Finetuning", "Gaussian", "GaussianUnits", "GenerativeStochasticNetwork",
    "History", "Initialisation", "Joint", "KernelSVC", "Layer", "LayerKind", "LayerPlan",
    "Layout", "LearnedVariance", "LocalShuffling", "Masking", "Mixed", "MixtureDensity", "Model",
    "PatchShuffling", "Penalised", "PenalisedAutoencoder", "Penalty", "Pretraining",
    "RectifiedSquaredError", "Regressor", "Replacement", "RestrictedBoltzmannMachine",
    "SDAClassifier", "SDAImputer", "SDARegressor", "SDATransformer", "SaltAndPepper", "Scheduled",
    "Sparsity", "SquaredError", "StackedDenoisingAutoencoder", "Stochastic",
    "StochasticAutoencoder", "Storage", "Swap", "Units", "Variational", "VariationalAutoencoder",
    "chains", "digits", "finetune", "from_the_prior", "from_the_top", "join", "load", "pretrain",
    "save", "select", "stream", "table",
]  # fmt: skip

_HOMES = (  # a name that several modules have is the first one's
    "common.errors", "common.layout", "common.seeding", "data.digits", "nn.encoder",
    "nn.autoencoder", "nn.boltzmann", "nn.convolutional", "nn.stochastic", "nn.gsn",
    "nn.variational", "nn.combined_corruption", "nn.picture_corruption", "nn.sequence_corruption",
    "nn.corruption", "nn.densities", "nn.distributions", "nn.layer_kind",
    "nn.mixed", "nn.penalised", "nn.joint", "nn.stack", "nn.sampling", "nn.heads",
    "runs.model_file", "training.codes", "training.history", "training.finetuning",
    "training.pretraining", "training.settings", "experiment.kernel_svc", "data.tables",
    "runs.model",
    "estimators.classifier", "estimators.imputer", "estimators.regressor", "estimators.transformer",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: torch alone takes a second."""
    for home in _HOMES if name in __all__ else ():
        module = importlib.import_module(f"sda.{home}")
        if name in vars(module):
            return vars(module)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
