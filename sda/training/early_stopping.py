"""Early stopping: for every run, the weights of its best epoch, and whether it goes on."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sda.common.rows import wide
from sda.training.settings import Training

FOREVER = 2**62


class EarlyStopping:
    """Keeps the weights of each run's best epoch and knows which runs still train.

    A run ends after its number of epochs, when its patience is over, or when its loss is no longer
    finite. Patience counts from the first epoch that was worth remembering.

    Args:
        parameters: by name, each of shape (*runs, ...); copied at a best epoch, never aliased.
        runs: () or (R,).
        plans: of each run: its most epochs, and its patience, the epochs with only worse scores
            after which it ends. A run with a patience gets its best weights back in the end.
        state: an earlier ``state()`` to go on from.
        keep_all: runs without a patience get them back, too.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        runs: tuple[int, ...],
        plans: Sequence[Training],
        state: Mapping[str, Any] | None = None,
        keep_all: bool = False,
    ) -> None:
        device = next(iter(parameters.values())).device
        self._parameters = parameters
        limits = [(plan.epochs, plan.patience or FOREVER) for plan in plans]
        self._epochs, self._patience = (
            torch.tensor(each, device=device).reshape(runs) for each in zip(*limits, strict=True)
        )
        self._keep = (self._patience < FOREVER) | keep_all
        self.best_epoch = torch.zeros(runs, dtype=torch.int64, device=device)  # 0: none so far
        self.score = torch.full(runs, torch.inf, dtype=wide(device), device=device)
        self.tie = self.score.clone()
        self.finite = torch.ones(runs, dtype=torch.bool, device=device)
        self._weights: dict[str, Tensor] = {}
        if self._keep.any():
            self._weights = {name: p.detach().clone() for name, p in parameters.items()}
        if state:
            self._load(state)

    def active(self, epoch: int) -> Tensor:
        """Which runs (runs, bool) train on after ``epoch`` epochs."""
        waited = (epoch - self.best_epoch) * (self.best_epoch > 0)
        return (epoch < self._epochs) & (waited < self._patience) & self.finite

    @torch.no_grad()
    def observe(self, epoch: int, score: Tensor, tie: Tensor, among: Tensor) -> None:
        """Remember an epoch if it is a run's best: lowest score, then lowest tie, then latest.

        Scores and ties have shape runs, as has ``among``: runs False in it are passed over.
        """
        better = (score < self.score) | ((score == self.score) & (tie <= self.tie))
        better &= among
        self.best_epoch[better] = epoch
        self.score = torch.where(better, score, self.score)
        self.tie = torch.where(better, tie, self.tie)
        for name, kept in self._weights.items():
            kept[better] = self._parameters[name][better]

    @torch.no_grad()
    def restore(self, done: Tensor) -> None:
        """Put the best weights back, in the runs that are done, keep them and have any."""
        chosen = done & self._keep & (self.best_epoch > 0)
        for name, kept in self._weights.items():
            self._parameters[name][chosen] = kept[chosen]

    def state(self) -> dict[str, Any]:
        """Everything needed to go on later, as tensors; not copies."""
        names = ("best_epoch", "score", "tie", "finite")
        return {name: getattr(self, name) for name in names} | {"weights": self._weights}

    def _load(self, state: Mapping[str, Any]) -> None:
        for name in ("best_epoch", "score", "tie", "finite"):
            setattr(self, name, state[name].to(self.score.device).clone())
        for name, kept in self._weights.items():
            kept.copy_(state["weights"][name])
