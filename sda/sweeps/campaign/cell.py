"""A cell of a campaign's table, an arm on a data set: what is run next, given the ledger."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sda.config import schema
from sda.experiment.job import Job
from sda.runs import identity
from sda.runs.identity import HARMLESS, changed, flat, relevant, word
from sda.sweeps.campaign import protocol, search
from sda.sweeps.campaign.protocol import Line, Setting
from sda.sweeps.campaign.search import Search

ATTEMPTS = 2  # times the runs asked for, then a search ends even if too few have learned


@dataclass(frozen=True)
class Cell:
    """An arm on a data set, and its runs."""

    campaign: str
    data: str
    arm: str
    words: tuple[str, ...]  # the campaign's, as far as they are known here
    config: dict[str, Any]  # resolved, of its first run
    search: Search | None = None  # None: of a baseline, which has its search within its one run

    def __str__(self) -> str:
        return f"{self.data} {self.arm}"

    def job(self, values: Sequence[str], seed: int, test: bool) -> Job:
        """One run of the cell; those of a search do not read the test rows."""
        own = (f"seed={seed}", *values, *self.words, *(() if test else ("test=false",)))
        return _job(self.campaign, self.data, self.arm, own)

    def own(self, lines: Iterable[Line]) -> list[Line]:
        """Those lines of a ledger that are of this cell."""
        place = str(self.config["name"]), self.arm
        there = [line for line in lines if protocol.place_of(line) == place]
        known = data_hash(json.dumps(self.config["data"])) if there else ""
        return [line for line in there if line.get("data_hash", known) == known]

    def to_search(self, lines: Sequence[Line], runs: int) -> list[Job]:
        """The runs that a search still lacks, as far as they are known; [] when it is over.

        Runs that learn nothing are replaced: by the rest of the list, then by proposals, one at a
        time.
        """
        if self.search is None:
            is_there = any("row" not in line for line in lines)
            return [] if is_there else [self.job((), protocol.SEARCHED, test=True)]
        ended = protocol.tried(lines)
        learned = sum(protocol.has_learned(one.lines[protocol.SEARCHED]) for one in ended.values())
        known = [self.job(words, protocol.SEARCHED, test=False) for words in self.search.listed]
        left = [job for job in known if _setting(job) not in ended]
        if learned >= runs or len(ended) >= ATTEMPTS * runs:
            return []
        return left[: runs - learned] or self._proposed(ended)

    def _proposed(self, ended: dict[str, Setting]) -> list[Job]:
        """The run that Optuna would try next; it is asked with what the ledger has."""
        assert self.search is not None
        outcomes = [
            (one.one["settings"], one.score([protocol.SEARCHED])[0])
            for _, one in sorted(ended.items())
        ]
        words = search.propose(self.search.space, outcomes) if self.search.space else None
        return [] if words is None else [self.job(words, protocol.SEARCHED, test=False)]

    def to_confirm(self, lines: Sequence[Line]) -> list[Job]:
        """The runs that the finalists lack: with the other seeds of the choice."""
        if self.search is None:
            return []
        return [
            self.job(self.values(one.one), seed, test=False)
            for one in protocol.finalists(lines)
            for seed in protocol.AGAIN
            if seed not in one.lines
        ]

    def to_repeat(self, lines: Sequence[Line], choosing: Sequence[Line], seeds: int) -> list[Job]:
        """The runs that the chosen setting lacks: with fresh seeds.

        Args:
            lines: of this cell, from the ledger of its runs.
            choosing: those that its setting is chosen from.
            seeds: how many.
        """
        if self.search is None:
            return []
        values = self.choice(choosing)
        if values is None:
            return []
        wanted = range(protocol.FRESH, protocol.FRESH + seeds)
        jobs = [self.job(values, seed, test=True) for seed in wanted]
        there = protocol.settings(lines).get(_setting(jobs[0]), Setting()).fresh
        return [job for seed, job in zip(wanted, jobs, strict=True) if seed not in there]

    def choice(self, lines: Sequence[Line]) -> list[str] | None:
        """The chosen setting as overrides; of a converted table, the one that it states."""
        one = protocol.chosen(lines)
        if one is not None:
            return self.values(one.one)
        converted = [line for line in lines if "row" in line]
        return self.values(converted[0]) if converted else None

    def values(self, line: Line) -> list[str]:
        """What a line's run set that the cell does not, as overrides."""
        before, own = flat(self.config), line["settings"]
        aside = (*HARMLESS, "name", "published", "seed", "vars")
        differ = changed(before, relevant(own, aside, str(line["init"])))
        found: dict[str, Any] = {}
        for key, value in differ.items():
            section, _, last = key.rpartition(".")
            if section in before:  # null there: a node of its own
                found.setdefault(section, {})[last] = value
            else:
                found[key] = value
        return sorted(f"{key}={word(value)}" for key, value in found.items())


def composed(campaign: str, data: str, arm: str, words: tuple[str, ...] = ()) -> Cell:
    """A cell with the configuration of its first run, whose search is not read yet."""
    return Cell(campaign, data, arm, words, _job(campaign, data, arm, words).config)


@functools.cache
def _job(campaign: str, data: str, arm: str, values: tuple[str, ...]) -> Job:
    return Job.of([f"experiment={campaign}/{data}", f"arm={arm}", *values])


@functools.cache
def data_hash(described: str) -> str:
    """The digest of a data set that JSON describes; it is read or made for this."""
    return schema.load_data({"data": json.loads(described)}).digest()


def _setting(job: Job) -> str:
    """The identity of a job's setting in the ledger."""
    return identity.digest(job.plan.described())
