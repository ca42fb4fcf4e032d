"""Stochastic gradient descent with a rate, a momentum and a decay for each run."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sda.common.cuda_graphs import Replayed, Step
from sda.common.precision import Precision

_AVERAGE = "average of "  # what the names of averages begin with in a state
ROWS = 100  # of a weight matrix that are updated at once while products are rounded


class Descent:
    """v ← μ v + ∇ + λ w, w ← w − η v; η, μ, λ may differ from run to run.

    A run of rate 0 stands still, whatever its gradient. Decay acts on weights, never on biases.
    With a share s, a ← s a + (1 − s) w after each step: the weights averaged over some 1 / (1 − s)
    steps, from the initial ones on.

    Args:
        parameters: by name, each of shape (*runs, a, b), or of any shape for one run; those whose
            name ends in "bias" are not decayed.
        rates: η of each run, (R,), at least 0.
        momenta: μ of each run, in [0, 1).
        decays: λ of each run, at least 0.
        remembered: an earlier ``state`` to go on from; None starts at rest.
        precision: of the products of closed-form steps.
        averaging: s of each run, in [0, 1); none: no averages are kept.
    """

    def __init__(
        self,
        parameters: dict[str, nn.Parameter],
        rates: Sequence[float],
        momenta: Sequence[float],
        decays: Sequence[float],
        remembered: Mapping[str, Tensor] | None = None,
        precision: Precision = Precision.fp32,
        averaging: Sequence[float] = (),
    ) -> None:
        check_free(parameters)
        self.parameters = parameters
        self.precision = precision
        one = next(iter(parameters.values()))
        axes = {p.dim() for p in parameters.values()}
        # Of rates beside parameters; kinds of any other shape train alone.
        shapes: dict[int, tuple[int, ...]] = {3: (len(rates), 1, 1), 2: (1, 1)}
        self._shape = shapes.get(axes.pop(), ()) if len(axes) == 1 else ()
        self._full_rates = one.new_tensor(rates).reshape(self._shape)
        self.rates = self._full_rates.clone()
        known = remembered or {}  # checkpoints are read to the CPU
        self.momenta = one.new_tensor(momenta).reshape(self._shape) if any(momenta) else None
        self.decays = one.new_tensor(decays).reshape(self._shape) if any(decays) else None
        self.velocities: dict[str, Tensor] = {
            name: known[name].to(p.device) if name in known else torch.zeros_like(p)
            for name, p in (parameters.items() if any(momenta) else ())
        }
        self.averages: dict[str, Tensor] = {}
        if any(averaging):
            self._full_shares = 1 - one.new_tensor(averaging).reshape(self._shape)
            self._shares = self._full_shares.clone()
            self.averages = {
                name: known.get(_AVERAGE + name, p.detach()).to(p.device).clone()
                for name, p in parameters.items()
            }
        # The same memory with an axis of runs in any case.
        self.lifted = {name: with_runs(p.detach()) for name, p in parameters.items()}
        self._lifted_velocities = {name: with_runs(v) for name, v in self.velocities.items()}
        self._rounded: dict[str, Tensor] = {}
        if precision is Precision.bf16:
            weights = {n: p for n, p in self.lifted.items() if not n.endswith("bias")}
            self._rounded = {name: weight.bfloat16() for name, weight in weights.items()}
        self._gradients = {name: torch.empty_like(weight) for name, weight in self._rounded.items()}
        self._scales: dict[int, Tensor] = {}
        self.steps: dict[int, Step] = {}  # in closed form, by rows of a minibatch

    def only(self, active: Tensor, factors: Sequence[float] = ()) -> None:
        """Let the runs that are True in ``active`` (runs) move, and hold the others.

        Their rates are η times ``factors``, one for each run; none: η.
        """
        going = active.reshape(self._shape)
        scaled = self._full_rates
        if factors:
            scaled = scaled * scaled.new_tensor(factors).reshape(self._shape)
        self.rates.copy_(scaled * going)
        if self.averages:
            self._shares.copy_(self._full_shares * going)
        for rows, scale in self._scales.items():  # in place: a captured step reads them there
            scale.copy_(self._scale(rows))

    def state(self) -> dict[str, Tensor]:
        """What is remembered from step to step, by name: tensors (R, ...), not copies."""
        return self.velocities | {_AVERAGE + name: a for name, a in self.averages.items()}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the averages, if any are kept, in place of the weights for a while."""
        before = {name: self.parameters[name].detach().clone() for name in self.averages}
        self.settle()
        try:
            yield
        finally:
            for name, weight in before.items():
                self.parameters[name].detach().copy_(weight)

    def settle(self, done: Tensor | None = None) -> None:
        """Put the averages, if any are kept, in place of the weights of runs that are done."""
        for name, average in self.averages.items():
            weight = self.parameters[name].detach()
            if done is None:
                weight.copy_(average)
            else:
                weight[done] = average[done]

    def remember(self, step: Step, *inputs: Tensor) -> Step:
        """Keep how to take a step with minibatches like ``inputs``; on a GPU as a graph."""
        rows = inputs[0].shape[1]
        self.steps[rows] = step
        if inputs[0].is_cuda:
            moved = (*self.lifted.values(), *self.state().values(), *self._rounded.values())
            self.steps[rows] = Replayed(step, moved, *inputs)
        return self.steps[rows]

    def operand(self, name: str) -> Tensor:
        """A weight (R, a, b) as products take it: itself, or rounded."""
        return self._rounded.get(name, self.lifted[name])

    def step(self, cost: Tensor, rows: int = 1) -> None:
        """Take one step down the gradient of each run's own cost (runs), a mean over ``rows``."""
        gradients = torch.autograd.grad(
            cost.sum(), list(self.parameters.values()), allow_unused=True, materialize_grads=True
        )
        with torch.no_grad():
            for (name, parameter), gradient in zip(self.parameters.items(), gradients, strict=True):
                self._move(name, parameter, gradient)
            self.finish()

    def scale(self, rows: int) -> Tensor:
        """What the error of each of so many rows is multiplied by in closed form: (R, 1, 1).

        Without momentum η / rows, so that a product is the step itself; with it 1 / rows.
        """
        if rows not in self._scales:
            self._scales[rows] = self._scale(rows)
        return self._scales[rows]

    def _scale(self, rows: int) -> Tensor:
        each = self.rates if self.momenta is None else torch.ones_like(self.rates)
        return with_runs(each / rows)

    def move(self, name: str, left: Tensor, right: Tensor) -> None:
        """Take a step of gradient leftᵀ right, scaled already: (R, n, a) and (R, n, b).

        In full precision it is in memory only where weights decay without momentum.
        """
        if name in self._rounded:
            self._move_rounded(name, torch.bmm(left.mT, right, out=self._gradients[name]))
            return
        parameter = self.lifted[name]
        if self.momenta is None:
            if self.decays is None:
                parameter.baddbmm_(left.mT, right, alpha=-1)
            else:  # no factor 1 − η λ: rounded to multiples of 2⁻²⁴, it errs to one side every time
                change = self.rates * self.decays * parameter
                parameter.sub_(change.baddbmm_(left.mT, right))
            return
        velocity = self._lifted_velocities[name].mul_(self.momenta)
        if self.decays is not None:
            velocity.add_(self.decays * parameter)
        velocity.baddbmm_(left.mT, right)
        parameter.sub_(self.rates * velocity)

    def finish(self) -> None:
        """End a step, when all parameters have moved."""
        for name, average in self.averages.items():
            average.lerp_(self.parameters[name].detach(), self._shares)

    def complete(self, steps: int) -> None:
        """End an epoch of so many steps."""

    def _move_rounded(self, name: str, gradient: Tensor) -> None:
        """Take a step of a gradient (R, a, b) in bfloat16 and round the weights anew.

        Some rows of the weights at a time, so that they are read from memory once.
        """
        whole = (self.lifted[name], self._rounded[name], gradient)
        velocities = self._lifted_velocities.get(name, gradient).split(ROWS, 1)
        pieces = zip(*(t.split(ROWS, 1) for t in whole), velocities, strict=True)
        for parameter, rounded, step, velocity in pieces:
            change = step.to(parameter.dtype)
            if self.momenta is None and self.decays is not None:
                change.add_(self.rates * self.decays * parameter)
            elif self.momenta is not None:
                velocity.mul_(self.momenta).add_(change)
                if self.decays is not None:
                    velocity.add_(self.decays * parameter)
                change = self.rates * velocity
            rounded.copy_(parameter.sub_(change))

    def move_bias(self, name: str, errors: Tensor) -> None:
        """Take a step whose gradient is the sum of scaled errors over rows (R, n, b)."""
        gradient = errors.sum(1, keepdim=True)
        if self.momenta is not None:
            gradient = self._lifted_velocities[name].mul_(self.momenta).add_(gradient)
            gradient = self.rates * gradient
        self.lifted[name].sub_(gradient)

    def _move(self, name: str, parameter: nn.Parameter, gradient: Tensor) -> None:
        if self.decays is not None and not name.endswith("bias"):
            gradient = gradient + self.decays * parameter
        if self.momenta is None:
            parameter.sub_(gradient.mul_(self.rates))
        else:
            parameter.sub_(self.rates * self.velocities[name].mul_(self.momenta).add_(gradient))


def check_free(parameters: Mapping[str, nn.Parameter]) -> None:
    """Raise ValueError for frozen parameters: a closed form would move them all the same."""
    frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad]
    if frozen:
        raise ValueError(
            f"frozen parameters cannot be trained, got {', '.join(frozen)} with "
            "requires_grad=False; requires_grad_(True) frees them, Finetuning(encoders=False) "
            "trains the top layer alone"
        )


def with_runs(x: Tensor) -> Tensor:
    """The same memory (R, n, d), with an axis of one run for x (n, d)."""
    return x.unsqueeze(0) if x.dim() == 2 else x
