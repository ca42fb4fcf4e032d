"""Nothing passes on one kind of processor alone: what depends on rounding runs as on others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROUNDED = [
    "training/test_pretraining.py", "training/test_finetuning.py", "nn/test_distributions.py",
    "nn/test_contrastive_divergence.py", "experiment/test_pretrained.py",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ATEN_CPU_CAPABILITY", "default"),
        ("ATEN_CPU_CAPABILITY", "avx2"),
        ("MKL_ENABLE_INSTRUCTIONS", "AVX2"),
        ("MKL_ENABLE_INSTRUCTIONS", "SSE4_2"),
    ],
)
def test_what_depends_on_rounding_passes_as_on_another_processor(variable, value):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0"]
    done = subprocess.run(
        [*command, *(str(TESTS / name) for name in ROUNDED)],
        env={**os.environ, variable: value}, cwd=TESTS.parent, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
