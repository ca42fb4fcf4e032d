"""Errors that several packages raise or explain."""

import re

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
