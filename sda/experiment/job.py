"""One run that was asked for: its configuration, its plan, its folder, and whether it may begin."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sda.common.errors import DivergenceError
from sda.common.program import go_on
from sda.config import compose, schema
from sda.config.plan import Run
from sda.data.splits import Splits
from sda.runs import environment, identity
from sda.runs.folder import RunFolder, RunFolderError, folder_name
from sda.runs.identity import PLACES, key_of, top

if TYPE_CHECKING:
    from sda.config.baseline import Baseline

TOLD = ("data", "source", "init", "seed", "valid_error", "test_error", "seconds")  # of an ended run
UNSAID = (  # settings that a folder's name leaves out, or has in another way
    *identity.HARMLESS, "init", "seed", "experiment", "data", "baseline", "name", "published",
)  # fmt: skip
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A resolved configuration, and the words that set it apart or the folder of its run.

    Only these travel to other processes; each works out the rest.
    """

    config: dict[str, Any]
    overrides: list[str]
    folder: Path | None = None  # where it is, if that is known; else it follows from the words

    @classmethod
    def of(cls, words: Sequence[str], aside: Sequence[str] = ()) -> "Job":
        """The run that words ask for; ``aside`` says where configuration files lie.

        Raises:
            HydraException: a word is no good.
        """
        return cls(compose.settings([*words, *aside]), list(words))

    def __reduce__(self) -> tuple[type["Job"], tuple[Any, ...]]:
        return Job, (self.config, self.overrides, self.path)

    @cached_property
    def plan(self) -> "Run | Baseline":
        """The run as it was asked for: checked and built. Raises ValueError in one line."""
        return schema.build(self.config)

    @property
    def settings(self) -> dict[str, Any]:
        """What its result will say it was trained with. Raises ValueError in one line."""
        return self.plan.settings

    @property
    def pretraining(self) -> list[Any] | None:
        """What its pretrained layers depend on besides the data; None: it has none."""
        plan = self.plan
        if isinstance(plan, Run) and plan.is_pretrained:
            return [plan.seed, plan.pretraining_plan()]
        return None

    @cached_property
    def path(self) -> Path:
        """The folder of its run: ``<runs folder>/<name>/<arm, seed, what else was overridden>``.

        Words that the arm does not read are left out: a sweep over noise has one random arm.
        """
        if self.folder is not None:
            return self.folder
        plan = self.plan
        last = {key_of(word): word for word in self.overrides if "=" in word}  # the last holds
        said = sorted(
            _short(word)
            for key, word in last.items()
            if key not in UNSAID and top(key) not in identity.HARMLESS and plan.reads(key)
        )
        words = [f"init={plan.init}", f"seed={plan.seed}", *said]
        return folder_of(plan.name, self.config["runs_folder"]) / folder_name(words)

    @property
    def refusal(self) -> str | None:
        """Why it cannot be trained in its folder, in one line: another run is there."""
        try:
            if not self.config["overwrite"]:
                self.refuse_other()
        except RunFolderError as error:
            return str(error)
        return None

    @property
    def has_finished(self) -> bool:
        """Whether its folder holds a result of the settings that were asked for."""
        folder = RunFolder(self.path)
        result = folder.result
        if result.get("status") != "finished":
            return False
        if identity.differences(result.get("settings", {}), self.settings):
            return False
        return not self.lacks_test(folder)

    @property
    def stays(self) -> bool:
        """Whether there is nothing to train."""
        return self.has_finished and not self.config["overwrite"]

    def lacks_test(self, folder: RunFolder) -> bool:
        """Whether a finished run is still to be tested; one without labels never is."""
        result = folder.result
        return (
            self.plan.test and result.get("test_error") is None and result.get("kind") != "nothing"
        )

    def refuse_occupied(self) -> None:
        """Raise RunFolderError if a run is in the folder and may not be trained over.

        A run that finished without reading the test rows may still be tested.
        """
        folder = RunFolder(self.path)
        status = folder.result.get("status")
        if self.config["overwrite"] or (status == "finished" and self.lacks_test(folder)):
            return
        if status == "finished":
            raise RunFolderError(
                f"{self.path} already has a finished run; overwrite=true trains it again"
            )
        if status is not None or folder.config:
            raise RunFolderError(
                f"{self.path} has an unfinished run; {go_on(self.path)} "
                "(overwrite=true starts it afresh)"
            )

    def refuse_other(self, data_hash: str | None = None) -> None:
        """Raise RunFolderError if the run there has other settings, or data of another hash."""
        before = RunFolder(self.path).result
        aside = () if data_hash is None else identity.MOVABLE
        changed = identity.differences(before.get("settings", self.settings), self.settings, aside)
        if data_hash is not None and before.get("data_hash", data_hash) != data_hash:
            changed.append("the data: their SHA-256 differs")
        if changed:
            raise RunFolderError(
                f"{self.path} has a run with other settings ({'; '.join(changed)}); "
                "overwrite=true starts it afresh"
            )

    def check_same(self, splits: Splits) -> None:
        """Raise RunFolderError if the run there is not this one; warn if it was begun elsewhere."""
        self.refuse_other(splits.digest())
        folder = RunFolder(self.path)
        past, now = folder.result.get("environment", {}), environment.of(self.plan.device)
        moved = [
            f"{key} {past[key]} -> {now[key]}" for key in now if past.get(key, now[key]) != now[key]
        ]
        if past and moved and folder.result.get("status") != "finished":
            _log.warning("resumed elsewhere (%s): bits may differ", ", ".join(moved))


def _short(word: str) -> str:
    """A word of a folder's name, with only the last part of a path."""
    key, _, value = word.lstrip("+~").partition("=")
    return f"{key}={Path(value).name if key in PLACES else value}"


def folder_of(name: str, runs_folder: str) -> Path:
    """Where the runs of a name are."""
    return Path(runs_folder, *(folder_name([part]) for part in name.split("/")))


def outcome(path: Path) -> dict[str, Any]:
    """The result of a run that has ended. Raises DivergenceError if it diverged."""
    result = RunFolder(path).result
    if result["status"] == "diverged":
        raise DivergenceError(str(result.get("message")))
    lacking = [key for key in TOLD if key not in result]
    if lacking:
        raise RunFolderError(f"{path}: its result.json lacks {', '.join(lacking)}")
    return result
