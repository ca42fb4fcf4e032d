"""The plan of `worth`: its runs, written down before they start."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sda.common import files
from sda.experiment.job import Job, folder_of
from sda.runs.identity import Init

FILE = "plan.json"
SEARCHED = 0  # the seed that settings are compared with; the others are fresh
BATCH = 20  # rows of a minibatch of fine-tuning, as in conf/experiment/worth.yaml
FEWEST, MOST = 10, 300  # epochs of fine-tuning
Labels = int | None  # rows that have labels; None: all


@dataclass(frozen=True)
class Plan:
    """Arms, settings, numbers of labels, seeds and epochs, and the time that they will take."""

    name: str  # of the data; of the folder with everything
    runs_folder: str
    words: list[str]  # overrides of every run: the data, and what else was said
    minutes: float  # that were asked for
    arms: dict[str, list[str]]  # the settings of each: overrides with spaces between them
    labels: list[Labels]  # from few to all
    n_train: int  # training rows with labels
    seeds: int  # fresh ones, of what was chosen
    pretraining: int  # epochs of each layer
    steps: int  # of fine-tuning, at most
    expected: float  # minutes
    left_out: dict[str, str]  # arms, and why

    @property
    def folder(self) -> Path:
        """Where the plan, the runs and the page are."""
        return folder_of(f"worth/{self.name}", self.runs_folder)

    @property
    def fresh(self) -> range:
        """Seeds that have no part in a choice."""
        return range(SEARCHED + 1, SEARCHED + 1 + self.seeds)

    def rows(self, labels: Labels) -> int:
        """How many rows a number of labels is."""
        return self.n_train if labels is None else labels

    def epochs(self, labels: Labels) -> int:
        """Epochs of fine-tuning, at most."""
        return max(FEWEST, min(MOST, self.steps * BATCH // self.rows(labels)))

    def job(self, arm: str, setting: str, labels: Labels, seed: int, test: bool) -> Job:
        """One run: of the search, or with a fresh seed and the test rows."""
        stage = "tested" if test else "search"
        words = [f"name=worth/{self.name}/{stage}", f"runs_folder={self.runs_folder}"]
        words += [f"test={str(test).lower()}", *self.arm_words(arm, labels), *setting.split()]
        return job([*self.words, *words, f"seed={seed}"])

    def arm_words(self, arm: str, labels: Labels) -> list[str]:
        """The words of a run of this arm with so many labels, as on the command line."""
        labelled = f"finetune.labelled={'null' if labels is None else labels}"
        if arm not in list(Init):
            return [f"baseline={arm}", labelled]
        epochs = self.epochs(labels)
        return [
            f"init={arm}",
            labelled,
            f"pretrain.epochs={self.pretraining}",
            f"finetune.epochs={epochs}",
            f"finetune.patience={max(FEWEST // 2, epochs // 5)}",
        ]

    def search(self) -> dict[tuple[str, Labels], list[Job]]:
        """The runs that settings are compared by, of each arm and number of labels."""
        return {
            (arm, labels): [self.job(arm, one, labels, SEARCHED, test=False) for one in settings]
            for labels in self.labels
            for arm, settings in self.arms.items()
        }

    def write(self) -> None:
        """Write it down. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dataclasses.asdict(self), indent=1) + "\n"
        files.replace(self.folder / FILE, text.encode())

    def told(self) -> str:
        """The plan in a line or two."""
        numbers = ", ".join("all" if one is None else str(one) for one in self.labels)
        tried = max(map(len, self.arms.values()))
        return (
            f"{len(self.arms)} arms with {numbers} labels; networks: {tried} settings compared "
            f"with one seed, the best with {self.seeds} more, {self.pretraining} epochs a layer, "
            f"at most {self.steps} steps of fine-tuning"
        )


def job(words: Sequence[str]) -> Job:
    """The run of experiment=worth with these words."""
    return Job.of(["experiment=worth", *words])


def read(name: str, runs_folder: str) -> Plan | None:
    """The plan for some data. Raises ValueError if there is one that cannot be read."""
    file = folder_of(f"worth/{name}", runs_folder) / FILE
    if not file.exists():
        return None
    try:
        known: Mapping[str, Any] = json.loads(file.read_text("utf-8"))
        return Plan(**known)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{file} is no plan ({error}); overwrite=true makes another") from None
