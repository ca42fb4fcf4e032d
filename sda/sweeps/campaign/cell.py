"""One cell of a campaign's table: what is tried for it, what is chosen, the runs of both."""

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sda.common import files
from sda.config import compose
from sda.experiment import access
from sda.runs import identity, results
from sda.runs.folder import RunFolder
from sda.runs.results import Trained, Unfinished
from sda.sweeps.campaign import proposing
from sda.sweeps.campaign.choices import Choice
from sda.sweeps.campaign.search import Search
from sda.sweeps.job import Job, place

SEED = 0  # of the search
AGAIN = "remove its folder to have it run again"
PROPOSALS = "proposals"  # in the folder of the runs: a file for every cell that has any


@dataclass(frozen=True)
class Cell:
    """One cell of the table and its runs."""

    campaign: str
    name: str
    config: dict[str, Any]  # resolved, of its first run
    words: tuple[str, ...]
    search: Search | None  # None: a support vector machine, whose kernel says what is searched
    choice: Choice | None = None  # of an earlier search; it holds while less has been tried here

    @property
    def data_set(self) -> str:
        """Its row of the table."""
        return str(self.config["name"]).rpartition("/")[2]

    @property
    def arm(self) -> str:
        """Its column of the table."""
        return self.name.removeprefix(self.data_set.replace("-", "_") + "_")

    @property
    def published(self) -> float | None:
        """The paper's test error, a fraction; None if it has none."""
        errors = (self.config["published"] or {}).get("test_error", {})
        error = errors.get(self.arm if self.is_machine else self.config["init"])
        return None if error is None else float(error)

    @property
    def is_machine(self) -> bool:
        """Whether it is a support vector machine, which has one run and nothing random."""
        return self.search is None

    def settings(self) -> list[list[str]]:
        """What is tried, as overrides, each with every supervised rate: its list, its proposals."""
        if self.search is None:
            return [[]]
        return [*map(list, self.search.settings), *self._proposed()]

    def propose(self) -> None:
        """Take one more setting, which Optuna proposes, if all before it have ended."""
        outcomes = [self._outcome(setting) for setting in self.settings()]
        tried = [outcome for outcome in outcomes if outcome is not None]
        if self.search is None or not self.search.space or len(tried) < len(outcomes):
            return
        proposal = proposing.propose(self.search.space, tried)
        if proposal is not None:
            self._proposals.parent.mkdir(parents=True, exist_ok=True)
            words = json.dumps([*self._proposed(), proposal], indent=1)
            files.replace(self._proposals, words.encode())

    @property
    def _proposals(self) -> Path:
        """Where its proposals are kept: a list that grows must not lose what was run."""
        return Path(self.config["runs_folder"]) / self.campaign / PROPOSALS / f"{self.name}.json"

    def _proposed(self) -> list[list[str]]:
        if not self._proposals.exists():
            return []
        try:
            return [
                list(map(str, words)) for words in json.loads(self._proposals.read_text("utf-8"))
            ]
        except (ValueError, TypeError) as error:
            line = f"{self._proposals} is damaged; delete it to have other settings proposed"
            raise ValueError(line) from error

    def _outcome(self, setting: Sequence[str]) -> tuple[dict[str, Any], float] | None:
        """Its configuration and best validation error, 1 if all diverged; None: not yet known."""
        jobs = self._runs_of(setting)
        if not all(is_done(job) for job in jobs):
            return None
        results = [_result(job) for job in jobs]
        errors = [r["valid_error"] for r in results if r["status"] == "finished"]
        return jobs[0].config, min(errors, default=1.0)

    def job(self, setting: Sequence[str], rate: float, seed: int) -> Job:
        """One run of the cell."""
        words = [f"experiment={self.campaign}/{self.name}", f"seed={seed}", *setting]
        words += [f"finetune.learning_rate={rate:g}", *self.words]
        return job_of(tuple(words))

    def _runs_of(self, setting: Sequence[str]) -> list[Job]:
        """A setting of the search with every supervised rate; a machine's only run."""
        if self.search is None:
            return [job_of((f"experiment={self.campaign}/{self.name}", *self.words), "svm")]
        return [self.job(setting, rate, SEED) for rate in self.search.rates]

    def tried(self, most: int | None = None) -> list[list[Job]]:
        """The runs of the search, setting by setting, the first ``most``."""
        return [self._runs_of(setting) for setting in self.settings()[:most]]

    def ended(self) -> list[tuple[Job, dict[str, Any]]]:
        """The runs of the search that have ended, finished or diverged, with their results.

        Raises:
            ValueError: a finished one lacks what it is chosen by.
        """
        if not access.folder_of(self.config["name"], self.config["runs_folder"]).is_dir():
            return []  # without composing what was tried
        tried = [job for jobs in self.tried() for job in jobs if is_done(job)]
        return [(job, _result(job)) for job in tried]

    def finished(self) -> list[tuple[Job, dict[str, Any]]]:
        """The finished runs of the search with their results."""
        return [(job, result) for job, result in self.ended() if result["status"] == "finished"]

    @property
    def held(self) -> Choice | None:
        """The choice of an earlier search, while that has tried more than has been tried here."""
        if self.choice is None or self.choice.tried <= len(self.ended()):
            return None
        return self.choice

    def chosen(self) -> Job | None:
        """The finished run of the search with the best validation error; None: there is none.

        Ties are broken by validation cross-entropy. No test error takes part. The choice of an
        earlier search, which need not have been run here, holds while that has tried more.
        """
        held = self.held
        if held is not None:
            return self.job(held.named(self.settings(), self.config["init"]), held.rate, SEED)
        complete = self.finished()
        return min(complete, key=lambda pair: _score(pair[1]))[0] if complete else None

    def repeated(self, seeds: int) -> list[Job]:
        """The chosen run with so many seeds, its own among them; [] before anything is chosen."""
        chosen = self.chosen()
        if chosen is None or self.is_machine:
            return [chosen] if chosen else []
        kept = [word for word in chosen.overrides if not word.startswith("seed=")]
        jobs = [(*kept[:1], f"seed={seed}", *kept[1:]) for seed in range(SEED, SEED + seeds)]
        return [job_of(words) for words in jobs]

    def runs(self, seeds: int) -> list[Trained]:
        """The finished ones among ``repeated``. Raises ValueError for one that is damaged."""
        found = [results.in_folder(place(job)) for job in self.repeated(seeds) if is_done(job)]
        for run in found:
            if isinstance(run, Unfinished) and run.status != "diverged":
                raise ValueError(f"{run.path} is {run.status}, {run.message}: {AGAIN}")
        return [run for run in found if isinstance(run, Trained)]


@functools.cache
def job_of(words: tuple[str, ...], primary: str = "config") -> Job:
    """The run of an experiment, the first of the words, with values for some of its settings."""
    return Job(compose.variant(words, primary), list(words))


def is_done(job: Job) -> bool:
    """Whether a run has ended as it was asked for."""
    result = RunFolder(place(job)).result
    if result.get("status") not in ("finished", "diverged"):
        return False
    return not identity.differences(result.get("settings", {}), job.settings)


def _result(job: Job) -> dict[str, Any]:
    result = RunFolder(place(job)).result
    fault = results.fault_of(result) if result["status"] == "finished" else None
    if fault:
        raise ValueError(f"{place(job)}: its result.json {fault}: {AGAIN}")
    return result


def _score(result: dict[str, Any]) -> tuple[float, float]:
    return float(result["valid_error"]), float(result.get("valid_loss", math.inf))
