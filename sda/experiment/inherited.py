"""Pretraining that a finished run in the folder beside has done already: taken, not done again.

Runs that differ in fine-tuning alone start from the same weights, to the bit. Those of one sweep
share them while they train; a run that comes later finds them here.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from sda.common.terminal import say
from sda.experiment.recorder import Records
from sda.experiment.state import Standing
from sda.experiment.tensorboard import Show
from sda.nn.stack import StackedDenoisingAutoencoder, join, single
from sda.runs import identity, saving
from sda.runs.checkpoint import CheckpointError
from sda.runs.folder import PRETRAINED, RunFolder
from sda.runs.results import Trained


def take(standing: Standing, records: Records, show: Show) -> None:
    """Put the stacks of earlier runs, and their rows of the record, in place of pretraining.

    Nothing happens unless there is one for every pretraining of the batch: same settings but for
    fine-tuning, same data, code, versions and processor, a whole record and whole weights.
    """
    found = list(_earlier([records.folders[leader][0] for leader in standing.leaders]))
    if standing.stack is None or len(found) < len(standing.leaders):
        return
    stacks = [stack for _, stack in found]
    joined = stacks[0] if len(stacks) == 1 else join(stacks)
    standing.stack.load_state_dict(joined.state_dict())
    standing.layers.depth = len(standing.stack)
    for k, (leader, (run, _)) in enumerate(zip(standing.leaders, found, strict=True)):
        stack = single(standing.stack, k)
        rows, seconds = _rows(run), _seconds(run)
        for follower in standing.followers[leader]:
            for row in rows:
                records.row(follower, row, seconds.get((row["layer"], row["epoch"]), 0.0))
            for depth, layer in enumerate(standing.plans[leader].layers):
                last = max(row["epoch"] for row in rows if row["layer"] == depth)
                show.layer(follower, stack, depth, last, layer.corruption)
            standing.seconds[follower]["pretrain"] = sum(seconds.values())
            records.result(follower, pretrained_in=run.path.name)
        say(f"pretrained already, in {run.path}")
    records.after_epoch(standing, due=True)


def _earlier(folders: Sequence[RunFolder]) -> Iterator[tuple[Trained, StackedDenoisingAutoencoder]]:
    """For each folder a run beside it that was pretrained alike, and its stack; ends at a gap."""
    beside: dict[Path, list[Trained]] = {}
    for own in folders:
        parent = own.path.parent
        if parent not in beside:
            every = [Trained(path, RunFolder(path).result) for path in sorted(parent.iterdir())]
            beside[parent] = [run for run in every if run.result.get("status") == "finished"]
        found = filter(None, (_whole(run) for run in beside[parent] if _is_alike(run, own)))
        if (first := next(found, None)) is None:
            return
        yield first


def _is_alike(run: Trained, own: RunFolder) -> bool:
    """Whether a run was asked to pretrain as the one in a folder is, on the same data, here."""
    here, there = own.result, run.result
    if run.path == own.path or not {"settings", "data_hash"} <= here.keys() & there.keys():
        return False
    if there["data_hash"] != here["data_hash"] or here["settings"].get("overwrite"):
        return False  # who trains over what is there wants it trained
    changed = identity.differences(there["settings"], here["settings"])
    alike = all(line.startswith("finetune.") for line in changed)
    return alike and RunFolder(run.path).environment == own.environment


def _whole(run: Trained) -> tuple[Trained, StackedDenoisingAutoencoder] | None:
    """The run and its stack before fine-tuning; None where that or its record is damaged."""
    try:
        stack = saving.load(run.path / PRETRAINED)
    except CheckpointError:
        return None
    layers = [(layer, [r["epoch"] for r in own]) for layer, own in groupby(_rows(run), _layer)]
    numbered = all(epochs == list(range(len(epochs))) for _, epochs in layers)
    if not isinstance(stack, StackedDenoisingAutoencoder) or not numbered:
        return None
    return (run, stack) if [layer for layer, _ in layers] == list(range(len(stack))) else None


def _rows(run: Trained) -> list[dict[str, Any]]:
    return [row for row in run.metrics() if row.get("phase") == "pretrain"]


def _layer(row: dict[str, Any]) -> int:
    return int(row["layer"])


def _seconds(run: Trained) -> dict[tuple[int, int], float]:
    """How long each epoch of each layer took there, as far as it is known."""
    found = {}
    with suppress(OSError, ValueError, KeyError):
        for line in (run.path / "times.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            if row["phase"] == "pretrain":
                found[row["layer"], row["epoch"]] = float(row["seconds"])
    return found
