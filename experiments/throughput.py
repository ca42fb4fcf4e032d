"""What a sweep costs beside its runs, and how that grows with workers, runs and layers.

    ./run experiments/throughput.py [--parts sweeps,training,queue,simulation,ledger,layers]
        [--runs 200] [--seconds 5] [--workers 2] [--smallest]

``sweeps``: runs that sleep for a known time, on workers of this machine and of Dask, beside the
ideal, runs x seconds / workers, and what each costs a worker beyond its own time. ``training``: the
same with runs that train, beside the time that their training took. ``queue``: what the command
spends on 10 000 queued runs. ``simulation``: 100 000 runs on 1000 workers that do nothing.
``ledger`` and ``layers``: 100 000 lines, one file a process as in a sweep; 100 000 layers.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lib import script

from sda.config import compose
from sda.experiment.job import Job
from sda.runs import ledger
from sda.runs.layer_store import LayerStore, Stored
from sda.sweeps import sweep
from sda.sweeps.executors.executor import Executor
from sda.sweeps.sweep import Queue
from sda.sweeps.worker import Outcome

ROOT = Path(__file__).parents[1]
TINY = ["stack.hidden=[9]", "pretrain.epochs=1", "finetune.epochs=1", "tensorboard=false"]
REAL = [
    "stack.hidden=[100,100]", "pretrain.epochs=10", "finetune.epochs=20", "finetune.patience=20",
    "tensorboard=false",
]  # fmt: skip
RESTING = ["parts=[lib.resting]", "corruption._target_=lib.resting.Resting"]
Note = Callable[..., None]


class Nothing(Executor):
    """An executor of many workers that do nothing: what is left is what the sweep itself costs."""

    def __init__(self, workers: int, by_name: Callable[[Any], str] = lambda job: str(job.path)):
        self._workers, self._name = workers, by_name
        self._running: list[Sequence[Any]] = []

    @property
    def is_free(self) -> bool:
        """Whether a worker does nothing."""
        return len(self._running) < self._workers

    @property
    def is_idle(self) -> bool:
        """Whether all do."""
        return not self._running

    def submit(self, task: Sequence[Job], told: Sequence[Job]) -> None:
        """Take a task."""
        self._running.append(task)

    def ended(self) -> list[Outcome]:
        """A third of the tasks are over at each look."""
        count = -(-len(self._running) // 3)
        over, self._running = self._running[:count], self._running[count:]
        return [Outcome(self._name(job), {"valid_error": 0.1}, None) for t in over for job in t]

    def stop(self) -> None:
        """Nothing is to be stopped."""


class Bare:
    """A run that costs nothing to look at."""

    stays = False

    def __init__(self, number: int) -> None:
        self.path = Path("no/where", str(number))


def sweeps(note: Note, runs: int, seconds: float, workers: int, place: Path) -> None:
    """Runs that sleep."""
    for engine in ("local", "dask"):
        folder = place / f"sleep-{engine}"
        words = [*TINY, *RESTING, f"+corruption.seconds={seconds}", f"seed=range({runs})"]
        start = _first(folder, [f"executor={engine}", f"jobs={workers}", *words])
        ideal = runs * seconds / workers
        wall = _last(folder) - start
        over = (wall - ideal) * workers / runs
        note(f"{engine}, {runs} runs of {seconds:g} s on {workers}", f"{wall:.1f} s",
             f"{ideal:.1f} s", f"{100 * (wall / ideal - 1):.1f} %; {over:.3f} s a run; by that "
             f"{100 * over / 5:.1f} % of runs of 5 s")  # fmt: skip


def training(note: Note, runs: int, workers: int, place: Path) -> None:
    """Runs that train."""
    for engine in ("local", "dask"):
        folder = place / f"train-{engine}"
        start = _first(
            folder, [f"executor={engine}", f"jobs={workers}", *REAL, f"seed=range({runs})"]
        )
        wall = _last(folder) - start
        lines = ledger.lines(folder / "ledger")
        ideal = sum(sum(line["seconds"].values()) for line in lines) / workers
        over = f"{100 * (wall / ideal - 1):.1f} %; {(wall - ideal) * workers / runs:.3f} s a run"
        what = f"{engine}, {runs} runs that train, on {workers}"
        note(what, f"{wall:.1f} s", f"{ideal:.1f} s", over)


def _first(folder: Path, words: list[str]) -> float:
    """Run a sweep; when its command had checked everything and the first run was begun."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "experiments")])
    own = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "sda", "-m", *words, f"runs_folder={folder}", "name=runs"]
    subprocess.run(command, env=own, check=True, stdout=subprocess.DEVNULL)
    return min(path.stat().st_mtime for path in folder.glob("runs/*/lock"))


def _last(folder: Path) -> float:
    """When the last run had ended."""
    return max(path.stat().st_mtime for path in folder.glob("runs/*/result.json"))


