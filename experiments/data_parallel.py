"""Whether one run pays over several processes: an all-reduce beside the products of a minibatch.

    ./run experiments/data_parallel.py [--repeats 30] [--smallest]

Two processes of one thread each would share a minibatch and then add up their gradients. That
pays where half of the products, and the all-reduce of the weights, take less than all products.
Measured: five products of a dense 784-1000 layer, the convolutions of a layer of 32 kernels of
5 x 5 on 28 x 28 pixels (processor time), and gloo's all-reduce of their weights between two
processes (wall time). Least and median of the repeats, milliseconds; the verdict is that of the
least, which other work on the machine disturbs least. The last lines do the same arithmetic for two
H100 from published figures.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn
from torch.nn import functional

LONGEST = 3000.0  # milliseconds of all repeats
BATCHES = (20, 100, 256, 1000)
DENSE, CONVOLUTION = (784, 1000), (32, 1, 5, 5)
FLOOR = {20: 28.0, 100: 39.0}  # microseconds of five products on an H200, tf32 (measured, one run)
# NVIDIA's data sheet of the H100 SXM: NVLink 900 GB/s, both directions together; 494.7 TFLOPS of
# tf32, dense. Half of that is what large products reach; a collective starts in some 10 us (NCCL).
NVLINK, TF32, REACHED, LATENCY = 450e9, 494.7e12, 0.5, 10e-6


def timed(
    work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.process_time
) -> list[float]:
    """Milliseconds of each repeat, after one untimed; fewer where they take long."""
    taken: list[float] = []
    work()
    while len(taken) < repeats and sum(taken) < LONGEST:
        start = clock()
        work()
        taken.append(1e3 * (clock() - start))
    return taken


def dense(rows: int) -> Callable[[], object]:
    """The five products of a step."""
    x, delta, w = torch.rand(rows, DENSE[0]), torch.rand(rows, DENSE[0]), torch.rand(*DENSE)

    def products() -> None:
        codes = x @ w
        logits = codes @ w.T
        _ = logits @ w
        w.addmm_(x.T, codes, alpha=-1e-9)
        w.addmm_(delta.T, codes, alpha=-1e-9)

    return products


def convolution(rows: int) -> Callable[[], object]:
    """Encoding, decoding and the gradient of a convolutional layer with tied weights."""
    x, w = torch.rand(rows, 1, 28, 28), (0.01 * torch.rand(CONVOLUTION)).requires_grad_()

    def step() -> None:
        codes = functional.conv2d(x, w).sigmoid()
        functional.conv_transpose2d(codes, w).square().sum().backward()  # type: ignore[no-untyped-call]

    return step


def reduce(rank: int, meeting: str, repeats: int, out: str) -> None:
    """One of two processes: add up weights with the other one."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    found = []
    for shape in (DENSE, CONVOLUTION):
        weights = torch.ones(shape)
        dist.barrier()
        found.append(timed(partial(dist.all_reduce, weights), repeats, time.perf_counter))
    dist.destroy_process_group()
    if rank == 0:
        torch.save(found, out)


def measure(batches: tuple[int, ...], repeats: int) -> None:
    """Print the table of this machine."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "out"))
        spawn(reduce, (str(Path(folder, "meeting")), repeats, out), nprocs=2)  # type: ignore[no-untyped-call]
        reduced = torch.load(out)
    print("| layer | rows | all products | half of them | all-reduce | two processes | pays |")
    print("|---|---|---|---|---|---|---|")
    for name, make, beside in zip(
        ("dense", "convolution"), (dense, convolution), reduced, strict=True
    ):
        for rows in batches:
            whole, half = (timed(make(count), repeats) for count in (rows, rows // 2))
            both = min(half) + min(beside)
            cells = [f"{min(t):.2f} ({statistics.median(t):.2f})" for t in (whole, half, beside)]
            gain = f"{min(whole) / both:.2f} times as fast"
            verdict = "yes" if both < min(whole) else "no"
            print(f"| {name} | {rows} | {' | '.join(cells)} | {gain} | {verdict} |", flush=True)


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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--smallest", action="store_true", help="hardly any: to see that it runs")
    args = parser.parse_args()
    measure((20,) if args.smallest else BATCHES, 2 if args.smallest else args.repeats)
    by_arithmetic()


if __name__ == "__main__":
    main()
