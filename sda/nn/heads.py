"""The stack's encoders with a softmax layer on top."""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sda.common import checks
from sda.common.rows import ROWS, in_blocks, wide
from sda.common.seeding import stream
from sda.nn import closed_form
from sda.nn import stack as stacks
from sda.nn.activation import Activation
from sda.nn.initialisation import Initialisation
from sda.nn.optimisers import Descent, with_runs
from sda.nn.stack import StackedDenoisingAutoencoder


class Classifier(nn.Module):
    """p(class | x) = softmax(y V + a), where y are the codes of the top layer.

    The encoders are the stack's own, not copies: training the classifier moves the stack. Decoders
    and corruption take no part.

    Args:
        stack: pretrained or not; with runs (R,), so is the classifier.
        n_classes: k, at least 2.
        seed: names the stream that V is drawn from, ``stream(seed, "weights", "output")``; with
            runs one for each.
        initialisation: the scale of V.
    """

    def __init__(
        self,
        stack: StackedDenoisingAutoencoder,
        n_classes: int,
        *,
        seed: int | Sequence[int],
        initialisation: Initialisation | str = Initialisation.papers,
    ) -> None:
        super().__init__()
        k = checks.whole("n_classes", n_classes, 2)
        scale = Initialisation(checks.one_of("initialisation", initialisation, (*Initialisation,)))
        self.stack = stack
        top = stack[len(stack) - 1]
        seeds = seed if isinstance(seed, Sequence) else [seed]
        weights = [scale.output(top.n_hidden, k, stream(s, "weights", "output")) for s in seeds]
        shape = (*stack.runs, *weights[0].shape)
        self.weight = nn.Parameter(torch.stack(weights).reshape(shape).to(top.like))
        self.bias = nn.Parameter(torch.zeros(*stack.runs, 1, k).to(top.like))

    @property
    def runs(self) -> tuple[int, ...]:
        """The leading axis of the parameters: () or (R,)."""
        return self.stack.runs

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.weight.shape[-1]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (..., n, k) of the classes of x (..., n, d)."""
        return self.stack.encode(x) @ self.weight + self.bias

    def cost(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean cross-entropy, in nats, of the classes y (..., n); shape ``runs``."""
        return cross_entropy(self(x), y).mean(-1)

    @property
    def is_in_closed_form(self) -> bool:
        """Whether the encoders are all s(x W + b), whatever trained them."""
        return all(layer.encoder is not None for layer in self.stack)

    def update(self, optimiser: Descent, x: Tensor, y: Tensor, batch_size: int) -> Tensor:
        """Go through rows x (*runs, n, d) of classes y (*runs, n) by minibatches, one step each.

        Encoders that ``optimiser`` does not move are a fixed map: then the softmax layer learns on
        codes. In closed form where the encoders allow it, else down the gradient of ``cost``.

        Returns:
            The cost summed over rows, of shape ``runs``, that of each minibatch before its step.
        """
        if not self.is_in_closed_form:
            return self._update_by_autograd(optimiser, x, y, batch_size)
        activations: list[Activation] = []
        if "layers.0.weight" in optimiser.parameters:
            activations = [s for layer in self.stack if (s := layer.encoder) is not None]
        else:
            with torch.no_grad():
                x = self.stack.encode(x)
        classes = y.reshape(-1, y.shape[-1])
        total = closed_form.descend_classifier(
            optimiser, activations, with_runs(x), classes, batch_size
        )
        return total.reshape(self.runs)

    def _update_by_autograd(
        self, optimiser: Descent, x: Tensor, y: Tensor, batch_size: int
    ) -> Tensor:
        total = torch.zeros(self.runs, dtype=x.dtype, device=x.device)
        for rows, classes in zip(x.split(batch_size, -2), y.split(batch_size, -1), strict=True):
            cost = self.cost(rows, classes)
            optimiser.step(cost)
            total += cost.detach() * classes.shape[-1]
        return total

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """The most probable class of each row of x (n, d): (*runs, n), int64."""
        return torch.cat([self(rows).argmax(-1) for rows in in_blocks(x, self.weight.device)], -1)

    def error_rate(self, x: Tensor, y: Tensor) -> Tensor:
        """Fraction of the rows of x (n, d) whose predicted class differs from y (n,): runs."""
        wrong = self.predict(x) != y.to(self.weight.device)
        return wrong.to(wide(wrong.device)).mean(-1)

    @torch.no_grad()
    def evaluate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Error rate and mean cross-entropy on the rows of x (n, d), each of shape ``runs``."""
        device = self.weight.device
        wrong = torch.zeros(self.runs, dtype=wide(device), device=device)
        loss = torch.zeros_like(wrong)
        for rows, classes in zip(in_blocks(x, device), y.to(device).split(ROWS), strict=True):
            logits = self(rows)
            wrong += (logits.argmax(-1) != classes).sum(-1)
            loss += cross_entropy(logits, classes).sum(-1)
        return wrong / len(y), loss / len(y)


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """−log p(y) for each row: logits (..., n, k), classes y broadcast to (..., n); in nats."""
    classes = y.expand(logits.shape[:-1])
    return -F.log_softmax(logits, -1).gather(-1, classes.unsqueeze(-1)).squeeze(-1)


def select(classifier: Classifier, run: int) -> Classifier:
    """Copy one run out of a classifier with runs: an ordinary classifier."""
    return _with(classifier, stacks.select(classifier.stack, run), run)


def single(classifier: Classifier, run: int) -> Classifier:
    """Return one run as an ordinary classifier: a copy, or the classifier itself if it is one."""
    return select(classifier, run) if classifier.runs else classifier


def take(classifier: Classifier, runs: Sequence[int]) -> Classifier:
    """Copy some runs out of a classifier with runs, into a smaller one with runs."""
    return _with(classifier, stacks.take(classifier.stack, runs), list(runs))


def _with(
    classifier: Classifier, stack: StackedDenoisingAutoencoder, runs: int | list[int]
) -> Classifier:
    fewer = copy.copy(classifier)
    fewer._modules = {"stack": stack}
    fewer._parameters = {
        name: nn.Parameter(parameter.detach()[runs].clone())
        for name, parameter in classifier.named_parameters(recurse=False)
    }
    return fewer
