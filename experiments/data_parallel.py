"""Whether one run pays over several processes: two of them beside one, epoch by epoch in turn.

    ./run experiments/data_parallel.py [--repeats 10] [--smallest]

Two processes of one thread each pretrain a layer as torchrun's do: each with its rows of a
minibatch, and gloo's sum of the gradients before each step. The first one trains the same alone in
between. Dense 784-1000, and 32 kernels of 5 x 5 on 28 x 28 pixels. Milliseconds of a minibatch with
all that an epoch has, noise included, least and median of the repeats: processor time, of the mean
process where there are two, and time on the clock. Other work on the machine lengthens the second
alone: on cores that have nothing else to do the two are the same but for the waiting. The last
lines reckon what two H100 would do with the products, from published figures.
"""

import os
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lib import script
from torch.multiprocessing.spawn import spawn

import sda
from sda.common import processes
from sda.nn.layer_kind import LayerPlan
from sda.training.pretraining import pretraining_epochs

BATCHES = (20, 100, 256, 1000)
DENSE, PIXELS = (784, 1000), (1, 28, 28)
FLOOR = {20: 28.0, 100: 39.0}  # microseconds of five products on an H200, tf32 (measured, one run)
# NVIDIA's data sheet of the H100 SXM: NVLink 900 GB/s, both directions together; 494.7 TFLOPS of
# tf32, dense. Half of that is what large products reach; a collective starts in some 10 us (NCCL).
NVLINK, TF32, REACHED, LATENCY = 450e9, 494.7e12, 0.5, 10e-6


def epoch(plan: LayerPlan, rows: int, minibatches: int) -> tuple[float, float]:
    """Milliseconds of a minibatch in one epoch of so many: processor time, time on the clock."""
    x = torch.rand(rows * minibatches, DENSE[0], generator=torch.Generator().manual_seed(0))
    stack = sda.StackedDenoisingAutoencoder.plan(PIXELS, [plan], seed=0)
    epochs = pretraining_epochs(stack, x, [[sda.Pretraining(1, 0.01, rows, precision="fp32")]], [0])
    next(epochs)  # what it was before
    start = time.process_time(), time.perf_counter()
    next(epochs)
    ended = time.process_time(), time.perf_counter()
    cpu, clock = (1e3 * (b - a) / minibatches for a, b in zip(start, ended, strict=True))
    return cpu, clock


@contextmanager
def alone() -> Iterator[None]:
    """Train as if there were no other process."""
    before = dict(processes._place)
    processes._place.update(count=1, number=0)
    yield
    processes._place.update(before)


def compare(number: int, port: int, batches: tuple[int, ...], repeats: int) -> None:
    """One of two processes: print a line for each layer and number of rows."""
    place = {"RANK": number, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()}, TORCHELASTIC_RUN_ID="0")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    processes.join()
    kernels = sda.Convolutional(32, sda.Masking(0.25))
    kinds = {"dense": sda.Layer(DENSE[1], sda.Masking(0.25)), "convolution": kernels}
    for name, plan in kinds.items():
        for rows in batches:
            minibatches = max(2, (2000 if name == "dense" else 500) // rows)
            one, two = [], []
            for _ in range(repeats):
                if processes.is_first():
                    with alone():
                        one.append(epoch(plan, rows, minibatches))
                processes.told()  # the other one waits here
                mine = torch.tensor(epoch(plan, rows, minibatches), dtype=torch.float64)
                two.append((processes.add_up(mine) / 2).tolist())
            if processes.is_first():
                show(name, rows, one, two)
    processes.leave()


def show(name: str, rows: int, one: list[tuple[float, float]], two: list[list[float]]) -> None:
    """Print a line of the table."""
    cells, gains = [], []
    for which in (0, 1):
        times = [[pair[which] for pair in pairs] for pairs in (one, two)]
        cells += [f"{min(each):.2f} ({statistics.median(each):.2f})" for each in times]
        gains.append(min(times[0]) / min(times[1]))
    cells.insert(2, f"{gains[0]:.2f}")
    print(f"| {name} | {rows} | {' | '.join(cells)} | {gains[1]:.2f} |", flush=True)


def by_arithmetic() -> None:
    """Print what two H100 would do with the dense layer."""
    size = 4 * DENSE[0] * DENSE[1]
    reduced = 1e6 * (size / NVLINK + LATENCY)
    print(f"two H100, {size / 1e6:.1f} MB over NVLink: {1e6 * size / NVLINK:.0f} us and a start of "
          f"{1e6 * LATENCY:.0f}: {reduced:.0f} us")  # fmt: skip
    for rows in (20, 100, 256, 1000, 2000, 4000):
        floor = FLOOR.get(rows, 1e6 * 10 * rows * DENSE[0] * DENSE[1] / (TF32 * REACHED))
        whole = max(floor, FLOOR[20])  # a step of any size has its launches
        half = max(FLOOR[20], whole / 2)
        verdict = "yes" if half + reduced < whole else "no"
        print(f"  {rows} rows: {whole:.0f} us alone, {half + reduced:.0f} us on two: {verdict}")


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--smallest", action="store_true", help="hardly any: to see that it runs")
    args = parser.parse_args()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    print("| layer | rows | one, processor | two | gain | one, clock | two | gain |")
    print("|---|---|---|---|---|---|---|---|")
    batches, repeats = ((20,), 2) if args.smallest else (BATCHES, args.repeats)
    spawn(compare, (port, batches, repeats), nprocs=2)  # type: ignore[no-untyped-call]
    by_arithmetic()


if __name__ == "__main__":
    main()
