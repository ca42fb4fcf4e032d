"""How fast a step is: against its bare products, against autograd, against the usual PyTorch way.

    python experiments/benchmark_step.py [--quick] [--json FILE]

One process, one thread, CPU time, repeats interleaved after a warm-up; min / median / max. Ratios
are what to quote: absolute times drift with the machine. ``--quick`` ends within 50 s on one core.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from sda import (
    Layer,
    Masking,
    Pretraining,
    StackedDenoisingAutoencoder,
    closed_form,
    join,
    pretraining,
)
from sda.corruption import Corrupted
from sda.descent import Descent

Timing = dict[str, float]


def interleaved(
    ways: dict[str, Callable[[], object]], repeats: int, calls: int
) -> dict[str, Timing]:
    """Time each way ``repeats`` times in turn; milliseconds of CPU time of one call."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.process_time()
            for _ in range(calls):
                way()
            times[name].append((time.process_time() - start) / calls * 1e3)
    return {
        name: {"min": min(t), "median": statistics.median(t), "max": max(t)}
        for name, t in times.items()
    }


def one_step(batch_size: int, repeats: int) -> dict[str, Timing]:
    """One tied sigmoid dA 784-1000, cross-entropy: products alone, closed form, autograd."""
    layer = StackedDenoisingAutoencoder.plan(784, [Layer(1000, Masking(0.25))], seed=0)[0]
    descent = Descent(dict(layer.named_parameters()), [0.01], [0.0], [0.0])
    x = torch.rand(batch_size, 784)
    corrupted = Masking(0.25)(x, torch.Generator().manual_seed(0))
    w, y, delta = torch.rand(784, 1000), torch.rand(batch_size, 1000), torch.rand(batch_size, 784)

    def products() -> None:
        codes = corrupted.x @ w
        logits = codes @ w.T
        _ = logits @ w
        w.addmm_(corrupted.x.T, y, alpha=-1e-9)
        w.addmm_(delta.T, y, alpha=-1e-9)

    ways = {
        "products": products,
        "closed form": lambda: closed_form.descend_layer(layer, descent, x, corrupted),
        "autograd": lambda: pretraining.descend_by_autograd(layer, descent, x, corrupted),
    }
    return interleaved(ways, repeats, max(2, 60 // batch_size))


class UsualLayer(nn.Module):
    """A dA as one usually writes it: nn.Linear, dropout for noise, tied by the functional call."""

    def __init__(self, n_visible: int, n_hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(n_visible, n_hidden)
        self.visible_bias = nn.Parameter(torch.zeros(n_visible))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the reconstruction of x (n, d)."""
        codes = torch.sigmoid(self.encoder(x))
        return nn.functional.linear(codes, self.encoder.weight.T, self.visible_bias)


def the_usual_way(x: Tensor, hidden: list[int], epochs: int, batch_size: int) -> None:
    """Pretrain with DataLoader, nn.Linear, optim.SGD; Bernoulli masks, codes cached per layer."""
    for n_hidden in hidden:
        layer = UsualLayer(x.shape[1], n_hidden)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        loader = DataLoader(TensorDataset(x), batch_size, shuffle=True)
        for _ in range(epochs):
            for (batch,) in loader:
                corrupted = batch * (torch.rand_like(batch) >= 0.25)
                loss = nn.functional.binary_cross_entropy_with_logits(
                    layer(corrupted), batch, reduction="sum"
                )
                optimizer.zero_grad()
                (loss / len(batch)).backward()
                optimizer.step()
        with torch.no_grad():
            x = torch.sigmoid(layer.encoder(x))


def our_way(x: Tensor, hidden: list[int], epochs: int, batch_size: int) -> None:
    """Pretrain with the package: exact masks, shuffling, loss and all."""
    stack = StackedDenoisingAutoencoder.plan(
        x.shape[1], [Layer(n, Masking(0.25)) for n in hidden], seed=0
    )
    pretraining.pretrain(stack, x, Pretraining(epochs, 0.1, batch_size), seed=0)


def whole_pretraining(batch_size: int, rows: int, repeats: int, epochs: int) -> dict[str, Timing]:
    """784-500-500-500 layer by layer, ours and the usual way."""
    x = torch.rand(rows, 784, generator=torch.Generator().manual_seed(0))
    hidden = [500, 500, 500]
    ways = {
        "ours": lambda: our_way(x, hidden, epochs, batch_size),
        "the usual way": lambda: the_usual_way(x, hidden, epochs, batch_size),
    }
    return interleaved(ways, repeats, 1)


def at_once(sizes: list[int], runs: int, repeats: int) -> dict[str, Timing]:
    """A step of so many runs at once against as many single steps, minibatches of 20."""
    d, h = sizes
    stacks = [
        StackedDenoisingAutoencoder.plan(d, [Layer(h, Masking(0.25))], seed) for seed in range(runs)
    ]
    single, joined = stacks[0][0], join(stacks)[0]
    alone = Descent(dict(single.named_parameters()), [0.01], [0.0], [0.0])
    together = Descent(dict(joined.named_parameters()), [0.01] * runs, [0.0] * runs, [0.0] * runs)
    x, many = torch.rand(20, d), torch.rand(runs, 20, d)

    def one_after_the_other(step: Callable[..., Tensor]) -> None:
        for _ in range(runs):
            step(single, alone, x, Corrupted(x, None))

    ways = {
        "together": lambda: closed_form.descend_layer(
            joined, together, many, Corrupted(many, None)
        ),
        "in turn": lambda: one_after_the_other(closed_form.descend_layer),
        "in turn, autograd": lambda: one_after_the_other(pretraining.descend_by_autograd),
    }
    return interleaved(ways, repeats, 10 if d * h < 20_000 else 1)


def show(title: str, timings: dict[str, Timing], against: str) -> None:
    base = timings[against]["median"]
    for name, t in timings.items():
        figures = f"{t['min']:10.3f} {t['median']:10.3f} {t['max']:10.3f}"
        print(f"{title:34} {name:18} {figures}   {t['median'] / base:6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    repeats = 5 if args.quick else 15
    results = {}
    heads = ("min ms", "median ms", "max ms", "ratio")
    print(f"{'':53} {heads[0]:>10} {heads[1]:>10} {heads[2]:>10}   {heads[3]:>6}")
    for batch_size in (1, 20, 100, 256):
        timings = one_step(batch_size, repeats)
        results[f"step 784-1000 B={batch_size}"] = timings
        show(f"one step, 784-1000, B={batch_size}", timings, "products")
    for batch_size, rows in ((1, 200), (20, 1000), (100, 2000)):
        rows = rows if args.quick else 2 * rows
        timings = whole_pretraining(batch_size, rows, 3, 2 if args.quick else 5)
        results[f"pretraining 784-500-500-500 B={batch_size}"] = timings
        show(f"pretraining 784-500^3, B={batch_size}", timings, "ours")
    for sizes in ([64, 100], [100, 100], [256, 256], [784, 500]):
        for runs in (4, 16, 30):
            timings = at_once(sizes, runs, 3 if args.quick else 9)
            results[f"{runs} runs {sizes[0]}-{sizes[1]}"] = timings
            show(f"{runs} runs at once, {sizes[0]}-{sizes[1]}, B=20", timings, "together")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
