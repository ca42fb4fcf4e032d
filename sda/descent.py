"""Stochastic gradient descent with a rate, a momentum and a decay for each run."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sda import exact


class DivergenceError(ArithmeticError):
    """Training left the finite numbers."""


class Descent:
    """v ← μ v + ∇ + λ w, w ← w − η v; η, μ, λ may differ from run to run.

    A run of rate 0 stands still, whatever its gradient. Decay acts on weights, never on biases.

    Args:
        parameters: by name, each of shape (*runs, a, b); a name that ends in "bias" is not decayed.
        rates: η of each run, (R,), at least 0.
        momenta: μ of each run, in [0, 1).
        decays: λ of each run, at least 0.
        velocities: v by name, from an earlier ``state``; None starts at rest.
    """

    def __init__(
        self,
        parameters: dict[str, nn.Parameter],
        rates: Sequence[float],
        momenta: Sequence[float],
        decays: Sequence[float],
        velocities: dict[str, Tensor] | None = None,
    ) -> None:
        self.parameters = parameters
        one = next(iter(parameters.values()))
        self._shape = (*one.shape[:-2], 1, 1)
        self._full_rates = one.new_tensor(rates).reshape(self._shape)
        self.rates = self._full_rates.clone()
        self._ones = torch.ones_like(self.rates)
        self.momenta = one.new_tensor(momenta).reshape(self._shape) if any(momenta) else None
        self.decays = one.new_tensor(decays).reshape(self._shape) if any(decays) else None
        self.velocities: dict[str, Tensor] = {}
        if self.momenta is not None:
            self.velocities = velocities or {n: torch.zeros_like(p) for n, p in parameters.items()}

    def only(self, active: Tensor) -> None:
        """Let the runs that are True in ``active`` (runs) move, and hold the others."""
        self.rates.copy_(self._full_rates * active.reshape(self._shape))

    def step(self, cost: Tensor) -> None:
        """Take one step down the gradient of each run's own cost (runs)."""
        gradients = torch.autograd.grad(cost.sum(), list(self.parameters.values()))
        with torch.no_grad():
            for (name, parameter), gradient in zip(self.parameters.items(), gradients, strict=True):
                self._move(name, parameter, gradient)

    def scale(self, rows: int) -> Tensor:
        """What the error of each of so many rows is multiplied by in closed form: (*runs, 1, 1).

        Without momentum η / rows, so that a product is the step itself; with it 1 / rows.
        """
        return self.rates / rows if self.momenta is None else self._ones / rows

    def move(self, name: str, *products: tuple[Tensor, Tensor]) -> None:
        """Take a step whose gradient is a sum of products, scaled; it is never in memory."""
        parameter = self.parameters[name]
        target = parameter if self.momenta is None else self.velocities[name]
        if self.momenta is not None:
            target.mul_(self.momenta)
            if self.decays is not None:
                target.add_(self.decays * parameter)
        elif self.decays is not None:
            target.mul_(1 - self.rates * self.decays)
        for left, right in products:
            exact.add_product(target, left, right, -1 if self.momenta is None else 1)
        if self.momenta is not None:
            parameter.sub_(self.rates * target)

    def move_bias(self, name: str, errors: Tensor) -> None:
        """Take a step whose gradient is the sum of scaled errors over rows (*runs, B, n)."""
        parameter = self.parameters[name]
        if self.momenta is None:
            parameter.sub_(errors.sum(-2, keepdim=True))
            return
        velocity = self.velocities[name].mul_(self.momenta).add_(errors.sum(-2, keepdim=True))
        parameter.sub_(self.rates * velocity)

    def _move(self, name: str, parameter: nn.Parameter, gradient: Tensor) -> None:
        if self.decays is not None and not name.endswith("bias"):
            gradient = gradient + self.decays * parameter
        if self.momenta is None:
            parameter.sub_(gradient.mul_(self.rates))
        else:
            parameter.sub_(self.rates * self.velocities[name].mul_(self.momenta).add_(gradient))
