"""How fast training is: beside its bare products, autograd, the usual PyTorch way, and in company.

    ./run experiments/benchmark_step.py [--quick] [--device cuda] [--json FILE]

One process, one thread, repeats interleaved after a warm-up; min / median / max of CPU time and the
median of wall time. Ratios of medians are what to quote: absolute times drift with the machine.
bf16 is timed where the processor is fast at it. ``--quick`` ends within two minutes on one idle
core.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lib import script, usual_way
from torch import Tensor, nn

from sda import Classifier, Layer, Masking, Pretraining, StackedDenoisingAutoencoder, join
from sda.common.precision import WORTH_IT, Precision
from sda.config import schema
from sda.data.digits import digits
from sda.nn.autoencoder import DenoisingAutoencoder
from sda.nn.corruption import Corrupted
from sda.nn.layer_kind import LayerKind
from sda.nn.optimisers import Descent
from sda.training import pretraining
from sda.training.finetuning import (
    finetuning_epochs,
)
from sda.training.settings import Finetuning

Ways = dict[str, Callable[[], object]]
Timings = dict[str, dict[str, float]]

DEVICE = torch.device("cpu")


def interleaved(ways: Ways, repeats: int, units: int = 1) -> Timings:
    """Time each way ``repeats`` times in turn, after one untimed; milliseconds of a unit."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            synchronise()
            cpu, wall = time.process_time(), time.perf_counter()
            way()
            synchronise()
            times = (time.process_time() - cpu, time.perf_counter() - wall)
            if turn:
                taken[name].append((1e3 * times[0] / units, 1e3 * times[1] / units))
    return {
        name: {
            "min": min(cpu for cpu, _ in pairs),
            "median": statistics.median(cpu for cpu, _ in pairs),
            "max": max(cpu for cpu, _ in pairs),
            "wall": statistics.median(wall for _, wall in pairs),
        }
        for name, pairs in taken.items()
    }


def synchronise() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def bf16_is_fast(batch_size: int) -> bool:
    return Precision.auto.resolved(DEVICE, batch_size, True) is Precision.bf16


def descent(layer: nn.Module, runs: int = 1, precision: str = "fp32") -> Descent:
    still = [0.0] * runs
    parameters = dict(layer.named_parameters())
    return Descent(parameters, [0.01] * runs, still, still, precision=Precision(precision))


def plan(hidden: list[int], n_visible: int = 784, seed: int = 0) -> StackedDenoisingAutoencoder:
    layers = [Layer(n, Masking(0.25)) for n in hidden]
    return StackedDenoisingAutoencoder.plan(n_visible, layers, seed).to(DEVICE)


