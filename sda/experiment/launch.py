"""Train runs, or go on with them, each in its folder.

The process that runs are forked from reads and encodes the data of its first run once, so that all
runs share one copy in memory. A run with other data, or whose files have changed since, reads for
itself.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from filelock import FileLock, Timeout

from sda.common import processes, threads
from sda.config import schema
from sda.config.plan import Run
from sda.data.splits import Splits
from sda.experiment import experiment
from sda.experiment.job import Job
from sda.runs import environment, identity
from sda.runs.folder import BusyError, RunFolder, RunFolderError
from sda.runs.identity import flat

ASKED = "SDA_READ_AHEAD"  # environment variable: which data
_known: dict[str, Splits] = {}


def train_jobs(jobs: Sequence[Job], splits: Splits | None = None) -> None:
    """Train one run, or networks of one shape as one program, or go on with them.

    ``splits`` are their data; None: they are read. Raises: as ``train_together``.
    """
    first = jobs[0]
    place = {"device": first.config["device"]}
    threads.settle(threads.threads(first.config["threads"]))
    if not first.config["overwrite"]:
        one = min(jobs, key=lambda one: RunFolder(one.path).result.get("status") == "finished")
        begun = recorded_batch(one, lambda config: config | place)  # on one device, all of them
        if {run.path.absolute() for run in jobs} <= {run.path.absolute() for run in begun}:
            jobs = begun
    train_together(jobs, splits or schema.load_data(first.config))


def train_together(batch: Sequence[Job], splits: Splits) -> None:
    """Train runs of one shape as one program, or go on with them; each has a folder of its own.

    The batch is written into every folder, so that it is the same one that goes on after a kill. A
    member that another batch has written down is computed with the others, and not recorded. If all
    have finished, they stay; those that were not tested and now shall be are tested.

    Raises:
        RunFolderError: a folder holds a run that this command may not touch.
        Interrupted, CheckpointError: as ``experiment.run``.
    """
    schema.device(batch[0].config["device"])  # of a run that was planned on another machine
    how = _how(batch[0])
    if processes.count() > 1 and (len(batch) > 1 or how is not experiment):
        told = "a batch of runs" if len(batch) > 1 else "a baseline"
        raise ValueError(f"several processes (torchrun) train one network, got {told}")
    plans = [asked.plan.on(splits) for asked in batch]
    for plan in plans:
        how.check(plan, splits)
    members = [Path(os.path.abspath(asked.path)) for asked in batch]
    with ExitStack() as closing:
        if len(members) > 1:  # else two processes with one batch would each record a part of it
            _hold(members, Path(batch[0].config["runs_folder"]), closing)
        folders = [_own(asked, members, splits, closing) for asked in batch]
        own = [(run, folder) for run, folder in zip(batch, folders, strict=True) if folder]
        if not own:
            raise BusyError(batch[0].path)
        if all(folder.result.get("status") == "finished" for _, folder in own):
            for asked, folder in own:
                if asked.lacks_test(folder):
                    folder.write_config(asked.config)
                    folder.update_result(settings=asked.settings)
                    how.test(asked.plan, splits, folder)
            return
        for asked, folder in own:
            _describe(folder, asked, splits, members)
        how.run(plans, splits, folders)


def _how(job: Job) -> ModuleType:
    """The functions that check, run and test this kind of plan."""
    if isinstance(job.plan, Run):
        return experiment
    from sda.experiment import baseline  # here: scikit-learn takes a second

    return baseline


def _hold(members: Sequence[Path], runs_folder: Path, closing: ExitStack) -> None:
    """Keep other processes from this batch. Raises BusyError if one is training it."""
    name = identity.digest(list(map(str, members)))
    folder = runs_folder / "layers"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"batch-{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(members[0]) from None
    closing.callback(lock.release)


def _own(asked: Job, members: list[Path], splits: Splits, closing: ExitStack) -> RunFolder | None:
    """The open folder of a member; None if another batch trains its run, or did."""
    folder, overwrite = RunFolder(asked.path), asked.config["overwrite"]
    begun = "status" in folder.result  # else stopped before it began
    elsewhere = folder.is_held or (begun and not overwrite and folder.batch() != members)
    if elsewhere and len(members) > 1:
        return None
    closing.enter_context(folder)
    if overwrite:
        folder.clear()
    elif folder.config:
        asked.check_same(splits)
    return folder


def recorded_batch(
    asked: Job, changed: Callable[[dict[str, Any]], dict[str, Any]] = dict
) -> list[Job]:
    """The batch that a run was begun in, the run itself if it was alone or has finished.

    Args:
        asked: the run.
        changed: makes changes to the configuration in another member's folder.

    Raises:
        RunFolderError: it has not finished, and the others are not there any more.
    """
    own = RunFolder(asked.path)
    members = [RunFolder(path) for path in own.batch()]
    if not members or own.result.get("status") == "finished":
        return [asked]
    for member in members:
        is_near = member.path.is_relative_to(own.runs_folder)
        if member.config and not (is_near and set(member.batch(begun=False)) == set(own.batch())):
            raise RunFolderError(
                f"{own.path} says that it was training together with {member.path}, which does not "
                f"say so; overwrite=true starts {own.path} afresh"
            )
    gone = [member.path for member in members if not member.config]
    if gone:
        raise RunFolderError(
            f"{own.path} was training together with {gone[0]}, which is not there any more; "
            f"overwrite=true starts {own.path} afresh"
        )
    return [
        asked
        if member.path == Path(os.path.abspath(asked.path))
        else Job(changed(member.config) | {"overwrite": False}, [], member.path)
        for member in members
    ]


def _describe(folder: RunFolder, asked: Job, splits: Splits, members: list[Path]) -> None:
    """Write down what will be computed, on what data and where, before training starts."""
    plan, described = asked.plan, asked.plan.described()
    own = os.path.abspath(asked.path)
    words = {"words": asked.overrides} if asked.overrides else {}  # else the first ones stay
    folder.update_result(
        **words,
        identity=identity.digest([described, plan.seed, splits.digest()]),
        setting=identity.digest(described),
        plan=described,
        **plan.computed(),
        batch=[os.path.relpath(path, own) for path in members] if len(members) > 1 else [],
        name=plan.name,
        data=splits.name,
        source=splits.source,
        drawn_from=splits.drawn_from,
        data_hash=splits.digest(),
        n_train=len(splits.train.y),
        kind=splits.kind,
        classes=splits.classes,
        cut=splits.cut and splits.cut._asdict(),
        environment=environment.of(plan.device),
        init=str(plan.init),
        seed=plan.seed,
        published=plan.published,
        settings=plan.settings,
    )
    folder.write_config(asked.config)


def ask_ahead(config: Mapping[str, Any]) -> None:
    """Have the process that is about to start read the data of a run."""
    os.environ[ASKED] = json.dumps(_asked(config), default=str)


def read_ahead() -> None:
    """Read what was asked for; if that fails, the runs will say why."""
    with suppress(Exception):
        config = json.loads(os.environ[ASKED])
        key = _with_files(config)
        splits = schema.load_data(config)
        splits.digest()
        _known[key] = splits


def known_ahead(config: Mapping[str, Any]) -> Splits | None:
    """The data of a run, if they have been read and their files are as they were."""
    return _known.get(_with_files(config))


def _asked(config: Mapping[str, Any]) -> dict[str, Any]:
    return {"data": config.get("data"), "pretrained": config.get("pretrained")}


def _with_files(config: Mapping[str, Any]) -> str:
    """What is asked for, and when the files that it names were written."""
    asked = _asked(config)
    files = []
    for value in flat(asked).values():
        if isinstance(value, str) and os.path.exists(value):
            place = Path(os.path.abspath(value))
            for file in [place, *(place.iterdir() if place.is_dir() else ())]:
                state = file.stat()
                files.append((str(file), state.st_size, state.st_mtime_ns))
    return json.dumps([asked, sorted(files)], sort_keys=True, default=str)
