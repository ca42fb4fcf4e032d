"""Pretrained stacks of a folder of runs, and their data, for figures of what they learned."""

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from lib.figure import runs_by
from sda.common.rows import floats, shared
from sda.config import schema
from sda.data.splits import Splits
from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs.folder import RunFolder
from sda.runs.model_file import pretrained_stack


class Pretrained(NamedTuple):
    """A finished run: its stack before fine-tuning and its flat settings."""

    stack: StackedDenoisingAutoencoder
    settings: dict[str, Any]
    path: Path


def stacks_by(setting: str, folder: str) -> dict[Any, Pretrained]:
    """The pretrained runs in a folder by the value of a setting that each has once, ascending.

    Raises:
        ValueError: as ``runs_by``, or a run has not been pretrained.
    """
    found = {}
    for value, path in sorted(runs_by(setting, folder).items(), key=lambda one: one[0]):
        found[value] = pretrained(path)
    return found


def pretrained(path: Path) -> Pretrained:
    """One run. Raises ValueError if it has not been pretrained."""
    return Pretrained(pretrained_stack(path), RunFolder(path).result["settings"], path)


def data_of(run: Pretrained) -> Splits:
    """What a run learned from."""
    return schema.load_data(RunFolder(run.path).config)


def valid_rows(path: Path) -> Tensor:
    """The validation rows (m, d) of a run, as floats."""
    return floats(shared(schema.load_data(RunFolder(path).config).valid.x))
