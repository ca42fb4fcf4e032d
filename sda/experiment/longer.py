"""More epochs for a finished run: a run of its own, which begins where the other one ended.

It has the bits and the identity of a run with so many epochs from the start; the first run stays
as it is. Layers below come from the store as for any run. Fine-tuning goes on from
the last checkpoint; with more epochs for the top layer it begins again, on other codes.
"""

import re
import shutil
from pathlib import Path

from sda.config.plan import Run
from sda.experiment.job import Job
from sda.runs import checkpoint
from sda.runs.folder import PRETRAINED, RunFolder, folder_name
from sda.runs.logbook import EVENTS
from sda.training.settings import Schedule


def place(path: Path, words: list[str]) -> Path:
    """Where a longer run goes: beside the run that it goes on from, with ``words`` in its name."""
    name = path.name
    for word in words:
        key, said = word.partition("=")[0], folder_name([word])
        before = re.compile(rf"_{re.escape(key)}-[0-9]+(?=_|$)")
        name = before.sub(f"_{said}", name) if before.search(name) else f"{name}_{said}"
    return path.with_name(name)


def check(before: Job, now: Job) -> None:
    """Raise ValueError in one line unless a run is the other one with more epochs."""
    old, new = before.plan, now.plan
    if not (isinstance(old, Run) and isinstance(new, Run)):
        raise ValueError("a baseline has no epochs to add")
    result = RunFolder(before.path).result
    if result.get("kind") == "nothing" and old.finetuning != new.finetuning:
        raise ValueError("this run has no labels: only pretrain.epochs can grow")
    had, has = ([layer.epochs for layer in plan.pretraining] for plan in (old, new))
    if has != had and not (old.is_pretrained and had):
        raise ValueError("this run pretrained no layer: pretrain.epochs adds nothing")
    if has[:-1] != had[:-1]:
        longer = ",".join(map(str, [*had[:-1], max([*has, had[-1] + 1])]))
        raise ValueError(
            f"only the last layer can be trained longer, as in pretrain.epochs=[{longer}]: "
            "it learned from what those below are now"
        )
    limits: list[tuple[str, float | None, float | None]] = [
        ("pretrain.epochs", (had or [0])[-1], (has or [0])[-1]),
        ("finetune.epochs", old.finetuning.epochs, new.finetuning.epochs),
        ("finetune.patience", old.finetuning.patience, new.finetuning.patience),
    ]
    for key, less, more in limits:
        if (float("inf") if more is None else more) < (float("inf") if less is None else less):
            raise ValueError(f"a finished run had {key}={less}: it can have more, got {more}")
    patience, epochs = old.finetuning.patience, result.get("epochs")
    is_same = has == had and new.finetuning.patience == patience
    if is_same and patience and epochs and epochs < old.finetuning.epochs:
        raise ValueError(
            f"this run ended after {epochs} epochs, the last {patience} no better: more epochs add "
            f"nothing without more patience, as in finetune.patience={2 * patience}"
        )


def begin(before: Job, now: Job) -> None:
    """Copy into a run's folder where the other one's fine-tuning ended, if it can go on from there.

    It cannot after other pretraining, with a rate that falls towards the last epoch, or if it was
    trained together with others: then nothing is copied, and the run is trained from the start.

    Raises:
        RunFolderError: the folder cannot be written.
        CheckpointError: the checkpoint is damaged.
    """
    old, new = before.plan, now.plan
    assert isinstance(old, Run)
    assert isinstance(new, Run)
    source = RunFolder(before.path)
    falls = new.finetuning.schedule == Schedule.cosine
    saved, _ = checkpoint.latest(source.path / "checkpoint")
    if source.batch() or falls or old.pretraining != new.pretraining or saved is None:
        return
    with RunFolder(now.path) as target:
        names = [PRETRAINED, "metrics.jsonl", "times.jsonl"]
        for file in [*(source.path / name for name in names), *source.path.glob(EVENTS)]:
            if file.is_file():
                shutil.copyfile(file, target.path / file.name)
        if "denoising" in source.result:
            target.update_result(denoising=source.result["denoising"])
        checkpoint.save(target.path / "checkpoint", saved | {"settings": [new.settings]})