def bare_products(batch_size: int, precision: str) -> Callable[[], None]:
    """Time the five products of a step of a tied 784-1000 dA, with the same library."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    x, delta = (torch.rand(batch_size, 784, device=DEVICE).to(kind) for _ in range(2))
    y = torch.rand(batch_size, 1000, device=DEVICE).to(kind)
    w = torch.rand(784, 1000, device=DEVICE)
    rounded = w.to(kind)

    def products() -> None:
        codes = x @ rounded
        logits = codes @ rounded.T
        _ = logits @ rounded
        if kind is torch.float32:
            w.addmm_(x.T, y, alpha=-1e-9)
            w.addmm_(delta.T, y, alpha=-1e-9)
        else:
            w.sub_((x.T @ y).float()).sub_((delta.T @ y).float())
            rounded.copy_(w)

    return products


def one_step(batch_size: int, precision: str, repeats: int) -> Timings:
    """One minibatch of a tied sigmoid dA 784-1000, cross-entropy, in milliseconds.

    ``epoch`` has everything in it: shuffling, gathering, masks, loss.
    """
    count = max(8, min(400, 2048 // batch_size))
    x = torch.rand(batch_size * count, 784, device=DEVICE)
    corrupted = Masking(0.25)(x, torch.Generator(DEVICE).manual_seed(0))
    products = bare_products(batch_size, precision)
    fast, slow, whole = (plan([1000])[0] for _ in range(3))
    ways_down = [descent(layer, precision=precision) for layer in (fast, slow, whole)]
    ways: Ways = {
        "products": lambda: [products() for _ in range(count)],
        "closed form": lambda: fast.update(ways_down[0], x, corrupted, batch_size, []),
        "epoch": lambda: pretraining._train_one_epoch(
            whole, x, None, ways_down[2], batch_size, [0], 0, 1
        ),
    }
    if precision == "fp32":
        ways["autograd"] = lambda: LayerKind.update(
            slow, ways_down[1], x, corrupted, batch_size, []
        )
    return interleaved(ways, repeats, count)


def whole_pretraining(batch_size: int, rows: int, repeats: int) -> Timings:
    """784-500-500-500, five epochs a layer, ours (exact masks, all of it) and the usual way."""
    x = torch.rand(rows, 784, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    hidden = [500, 500, 500]
    ways: Ways = {
        "ours": lambda: pretraining.pretrain(plan(hidden), x, Pretraining(5, 0.1, batch_size), 0),
        "the usual way": lambda: usual_way.pretrain(x, hidden, 5, batch_size),
    }
    if bf16_is_fast(batch_size):
        settings = Pretraining(5, 0.1, batch_size, precision="bf16")
        ways["ours, bf16"] = lambda: pretraining.pretrain(plan(hidden), x, settings, 0)
    return interleaved(ways, repeats)


def at_once(d: int, h: int, batch_size: int, runs: int, repeats: int) -> Timings:
    """One step of each of so many runs: together, and one after the other."""
    stacks = [plan([h], d, seed) for seed in range(runs)]
    joined = join(stacks)[0] if runs > 1 else stacks[0][0]
    together, alone = descent(joined, runs), [descent(stack[0]) for stack in stacks]
    x = torch.rand(batch_size * 4, d, device=DEVICE)
    many = x.expand(*joined.runs, *x.shape)

    def one_after_the_other(step: Callable[..., Tensor]) -> None:
        for stack, way in zip(stacks, alone, strict=True):
            step(stack[0], way, x, Corrupted(x, None), batch_size, [])

    ways: Ways = {
        "together": lambda: joined.update(together, many, Corrupted(many, None), batch_size, []),
        "in turn": lambda: one_after_the_other(DenoisingAutoencoder.update),
        "in turn, autograd": lambda: one_after_the_other(LayerKind.update),
    }
    return interleaved(ways, repeats, 4 * runs)


def thirty_runs_on_digits(repeats: int, runs: int = 30) -> Timings:
    """Runs of 64-100-100-10 on digits: two epochs a layer, two of fine-tuning, per run."""
    parts = digits(seed=0)
    x, y = (torch.from_numpy(a).to(DEVICE) for a in (parts.train.x, parts.train.y))
    layer, network = Pretraining(2, 0.1, 20), Finetuning(2, 0.3, 20)

    def train(seeds: list[int]) -> None:
        stacks = [plan([100, 100], 64, seed) for seed in seeds]
        stack = join(stacks) if len(seeds) > 1 else stacks[0]
        settings = [[layer] * 2 for _ in seeds]
        list(pretraining.pretraining_epochs(stack, x, settings, seeds))
        classifier = Classifier(stack, 10, seed=seeds)
        list(finetuning_epochs(classifier, (x, y), (x, y), [network] * len(seeds), seeds))

    def in_turn() -> None:
        for seed in range(runs):
            train([seed])

    def by_autograd() -> None:
        with reference_path():
            in_turn()

    ways: Ways = {
        "together": lambda: train(list(range(runs))),
        "in turn": in_turn,
        "in turn, autograd": by_autograd,
    }
    return interleaved(ways, repeats, runs)


@contextmanager
def reference_path() -> Any:
    """Let autograd train layers that have a step in closed form."""
    quick, DenoisingAutoencoder.update = DenoisingAutoencoder.update, LayerKind.update
    try:
        yield
    finally:
        DenoisingAutoencoder.update = quick


def device_here(name: str) -> torch.device:
    """A device that is here, for argparse."""
    try:
        return schema.device(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def measure(note: Callable[[str, Timings, str], None], smallest: bool, quick: bool) -> None:
    """Time everything; ``note`` is told a title, the timings, and what they are relative to."""
    repeats = 2 if quick else 11
    if smallest:
        note("784-1000, B=1, fp32", one_step(1, "fp32", 1), "products")
        note("64-100, B=20, 2 runs", at_once(64, 100, 20, 2, 1), "together")
        note("30 runs of 64-100-100-10", thirty_runs_on_digits(1, runs=2), "together")
        return
    for precision in ("fp32", "bf16") if bf16_is_fast(WORTH_IT) else ("fp32",):
        for batch_size in (1, 20, 100, 256):
            title = f"784-1000, B={batch_size}, {precision}"
            note(title, one_step(batch_size, precision, repeats), "products")
    for batch_size, rows in ((1, 100), (20, 1000), (100, 2000)):
        rows = rows if quick else 4 * rows
        timings = whole_pretraining(batch_size, rows, 1 if quick else 5)
        note(f"pretraining 784-500^3, B={batch_size}", timings, "ours")
    note("30 runs of 64-100-100-10", thirty_runs_on_digits(1 if quick else 3), "together")
    for runs in (1, 4, 16, 64):
        note(f"64-100, B=20, {runs} runs", at_once(64, 100, 20, runs, repeats), "together")
    for runs in (1, 4) if quick else (1, 4, 16, 64):
        timings = at_once(784, 1000, 100, runs, 1 if quick else 5)
        note(f"784-1000, B=100, {runs} runs", timings, "together")


def main() -> None:
    global DEVICE
    parser = script.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--smallest", action="store_true", help="hardly any: to see that it runs")
    parser.add_argument("--device", default="cpu", type=device_here, help="cpu or cuda")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    args = parser.parse_args()
    if args.json and not args.json.parent.is_dir():
        parser.error(f"--json wants a file in a folder that exists, got {args.json}")
    torch.set_num_threads(1)
    DEVICE = args.device
    results: dict[str, Timings] = {}
    heads = "".join(f"{head:>10}" for head in ("min ms", "median", "max", "wall"))
    print(f"{'':49}{heads} {'ratio':>7}")

    def note(title: str, timings: Timings, against: str) -> None:
        results[title] = timings
        for name, t in timings.items():
            figures = " ".join(f"{t[key]:9.3f}" for key in ("min", "median", "max", "wall"))
            ratio = t["median"] / timings[against]["median"]
            print(f"{title:30} {name:18} {figures} {ratio:7.2f}", flush=True)

    measure(note, args.smallest, args.quick)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
