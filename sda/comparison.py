"""Finished runs beside each other: means, intervals, paired differences, published numbers."""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from sda import intervals, pictures
from sda.intervals import Difference

# Settings that do not say what is compared: who asked, where, how fast.
ASIDE = {"seed", "name", "runs_folder", "overwrite", "threads", "jobs", "device", "tensorboard"}
ASIDE |= {"data_folder", "published"}
ORDER = {"random": 0, "saa": 1, "sda": 2}


@dataclass(frozen=True)
class Trained:
    """A finished run as it lies in its folder."""

    path: Path
    result: dict[str, Any]

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.result["seed"])

    @property
    def test_error(self) -> float:
        """Fraction of the test rows."""
        return float(self.result["test_error"])

    def settings(self) -> dict[str, str]:
        """What the run was asked to compute, as words; without what its arm does not read."""
        kept = {
            key: str(value)
            for key, value in self.result["settings"].items()
            if key.split(".")[0] not in ASIDE
        }
        if self.result["init"] == "random":
            kept = {k: v for k, v in kept.items() if not k.startswith(("pretrain.", "corruption."))}
        if self.result["init"] == "saa":
            kept = {k: v for k, v in kept.items() if not k.startswith("corruption.")}
        return kept

    def predictions(self) -> tuple[Any, Any]:
        """Test labels and predicted classes, (n,) each."""
        with np.load(self.path / "test_predictions.npz", allow_pickle=False) as file:
            return file["y"], file["predicted"]

    def metrics(self) -> Iterator[dict[str, Any]]:
        """Rows of the record; a torn last line is passed over."""
        for line in (self.path / "metrics.jsonl").read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                return


@dataclass
class Arm:
    """Runs that differ in their seed alone."""

    label: str
    runs: list[Trained]

    def column(self, key: str) -> list[float]:
        """One figure of every run."""
        return [float(run.result[key]) for run in self.runs]


@dataclass(frozen=True)
class Pair:
    """Two arms over the seeds that both have: first − second, positive if the second is better."""

    first: Arm
    second: Arm
    difference: Difference
    mcnemar: dict[int, float]  # p by seed


@dataclass
class Table:
    """Arms on one data set: the same rows, hash for hash."""

    data: str
    source: str
    arms: list[Arm]
    pairs: list[Pair]
    published: dict[str, Any]


@dataclass
class Comparison:
    """Everything under the folders: tables of what is finished, a list of what is not."""

    tables: list[Table]
    unfinished: list[tuple[Path, str]] = field(default_factory=list)
    repeated: list[Path] = field(default_factory=list)


