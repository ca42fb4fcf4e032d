"""A run's folder, for a command: where it is, whether it may be used, what is written first."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sda.common.errors import DivergenceError
from sda.common.program import go_on
from sda.data.splits import Splits
from sda.runs import environment, folder, identity, ledger
from sda.runs.folder import RunFolder, RunFolderError
from sda.runs.settings import top

if TYPE_CHECKING:
    from sda.config.baseline import Baseline
    from sda.config.plan import Run

_log = logging.getLogger(__name__)


TOLD = (  # by a finished run
    "data",
    "source",
    "init",
    "seed",
    "valid_error",
    "test_error",
    "seconds",
)


def place(plan: "Run | Baseline", runs_folder: str, overrides: list[str]) -> Path:
    """The folder of a run: ``<runs folder>/<name>/<arm, seed and what else was overridden>``.

    Words that the arm does not read are left out: a sweep over noise has one random arm.
    """
    plain = [word.lstrip("+~") for word in overrides if "=" in word]
    said = {word.partition("=")[0]: word for word in plain}.values()  # the last of a key holds
    unsaid = ("init", "seed", "experiment", "data", "baseline", "name", "published")
    words = [f"init={plan.init}", f"seed={plan.seed}"]
    words += sorted(
        _short(word)
        for word in said
        if word.partition("=")[0] not in unsaid
        and not {word.partition("=")[0], top(word)} & {*identity.HARMLESS}
        and plan.reads(word.partition("=")[0])
    )
    return folder_of(plan.name, runs_folder) / folder.folder_name(words)


def _short(word: str) -> str:
    """A word of a folder's name: of a path the last part."""
    key, _, value = word.partition("=")
    return f"{key}={Path(value).name}" if key in ledger.PLACES else word


def folder_of(name: str, runs_folder: str) -> Path:
    """Where the runs of a name are."""
    return Path(runs_folder, *(folder.folder_name([part]) for part in name.split("/")))


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
        raise DivergenceError(str(result.get("message")))
    lacking = [key for key in TOLD if key not in result]
    if lacking:
        raise RunFolderError(f"{path}: its result.json lacks {', '.join(lacking)}")
    return result


def refuse_occupied(path: Path, overwrite: bool, test: bool = True) -> None:
    """Raise RunFolderError if a run is there and may not be trained over.

    One that has finished without reading the test rows may be asked to ``test`` them.
    """
    if overwrite:
        return
    folder = RunFolder(path)
    status = folder.result.get("status")
    if status == "finished" and test and is_untested(folder):
        return
    if status == "finished":
        raise RunFolderError(
            f"{folder.path} already has a finished run; overwrite=true trains it again"
        )
    if status is not None or folder.config:
        raise RunFolderError(
            f"{folder.path} has an unfinished run; {go_on(folder.path)} "
            "(overwrite=true starts it afresh)"
        )


def is_untested(folder: RunFolder) -> bool:
    """Whether a finished run is still to be tested; one without labels never is."""
    return folder.result.get("test_error") is None and folder.result.get("kind") != "nothing"


def refuse_other(folder: RunFolder, settings: dict[str, Any], data_hash: str | None = None) -> None:
    """Raise RunFolderError for a folder whose run has other settings, or data if they count."""
    before = folder.result
    aside = () if data_hash is None else identity.MOVABLE
    changed = identity.differences(before.get("settings", settings), settings, aside)
    if data_hash is not None and before.get("data_hash", data_hash) != data_hash:
        changed.append("the data: their SHA-256 differs")
    if changed:
        raise RunFolderError(
            f"{folder.path} has a run with other settings ({'; '.join(changed)}); "
            "overwrite=true starts it afresh"
        )


def check_same(folder: RunFolder, plan: "Run | Baseline", splits: Splits) -> None:
    """Raise RunFolderError for a folder whose run is not this one."""
    refuse_other(folder, plan.settings, splits.digest())
    past, now = folder.environment, environment.of(plan.device)
    moved = [
        f"{key} {past[key]} -> {now[key]}" for key in now if past.get(key, now[key]) != now[key]
    ]
    if past and moved and folder.result.get("status") != "finished":
        _log.warning("resumed elsewhere (%s): bits may differ", ", ".join(moved))


def describe(
    folder: RunFolder, plan: "Run | Baseline", settings: Mapping[str, Any], splits: Splits
) -> None:
    """Record the settings, the data and the environment."""
    folder.write_config(settings)
    folder.update_result(
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
