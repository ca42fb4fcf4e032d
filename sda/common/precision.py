"""The precision of the five products of a step; weights and updates are always float32."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import torch

WORTH_IT = 64  # rows of a minibatch; below, casting the weights costs more than bfloat16 saves


class Precision(StrEnum):
    """``fp32``: true float32. ``tf32``: 10 bits of mantissa on a GPU. ``bf16``: 7 bits anywhere.

    ``auto`` is bf16 where that is fast and minibatches are large, else fp32.
    """

    auto = "auto"
    fp32 = "fp32"
    tf32 = "tf32"
    bf16 = "bf16"

    def resolved(self, device: torch.device, batch_size: int, closed_form: bool) -> "Precision":
        """The precision that ``auto`` stands for; any other stays. Arguments: as ``check``."""
        if self is not Precision.auto:
            return self
        fast = device.type == "cuda" or (device.type == "cpu" and _has_units())
        large = batch_size >= WORTH_IT
        return Precision.bf16 if fast and large and closed_form else Precision.fp32

    def check(self, device: torch.device, batch_size: int, closed_form: bool) -> None:
        """Raise ValueError where it cannot be had; warn where it does not pay.

        Args:
            device: where the products are computed.
            batch_size: rows of a minibatch.
            closed_form: whether the step is one of ours; only then can its products be rounded.
        """
        if self is Precision.tf32 and device.type != "cuda":
            raise ValueError(f"precision=tf32 needs a GPU (device=cuda), got device={device}")
        if self is not Precision.bf16:
            return
        if not closed_form:
            raise ValueError("precision=bf16 needs layers whose step is in closed form")
        if device.type == "cpu" and not _has_units():
            message = "precision=bf16 is slower than fp32 here: no AMX, no AVX512_BF16"
            warnings.warn(message, stacklevel=2)
        elif batch_size < WORTH_IT:
            message = f"precision=bf16 does not pay below minibatches of {WORTH_IT}"
            warnings.warn(f"{message}, got {batch_size}", stacklevel=2)

    @contextmanager
    def products(self) -> Iterator[None]:
        """Let a GPU round the products of float32 matrices, if this is tf32."""
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = self is Precision.tf32
        try:
            yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before


def _has_units() -> bool:
    """Whether the processor multiplies bfloat16 numbers itself."""
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
