"""Which runs train as one program: those that differ in numbers only, as many as pay off."""

import json
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import Any

import torch

from sda.config import schema
from sda.config.plan import Run
from sda.experiment.job import Job
from sda.runs.identity import described
from sda.training.settings import optimiser

# Measured on a CPU, one thread, minibatches of 20 (experiments/benchmark_step.py, "runs at once"):
# thirty runs of 64-100-100 train 1.6 to 2.3 times faster together than one after the other. A step
# of many runs pays while all their weights stay in the cache.
LARGEST_LAYER = 128 * 128  # weights of a layer that is worth batching on a CPU
CACHE = 2**20  # bytes of weights that train together on a CPU
MOST = 8  # runs together on a CPU: the same number on any, however many cores it has
OWN = ("corruption", "emphasis", "initialisation")  # of a layer: may differ in a batch
SHARE_OF_MEMORY = 0.3  # of a GPU's memory for weights, velocities and best weights


def likeness(plan: Run, config: dict[str, Any]) -> Hashable:
    """Equal for runs that can train as one program: same data, shapes, batch sizes and device."""
    layers = [
        {key: value for key, value in described(layer).items() if key not in OWN}
        for layer in plan.trained_layers()
    ]
    batches = [
        (
            settings.batch_size,
            str(settings.precision),
            settings.corruption is None,
            *optimiser(settings),
        )
        for settings in plan.pretraining
    ]
    tuning = plan.finetuning
    network = (*map(str, tuning.batch_key), str(plan.initialisation))
    where = (
        plan.start and plan.start.weights,
        str(plan.device),
        plan.tensorboard,
        config["threads"],
    )
    return json.dumps([config["data"], layers, batches, network, where], default=str)


def most_together(plan: Run, n_visible: int, memory: int | None = None) -> int:
    """How many runs like this one should train together; 1: none.

    Args:
        plan: one of them.
        n_visible: components of an input.
        memory: bytes of the GPU that they train on; None: all that it has, if there is one.
    """
    if not plan.joins_batches:
        return 1
    sizes = [n_visible, *(layer.n_hidden for layer in plan.layers)]
    weights = [a * b for a, b in pairwise(sizes)]
    if plan.device.type == "cuda" and torch.cuda.is_available():
        memory = memory or torch.cuda.get_device_properties(plan.device).total_memory
    if memory is not None:
        return max(1, int(SHARE_OF_MEMORY * memory / (3 * 4 * sum(weights))))
    if max(weights) > LARGEST_LAYER:
        return 1
    return max(1, min(MOST, CACHE // (4 * sum(weights))))


def batches(
    jobs: Sequence[Job], width: Callable[[dict[str, Any]], int] = schema.width
) -> list[list[Job]]:
    """Cut runs into batches by their settings alone, in the order given.

    Args:
        jobs: all runs of a sweep.
        width: how many components an input of a configuration has; may raise ValueError or
            OSError, then its run and those like it train alone.
    """
    groups: dict[Hashable, list[int]] = {}
    for k, job in enumerate(jobs):
        like = likeness(job.plan, job.config) if isinstance(job.plan, Run) else k
        groups.setdefault(like, []).append(k)
    found = []
    for runs in groups.values():
        config, plan = jobs[runs[0]].config, jobs[runs[0]].plan
        try:
            most = most_together(plan, width(config)) if isinstance(plan, Run) else 1
        except (ValueError, OSError):
            most = 1
        found += [runs[start : start + most] for start in range(0, len(runs), most)]
    return [[jobs[k] for k in runs] for runs in sorted(found)]
