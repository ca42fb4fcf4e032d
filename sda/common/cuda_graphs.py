"""A step that a GPU repeats by itself: captured once as a CUDA graph, then replayed."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

Step = Callable[..., Tensor]
WARM_UP = 3  # steps before the capture, in which libraries choose kernels and get their workspaces


class Replayed:
    """A step of fixed shapes, as one launch instead of some twenty.

    Inputs are copied to where the graph reads them; the result is overwritten by the next call.

    Args:
        step: computes on a GPU, without random numbers and without asking for a value.
        moved: everything that the step changes; put back after the warm-up.
    """

    def __init__(self, step: Step, moved: Iterable[Tensor], *inputs: Tensor) -> None:
        self._inputs = [x.clone(memory_format=torch.contiguous_format) for x in inputs]
        moved = list(moved)
        before = [x.clone() for x in moved]
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                step(*self._inputs)
        torch.cuda.current_stream().wait_stream(beside)
        for x, value in zip(moved, before, strict=True):
            x.copy_(value)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._result = step(*self._inputs)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Take the step."""
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        self._graph.replay()
        return self._result