def queue(note: Note, runs: int, place: Path) -> None:
    """Queued runs as they are, on a hundred workers that do nothing."""
    before, start = _memory(), time.process_time()
    jobs = []
    for seed in range(runs):
        words = [*TINY, f"seed={seed}"]
        jobs.append(Job(compose.settings([*words, f"runs_folder={place}"]), words))
        _ = jobs[-1].plan
    read = time.process_time() - start
    sweep.run_all(jobs, Nothing(100))
    sent = time.process_time() - start - read
    each = 100 / runs
    took = f"{read * each:.2f} s reading their words, {sent * each:.2f} s sending them"
    most = f"{_memory() - before:.0f} MB for all"
    note(f"{runs} queued runs, for each hundred", took, "1 s", most)


def simulation(note: Note, runs: int, workers: int) -> None:
    """Runs that cost nothing to look at."""
    before, start = _memory(), time.process_time()
    tasks: Any = [[Bare(number)] for number in range(runs)]
    ended = sum(map(len, sweep._train(Queue(tasks), Nothing(workers), lambda: False)))
    assert ended == runs
    taken = time.process_time() - start
    note(f"{runs} runs on {workers} workers that do nothing", f"{taken:.1f} s", "",
         f"{100 * taken / runs:.3f} s a hundred; {_memory() - before:.0f} MB")  # fmt: skip


def of_ledger(note: Note, runs: int, place: Path) -> None:
    """A ledger as that many processes write it."""
    _first(place / "one", ["init=sda", "seed=0", *TINY])
    (line,) = ledger.lines(place / "one" / "ledger")
    y = np.zeros(360, int)
    answers = np.random.default_rng(0).integers(10, size=(100, 360))  # each is forced to disk once
    taken = []
    for number in range(runs):
        ledger._own.clear()  # as another process
        start = time.perf_counter()
        result = line | {"identity": f"{number:016x}", "seed": number}
        ledger.append(place, result, (y, answers[number % 100]))
        taken.append(time.perf_counter() - start)
    folder = place / "ledger"
    size = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
    start = time.perf_counter()
    found = ledger.lines(folder)
    read = time.perf_counter() - start
    assert len(found) == runs
    few = runs // 10 or 1
    note(f"ledger of {runs} runs", f"read in {read:.1f} s", "",
         f"{size / 1e6:.0f} MB in {len(list(folder.glob('*.jsonl')))} files; a run is added in "
         f"{1e3 * np.median(taken[:few]):.2f} ms at first, {1e3 * np.median(taken[-few:]):.2f} ms "
         f"at last; {_memory():.0f} MB of memory")  # fmt: skip


def of_layers(note: Note, keys: int, place: Path) -> None:
    """A store of layers, small ones."""
    store = LayerStore(place / "layers")
    row = {"phase": "pretrain", "layer": 1, "epoch": 0, "loss": 1.0}
    layer = Stored({"weight": torch.zeros(9, 9)}, [row], [0.1])
    put, taken = [], []
    few = min(200, keys // 3)
    for number in range(keys):
        key = f"{number:016x}"
        if few <= number < keys - few:  # what is forced to disk takes time: the others are copies
            (place / "layers" / f"{key}.safetensors").write_bytes(b"")
            (place / "layers" / f"{key}.lock").touch()
            continue
        start = time.perf_counter()
        with store.hold([key], lambda: None):
            store.put(key, layer)
        put.append(time.perf_counter() - start)
        start = time.perf_counter()
        with store.hold([key], lambda: None):
            assert store.take(key) is not None
        taken.append(time.perf_counter() - start)
    first, last = (1e3 * np.median(times) for times in (put[:few], put[-few:]))
    early, late = (1e3 * np.median(times) for times in (taken[:few], taken[-few:]))
    took = f"taken in {early:.2f} ms at first, {late:.2f} ms at last"
    note(f"store of {keys} layers", took, "", f"put in {first:.2f} and {last:.2f} ms")


def _memory() -> float:
    """Megabytes that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parts = ("sweeps", "training", "queue", "simulation", "ledger", "layers")
    parser = script.parser(__doc__)
    parser.add_argument("--parts", default=",".join(parts))
    parser.add_argument("--runs", type=int, default=200, help="of sweeps; training: a tenth")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--smallest", action="store_true", help="hardly any: to see that it runs")
    args = parser.parse_args()
    asked = args.parts.split(",")
    if not set(asked) <= set(parts):
        parser.error(f"--parts wants some of {', '.join(parts)}, got {args.parts}")
    if args.smallest:
        args.runs, args.seconds = 2, 0.1
    many, most = (20, 30) if args.smallest else (10_000, 100_000)
    print("| what | took | ideal | over it |\n|---|---|---|---|")

    def note(*cells: str) -> None:
        print(f"| {' | '.join(cells)} |", flush=True)

    place = Path(tempfile.mkdtemp(prefix="throughput-"))
    try:
        if "sweeps" in asked:
            sweeps(note, args.runs, args.seconds, args.workers, place)
        if "training" in asked:
            training(note, max(2, args.runs // 10), args.workers, place)
        if "queue" in asked:
            queue(note, many, place / "queue")
        if "simulation" in asked:
            simulation(note, most, min(1000, most))
        if "ledger" in asked:
            of_ledger(note, most, place / "lines")
        if "layers" in asked:
            of_layers(note, most, place / "store")
    finally:
        shutil.rmtree(place)
    print(f"load of this machine meanwhile: {os.getloadavg()[1]:.1f}", file=sys.stderr)


if __name__ == "__main__":
    main()
