"""One configured run, from a command: refused, trained, or gone on with."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from sda.common.errors import DivergenceError
from sda.common.program import go_on
from sda.common.terminal import say
from sda.config.plan import Run
from sda.data.splits import Splits
from sda.experiment import experiment
from sda.nn.heads import Classifier
from sda.runs import environment, folder, identity, ledger, model_file
from sda.runs.arms import UNREAD
from sda.runs.folder import MODEL, RunFolder, RunFolderError
from sda.runs.layer_store import LayerStore


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
    """The folder of a run: ``<runs folder>/<name>/<arm, seed and what else was overridden>``.

    What the arm does not read is no part of it: a sweep over noise has one random arm.
    """
    said = [word.lstrip("+~") for word in overrides if "=" in word]
    unsaid = ("init", "seed", "experiment", "data", "name", "published", *identity.HARMLESS)
    words = [f"init={plan.init}", f"seed={plan.seed}"]
    words += sorted(
        word
        for word in said
        if word.partition("=")[0] not in unsaid
        and not word.startswith(UNREAD.get(str(plan.init), ()))
    )
    return folder_of(plan.name, runs_folder) / folder.folder_name(words)


def folder_of(name: str, runs_folder: str) -> Path:
    """Where the runs of a name are."""
    return Path(runs_folder, *(folder.folder_name([part]) for part in name.split("/")))


class Asked(NamedTuple):
    """One run that was asked for, and the folder that it belongs in."""

    plan: Run
    config: Mapping[str, Any]  # resolved
    path: Path


def train_together(batch: Sequence[Asked], splits: Splits, *, overwrite: bool) -> None:
    """Train runs of one shape as one program, or go on with them; each has a folder of its own.

    The batch is written into every folder, so that it is the same one that goes on after a kill. A
    member that another batch has written down is computed with the others, and not recorded. If all
    have finished, they stay; those that were not tested and now shall be are tested.

    Raises:
        RunFolderError: a folder holds a run that this command may not touch.
        Interrupted, CheckpointError: as ``experiment.run``.
    """
    for asked in batch:
        experiment.check(asked.plan, splits)
    members = [Path(os.path.abspath(asked.path)) for asked in batch]
    with ExitStack() as closing:
        folders = [_own(asked, members, splits, overwrite, closing) for asked in batch]
        own = [folder for folder in folders if folder is not None]
        if not own:
            raise RunFolderError(f"another process is training in {batch[0].path}")
        if all(folder.result.get("status") == "finished" for folder in own):
            for asked, folder in zip(batch, folders, strict=True):
                if folder is not None and asked.plan.test and _is_untested(folder):
                    _test(folder, splits)
            return
        for asked, folder in zip(batch, folders, strict=True):
            if folder is not None:
                _describe(folder, asked, splits, members)
        store = LayerStore(own[0].runs_folder / "layers")
        experiment.run([asked.plan for asked in batch], splits, folders, store)


def _own(
    asked: Asked, members: list[Path], splits: Splits, overwrite: bool, closing: ExitStack
) -> RunFolder | None:
    """The open folder of a member; None if its run is, or was, trained by others than these."""
    before = RunFolder(asked.path)
    begun = "status" in before.result  # else stopped before it began
    elsewhere = before.is_held or (begun and not overwrite and before.batch() != members)
    if elsewhere and len(members) > 1:
        return None
    folder = opened(asked.path, closing)
    if overwrite:
        folder.clear()
    elif folder.config:
        check_same(folder, asked.plan, splits)
    return folder


def _is_untested(folder: RunFolder) -> bool:
    return folder.result.get("test_error") is None


def _test(folder: RunFolder, splits: Splits) -> None:
    """Test a finished run that was not to read the test rows before."""
    network = model_file.load(folder.path / MODEL)
    assert isinstance(network, Classifier)
    tested, predicted = experiment.tested_on(network, splits)
    experiment.note_end(folder, splits, predicted, tested)


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


def recorded_batch(asked: Asked, build: Callable[[dict[str, Any]], Run]) -> list[Asked]:
    """The batch that a run was begun in, the run itself if it was alone or has finished.

    Args:
        asked: the run.
        build: turns the configuration in a member's folder into its run.

    Raises:
        RunFolderError: it has not finished, and the others are not there any more.
    """
    own = RunFolder(asked.path)
    members = [RunFolder(path) for path in own.batch()]
    if not members or own.result.get("status") == "finished":
        return [asked]
    gone = [member.path for member in members if not member.config]
    if gone:
        raise RunFolderError(
            f"{own.path} was training together with {gone[0]}, which is not there any more; "
            f"overwrite=true starts {own.path} afresh"
        )
    return [
        asked
        if member.path == Path(os.path.abspath(asked.path))
        else Asked(build(member.config), member.config, member.path)
        for member in members
    ]


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


def _describe(folder: RunFolder, asked: Asked, splits: Splits, members: list[Path]) -> None:
    """Write down what is about to be computed, before it is."""
    plan = asked.plan
    own = os.path.abspath(asked.path)
    described = plan.described()
    folder.update_result(
        format=ledger.FORMAT,
        identity=identity.digest([described, plan.seed, splits.digest()]),
        setting=identity.digest(described),
        plan=described,
        step=plan.step,
        precision=plan.precisions,
        batch=[os.path.relpath(path, own) for path in members] if len(members) > 1 else [],
    )
    describe(folder, plan, asked.config, splits)


def describe(folder: RunFolder, plan: Plan, settings: Mapping[str, Any], splits: Splits) -> None:
    """Write down what is computed, on what and with what."""
    folder.write_config(settings)
    folder.update_result(
        name=plan.name,
        data=splits.name,
        source=splits.source,
        drawn_from=splits.drawn_from,
        data_hash=splits.digest(),
        environment=environment.of(plan.device),
        init=str(plan.init),
        seed=plan.seed,
        published=plan.published,
        settings=plan.settings,
    )
