"""Sweeps whose processes are killed at random moments: nothing lost, the same bits, no orphan.

    ./run experiments/kills.py [--kills 200] [--engine local,batched,dask,slurm] [--seed 0]
        [--out FILE.csv] [--smallest]

A small sweep is started as a person starts it. At random moments a random process of it gets
``kill -9``: the command itself, a run, what runs are forked from, a worker of Dask, a job of Slurm
(submitit's processes of this machine). When the command has ended with an error, or was killed, the
same one is given again, at once. When it ends well its folder is compared with that of a sweep that
nobody disturbed: every run once in the ledger, the same bits, whole layers in the store, no process
and no half-written file left. A line for each kill says what was killed and how the sweep ended.
"""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TextIO
from uuid import uuid4

from lib import script

from sda.common import files
from sda.runs import ledger
from sda.runs.folder import RunFolder
from sda.runs.layer_store import LayerStore

ROOT = Path(__file__).parents[1]
ENGINES = {
    "local": ["executor=local"],
    "batched": ["executor=local", "hydra/launcher=batched"],
    "dask": ["executor=dask"],
    "slurm": ["executor=slurm", "executor.cluster=local", "executor.jobs=2"],
}
SWEEP = [
    "-m", "init=random,sda", "seed=0,1", "jobs=2", "tensorboard=false", "stack.hidden=[40,30]",
    "finetune.learning_rate=0.1", "name=kills",
]  # fmt: skip
LENGTHS = ["pretrain.epochs=25", "finetune.epochs=25", "finetune.patience=25"]
SMALLEST = ["pretrain.epochs=3", "finetune.epochs=3"]
RECORD = ("metrics.jsonl", "model.safetensors", "test_predictions.npz")
MARK = "SDA_KILLS"  # in the environment of all processes of a sweep, however they were started
IN_TRAINING = 0.6  # share of the moments that are counted from where a run is being trained
MOMENTS = 4.0  # seconds, at most, before the next kill
SWEEPS_KILLS = 10  # kills in one sweep, at most
STARTS = 8  # of the same command, when nothing is killed any more
PATIENCE = 60.0  # seconds in which processes of a sweep that is over end by themselves
WEDGED = 600.0  # seconds after which a command that nobody kills hangs
COLUMNS = ("engine", "sweep", "kill", "killed", "seconds", "command", "verdict")


class Process(NamedTuple):
    """A process of a sweep, and what it is there."""

    pid: int
    role: str


