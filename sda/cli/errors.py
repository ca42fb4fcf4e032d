"""Mistakes on the command line: what is wrong in a few lines, and what may have been meant."""

import re
from difflib import get_close_matches

from hydra.errors import MissingConfigException

from sda.config import compose
from sda.runs import settings as settings_words

LONGEST_MESSAGE = 6  # lines
COMMANDS = ("resume", "compare", "report", "svm", "campaign", "data")


def refuse_stray(word: str) -> None:
    """Raise ValueError if the first word is neither a setting, an option nor a command."""
    if "=" in word or word.startswith(("-", "~")):
        return
    if word == "resume":
        raise ValueError("resume needs the folder of a run: resume runs/digits/init-sda_seed-0")
    close = get_close_matches(word, COMMANDS, n=1)
    raise ValueError(
        f"there is no command {word!r}; commands are {', '.join(COMMANDS)}, settings key=value"
        + (f"; did you mean {close[0]}?" if close else "")
    )


def explained(error: Exception) -> str:
    """Say what is wrong with a configuration in a few lines, with a near miss if there is one."""
    other = re.match(r"In 'experiment/(.+?)': Could not override '(\w+)'", str(error))
    if other:
        means = f"; it is one of: svm experiment={other[1]}" if other[2] == "kernel" else ""
        return f"error: experiment={other[1]} sets {other[2]}, unknown to this command{means}"
    if isinstance(error, MissingConfigException) and error.options:
        choice = str(error.missing_cfg_file).replace("/", "=", 1)
        lines = [f"there is no {choice}; allowed: {', '.join(error.options)}"]
    else:
        # What could be appended would be read by nobody.
        told = re.sub(
            r"\nTo append to your config.*|\s+full_key:.*|\s+object_type=.*", "", str(error)
        )
        lines = [line.rstrip() for line in told.splitlines() if line.strip()]
        lines = lines[: LONGEST_MESSAGE - 1]
    guess = _near_miss(str(error))
    return "error: " + "\n".join(lines + ([f"did you mean {guess}?"] if guess else []))


def _near_miss(message: str) -> str | None:
    quoted = message.split("'")[1::2]
    known = [key for name in ("config", "svm") for key in _keys(name)]
    known += [part for key in known for part in key.split(".")]
    known += [path.stem for path in compose.folder().rglob("*.yaml")]
    for word in quoted:
        if word in known:  # it exists, for another command or with another choice
            continue
        close = get_close_matches(word.split("/")[-1], known, n=1, cutoff=0.75)
        if close:
            return close[0]
    return None


def _keys(primary: str) -> list[str]:
    return list(settings_words.flat(compose.resolved(compose.compose([], primary))))
