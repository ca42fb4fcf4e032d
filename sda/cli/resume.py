"""``resume FOLDER [key=value ...]``: go on with an interrupted run."""

from pathlib import Path

from sda.cli import svm, train
from sda.common import threads
from sda.config import compose, schema
from sda.experiment import launch
from sda.runs import settings as settings_words
from sda.runs.folder import RunFolder
from sda.runs.identity import CHANGEABLE


def resume(path: Path, changes: list[str]) -> int:
    """Go on with the run in a folder; only what does not change its numbers may be changed."""
    saved = RunFolder(path).config
    if not saved:
        raise ValueError(f"{path} holds no run: there is no readable config.yaml")
    # Machines have fewer settings; networks of an earlier version may lack some.
    known = settings_words.flat(saved) if "kernel" in saved else CHANGEABLE
    allowed = [key for key in CHANGEABLE if key in known]
    for word in changes:
        if settings_words.key_of(word) not in allowed:
            raise ValueError(
                f"a resumed run keeps its settings; {', '.join(allowed)} may change, got {word!r}"
            )
    settings = compose.changed(saved, changes) | {"overwrite": False}
    if "kernel" in settings:
        return svm.run(settings, path)
    try:
        threads.settle(threads.threads(settings["threads"]))
        asked = launch.Asked(schema.build_run(settings), settings, path)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no run: its config.yaml is another's ({error})") from None
    batch = launch.recorded_batch(
        asked, lambda member: schema.build_run(compose.changed(member, changes))
    )
    launch.train_together(batch, schema.load_data(settings), overwrite=False)
    train.print_result(path, launch.outcome(path))
    return 0
