"""Many runs side by side: one process each, so that nothing leaks from one run into another."""

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sda.common import files
from sda.common.signals import Interrupted, Interruption
from sda.common.terminal import clock
from sda.experiment import batching
from sda.experiment.job import Job
from sda.runs.folder import RunFolder
from sda.runs.identity import differences, digest
from sda.sweeps.executors.executor import Executor
from sda.sweeps.worker import STOPPED, Outcome

AGAIN = 2.0  # seconds between two looks at what other processes train
_log = logging.getLogger(__name__)


class Queue:
    """What is left to train.

    Args:
        tasks: each the runs of one process.
    """

    def __init__(self, tasks: Sequence[list[Job]]) -> None:
        self._tasks = deque(tasks)
        self._of = {str(job.path): task for task in tasks for job in task}
        self._waiting: deque[list[Job]] = deque()
        self._told: set[str] = set()  # folders of runs that others are training
        self._look = 0.0

    def __bool__(self) -> bool:
        return bool(self._tasks or self._waiting)

    def next(self) -> list[Job] | None:
        """The next task; None: those that are left wait for other processes."""
        if not self._tasks and time.monotonic() > self._look:
            self._tasks, self._waiting = self._waiting, deque()
            self._look = time.monotonic() + AGAIN
        return self._tasks.popleft() if self._tasks else None

    def sift(self, task: list[Job]) -> tuple[list[Job], list[Outcome]]:
        """The runs of a task that can train now, and the outcomes of those that others trained."""
        left = [job for job in task if not job.stays]
        over = [job for job in task if job not in left and str(job.path) in self._told]
        busy = [job for job in left if RunFolder(job.path).is_held]
        self._told -= {str(job.path) for job in over}
        if busy:
            self._wait(task, busy)
        return [job for job in left if job not in busy], [done(job) for job in over]

    def put_back(self, folder: str) -> None:
        """Queue the task of a run again: another process was faster."""
        task = self._of[folder]
        self._wait(task, [job for job in task if str(job.path) == folder])

    def _wait(self, task: list[Job], busy: Sequence[Job]) -> None:
        self._waiting.append(task)
        for folder in (str(job.path) for job in busy):
            if folder not in self._told:
                _log.info("%s: another process is training it; waiting for it", folder)
                self._told.add(folder)


def done(job: Job) -> Outcome:
    """The outcome of a run that has ended."""
    return Outcome(str(job.path), RunFolder(job.path).result, None)


def run_all(
    jobs: Sequence[Job], on: Executor, together: bool = False, until: float = math.inf
) -> list[Outcome]:
    """Train the runs of a sweep; finished ones are skipped, interrupted ones resumed.

    A run that fails leaves the others alone. One that another process is training is waited for. A
    signal is passed on to the runs in progress, which save and stop; no further one starts.

    Args:
        jobs: the runs.
        on: where they are trained.
        together: train runs that are alike as one program where that pays; else each alone.
        until: when to stop as after a signal, on the clock of ``time.monotonic``.

    Returns:
        How the runs ended; without those that time ran out for.

    Raises:
        Interrupted: after a signal, when all runs have stopped.
    """
    asked, jobs = jobs, _distinct(jobs)
    for folder in {job.config["runs_folder"] for job in jobs}:
        for shared in ("layers", "ledger/predictions"):  # by all runs, so tidied up here
            files.tidy(Path(folder, shared))
    outcomes = _refused(jobs)
    left = [job for job in jobs if str(job.path) not in outcomes]
    tasks = Queue(_tasks(left, together))
    start = time.monotonic()
    ended = [done(job) for job in left if job.stays]
    outcomes |= {outcome.folder: outcome for outcome in ended}
    _report(ended, len(outcomes), len(jobs), 0.0)
    with Interruption() as signals:
        for ended in _train(tasks, on, lambda: signals.requested or time.monotonic() > until):
            outcomes |= {outcome.folder: outcome for outcome in ended}
            _report(ended, len(outcomes), len(jobs), time.monotonic() - start)
    ended = [done(job) for job in left if str(job.path) not in outcomes and job.stays]
    outcomes |= {outcome.folder: outcome for outcome in ended}  # which others trained meanwhile
    _report(ended, len(outcomes), len(jobs), time.monotonic() - start)
    if signals.requested:
        raise Interrupted(signals.requested, "sweep interrupted; the same command goes on with it")
    return [outcomes[path] for job in asked if (path := str(job.path)) in outcomes]


