"""The optimisers of torch.optim by name: each run of a batch is parameter groups over its views.

The closed form writes gradients where ``.grad`` points to, and torch.optim takes the step: so it is
the way of several processes too, which add up their gradients before.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sda.common import processes
from sda.common.cuda_graphs import Step
from sda.common.precision import Precision
from sda.nn.optimisers import Descent, with_runs
from sda.training.settings import Training


def planned(
    parameters: dict[str, nn.Parameter],
    plans: Sequence[Training],
    remembered: Mapping[str, Tensor],
    precision: Precision,
    averaging: Sequence[float] = (),
) -> Descent:
    """The descent that the settings of each run ask for, of one optimiser and precision for all."""
    if processes.count() > 1:
        return SharedDescent(parameters, plans, remembered, precision, averaging)
    if not plans[0].is_plain:
        return NamedOptimiser(parameters, plans, remembered, precision, averaging)
    return Descent(
        parameters,
        [plan.learning_rate for plan in plans],
        [plan.momentum for plan in plans],
        [plan.weight_decay for plan in plans],
        remembered,
        precision,
        averaging,
    )


class NamedOptimiser(Descent):
    """One of torch.optim in place of plain descent; arguments are those of ``planned``."""

    def __init__(
        self,
        parameters: dict[str, nn.Parameter],
        plans: Sequence[Training],
        remembered: Mapping[str, Tensor],
        precision: Precision,
        averaging: Sequence[float],
    ) -> None:
        still = [0.0] * len(plans)
        self._rates = [plan.learning_rate for plan in plans]
        super().__init__(parameters, self._rates, still, still, remembered, precision, averaging)
        self._batched = bool(self._shape) and self._shape[0] == len(plans) and len(self._shape) == 3
        self._grads = self._gradients_of(parameters)
        self._lifted_grads = {name: with_runs(g) for name, g in self._grads.items()}
        self._views = {name: self._by_run(p.detach()) for name, p in parameters.items()}
        on_cpu = next(iter(parameters.values())).device.type == "cpu"
        # One pass over the weights instead of eight, where there is such code.
        fused = {"fused": True} if on_cpu and "fused" in plans[0].arguments else {}
        groups = [group for run, plan in enumerate(plans) for group in self._groups(run, plan)]
        self._optimiser = plans[0].optimise(groups, **fused)
        self._load(remembered)
        self._let_move([True] * len(plans))

    def _gradients_of(self, parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
        """Room for the gradients, by name."""
        return {name: torch.zeros_like(p) for name, p in parameters.items()}

    def _groups(self, run: int, plan: Training) -> list[dict[str, Any]]:
        """The weights and the biases of a run; its own numbers beside them."""
        biases = [views[run] for name, views in self._views.items() if name.endswith("bias")]
        weights = [views[run] for name, views in self._views.items() if not name.endswith("bias")]
        return [
            plan.rates | {"params": part, "weight_decay": decay}
            for part, decay in ((weights, plan.weight_decay), (biases, 0.0))
            if part
        ]

    def _by_run(self, x: Tensor) -> list[Tensor]:
        return list(x) if self._batched else [x]

    def only(self, active: Tensor, factors: Sequence[float] = ()) -> None:
        """As in the base class. Without a gradient torch.optim passes a parameter over."""
        super().only(active, factors)
        going = active.reshape(-1).tolist()
        owner = {id(v): run for views in self._views.values() for run, v in enumerate(views)}
        for group in self._optimiser.param_groups:
            run = owner[id(group["params"][0])]
            group["lr"] = self._rates[run] * (factors[run] if factors else 1)
        self._let_move(going)

    def _let_move(self, going: Sequence[bool]) -> None:
        for name, views in self._views.items():
            for view, grad, on in zip(views, self._by_run(self._grads[name]), going, strict=True):
                view.grad = grad if on else None

    def remember(self, step: Step, *inputs: Tensor) -> Step:
        """Keep a step as it is: torch.optim counts its steps outside of a graph."""
        self.steps[inputs[0].shape[1]] = step
        return step

    def _scale(self, rows: int) -> Tensor:
        return with_runs(torch.ones_like(self.rates) / rows)

    def move(self, name: str, left: Tensor, right: Tensor) -> None:
        """Write the gradient leftᵀ right, scaled already: (R, n, a) and (R, n, b)."""
        gradient = self._lifted_grads[name]
        if left.dtype == gradient.dtype:
            torch.bmm(left.mT, right, out=gradient)
        else:
            gradient.copy_(torch.bmm(left.mT, right))

    def move_bias(self, name: str, errors: Tensor) -> None:
        """Write the gradient that is the sum of scaled errors over rows (R, n, b)."""
        torch.sum(errors, 1, keepdim=True, out=self._lifted_grads[name])

    def _move(self, name: str, parameter: nn.Parameter, gradient: Tensor) -> None:
        self._grads[name].copy_(gradient)

    def finish(self) -> None:
        """Take the step that the gradients ask for."""
        self._optimiser.step()
        for name, rounded in self._rounded.items():
            rounded.copy_(self.lifted[name])
        super().finish()

    def state(self) -> dict[str, Tensor]:
        """What is remembered, by names of parameters and of torch.optim; stacked over runs."""
        found = super().state()
        for name, views in self._views.items():
            own = [self._optimiser.state.get(view, {}) for view in views]
            like = {key: x for one in own for key, x in one.items() if isinstance(x, Tensor)}
            for key, x in like.items():  # a run that never moved has nothing yet
                parts = [one.get(key, torch.zeros_like(x)) for one in own]
                found[f"{name} {key}"] = torch.stack(parts) if self._batched else parts[0]
        return found

    def _load(self, remembered: Mapping[str, Tensor]) -> None:
        for name, views in self._views.items():
            for run, view in enumerate(views):
                for label, kept in remembered.items():
                    if not label.startswith(f"{name} "):
                        continue
                    own = (kept[run] if self._batched else kept).clone()
                    own = own.to(view.device) if own.dim() else own  # counters stay on the CPU
                    self._optimiser.state[view][label.removeprefix(f"{name} ")] = own


class SharedDescent(NamedOptimiser):
    """The descent of one run whose minibatches several processes share, each with rows of its own.

    Each puts in the sum of its rows' gradients, and how many rows they are: shares may differ. What
    it remembers has the names that it has in one process, which may go on with it.
    """

    _BUFFER = " momentum_buffer"  # of plain descent: torch.optim's name for the velocity

    def __init__(
        self,
        parameters: dict[str, nn.Parameter],
        plans: Sequence[Training],
        remembered: Mapping[str, Tensor],
        *rest: Any,
    ) -> None:
        self._rows = self._taken = 0
        self._is_plain = plans[0].is_plain
        named = {
            name + self._BUFFER * (self._is_plain and name in parameters): kept
            for name, kept in remembered.items()
        }
        super().__init__(parameters, plans, named, *rest)

    def _gradients_of(self, parameters: dict[str, nn.Parameter]) -> dict[str, Tensor]:
        """One after the other, and the number of rows behind them: one sum for all."""
        each = list(parameters.values())
        sizes = [p.numel() for p in each]
        self._sums = each[0].new_zeros(sum(sizes) + 1)
        parts = self._sums[:-1].split(sizes)
        return {
            name: part.view_as(p) for (name, p), part in zip(parameters.items(), parts, strict=True)
        }

    def step(self, cost: Tensor, rows: int = 1) -> None:
        """Take one step down the gradient of a cost (), the mean over ``rows`` of this process."""
        self._rows = rows
        super().step(cost * rows)

    def scale(self, rows: int) -> Tensor:
        """1: what is added up are the rows' own gradients; their mean is taken afterwards."""
        self._rows = rows
        return super().scale(1)

    def finish(self) -> None:
        """Add up the gradients of all processes, and take the step."""
        self._sums[-1] = self._rows
        processes.add_up(self._sums)
        self._sums[:-1].div_(self._sums[-1])
        self._taken += 1
        super().finish()

    def complete(self, steps: int) -> None:
        """Take the steps of an epoch for which this process had no rows."""
        while self._taken < steps:
            self._rows = 0
            self._sums.zero_()
            self.finish()
        self._taken = 0

    def state(self) -> dict[str, Tensor]:
        """As in the base class, of plain descent by the names that ``Descent`` has."""
        end = self._BUFFER if self._is_plain else ""
        return {name.removesuffix(end): kept for name, kept in super().state().items()}
