"""One run that was asked for: its configuration, its plan and its folder."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sda.config import schema
from sda.config.plan import Run
from sda.experiment import access
from sda.runs import identity
from sda.runs.folder import RunFolder, RunFolderError

if TYPE_CHECKING:
    from sda.config.baseline import Baseline


@dataclass(frozen=True)
class Job:
    """A resolved configuration, and the words that set it apart or the folder of its run.

    These travel to other processes; what follows from them is found once in each.
    """

    config: dict[str, Any]
    overrides: list[str]
    folder: Path | None = None  # where it is, if that is known; else it follows from the words

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
        """What its pretrained layers follow from beside the data; None: it has none."""
        plan = self.plan
        if isinstance(plan, Run) and plan.is_pretrained:
            return [plan.seed, plan.pretraining_plan()]
        return None

    @cached_property
    def path(self) -> Path:
        """The folder of its run."""
        if self.folder is not None:
            return self.folder
        return access.place(self.plan, self.config["runs_folder"], self.overrides)

    @property
    def refusal(self) -> str | None:
        """Why it cannot be trained in its folder, in one line: another run is there."""
        if self.config["overwrite"]:
            return None
        try:
            access.refuse_other(RunFolder(self.path), self.settings)
        except RunFolderError as error:
            return str(error)
        return None

    @property
    def has_finished(self) -> bool:
        """Whether its folder holds its result, as it was asked for."""
        folder = RunFolder(self.path)
        result = folder.result
        if result.get("status") != "finished" or identity.differences(
            result.get("settings", {}), self.settings
        ):
            return False
        return not (self.plan.test and access.is_untested(folder))

    @property
    def stays(self) -> bool:
        """Whether there is nothing to train."""
        return self.has_finished and not self.config["overwrite"]