def _distinct(jobs: Sequence[Job]) -> list[Job]:
    """Each run once; two that only share a folder stay two, of which one will be refused."""
    first: dict[str, Job] = {}
    distinct = []
    for job in jobs:
        same = first.get(str(job.path))
        if same is None or differences(same.settings, job.settings):
            first.setdefault(str(job.path), job)
            distinct.append(job)
    return distinct


def _train(queue: Queue, on: Executor, is_over: Callable[[], object]) -> Iterator[list[Outcome]]:
    """Train tasks side by side; yields, again and again, the outcomes of runs that have ended.

    When it is over, the runs in progress are stopped, and those that did stop have no outcome.
    """
    stopping = False
    while not on.is_idle or (queue and not stopping):
        if not stopping and is_over():
            stopping = True
            on.stop()
        ended: list[Outcome] = []
        while on.is_free and not stopping and (task := queue.next()):
            free, over = queue.sift(task)
            ended += over
            if free:  # a batch is trained whole, with the runs that others have trained
                on.submit(task, free)
        for outcome in on.ended():
            if outcome.is_busy:
                queue.put_back(outcome.folder)
            elif not (stopping and outcome.passing == STOPPED):
                ended.append(outcome)
        yield ended


def _refused(jobs: Sequence[Job]) -> dict[str, Outcome]:
    """Report the runs whose folders hold other runs, which stay; the rest can be trained."""
    outcomes: dict[str, Outcome] = {}
    for job in jobs:
        if fault := job.refusal:
            outcome = Outcome(str(job.path), {}, fault)
            outcomes[outcome.folder] = outcome
            _report([outcome], len(outcomes), len(jobs), 0.0)
    return outcomes


def faults(outcomes: Sequence[Outcome]) -> list[str]:
    """Name every run that failed, a line each."""
    return [f"failed: {o.folder}: {o.fault}" for o in outcomes if o.fault]


def _tasks(jobs: Sequence[Job], together: bool) -> list[list[Job]]:
    """Cut runs into tasks of one process each; a task whose runs have all finished is left out.

    A run that was begun in a batch goes on in that one. The others train alone, or in the batches
    that follow from the runs of the sweep, whatever has finished of them.
    """
    begun = _begun(jobs)
    elsewhere = {job.path for task in begun for job in task}
    cut = batching.batches(jobs) if together else [[job] for job in jobs]
    return begun + [
        task
        for task in _spread(cut)
        if any(job.path not in elsewhere and not job.stays for job in task)
    ]


def _begun(jobs: Sequence[Job]) -> list[list[Job]]:
    """Runs that were begun and have not ended, each alone or together as they were then."""
    begun: dict[str, list[Job]] = {}
    for job in jobs:
        folder = RunFolder(job.path)
        status = folder.result.get("status")
        if status not in (None, "finished", "diverged") and not job.config["overwrite"]:
            begun.setdefault(str(folder.batch() or folder.path), []).append(job)
    return list(begun.values())


def _spread(tasks: list[list[Job]]) -> list[list[Job]]:
    """Order tasks so that those of different pretraining come first: the rest take their layers."""
    seen: Counter[str] = Counter()
    ranked = []
    for task in tasks:
        own = [job.pretraining for job in task if job.pretraining is not None]
        key = digest(own) if own else str(task[0].path)
        ranked.append((seen[key], task))
        seen[key] += 1
    return [task for _, task in sorted(ranked, key=lambda pair: pair[0])]


def _report(ended: Sequence[Outcome], done: int, total: int, seconds: float) -> None:
    """Report runs that ended together, the last of ``done``, and the time that the others need."""
    for number, outcome in enumerate(ended, done - len(ended) + 1):
        head = f"[{number}/{total}] {outcome.folder}"
        if outcome.fault:
            _log.error("%s: %s", head, outcome.fault)
            continue
        left = clock(seconds / done * (total - done))
        judged = outcome.result["valid_error"] is not None
        said = "pretrained"
        if judged and outcome.result.get("kind") == "numbers":
            said = f"validation R2 {1 - outcome.objective:.3f}"
        elif judged:
            said = f"validation error {100 * outcome.objective:.2f} %"
        _log.info("%s: %s, %s to go", head, said, left)
