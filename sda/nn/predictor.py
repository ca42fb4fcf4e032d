"""A stack's encoders with a layer on top that predicts, and how it learns."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from sda.common import checks
from sda.common.rows import ROWS, check_shape, floats, in_blocks, wide
from sda.common.seeding import stream
from sda.nn import closed_form
from sda.nn import stack as stacks
from sda.nn.distributions import Distribution
from sda.nn.encoder import Activation, Initialisation
from sda.nn.optimisers import Descent, with_runs
from sda.nn.stack import StackedDenoisingAutoencoder

P = TypeVar("P", bound="Predictor")


class Predictor(nn.Module, ABC):
    """p(y | x) of logits y' V + a, where y' are the codes of the top layer.

    The encoders are the stack's own, not copies: training the predictor moves the stack. Decoders
    and corruption take no part.

    Args:
        stack: pretrained or not; with runs (R,), so is the predictor.
        output: p(y | x) by its logits.
        n_logits: of the layer on top.
        seed: names the stream that V is drawn from, ``stream(seed, "weights", "output")``; with
            runs one for each.
        initialisation: the scale of V.
    """

    measure: str = "error"  # what ``error`` is read as: "error", or "R2" for 1 less it

    def __init__(
        self,
        stack: StackedDenoisingAutoencoder,
        output: Distribution,
        n_logits: int,
        seed: int | Sequence[int],
        initialisation: Initialisation | str,
    ) -> None:
        super().__init__()
        scale = Initialisation(checks.one_of("initialisation", initialisation, (*Initialisation,)))
        self.stack, self.output = stack, output
        top = stack[len(stack) - 1]
        seeds = seed if isinstance(seed, Sequence) else [seed]
        drawn = [stream(s, "weights", "output") for s in seeds]
        weights = [scale.output(top.n_hidden, n_logits, generator) for generator in drawn]
        shape = (*stack.runs, *weights[0].shape)
        self.weight = nn.Parameter(torch.stack(weights).reshape(shape).to(top.like))
        self.bias = nn.Parameter(torch.zeros(*stack.runs, 1, n_logits).to(top.like))

    @abstractmethod
    def check_targets(self, what: str, y: Tensor, n: int) -> None:
        """Raise ValueError for what are no targets of n rows; rows without one are allowed."""

    @abstractmethod
    def has_target(self, y: Tensor) -> Tensor:
        """Which rows of y (n, ...) have a target, (n,) bool."""

    def shares(self, y: Tensor, weights: Tensor | None) -> Tensor:
        """What each row of y counts, (n,): 0 without a target, else its weight, or 1."""
        known = self.has_target(y)
        return known.to(wide(y.device)) if weights is None else weights.to(y.device) * known

    @abstractmethod
    def targets(self, y: Tensor) -> Tensor:
        """What ``output`` is a distribution of, (..., n, k): y (..., n, ...) in its terms."""

    @abstractmethod
    def answer(self, logits: Tensor) -> Tensor:
        """What is predicted from logits (..., n, k)."""

    @abstractmethod
    def error(self, answers: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """How wrong answers (*runs, n, ...) are of rows y (n, ...) that have targets: ``runs``.

        ``weights`` (n,) of the rows; None: all the same.
        """

    @abstractmethod
    def constant(self, y: Tensor, weights: Tensor | None = None) -> Tensor:
        """The one answer (1, ...) that suits rows y (n, ...) best, without regard to x."""

    def scale_to(self, labels: Sequence[Tensor]) -> None:
        """Take the units of the targets that each run learns from, (n, ...), unless it has some."""

    @property
    def n_classes(self) -> int:
        """Number of classes, 0 if it predicts numbers."""
        return 0

    @property
    def runs(self) -> tuple[int, ...]:
        """The leading axes of the parameters, () or (R,)."""
        return self.stack.runs

    def forward(self, x: Tensor) -> Tensor:
        """Logits (..., n, k) of p(y | x) for x (..., n, d), floats or grey levels."""
        check_shape("the", x, self.stack[0].n_visible, self.weight.dtype)
        return self.logits(floats(x))

    def logits(self, x: Tensor, factors: Sequence[Tensor] = ()) -> Tensor:
        """The same where the codes of each layer are multiplied by ``factors`` (..., n, h)."""
        for k, layer in enumerate(self.stack):
            x = layer(x) * factors[k] if factors else layer(x)
        return x @ self.weight + self.bias

    def trained_parameters(self, encoders: bool) -> dict[str, nn.Parameter]:
        """Parameters that the cost reaches, by name: the top layer's and, if asked, encoders'."""
        parameters = {"weight": self.weight, "bias": self.bias}
        for depth, layer in enumerate(self.stack if encoders else ()):
            own = layer.encoder_parameters()
            parameters |= {f"layers.{depth}.{name}": p for name, p in own.items()}
        return parameters

    def losses(self, logits: Tensor, y: Tensor) -> Tensor:
        """−log p(y | x) of each row (..., n), in nats, up to the constant of ``output``."""
        return self.output.loss(logits, self.targets(y)).sum(-1)

    def cost(
        self,
        x: Tensor,
        y: Tensor,
        weights: Tensor | None = None,
        factors: Sequence[Tensor] = (),
    ) -> Tensor:
        """Mean loss of targets y (..., n, ...), times weights (..., n) of the rows: ``runs``."""
        losses = self.losses(self.logits(x, factors), y)
        return (losses if weights is None else losses * weights).mean(-1)

    @property
    def is_in_closed_form(self) -> bool:
        """Whether its updates are in closed form; encoders must be s(x W + b), however trained."""
        return self.output.in_closed_form and all(layer.encoder is not None for layer in self.stack)

    def update(
        self,
        optimiser: Descent,
        x: Tensor,
        y: Tensor,
        batch_size: int,
        weights: Tensor | None = None,
        factors: Sequence[Tensor] = (),
    ) -> Tensor:
        """Go through rows x (*runs, n, d) of targets y (*runs, n, ...) by minibatches, a step each.

        Encoders that ``optimiser`` does not move are a fixed map: then the top layer learns on
        codes. In closed form where the encoders allow it, else down the gradient of ``cost``.
        ``factors`` (*runs, n, h) of the codes of each layer are those of dropout; none: 1.

        Returns:
            The cost summed over rows, of shape ``runs``, that of each minibatch before its step.
        """
        if not self.is_in_closed_form:
            return self._update_by_autograd(optimiser, x, y, batch_size, weights, factors)
        x = self.stack[0].filled(x)
        activations: list[Activation] = []
        if "layers.0.weight" in optimiser.parameters:
            activations = [s for layer in self.stack if (s := layer.encoder) is not None]
        else:
            with torch.no_grad():
                x = self.stack(x)
        rows, wanted = with_runs(x), with_runs(self.targets(y))
        given = None if weights is None else with_runs(weights.unsqueeze(-1))
        lifted = [with_runs(factor) for factor in factors]
        return closed_form.descend_network(
            optimiser, activations, self.output, rows, wanted, given, lifted, batch_size
        ).reshape(self.runs)

    def _update_by_autograd(
        self,
        optimiser: Descent,
        x: Tensor,
        y: Tensor,
        batch_size: int,
        weights: Tensor | None = None,
        factors: Sequence[Tensor] = (),
    ) -> Tensor:
        total = torch.zeros(self.runs, dtype=x.dtype, device=x.device)
        rows = len(self.runs)  # the axis of rows
        given = () if weights is None else (weights,)
        splits = (each.split(batch_size, rows) for each in (x, y, *given, *factors))
        for batch, targets, *own in zip(*splits, strict=True):
            n = batch.shape[rows]
            cost = self.cost(batch, targets, own.pop(0) if given else None, own)
            optimiser.step(cost, n)
            total += cost.detach() * n
        return total

    def predict(self, x: Tensor) -> Tensor:
        """What is predicted of each row of x (n, d): (*runs, n, ...). Rows: as for ``pretrain``."""
        return self._of_rows(x, self.answer)

    @torch.no_grad()
    def _of_rows(self, x: Tensor, read: Callable[[Tensor], Tensor]) -> Tensor:
        """What is read off the logits of all rows of x (n, d): (*runs, n, ...)."""
        self.stack.check("the", x)
        blocks = [read(self(rows)) for rows in in_blocks(x, self.weight.device)]
        return torch.cat(blocks, len(self.runs))

    @torch.no_grad()
    def evaluate(
        self, x: Tensor, y: Tensor, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """``error`` and mean loss over the rows of x (n, d) with a target, each of shape ``runs``.

        ``weights`` (n,) of the rows; None: all the same.
        """
        device = self.weight.device
        y = y.to(device)
        share = self.shares(y, weights)
        loss = torch.zeros(self.runs, dtype=wide(device), device=device)
        answers = []
        for rows, own, part in zip(
            in_blocks(x, device), y.split(ROWS), share.split(ROWS), strict=True
        ):
            logits = self(rows)
            answers.append(self.answer(logits))
            losses = self.losses(logits, own)
            loss += (losses if weights is None else losses * part).nan_to_num(0).sum(-1)
        error = self.error(torch.cat(answers, len(self.runs)), y, weights)
        return error, loss / share.sum()


def single(predictor: P, run: int) -> P:
    """Return one run as an ordinary predictor: a copy, or the predictor itself if it is one."""
    if not predictor.runs:
        return predictor
    return _with(predictor, stacks.select(predictor.stack, run), run)


def take(predictor: P, runs: Sequence[int]) -> P:
    """Copy some runs out of a predictor with runs, into a smaller one with runs."""
    return _with(predictor, stacks.take(predictor.stack, runs), list(runs))


def _with(predictor: P, stack: StackedDenoisingAutoencoder, runs: int | list[int]) -> P:
    fewer = copy.copy(predictor)
    fewer._modules = {"stack": stack}
    fewer._parameters = {
        name: nn.Parameter(parameter.detach()[runs].clone(), parameter.requires_grad)
        for name, parameter in predictor.named_parameters(recurse=False)
    }
    fewer._buffers = {
        name: buffer[runs].clone() for name, buffer in predictor.named_buffers(recurse=False)
    }
    return fewer
