"""What the layer on top predicts: classes, or numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sda.common import checks
from sda.common.rows import wide
from sda.nn.densities import LearnedVariance
from sda.nn.distributions import Categorical, Distribution, SquaredError
from sda.nn.encoder import Initialisation
from sda.nn.predictor import Predictor
from sda.nn.stack import StackedDenoisingAutoencoder


class Classifier(Predictor):
    """p(class | x) = softmax of the logits.

    Args:
        stack: as for ``Predictor``, like ``seed`` and ``initialisation``.
        n_classes: k, at least 2.
    """

    def __init__(
        self,
        stack: StackedDenoisingAutoencoder,
        n_classes: int,
        *,
        seed: int | Sequence[int],
        initialisation: Initialisation | str = Initialisation.tutorial,
    ) -> None:
        k = checks.whole("n_classes", n_classes, 2)
        super().__init__(stack, Categorical((k,)), k, seed, initialisation)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.weight.shape[-1]

    def check_targets(self, what: str, y: Tensor, n: int) -> None:
        """Raise ValueError for what are no classes (n,), int64; -1 is a row without a label."""
        if y.shape != (n,) or y.dtype != torch.int64:
            raise ValueError(
                f"{what} classes must be a tensor ({n},) of int64, got {type(y).__name__} "
                f"{(*y.shape,)} of {y.dtype}"
            )
        k = self.n_classes
        if y.min() < -1 or y.max() >= k:
            wrong = int(((y < -1) | (y >= k)).nonzero()[0])
            raise ValueError(
                f"{what} classes must be in 0..{k - 1}, or -1 for a row without a label, "
                f"got {int(y[wrong])} in row {wrong}"
            )

    def has_target(self, y: Tensor) -> Tensor:
        """Which rows of y (n,) have a class, (n,) bool."""
        return y >= 0

    def targets(self, y: Tensor) -> Tensor:
        """One of k: (..., n, k) of classes y (..., n); 0 everywhere for a row without one."""
        classes = torch.arange(self.n_classes, device=y.device)
        return (y.unsqueeze(-1) == classes).to(self.weight.dtype)

    def answer(self, logits: Tensor) -> Tensor:
        """The most probable class, (..., n), int64."""
        return logits.argmax(-1)

    def error(self, answers: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """Fraction of the labelled rows (n,), by weight, whose class is another one: ``runs``."""
        share = self.shares(y, weights).to(wide(y.device))
        return ((answers != y) * share).sum(-1) / share.sum()

    def constant(self, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """The commonest class of y (n,), by weight: (1,)."""
        return y.bincount(weights).argmax().unsqueeze(0)

    def probabilities(self, x: Tensor) -> Tensor:
        """p(class | x) for each row of x (n, d): (*runs, n, k). Raises ValueError as predict."""
        return self._of_rows(x, self.output.mean)

    def error_rate(self, x: Tensor, y: Tensor) -> Tensor:
        """Fraction of the labelled rows of x (n, d) whose class in y (n,) is not predicted: runs.

        Raises:
            ValueError: rows or classes that training would refuse.
        """
        self.check_targets("the", y, len(x))
        return self.error(self.predict(x), y.to(self.weight.device))


class Regressor(Predictor):
    """k numbers: E[y | x] = m + s z, where z are the logits and the squared error is of z.

    Args:
        stack: as for ``Predictor``, like ``seed`` and ``initialisation``.
        n_targets: k, at least 1.
        output: of the scaled targets: squared error, or a Gaussian with a variance of its own.
    """

    measure = "R2"
    mean: Tensor  # m, (*runs, 1, k), in the units of the targets; kept with the weights
    scale: Tensor  # s, likewise; 0 before any training

    def __init__(
        self,
        stack: StackedDenoisingAutoencoder,
        n_targets: int = 1,
        *,
        seed: int | Sequence[int],
        initialisation: Initialisation | str = Initialisation.tutorial,
        output: Distribution | None = None,
    ) -> None:
        k = checks.whole("n_targets", n_targets, 1)
        output = output or SquaredError()
        super().__init__(stack, output, output.n_logits(k), seed, initialisation)
        self.n_targets = k
        self.register_buffer("mean", torch.zeros(*stack.runs, 1, k).to(self.weight))
        self.register_buffer("scale", torch.zeros(*stack.runs, 1, k).to(self.weight))

    def scale_to(self, labels: Sequence[Tensor]) -> None:
        """Learn in units of mean 0 and deviation 1 over the labels (n, k) of each run.

        A target that never changes is shifted, not stretched. A network that has learned before
        keeps its units.
        """
        if self.scale.any():
            return
        means, scales = [], []
        for y in labels:
            exact = y.to(wide(y.device))
            deviation = exact.std(0, correction=0, keepdim=True)
            means.append(exact.mean(0, keepdim=True))
            scales.append(torch.where(deviation > 0, deviation, 1.0))
        self.mean.copy_(torch.stack(means).reshape(self.mean.shape))
        self.scale.copy_(torch.stack(scales).reshape(self.scale.shape))

    def check_targets(self, what: str, y: Tensor, n: int) -> None:
        """Raise ValueError for what are no numbers (n, k); NaN is a row without a target."""
        if y.shape != (n, self.n_targets) or y.dtype != self.weight.dtype:
            raise ValueError(
                f"{what} targets must be {self.weight.dtype} of shape ({n}, {self.n_targets}), "
                f"got {y.dtype} {(*y.shape,)}"
            )
        if y.isinf().any():
            raise ValueError(f"{what} targets must be finite, or NaN for a row without, got inf")

    def has_target(self, y: Tensor) -> Tensor:
        """Which rows of y (n, k) have all their targets, (n,) bool."""
        return ~y.isnan().any(-1)

    def targets(self, y: Tensor) -> Tensor:
        """y (..., n, k) in units of its deviation from its mean."""
        return (y - self.mean) / self.scale

    def answer(self, logits: Tensor) -> Tensor:
        """E[y | x], (..., n, k), in the units of the targets."""
        return self.output.mean(logits) * self.scale + self.mean

    def deviation(self, x: Tensor) -> Tensor:
        """The deviation of y around E[y | x], in the units of the targets: (*runs, n, k).

        Raises:
            ValueError: the output has none that was learned.
        """
        if not isinstance(self.output, LearnedVariance):
            raise ValueError(f"only LearnedVariance() learns a deviation, not {self.output}")
        return (self._of_rows(x, self.output.log_variance) / 2).exp() * self.scale

    def error(self, answers: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """1 − R², the share of the variance of y (n, k) that is left, mean over targets: ``runs``.

        A target that never changes in these rows counts as one of variance 1.
        """
        share = self.shares(y, weights)
        share = (share / share.sum()).unsqueeze(-1)
        y, answers = (one.to(share.dtype).nan_to_num(0) for one in (y, answers))
        variance = (share * (y - (share * y).sum(-2, keepdim=True)).square()).sum(-2)
        left = (share * (answers - y).square()).sum(-2)
        return (left / torch.where(variance > 0, variance, 1.0)).mean(-1)

    def constant(self, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """The mean of y (n, k), by weight: (1, k)."""
        if weights is None:
            return y.mean(0, keepdim=True)
        return (weights.unsqueeze(-1) * y).sum(0, keepdim=True) / weights.sum()


def predictor(
    stack: StackedDenoisingAutoencoder,
    n_classes: int,
    n_targets: int,
    seed: int | Sequence[int],
    initialisation: Initialisation | str = Initialisation.tutorial,
) -> Predictor:
    """A classifier, or where there are no classes a regressor of so many targets."""
    if n_classes:
        return Classifier(stack, n_classes, seed=seed, initialisation=initialisation)
    return Regressor(stack, n_targets, seed=seed, initialisation=initialisation)
