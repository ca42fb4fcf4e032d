"""One configured run, from a command: refused, trained, or gone on with."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from sda.common.errors import DivergenceError
from sda.common.program import go_on
from sda.common.terminal import say
from sda.config.plan import Run
from sda.data.splits import Splits
from sda.experiment import experiment
from sda.runs import environment, folder, identity
from sda.runs.folder import RunFolder, RunFolderError


class Plan(Protocol):
    """What a folder records of anything that can be run: a network, a support vector machine."""

    @property
    def name(self) -> str:
        """Of the folder that the run's folder is made in."""

    @property
    def init(self) -> str:
        """The arm."""

    @property
    def seed(self) -> int:
        """What distinguishes runs of one arm."""

    @property
    def device(self) -> torch.device:
        """Where it is computed."""

    @property
    def settings(self) -> dict[str, Any]:
        """Flat, as configured."""

    @property
    def published(self) -> dict[str, Any] | None:
        """What the papers report."""


def place(plan: Plan, runs_folder: str, overrides: list[str]) -> Path:
    """The folder of a run: ``<runs folder>/<name>/<arm, seed and what else was overridden>``."""
    said = [word.lstrip("+~") for word in overrides if "=" in word]
    unsaid = ("init", "seed", "experiment", "data", "name", "published", *identity.HARMLESS)
    words = [f"init={plan.init}", f"seed={plan.seed}"]
    words += sorted(word for word in said if word.partition("=")[0] not in unsaid)
    return folder_of(plan.name, runs_folder) / folder.folder_name(words)


def folder_of(name: str, runs_folder: str) -> Path:
    """Where the runs of a name are."""
    return Path(runs_folder, *(folder.folder_name([part]) for part in name.split("/")))


class Asked(NamedTuple):
    """One run that was asked for, and the folder that it belongs in."""

    plan: Run
    config: Mapping[str, Any]  # resolved
    path: Path


def train_together(batch: Sequence[Sequence[Asked]], splits: Splits, *, overwrite: bool) -> None:
    """Train runs of one shape as one program, or go on with them; each has a folder of its own.

    ``batch[r]`` are runs that compute the same numbers: they are computed once and say in
    ``shared_with`` whose folder has the same. The batch, even of one run, is written into every
    folder, so that it is the same one that goes on after a kill. If all have finished, they stay.

    Raises:
        RunFolderError: a folder holds a run that this command may not touch.
        Interrupted, CheckpointError: as ``experiment.run``.
    """
    for asked in chain.from_iterable(batch):
        experiment.check(asked.plan, splits)
    with ExitStack() as closing:
        folders = [[opened(asked.path, closing) for asked in twins] for twins in batch]
        pairs = list(zip(chain.from_iterable(batch), chain.from_iterable(folders), strict=True))
        for asked, folder in pairs:
            if overwrite:
                folder.clear()
            elif folder.config:
                check_same(folder, asked.plan, splits)
        if all(folder.result.get("status") == "finished" for _, folder in pairs):
            return
        members = [[str(asked.path) for asked in twins] for twins in batch]
        for asked, folder in pairs:
            _describe(folder, asked, splits, members)
        experiment.run([twins[0].plan for twins in batch], splits, folders)


def opened(path: Path, closing: ExitStack) -> RunFolder:
    """Open a run's folder until ``closing`` closes. Raises RunFolderError."""
    folder = RunFolder(path)
    folder.open()
    closing.callback(folder.close)
    return folder


def outcome(path: Path) -> dict[str, Any]:
    """The result of a run that has ended. Raises DivergenceError if it diverged."""
    result = RunFolder(path).result
    if result["status"] == "diverged":
        raise DivergenceError(result["message"])
    return result


def recorded_batch(asked: Asked, build: Callable[[dict[str, Any]], Run]) -> list[list[Asked]]:
    """The batch that an unfinished run was training in, the run itself if it was alone.

    Args:
        asked: the run.
        build: turns the configuration in a member's folder into its run.

    Raises:
        RunFolderError: it has not finished, and the others are not there as they were.
    """
    own = RunFolder(asked.path)
    paths = own.batch()
    batch = [[RunFolder(path) for path in twins] for twins in paths]
    members = list(chain.from_iterable(batch))
    gone = [m.path for m in members if not m.config or m.batch() not in ([], paths)]
    if len(members) < 2 or (gone and own.result.get("status") == "finished"):
        return [[asked]]  # what has finished needs nobody
    if gone:
        raise RunFolderError(
            f"{own.path} was training together with {gone[0]}, which is not there any more or was "
            f"trained afresh; overwrite=true starts {own.path} afresh"
        )
    return [[Asked(build(m.config), m.config, m.path) for m in twins] for twins in batch]


def refuse_occupied(path: Path, overwrite: bool) -> None:
    """Raise RunFolderError if a run is there and may not be trained over."""
    if overwrite:
        return
    folder = RunFolder(path)
    status = folder.result.get("status")
    if status == "finished":
        raise RunFolderError(
            f"{folder.path} already has a finished run; overwrite=true trains it again"
        )
    if status is not None or folder.config:
        raise RunFolderError(
            f"{folder.path} has an unfinished run; {go_on(folder.path)} "
            "(overwrite=true starts it afresh)"
        )


def refuse_other(folder: RunFolder, settings: dict[str, Any], data_hash: str | None = None) -> None:
    """Raise RunFolderError for a folder whose run has other settings, or data if they count."""
    before = folder.result
    changed = identity.differences(before.get("settings", settings), settings)
    if data_hash is not None and before.get("data_hash", data_hash) != data_hash:
        changed.append("the data: their SHA-256 differs")
    if changed:
        raise RunFolderError(
            f"{folder.path} has a run with other settings ({'; '.join(changed)}); "
            "overwrite=true starts it afresh"
        )


def check_same(folder: RunFolder, plan: Plan, splits: Splits) -> None:
    """Raise RunFolderError for a folder whose run is not this one."""
    refuse_other(folder, plan.settings, splits.digest())
    past, now = folder.environment, environment.of(plan.device)
    moved = [
        f"{key} {past[key]} -> {now[key]}" for key in now if past.get(key, now[key]) != now[key]
    ]
    if past and moved and folder.result.get("status") != "finished":
        say(f"warning: resumed elsewhere ({', '.join(moved)}): bits may differ", error=True)


def _describe(folder: RunFolder, asked: Asked, splits: Splits, members: list[list[str]]) -> None:
    """Write down what is about to be computed, before it is."""
    plan, own = asked.plan, str(asked.path)
    twins = next(paths for paths in members if own in paths)
    describe(folder, plan, asked.config, splits)
    folder.update_result(
        step=plan.step,
        folder=own,
        batch=members,
        shared_with=[path for path in twins if path != own],
    )


def describe(folder: RunFolder, plan: Plan, settings: Mapping[str, Any], splits: Splits) -> None:
    """Write down what is computed, on what and with what."""
    folder.write_config(settings)
    folder.write_json("environment.json", environment.of(plan.device))
    folder.update_result(
        name=plan.name,
        data=splits.name,
        source=splits.source,
        drawn_from=splits.drawn_from,
        data_hash=splits.digest(),
        init=str(plan.init),
        seed=plan.seed,
        published=plan.published,
        settings=plan.settings,
    )