def compare(folders: Sequence[Path]) -> Comparison:
    """Read all runs in and below the folders.

    Raises:
        ValueError: a folder is missing, or there is no run at all.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}")
    paths = sorted({p.parent for folder in folders for p in folder.rglob("config.yaml")})
    if not paths:
        raise ValueError(f"no run folders in {', '.join(map(str, folders))}")
    finished, result = [], Comparison([])
    for path in paths:
        content = _read(path)
        if content.get("status") == "finished":
            finished.append(Trained(path, content))
        else:
            result.unfinished.append((path, _state(content)))
    by_data: dict[tuple[str, str, str], list[Trained]] = {}
    for run in finished:
        key = (run.result["data"], run.result["source"], run.result["data_hash"])
        by_data.setdefault(key, []).append(run)
    for (data, source, _), runs in sorted(by_data.items()):
        result.tables.append(_table(data, source, runs, result.repeated))
    return result


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads((path / "result.json").read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _state(content: dict[str, Any]) -> str:
    status = content.get("status", "unreadable: no result.json")
    if status == "running":
        status = "running, or killed"
    return f"{status}: {content['message']}" if content.get("message") else str(status)


def _table(data: str, source: str, runs: list[Trained], repeated: list[Path]) -> Table:
    groups: dict[tuple[tuple[str, str], ...], dict[int, Trained]] = {}
    for run in runs:
        seeds = groups.setdefault(tuple(sorted(run.settings().items())), {})
        if run.seed in seeds:
            repeated.append(run.path)
        else:
            seeds[run.seed] = run
    labels = _labels([dict(key) for key in groups])
    arms = [
        Arm(label, [seeds[seed] for seed in sorted(seeds)])
        for label, seeds in zip(labels, groups.values(), strict=True)
    ]
    arms.sort(key=lambda arm: (ORDER.get(arm.runs[0].result["init"], 9), arm.label))
    published: dict[str, Any] = next(
        (run.result["published"] for run in runs if run.result.get("published")), {}
    )
    pairs = [pair for a, b in combinations(arms, 2) if (pair := _pair(a, b))]
    return Table(data, source, arms, pairs, published)


def _labels(settings: list[dict[str, str]]) -> list[str]:
    """Name each arm by its init and by what else differs within that init."""
    labels = []
    for own in settings:
        alike = [other for other in settings if other.get("init") == own.get("init")]
        varied = sorted(key for key in own if any(other.get(key) != own[key] for other in alike))
        words = [own.get("init", "?"), *(f"{key}={own[key]}" for key in varied)]
        labels.append(" ".join(words))
    return labels


def _pair(first: Arm, second: Arm) -> Pair | None:
    ours = {run.seed: run for run in first.runs}
    theirs = {run.seed: run for run in second.runs}
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return None
    difference = intervals.paired(
        [ours[seed].test_error for seed in seeds], [theirs[seed].test_error for seed in seeds]
    )
    mcnemar = {}
    for seed in seeds:
        y, predicted = ours[seed].predictions()
        mcnemar[seed] = intervals.mcnemar(y, predicted, theirs[seed].predictions()[1])
    return Pair(first, second, difference, mcnemar)


def panels(table: Table) -> dict[str, dict[str, list[tuple[list[float], list[float]]]]]:
    """Curves of the arms: validation error of fine-tuning, reconstruction of each layer."""
    result: dict[str, dict[str, list[tuple[list[float], list[float]]]]] = {}
    for arm in table.arms:
        for run in arm.runs:
            lines: dict[str, tuple[list[float], list[float]]] = {}
            for row in run.metrics():
                if row["phase"] == "finetune":
                    name, value = "validation error, fine-tuning (%)", 100 * row["valid_error"]
                else:
                    name = f"layer {row['layer']}: validation reconstruction, corrupted input"
                    value = row["valid"]
                if isinstance(value, float) and math.isfinite(value):
                    epochs, values = lines.setdefault(name, ([], []))
                    epochs.append(row["epoch"])
                    values.append(value)
            for name, line in lines.items():
                result.setdefault(name, {}).setdefault(arm.label, []).append(line)
    return dict(sorted(result.items(), key=lambda item: item[0].startswith("layer")))


def main(argv: list[str]) -> int:
    """``compare FOLDER [FOLDER ...] [--out FOLDER]``: print the tables, write them and curves."""
    from sda import comparison_text

    parser = argparse.ArgumentParser("compare", description="Compare finished runs.")
    parser.add_argument("folders", nargs="+", type=Path, help="run folders, or folders of them")
    parser.add_argument("--out", type=Path, help="where to write; default: the first folder")
    args = parser.parse_args(argv)
    result = compare(args.folders)
    print(comparison_text.plain(result))
    out = args.out or args.folders[0]
    out.mkdir(parents=True, exist_ok=True)
    (out / "comparison.md").write_text(comparison_text.markdown(result))
    (out / "comparison.json").write_text(comparison_text.as_json(result))
    written = ["comparison.md", "comparison.json"]
    for k, table in enumerate(result.tables):
        name = f"comparison{'' if k == 0 else f'-{k + 1}'}.png"
        pictures.curves(panels(table), out / name)
        written.append(name)
    print(f"\nwritten to {out}: {', '.join(written)}")
    return 0
