"""What the exact numbers of a run depend on, besides its settings and data."""

import ast
import functools
import hashlib
import os
import platform
import re
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from sda import __version__
from sda.common import processes
from sda.common.trust import trusted

# Environment variables with which MKL or oneDNN may round a product differently.
ROUNDING = r"MKL_CBWR|MKL_ENABLE_INSTRUCTIONS|MKL_DEBUG_CPU_TYPE|(ONEDNN|DNNL)_(?!VERBOSE).*"


def of(device: torch.device) -> dict[str, Any]:
    """Versions, code, processor and the instructions in use, threads, device."""
    cuda = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    own = {"parts": _parts()} if trusted() else {}
    alone = torch.get_num_threads()
    if asked := {k: v for k, v in sorted(os.environ.items()) if re.fullmatch(ROUNDING, k)}:
        own["libraries"] = " ".join(f"{key}={value}" for key, value in asked.items())
    return own | {
        "sda": __version__,
        "revision": revision(),
        "torch": str(torch.__version__),
        "scikit-learn": version("scikit-learn"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": f"{several} x {alone}" if (several := processes.count()) > 1 else alone,
        "device": cuda or str(device),
    }


@functools.cache
def revision() -> str:
    """A digest of the code that trains, which is in nn, training and common.

    The first twelve digits of a SHA-256 of its syntax trees: comments and docstrings do not count.
    """
    package = Path(__file__).parents[1]
    parts = [package / part for part in ("common", "nn", "training")]
    return _digest(file for part in parts for file in sorted(part.rglob("*.py")))


def _parts() -> str:
    """The same digest of the modules that this command line trusts."""
    modules = [module.__file__ for _, module in sorted(trusted().items())]
    return _digest(Path(file) for file in modules if file is not None)


def _digest(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(_code(ast.parse(file.read_text("utf-8"))).encode())
    return total.hexdigest()[:12]


def _code(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            node.body = node.body[ast.get_docstring(node) is not None :]
    return ast.dump(tree)


def _processor() -> str:
    """The processor's name: a Xeon and an EPYC with the same instructions round differently."""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    # Not platform.processor(), which starts a process where there is no such file.
    return os.environ.get("PROCESSOR_IDENTIFIER") or "unknown"  # of Windows
