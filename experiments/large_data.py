"""What a row costs, and how much memory training takes, as the rows grow from 10^4 to 10^6.

    ./run experiments/large_data.py [--rows N ...] [--folder SCRATCH] [--json FILE]

Makes pictures of 784 grey levels in .npy files, maps them as `data=arrays data.path=FOLDER` does,
and trains 3 x 1000 for one epoch a layer, in a fresh process for every size: one thread, CPU time.
Codes beyond 1 GB lie on disk. Needs 9 kB of SCRATCH a row while it trains: 9 GB for 10^6 rows.
"""

import json
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from lib import script

from sda import Layer, Masking, Pretraining, StackedDenoisingAutoencoder
from sda.common.rows import ROWS, shared
from sda.data.tables import arrays
from sda.training.codes import Storage
from sda.training.pretraining import pretraining_epochs

WIDTH, HIDDEN, CLASSES = 784, [1000, 1000, 1000], 10
MEMORY = 10**9  # bytes of codes, as `codes_memory=auto` on a CPU
EVERY = 0.02  # seconds between two looks at the memory


def make(folder: Path, rows: int) -> None:
    """Write a prototype for each class and noise on it, block by block."""
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 200, (CLASSES, WIDTH)) * (rng.random((CLASSES, WIDTH)) < 0.3)
    for part, n in (("train", rows), ("valid", 100), ("test", 100)):
        y = np.arange(n) % CLASSES
        file = folder / f"x_{part}.npy"
        x = np.lib.format.open_memmap(file, "w+", np.uint8, (n, WIDTH))
        for start in range(0, n, ROWS):
            some = y[start : start + ROWS]
            x[start : start + ROWS] = prototypes[some] + rng.integers(0, 56, (len(some), 1))
        x.flush()
        np.save(folder / f"y_{part}.npy", y)


class Memory(threading.Thread):
    """Watches the memory of this process: the most there was of its own, and of files, in GB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.anonymous = self.files = 0.0
        self.start()

    def run(self) -> None:
        """Look, until the process ends."""
        while True:
            status = Path("/proc/self/status").read_text()
            own, files = (
                float(status.split(key)[1].split()[0]) / 1e6 for key in ("RssAnon:", "RssFile:")
            )
            self.anonymous, self.files = max(self.anonymous, own), max(self.files, files)
            time.sleep(EVERY)


def measure(folder: Path, batch_size: int) -> dict[str, float]:
    """Train and report microseconds of CPU time per row: checks, each layer, each encoding."""
    torch.set_num_threads(1)
    memory, began = Memory(), time.monotonic()
    clock = time.process_time()
    data = arrays(path=str(folder), scaling="none", image_shape=(28, 28))
    data.digest()
    x = shared(data.train.x)
    microseconds = 1e6 / len(x)
    figures = {"rows": float(len(x)), "checks": (time.process_time() - clock) * microseconds}
    stack = StackedDenoisingAutoencoder.plan(WIDTH, [Layer(h, Masking(0.25)) for h in HIDDEN], 0)
    settings = [[Pretraining(1, 0.1, batch_size)] * len(HIDDEN)]
    clock = time.process_time()
    for epoch in pretraining_epochs(stack, x, settings, [0], storage=Storage(folder, MEMORY)):
        now = time.process_time()
        if epoch.epoch == 1:
            figures[f"layer {epoch.depth + 1}"] = (now - clock) * microseconds
        elif epoch.depth > 0:  # from the end of the layer below to here
            figures[f"codes {epoch.depth}"] = (now - clock) * microseconds
        clock = now
    figures["seconds"] = time.monotonic() - began
    return figures | {"anonymous GB": memory.anonymous, "files GB": memory.files}


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10**4, 10**5, 10**6])
    parser.add_argument("--folder", type=Path, help="scratch, on a disk (default: a temporary one)")
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    args = parser.parse_args()
    if args.json and not args.json.parent.is_dir():
        parser.error(f"--json wants a file in a folder that exists, got {args.json}")
    if args.folder and not args.folder.is_dir():
        parser.error(f"--folder wants a folder that exists, got {args.folder}")
    if min(*args.rows, args.batch_size) < 1:
        parser.error(f"--rows and --batch-size are from 1, got {args.rows} and {args.batch_size}")
    found = []
    for n in args.rows:
        with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
            make(Path(scratch), n)
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                figures = process.submit(measure, Path(scratch), args.batch_size).result()
        if not found:
            print("CPU time per row in microseconds\n", *(f"{name:>13}" for name in figures))
        found.append(figures)
        print(" ", *(f"{value:>12.4g} " for value in figures.values()), flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
