"""What the bits of a run depend on beside its settings and data."""

import functools
import hashlib
import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from sda import __version__


def of(device: torch.device) -> dict[str, Any]:
    """Versions, code, processor and what of it is used, threads, device."""
    cuda = torch.cuda.get_device_name() if device.type == "cuda" else None
    return {
        "sda": __version__,
        "code": _code(),
        "torch": str(torch.__version__),
        "scikit-learn": version("scikit-learn"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": cuda or str(device),
    }


@functools.cache
def _code() -> str:
    """Twelve digits of the SHA-256 of this package's files: between releases, code changes too."""
    total = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        total.update(file.read_bytes())
    return total.hexdigest()[:12]


def _processor() -> str:
    """Its name. Two that can do the same may round differently: a Xeon and an EPYC do."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"  # which Linux does not know
