"""A campaign: the cells of a table, searched on validation error and repeated over seeds."""

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sda import composition, proposing, ranges, runfolder
from sda.finished import Trained
from sda.jobs import Job, place
from sda.runfolder import RunFolder

SEED = 0  # of the search
_IDLE = {  # settings that have no effect on an arm
    "saa": ("corruption.",),
    "dbn": ("corruption.",),
    "random": ("corruption.", "pretrain."),
}
WORDS = "campaign.json"  # in the folder of the runs: the words of the last call


@dataclass(frozen=True)
class Tier:
    """Cells that get the same share of the hours."""

    cells: tuple[str, ...]  # conf/experiment/<campaign>/<cell>.yaml
    settings: int  # how many of a cell's settings are tried
    seeds: int  # of the chosen setting

    def __post_init__(self) -> None:
        ranges.whole("settings of a tier", self.settings, 1)
        ranges.whole("seeds of a tier", self.seeds, 1)


@dataclass(frozen=True)
class Campaign:
    """What ``conf/campaign/<name>.yaml`` says."""

    name: str
    hours: float  # of this call
    tiers: tuple[Tier, ...]
    words: tuple[str, ...]  # overrides of every run


@dataclass(frozen=True)
class Cell:
    """One cell of the table and its runs."""

    campaign: str
    name: str
    config: dict[str, Any]  # resolved, of its first run
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        _ = self.space  # a wrong one is told before any work starts

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
        """Whether it is a support vector machine: one run, whose kernel says what is searched."""
        return "kernel" in self.config

    @property
    def space(self) -> proposing.Space:
        """What proposals are made of, without what has no effect on this arm; {}: there are none.

        Raises:
            ValueError: it is described wrongly, in one line.
        """
        described = {} if self.is_machine else self.config["search"].get("space") or {}
        idle = _IDLE.get(str(self.config["init"]), ()) if described else ()
        used = {key: values for key, values in described.items() if not key.startswith(idle)}
        return proposing.space(used, self.config)

    def settings(self, most: int | None = None) -> list[list[str]]:
        """What is tried, as overrides, the first ``most``, each with every supervised rate.

        First the cell's list. Then what is proposed, one by one as those before have ended, so
        that there are no more than are known by now.
        """
        if self.is_machine:
            return [[]]
        listed = [str(words).split() for words in self.config["search"]["settings"]]
        known = listed[:most]
        while (most is None or len(known) < most) and self.space:
            outcomes = [self._outcome(setting) for setting in known]
            tried = [outcome for outcome in outcomes if outcome is not None]
            proposal = proposing.propose(self.space, tried) if len(tried) == len(known) else None
            if proposal is None:
                break
            known.append(proposal)
        return known

    def _outcome(self, setting: Sequence[str]) -> tuple[dict[str, Any], float] | None:
        """Its configuration and best validation error, 1 if all diverged; None: not yet known."""
        jobs = [self.job(setting, rate, SEED) for rate in self.rates()]
        if not all(is_done(job) for job in jobs):
            return None
        results = [RunFolder(place(job)).result for job in jobs]
        errors = [r["valid_error"] for r in results if r["status"] == "finished"]
        return jobs[0].config, min(errors, default=1.0)

    def rates(self) -> list[float]:
        """Supervised rates that are tried with each setting."""
        return [float(rate) for rate in self.config["search"]["rates"]]

    def job(self, setting: Sequence[str], rate: float, seed: int) -> Job:
        """One run of the cell."""
        words = [f"experiment={self.campaign}/{self.name}", f"seed={seed}", *setting]
        words += [f"finetune.learning_rate={rate:g}", *self.words]
        return _job(tuple(words))

    def machine(self) -> Job:
        """The only run of a support vector machine, which has nothing random."""
        return _job((f"experiment={self.campaign}/{self.name}", *self.words), "svm")

    def tried(self, most: int | None = None) -> list[list[Job]]:
        """The runs of the search, setting by setting, the first ``most``."""
        if self.is_machine:
            return [[self.machine()]]
        return [
            [self.job(setting, rate, SEED) for rate in self.rates()]
            for setting in self.settings(most)
        ]

    def finished(self) -> list[tuple[Job, dict[str, Any]]]:
        """The finished runs of the search with their results."""
        tried = [job for jobs in self.tried() for job in jobs if is_done(job)]
        ended = [(job, RunFolder(place(job)).result) for job in tried]
        return [(job, result) for job, result in ended if result["status"] == "finished"]

    def chosen(self) -> Job | None:
        """The finished run of the search with the best validation error; None: there is none.

        Ties are broken by validation cross-entropy. No test error takes part.
        """
        finished = self.finished()
        return min(finished, key=lambda pair: _score(pair[1]))[0] if finished else None

    def repeated(self, seeds: int) -> list[Job]:
        """The chosen run with so many seeds, its own among them; [] before anything is chosen."""
        chosen = self.chosen()
        if chosen is None or self.is_machine:
            return [chosen] if chosen else []
        kept = [word for word in chosen.overrides if not word.startswith("seed=")]
        jobs = [(*kept[:1], f"seed={seed}", *kept[1:]) for seed in range(SEED, SEED + seeds)]
        return [_job(words) for words in jobs]

    def runs(self, seeds: int) -> list[Trained]:
        """The finished ones among ``repeated``."""
        paths = [place(job) for job in self.repeated(seeds) if is_done(job)]
        found = [Trained(path, RunFolder(path).result) for path in paths]
        return [run for run in found if run.result["status"] == "finished"]


