"""The name that was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def near_miss(word: str, names: Iterable[str]) -> str | None:
    """The name that a misspelt or shortened word is nearest to, ``lr`` to ``learning_rate``."""
    known = list(dict.fromkeys(names))
    close = get_close_matches(word, known, n=1, cutoff=0.75)
    short = [name for name in known if _is_short_for(word, name)]
    return next(iter([*close, *short, *get_close_matches(word, known, n=1)]), None)


def _is_short_for(word: str, name: str) -> bool:
    parts = name.split("_")
    return len(word) > 1 and (word == "".join(part[:1] for part in parts) or word in parts)
