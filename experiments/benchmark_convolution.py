"""How fast a convolutional layer is pretrained, beside plain PyTorch that does the same.

    ./run experiments/benchmark_convolution.py [--smallest] [--json FILE]

Plain PyTorch is nn.Conv2d, pooling, F.conv_transpose2d with the same kernels and torch.optim.SGD in
a loop over a permutation of rows in memory: no DataLoader. One process, one thread, interleaved
after a warm-up; milliseconds of CPU time for a minibatch of 20, corruption and cost included. The
costs of the last epoch, which differ in their noise alone, are printed beside.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from benchmark_step import interleaved
from lib import script
from torch import Tensor, nn

from sda import Convolutional, Masking, Pretraining, StackedDenoisingAutoencoder, pretrain, stream
from sda.nn.layer_kind import Shape

BATCH, RATE, MASKED = 20, 0.001, 0.25
LAYERS: dict[str, tuple[Shape, dict[str, int]]] = {
    "1 x 28 x 28, 16 of 5 x 5, pooled": ((1, 28, 28), {"channels": 16, "kernel": 5, "pooling": 2}),
    "16 x 12 x 12, 32 of 5 x 5, pooled": (
        (16, 12, 12),
        {"channels": 32, "kernel": 5, "pooling": 2},
    ),
    "1 x 28 x 28, 16 of 6 x 6, stride 2": ((1, 28, 28), {"channels": 16, "kernel": 6, "stride": 2}),
    "3 x 32 x 32, 16 of 4 x 4, stride 2": ((3, 32, 32), {"channels": 16, "kernel": 4, "stride": 2}),
}


class Plain(nn.Module):
    """The layer as one writes it with torch.nn."""

    def __init__(self, shape: Shape, plan: Convolutional) -> None:
        super().__init__()
        self.shape, self.stride, self.pooling = shape, plan.stride, plan.pooling
        self.conv = nn.Conv2d(shape[0], plan.channels, plan.kernel, plan.stride)
        self.bias = nn.Parameter(torch.zeros(shape[0]))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, c, h, w) of pictures (n, c, h, w)."""
        y = self.conv(x)
        if self.pooling > 1:
            y = F.max_pool2d(y, self.pooling)
        y = torch.sigmoid(y)
        if self.pooling > 1:
            y = F.interpolate(y, scale_factor=self.pooling)
        return F.conv_transpose2d(y, self.conv.weight, self.bias, self.stride)

    def epoch(self, x: Tensor, generator: torch.Generator) -> float:
        """Present every row of x (n, c, h, w) once, masked; the mean cost."""
        optimiser, total = torch.optim.SGD(self.parameters(), RATE), 0.0
        for rows in torch.randperm(len(x), generator=generator).split(BATCH):
            clean = x[rows]
            kept = torch.rand(clean.shape, generator=generator) >= MASKED
            logits = self(clean * kept)
            cost = F.binary_cross_entropy_with_logits(logits, clean, reduction="sum") / len(rows)
            optimiser.zero_grad()
            cost.backward()
            optimiser.step()
            total += cost.item() * len(rows)
        return total / len(x)


def compare(name: str, rows: int, repeats: int) -> dict[str, float]:
    """Train both on the same made pictures; milliseconds of a minibatch, and costs."""
    shape, numbers = LAYERS[name]
    plan = Convolutional(corruption=Masking(MASKED), **numbers, initialisation="tutorial")
    blobs = torch.rand(rows, shape[0], 4, 4, generator=stream(0, "x"))
    x = F.interpolate(blobs, shape[1:], mode="bilinear")
    stack = StackedDenoisingAutoencoder.plan(shape, [plan], seed=0)
    plain = Plain(shape, plan)
    plain.conv.weight.data.copy_(stack[0].weight.data)
    plain.conv.bias.data.zero_()
    settings, flat = Pretraining(1, RATE, BATCH), x.flatten(1)
    costs, turns = {}, iter(range(10**6))

    def ours() -> None:
        costs["ours"] = float(pretrain(stack, flat, settings, seed=next(turns))[-1].loss)

    def theirs() -> None:
        costs["plain"] = plain.epoch(x, stream(next(turns), "plain"))

    taken = interleaved({"ours": ours, "plain": theirs}, repeats, -(-rows // BATCH))
    medians = {f"{way} ms": one["median"] for way, one in taken.items()}
    return medians | {f"{way} cost": cost for way, cost in costs.items()}


def main() -> None:
    """Measure every layer, print a table."""
    parser = script.parser(__doc__)
    parser.add_argument("--smallest", action="store_true", help="a few rows, once")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows, repeats = (40, 1) if options.smallest else (500, 7)
    found = {}
    print(f"{'layer':<36} {'ours':>8} {'plain':>8}  plain / ours   cost: ours  plain")
    for name in LAYERS:
        one = found[name] = compare(name, rows, repeats)
        ratio = one["plain ms"] / one["ours ms"]
        print(f"{name:<36} {one['ours ms']:5.2f} ms {one['plain ms']:5.2f} ms {ratio:10.2f}   "
              f"{one['ours cost']:14.1f} {one['plain cost']:6.1f}", flush=True)  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
