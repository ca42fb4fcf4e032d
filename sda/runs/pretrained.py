"""The stack of a run as pretraining left it, before fine-tuning moved it."""

from pathlib import Path

from sda.nn.stack import StackedDenoisingAutoencoder
from sda.runs import model_file
from sda.runs.checkpoint import CheckpointError
from sda.runs.folder import PRETRAINED, RunFolder, RunFolderError, no_run


def pretrained_stack(folder: Path, key: str = "") -> StackedDenoisingAutoencoder:
    """Load it, on the CPU; ``key`` is the setting that names the folder, for a refusal.

    Raises:
        RunFolderError: the folder holds no run, or one that has not been pretrained.
    """
    where = f"{key}={folder}" if key else str(folder)
    result = RunFolder(folder).result
    if not result:
        said = no_run(folder, "readable result.json")
        raise RunFolderError(f"{key}: {said}" if key else said)
    if result.get("init") == "random":
        raise RunFolderError(f"{where} has no pretrained stack: its arm is random")
    try:
        stack = model_file.load(folder / PRETRAINED)
    except (CheckpointError, OSError) as error:
        raise RunFolderError(
            f"{key or 'this'} needs the folder of a run that has been pretrained: {error}"
        ) from None
    if not isinstance(stack, StackedDenoisingAutoencoder):
        raise RunFolderError(f"{folder / PRETRAINED} holds no stack")
    return stack