def read(name: str, overrides: Sequence[str]) -> Campaign:
    """Read ``conf/campaign/<name>.yaml``. Raises ValueError, HydraException."""
    own = [word for word in overrides if word.startswith("campaign.")]
    cfg = composition.compose([f"+campaign={name}", *own])
    plain = composition.resolved(cfg)["campaign"]
    if plain["hours"] is None:
        raise ValueError("a campaign needs its hours: campaign.hours=2")
    return Campaign(
        name,
        ranges.number("campaign.hours", plain["hours"], 0),
        tuple(Tier(tuple(t["cells"]), t["settings"], t["seeds"]) for t in plain["tiers"]),
        (*plain["words"], *(word for word in overrides if word not in own)),
    )


def cells(campaign: Campaign, tier: Tier) -> list[Cell]:
    """Compose the cells of a tier. Raises HydraException for one that has no configuration."""
    found = []
    known_to = {"config": campaign.words, "svm": _of_machines(campaign.words)}
    for name in tier.cells:
        primary = "svm" if "_svm_" in name else "config"
        known = known_to[primary]
        plain = _job((f"experiment={campaign.name}/{name}", *known), primary).config
        found.append(Cell(campaign.name, name, plain, known))
    return found


def _of_machines(words: Sequence[str]) -> tuple[str, ...]:
    """The overrides that a support vector machine has a use for."""
    known = composition.resolved(composition.compose([], "svm"))
    return tuple(word for word in words if word.partition("=")[0].partition(".")[0] in known)


def recorded(folder: Path) -> Campaign:
    """The campaign whose runs are in a folder of its name, with the words of its last call.

    Raises:
        ValueError, HydraException: there is no such campaign.
    """
    file = folder / WORDS
    words = json.loads(file.read_text()) if file.exists() else []
    here = f"runs_folder={folder.resolve().parent}"
    return read(folder.resolve().name, ["campaign.hours=0", *words, here])


@functools.cache
def _job(words: tuple[str, ...], primary: str = "config") -> Job:
    """The run of an experiment, the first of the words, with values for some of its settings."""
    return Job(composition.variant(words, primary), list(words))


def is_done(job: Job) -> bool:
    """Whether a run has ended as it was asked for."""
    result = RunFolder(place(job)).result
    if result.get("status") not in ("finished", "diverged"):
        return False
    return not runfolder.differences(result.get("settings", {}), job.settings)


def _score(result: dict[str, Any]) -> tuple[float, float]:
    return float(result["valid_error"]), float(result.get("valid_loss", math.inf))
