"""Support vector machines: C and the kernel's parameters are chosen on validation rows.

Products of rows are computed as float32 matrix products and handed to scikit-learn's SVC as a
precomputed kernel. As in SVC, every pair of classes has a machine of its own, and they vote.
"""

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC
from torch import Tensor

MOST_KEPT = 12_000  # training rows whose products are all kept; 0.6 GB
MOST_STEPS = 1_000_000  # of the optimiser for one pair of classes
BLOCK = 1000  # rows that are judged at once

Labels = NDArray[np.int64]


class Kernel(StrEnum):
    """``linear``: x·x'. ``rbf``: exp(−γ |x − x'|²). ``poly``: (γ x·x' + coef0)^degree."""

    linear = "linear"
    rbf = "rbf"
    poly = "poly"


@dataclass(frozen=True)
class Setting:
    """What is chosen; a kernel does not read what it has no use for."""

    kernel: Kernel
    C: float  # the cost of a violated margin
    gamma: float = 1.0  # in units of 1 / (components · variance of the training input)
    degree: int = 1
    coef0: float = 0.0

    def of(self, dots: Tensor, left: Tensor, right: Tensor, unit: float) -> Tensor:
        """The kernel of rows whose products are ``dots`` (n, m), computed in place.

        Args:
            dots: float32; overwritten.
            left: squared norms of the rows (n,).
            right: squared norms of the columns (m,).
            unit: of gamma.
        """
        gamma = self.gamma * unit
        if self.kernel is Kernel.linear:
            return dots
        if self.kernel is Kernel.poly:
            return dots.mul_(gamma).add_(self.coef0).pow_(self.degree)
        distances = dots.mul_(-2).add_(left[:, None]).add_(right).clamp_(min=0)
        return distances.mul_(-gamma).exp_()


@dataclass(frozen=True)
class Trial:
    """A setting and how well it did."""

    setting: Setting
    valid_error: float  # fraction of the validation rows
    support_vectors: int
    converged: bool  # false: the optimiser reached MOST_STEPS
    seconds: float


class Training:
    """Training rows, sorted by class so that a class is a slice, with their products.

    Args:
        x: (n, d) float32.
        y: (n,), of at least two classes.
        unit: of gamma; None: 1 / (components · variance of x), what scikit-learn calls "scale".

    Raises:
        ValueError: there is only one class, or all components of all rows are equal.
    """

    def __init__(self, x: Tensor, y: Labels, unit: float | None = None) -> None:
        self.classes, counts = np.unique(y, return_counts=True)
        if len(self.classes) < 2:
            raise ValueError("a support vector machine needs training rows of two classes, got one")
        variance = float(x.var(correction=0))
        if variance == 0:
            raise ValueError("the components of the training rows must not all be equal")
        self.unit = 1 / (x.shape[1] * variance) if unit is None else unit
        self.x = x[torch.from_numpy(np.argsort(y, kind="stable"))]
        self.norms = self.x.square().sum(1)
        ends = np.cumsum(counts)
        self._slices = [slice(int(e - n), int(e)) for e, n in zip(ends, counts, strict=True)]
        self._dots = self.x @ self.x.T if len(y) <= MOST_KEPT else None

    def fit(self, setting: Setting) -> "Machine":
        """Fit a machine to every pair of classes."""
        kernel = None
        if self._dots is not None:
            kernel = setting.of(self._dots.clone(), self.norms, self.norms, self.unit)
        pairs = list(combinations(range(len(self.classes)), 2))
        dual = np.zeros((len(self.x), len(pairs)))
        intercepts = np.zeros(len(pairs))
        converged = True
        for column, pair in enumerate(pairs):
            own = self._slices[pair[0]], self._slices[pair[1]]
            svc = SVC(C=setting.C, kernel="precomputed", max_iter=MOST_STEPS)
            part = self._part(setting, own, kernel)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the result says so
                svc.fit(part, np.arange(len(part)) >= own[0].stop - own[0].start)
            rows = np.r_[own][svc.support_]
            dual[rows, column] = -svc.dual_coef_[0]  # SVC's decision is for the second class
            intercepts[column] = -svc.intercept_[0]
            converged &= svc.fit_status_ == 0
        return Machine(self, setting, np.flatnonzero(dual.any(1)), dual, intercepts, converged)

    def _part(
        self, setting: Setting, own: tuple[slice, slice], kernel: Tensor | None
    ) -> NDArray[np.float64]:
        """The kernel of the rows of two classes among themselves, as SVC wants it."""
        if kernel is None:
            x, norms = (torch.cat([whole[k] for k in own]) for whole in (self.x, self.norms))
            return setting.of(x @ x.T, norms, norms, self.unit).double().numpy()
        first, second = own
        cut = first.stop - first.start
        part = torch.empty((cut + second.stop - second.start,) * 2, dtype=torch.float64)
        part[:cut, :cut], part[:cut, cut:] = kernel[first, first], kernel[first, second]
        part[cut:, :cut], part[cut:, cut:] = kernel[second, first], kernel[second, second]
        return part.numpy()


class Machine(NamedTuple):
    """A fitted machine: for every pair (a, b) of classes, what decides for a."""

    training: Training
    setting: Setting
    support: NDArray[np.int64]  # rows of the training that any pair's decision reads
    dual: NDArray[np.float64]  # (n, pairs)
    intercepts: NDArray[np.float64]  # (pairs,)
    converged: bool

    def predict(self, x: Tensor) -> Labels:
        """Classes of rows x (n, d): most votes, among equals the first class."""
        votes = np.concatenate([self._votes(block) for block in x.split(BLOCK)])
        classes: Labels = self.training.classes[votes.argmax(1)]
        return classes

    def _votes(self, x: Tensor) -> NDArray[np.int64]:
        """Pairs that each class (columns) wins, for each of the rows x."""
        training, rows = self.training, torch.from_numpy(self.support)
        dots = x @ training.x[rows].T
        norms = x.square().sum(1)
        kernel = self.setting.of(dots, norms, training.norms[rows], training.unit)
        for_first = kernel.double().numpy() @ self.dual[self.support] + self.intercepts > 0
        votes = np.zeros((len(x), len(training.classes)), dtype=np.int64)
        for column, (a, b) in enumerate(combinations(range(len(training.classes)), 2)):
            votes[:, a] += for_first[:, column]
            votes[:, b] += ~for_first[:, column]
        return votes


def search(
    training: Training, valid: tuple[Tensor, Labels], settings: Sequence[Setting]
) -> Iterator[Trial]:
    """Fit every setting and yield its error on the validation rows as soon as it is known."""
    for setting in settings:
        start = time.monotonic()
        machine = training.fit(setting)
        yield Trial(
            setting,
            valid_error=float(np.mean(machine.predict(valid[0]) != valid[1])),
            support_vectors=len(machine.support),
            converged=machine.converged,
            seconds=time.monotonic() - start,
        )


def choose(trials: Sequence[Trial]) -> Trial:
    """The smallest validation error; among equals the fewest support vectors, then the smallest C.

    The share of support vectors bounds the leave-one-out error: a second opinion on equal errors
    that needs no further rows.
    """
    return min(trials, key=lambda t: (t.valid_error, t.support_vectors, t.setting.C))


def at_edge(chosen: Setting, settings: Sequence[Setting]) -> list[str]:
    """Parameters whose chosen value is the smallest or largest of several that were tried."""
    found = []
    for name in ("C", "gamma", "degree", "coef0"):
        values = {getattr(setting, name) for setting in settings}
        value = getattr(chosen, name)
        if len(values) > 1 and value in (min(values), max(values)):
            found.append(name)
    return found
