"""resume FOLDER [key=value ...]: go on with an interrupted run.

Only what does not change its numbers may be changed: threads, device, tensorboard, codes_memory,
data_folder, data.folder, data.path, test. One that was started with parts=[module] needs that word.

A finished run can have more: resume FOLDER finetune.epochs=40 (or finetune.patience, or
pretrain.epochs=[30,30,60] for the last layer). That makes a second run, in a folder beside the
first: it goes on where the first ended, with the same bits as one run of so many epochs.
"""

import logging
from pathlib import Path
from typing import Any

import yaml

from sda.common import plain_yaml
from sda.common.program import program
from sda.runs.folder import RunFolder, no_run
from sda.runs.identity import CHANGEABLE, MOVABLE, Plain, flat, key_of

MORE = ("finetune.epochs", "finetune.patience", "pretrain.epochs")  # of a run that has finished
_log = logging.getLogger(__name__)


def main(words: list[str]) -> int:
    """Go on with the run in a folder."""
    if not words:
        example = f"{program()} resume runs/digits/init-sda_seed-0"
        raise ValueError(f"resume needs the folder of a run: {example}")
    path, changes = Path(words[0]), words[1:]
    folder = RunFolder(path)
    if not folder.config:
        raise ValueError(no_run(path, "readable config.yaml"))
    is_over = folder.result.get("status") == "finished"
    more = [word for word in changes if is_over and key_of(word) in MORE]
    settings = _changed(folder.config, changes, MORE if is_over else ()) | {"overwrite": False}
    if not more:
        _log.info("finished already:" if is_over else f"going on with {path}")
    from sda.cli import single  # these and torch take seconds to import: say first what for
    from sda.experiment.job import Job

    if more:
        single.go_on_longer(Job(folder.config, [], path), settings, more)
    else:
        single.go_on(Job(settings, [], path), lambda member: _changed(member, changes))
    return 0


def _changed(saved: Plain, words: list[str], more: tuple[str, ...] = ()) -> Plain:
    """Change a saved configuration by words ``key=value``; nothing in it is interpreted."""
    known = flat(saved)
    allowed = [key for key in (*CHANGEABLE, *MOVABLE, *more) if key in known]
    settings = saved
    for word in words:
        key, value = key_of(word), _value(word)
        if key not in allowed:
            later = "; it can have more epochs when it has finished" if key in MORE else ""
            raise ValueError(
                f"a resumed run keeps its settings; {', '.join(allowed)} may change, "
                f"got {word!r}{later}"
            )
        settings = _with(settings, key, value)
        # It was saved resolved: what once was ${data_folder} is a path of its own.
        if key == "data_folder" and "data.folder" in known:
            settings = _with(settings, "data.folder", value)
    return settings


def _with(settings: Plain, key: str, value: Any) -> Plain:
    top, _, below = key.partition(".")
    return settings | {top: _with(settings[top], below, value) if below else value}


def _value(word: str) -> Any:
    try:
        return plain_yaml.read(word.partition("=")[2])
    except yaml.YAMLError:
        raise ValueError(f"cannot read the value of {word!r}") from None