class Sweep:
    """One sweep in a folder of its own, started again until it ends well."""

    def __init__(self, engine: str, folder: Path, lengths: list[str]) -> None:
        self.folder = folder
        self._mark = uuid4().hex
        self._words = [*ENGINES[engine], *SWEEP, *lengths, f"runs_folder={folder}"]
        self.command: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Give the command."""
        own = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", MARK: self._mark}
        log = open(f"{self.folder}.log", "a", encoding="utf-8")  # noqa: SIM115
        self.command = subprocess.Popen(
            [sys.executable, "-m", "sda", *self._words],
            env=own, stdout=log, stderr=log, start_new_session=True, text=True,
        )  # fmt: skip
        log.close()

    def processes(self) -> list[Process]:
        """All processes of it that live, with what each of them is."""
        own = f"{MARK}={self._mark}".encode()
        found = []
        for place in Path("/proc").iterdir():
            if not place.name.isdigit():
                continue
            with suppress(OSError):  # it has ended since
                if own not in (place / "environ").read_bytes().split(b"\0"):
                    continue
                words = (place / "cmdline").read_bytes().decode(errors="replace")
                found.append(Process(int(place.name), self._role(int(place.name), words)))
        return found

    def _role(self, pid: int, words: str) -> str:
        if self.command is not None and pid == self.command.pid:
            return "command"
        if "resource_tracker" in words:
            return "tracker"
        if "forkserver" in words:
            return "run" if os.getpgid(pid) == pid else "fork server"
        if "submitit.local" in words:
            return "controller"
        if "submitit.core" in words:
            return "job"
        return "worker" if "multiprocessing" in words else "other"

    def wait_for_a_run(self) -> None:
        """Until one is being trained, or the command has ended."""
        assert self.command is not None
        while self.command.poll() is None and all(one.role != "run" for one in self.processes()):
            time.sleep(0.05)

    def end(self) -> None:
        """Kill what is left of it."""
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        if self.command is not None:
            self.command.wait()


def disturb(sweep: Sweep, chance: random.Random, most: int) -> list[dict[str, object]]:
    """Kill up to ``most`` processes of a sweep while it lasts; a line for each."""
    kills: list[dict[str, object]] = []
    sweep.start()
    began = time.monotonic()
    while len(kills) < most:
        assert sweep.command is not None
        if chance.random() < IN_TRAINING:
            sweep.wait_for_a_run()
        if _ended(sweep.command, chance.uniform(0.1, MOMENTS)) is not None:
            if sweep.command.returncode == 0:
                break
            sweep.start()
            began = time.monotonic()
            continue
        there = sweep.processes()
        role = chance.choice(sorted({one.role for one in there if one.role != "other"}))
        victim = chance.choice([one for one in there if one.role == role])
        with suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
            seconds = round(time.monotonic() - began, 2)
            kills.append({"killed": role, "seconds": seconds, "command": "went on"})
        if role == "command":
            kills[-1]["command"] = "killed"
            sweep.command.wait()
            sweep.start()
            began = time.monotonic()
    return kills


def finish(sweep: Sweep) -> str | None:
    """Give the command until it ends well; why it does not, or None."""
    assert sweep.command is not None
    for _ in range(STARTS):
        status = _ended(sweep.command, WEDGED)
        if status is None:
            return "HARD_FAIL: hangs"
        if status == 0:
            return None
        sweep.start()
    return f"HARD_FAIL: exit {status} {STARTS} times"


def verdict(sweep: Sweep, undisturbed: Path) -> str:
    """PASS, or what is wrong with a sweep that has ended well."""
    over = time.monotonic() + PATIENCE
    while (left := sweep.processes()) and time.monotonic() < over:
        time.sleep(0.2)
    if left:
        return f"ORPHAN: {Counter(one.role for one in left)}"
    fault = _record(sweep.folder, undisturbed)
    fault = fault or _layers(sweep.folder / "layers", undisturbed / "layers")
    return fault or _strays(sweep.folder) or "PASS"


def _record(own: Path, undisturbed: Path) -> str | None:
    """What is wrong with the runs and the ledger of a sweep; None: nothing."""
    runs, others = _runs(undisturbed), _runs(own)
    lines = [str(line["identity"]) for line in ledger.lines(own / "ledger")]
    if sorted(lines) != sorted(runs):
        return f"LOST_WORK: {len(lines)} lines in the ledger, {len(runs)} runs"
    for identity, run in runs.items():
        for name in RECORD:
            if identity not in others or not (others[identity] / name).exists():
                return f"LOST_WORK: {run.name}/{name}"
            if (others[identity] / name).read_bytes() != (run / name).read_bytes():
                return f"SILENT_DIVERGENCE: {run.name}/{name}"
    return None


def _strays(folder: Path) -> str | None:
    """What is left half written, or of no use; None: nothing."""
    for shared in ("layers", "ledger/predictions"):  # as the next sweep does, a minute later
        for path in (folder / shared).glob("*.tmp"):
            os.utime(path, (0, 0))
        files.tidy(folder / shared)
    strays = [str(path.relative_to(folder)) for path in folder.rglob("*.tmp")]
    strays += [path.name for path in folder.glob("stop-*")]
    return f"STRAY: {' '.join(strays)}" if strays else None


def _runs(folder: Path) -> dict[str, Path]:
    """The folders of finished runs, by identity."""
    results = {path.parent: RunFolder(path.parent).result for path in folder.glob("kills/*/lock")}
    return {
        str(result["identity"]): path
        for path, result in results.items()
        if result.get("status") == "finished"
    }


def _layers(own: Path, others: Path) -> str | None:
    """What is wrong with a store of layers beside that of the undisturbed sweep; None: nothing."""
    for path in sorted(own.glob("*.safetensors")):
        layer, other = LayerStore(own).take(path.stem), LayerStore(others).take(path.stem)
        if layer is None or other is None:
            return f"LAYERS: {path.name} cannot be read, or belongs to no run"
        if any((layer.weights[key] != other.weights[key]).any() for key in other.weights):
            return f"SILENT_DIVERGENCE: layers/{path.name}"
    if missing := {p.name for p in others.glob("*.safetensors")} - {p.name for p in own.iterdir()}:
        return f"LAYERS: {len(missing)} are missing"
    return None


def _ended(command: "subprocess.Popen[str]", seconds: float) -> int | None:
    try:
        return command.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def measure(engines: list[str], most: int, chance: random.Random, lengths: list[str],
            file: TextIO) -> Counter[tuple[str, str, str]]:  # fmt: skip
    """Kill ``most`` times, in sweeps of the engines in turn; how often what ended how."""
    table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    table.writeheader()
    counts: Counter[tuple[str, str, str]] = Counter()
    place = Path(tempfile.mkdtemp(prefix="kills-"))
    undisturbed = {}
    done, number = 0, 0
    while done < most:
        engine = engines[number % len(engines)]
        kind = "batched" if engine == "batched" else "alone"  # batches have bits of their own
        if kind not in undisturbed:
            calm = Sweep("batched" if kind == "batched" else "local", place / kind, lengths)
            calm.start()
            if fault := finish(calm):
                sys.exit(f"error: the undisturbed sweep: {fault}; see {calm.folder}.log")
            undisturbed[kind] = calm.folder
        sweep = Sweep(engine, place / f"{engine}-{number}", lengths)
        try:
            kills = disturb(sweep, chance, min(SWEEPS_KILLS, most - done))
            said = finish(sweep) or verdict(sweep, undisturbed[kind])
        finally:
            sweep.end()
        for row in kills:
            done += 1
            beside = {"engine": engine, "sweep": number, "kill": done, "verdict": said}
            table.writerow(row | beside)
            counts[engine, str(row["killed"]), said.partition(":")[0]] += 1
        file.flush()
        print(f"{done}/{most} {engine}, sweep {number}, {len(kills)} kills: {said}", flush=True)
        if said == "PASS":
            shutil.rmtree(sweep.folder)
        number += 1
    if not any(said != "PASS" for _, _, said in counts):
        shutil.rmtree(place)
    else:
        print(f"what did not pass is in {place}")
    return counts


def main() -> None:
    parser = script.parser(__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--engine", default="dask,slurm", help=f"of {', '.join(ENGINES)}")
    parser.add_argument("--seed", type=int, default=0, help="of the moments and the victims")
    parser.add_argument("--out", type=Path, default=ROOT / "experiments" / "results" / "kills.csv")
    parser.add_argument("--smallest", action="store_true", help="runs of an instant, one kill")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and leave no sweep behind
    engines = args.engine.split(",")
    if not set(engines) <= set(ENGINES):
        parser.error(f"--engine wants some of {', '.join(ENGINES)}, got {args.engine}")
    lengths, most = (SMALLEST, 1) if args.smallest else (LENGTHS, args.kills)
    with args.out.open("w", encoding="utf-8") as file:
        counts = measure(engines, most, random.Random(args.seed), lengths, file)
    for (engine, killed, said), count in sorted(counts.items()):
        print(f"{engine:8} {killed:12} {said:18} {count:4}")
    sys.exit(any(said != "PASS" for _, _, said in counts))


if __name__ == "__main__":
    main()
