"""The stack's encoders with a softmax layer on top."""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sda.common import checks
from sda.common.rows import ROWS, in_blocks
from sda.common.seeding import stream
from sda.nn import exact
from sda.nn import stack as stacks
from sda.nn.initialisation import Initialisation
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
        top = stack[len(stack) - 1].weight
        seeds = seed if isinstance(seed, Sequence) else [seed]
        weights = [scale.output(top.shape[-1], k, stream(s, "weights", "output")) for s in seeds]
        shape = (*stack.runs, *weights[0].shape)
        self.weight = nn.Parameter(torch.stack(weights).reshape(shape).to(top))
        self.bias = nn.Parameter(torch.zeros(*stack.runs, 1, k).to(top))

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
        return exact.affine(self.stack.encode(x), self.weight, self.bias)

    def cost(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean cross-entropy, in nats, of the classes y (..., n); shape ``runs``."""
        return cross_entropy(self(x), y).mean(-1)

    @torch.no_grad()
    def predict(self, x: Tensor) -> Tensor:
        """The most probable class of each row of x (n, d): (*runs, n), int64."""
        return torch.cat([self(rows).argmax(-1) for rows in in_blocks(x, self.weight.device)], -1)

    def error_rate(self, x: Tensor, y: Tensor) -> Tensor:
        """Fraction of the rows of x (n, d) whose predicted class differs from y (n,): runs."""
        wrong = self.predict(x) != y.to(self.weight.device)
        return wrong.to(exact.wide(wrong.device)).mean(-1)

    @torch.no_grad()
    def evaluate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Error rate and mean cross-entropy on the rows of x (n, d), each of shape ``runs``."""
        device = self.weight.device
        wrong = torch.zeros(self.runs, dtype=exact.wide(device), device=device)
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
