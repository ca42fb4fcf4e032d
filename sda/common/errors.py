"""Errors that several packages raise or explain."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

NO_MEMORY = r"out of memory|allocate memory|ALLOC_FAILED|size calculation overflowed"  # of torch


class DivergenceError(ArithmeticError):
    """Training left the finite numbers."""


def of_memory(error: BaseException) -> str | None:
    """Say in one line that memory did not suffice, and what needs less; None: it was not that."""
    import torch  # here: who raises DivergenceError has it, who asks for help need not wait for it

    kinds = (MemoryError, torch.OutOfMemoryError)
    if not isinstance(error, kinds) and not re.search(NO_MEMORY, str(error)):
        return None
    told = (str(error) or type(error).__name__).splitlines()[0]
    return (
        f"not enough memory ({re.sub(r'^.*Allocator: ', '', told)}); smaller "
        "pretrain.batch_size, finetune.batch_size, stack.hidden, codes_memory or jobs need less"
    )


class LackingError(ValueError):
    """What this machine lacks for a run. The message is one line; another machine may have it."""


class DataError(ValueError):
    """Data that cannot be used. The message is one line for the person who asked for the data."""


class DataFormatError(DataError):
    """The content is wrong; the message names the file, or the split, and the place in it."""


class MissingDataError(DataError):
    """A file is not where it was looked for; the message says where, and what to do."""


def first_line(error: Exception) -> str:
    """The message of an error, in one line; its class if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def readable(fault: str, *kinds: type[Exception]) -> Iterator[None]:
    """Raise DataFormatError where a file cannot be read: the fault, and the error of these kinds.

    Errors in data that were told already pass, and so does a lack of memory.
    """
    try:
        yield
    except (DataError, MemoryError):
        raise
    except kinds as error:
        raise DataFormatError(f"{fault} ({first_line(error)})") from None
