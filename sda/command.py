"""One configured run, from a command: refused, trained, or gone on with."""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sda import __version__, experiment, runfolder
from sda.arms import Run
from sda.data.splits import Splits
from sda.descent import DivergenceError
from sda.runfolder import RunFolder, RunFolderError


def place(plan: Run, runs_folder: str, overrides: list[str]) -> Path:
    """The folder of a run: ``<runs folder>/<name>/<arm, seed and what else was overridden>``."""
    said = [word.lstrip("+~") for word in overrides if "=" in word]
    unsaid = ("init", "seed", "experiment", "data", "name", "published", *runfolder.HARMLESS)
    words = [f"init={plan.init}", f"seed={plan.seed}"]
    words += sorted(word for word in said if word.partition("=")[0] not in unsaid)
    return Path(runs_folder) / runfolder.folder_name([plan.name]) / runfolder.folder_name(words)


def train(
    plan: Run,
    splits: Splits,
    config: Mapping[str, Any],
    path: Path,
    *,
    overwrite: bool,
    resume: bool,
) -> dict[str, Any]:
    """Train a run in its folder, or go on with it; return its result.

    A finished run is returned as it stands if ``resume``; nothing finished is trained over unless
    ``overwrite``.

    Raises:
        RunFolderError: the folder holds a run that this command may not touch.
        DivergenceError, Interrupted, CheckpointError: as ``experiment.run``.
    """
    if not resume:
        refuse_occupied(path, overwrite)
    experiment.check(plan, splits)
    folder = RunFolder(path)
    folder.open()
    try:
        if overwrite:
            folder.clear()
        if resume and folder.config:
            _check_same(folder, plan, splits)
        if folder.result.get("status") == "finished":
            return folder.result
        _describe(folder, plan, splits, config)
        experiment.run([plan], splits, [[folder]])
        if folder.result["status"] == "diverged":
            raise DivergenceError(folder.result["message"])
        return folder.result
    finally:
        folder.close()


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
            f"{folder.path} has an unfinished run; go on with: resume {folder.path} "
            "(overwrite=true starts it afresh)"
        )


def _check_same(folder: RunFolder, plan: Run, splits: Splits) -> None:
    """Refuse a folder whose run is not this one."""
    before = folder.result
    changed = runfolder.differences(before.get("settings", plan.settings), plan.settings)
    if before.get("data_hash", splits.digest()) != splits.digest():
        changed.append("the data: their SHA-256 differs")
    if changed:
        raise RunFolderError(
            f"{folder.path} has a run with other settings ({'; '.join(changed)}); "
            "overwrite=true starts it afresh"
        )
    past, now = folder.environment, environment(plan)
    moved = [
        f"{key} {past[key]} -> {now[key]}" for key in now if past.get(key, now[key]) != now[key]
    ]
    if past and moved and before.get("status") != "finished":
        print(f"warning: resumed elsewhere ({', '.join(moved)}): bits may differ", file=sys.stderr)


def _describe(folder: RunFolder, plan: Run, splits: Splits, config: Mapping[str, Any]) -> None:
    """Write down what is about to be computed, before it is."""
    folder.write_config(config)
    folder.write_json("environment.json", environment(plan))
    folder.update_result(
        name=plan.name,
        data=splits.name,
        source=splits.source,
        data_hash=splits.digest(),
        init=str(plan.init),
        seed=plan.seed,
        published=plan.published,
        settings=plan.settings,
    )


def environment(plan: Run) -> dict[str, Any]:
    """What bits may depend on: versions, processor features, threads, device."""
    cuda = torch.cuda.get_device_name() if plan.device.type == "cuda" else None
    return {
        "sda": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": cuda or str(plan.device),
    }


def quiet_threads(count: int) -> None:
    """Use ``count`` threads for every product of this process."""
    torch.set_num_threads(count)
    os.environ["OMP_NUM_THREADS"] = str(count)
