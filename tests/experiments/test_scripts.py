"""Every script of the experiments runs, on the smallest sizes: none may rot unseen."""

import pytest
from tiny_script import QUICK, called

from sda.config import catalogue, compose
from sda.data.mnist import at_hand
from sda.experiment.job import Job
from sda.experiment.launch import train_jobs

ROOT = catalogue.folder().parent
SCRIPTS = sorted(path.name for path in (ROOT / "experiments").glob("*.py"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Finished runs of two arms, two seeds, two numbers of labels and two rates of noise."""
    folder = tmp_path_factory.mktemp("scripts")
    for init in ("random", "saa", "sda"):
        for seed in (0, 1):
            for words in (["finetune.labelled=40"], ["finetune.labelled=60"]):
                said = [f"init={init}", f"seed={seed}", "corruption.fraction=0.25", *words]
                every = [*QUICK, *said, f"runs_folder={folder}"]
                train_jobs([Job(compose.settings(every), every)])
    return folder / "digits"


VIEWS = (  # on runs of their own, in test_views.py
    "compatibility.py", "decoders.py", "identity.py", "information.py", "manifold.py",
    "restoration.py", "stack_samples.py", "tokens.py", "training.py", "units.py", "vae.py",
    "walkback.py",
)  # fmt: skip


def words_of(name, runs, out):
    """What a script is called with; None: only with the published data or runs of its own."""
    arms = [
        next(p for p in runs.iterdir() if f"init-{arm}_" in p.name) for arm in ("random", "sda")
    ]
    few = ["stack.hidden=[9]", "data.n_train=100", "pretrain.epochs=1", "finetune.epochs=1"]
    known = dict.fromkeys(VIEWS) | {
        "before_after.py": [*arms, "--out", out / "before_after.png"],
        "benchmark_convolution.py": ["--smallest"],
        "benchmark_estimators.py": ["--smallest"],
        "benchmark_step.py": ["--smallest"],
        "chosen.py": [runs, "finetune.labelled"],
        "corruptions.py": [out / "corruptions.png"],
        "curves.py": None,
        "data_parallel.py": ["--smallest"],
        "data_pictures.py": None,
        "data_report.py": None,
        "depth_spread.py": [runs, out / "depth_spread.png"],
        "few_labels.py": ["--quick", "--out", out / "few_labels.csv"],
        "figure3.py": None,
        "figure5.py": None,
        "filters.py": [out / "filters.png", *sorted(p for p in runs.iterdir() if p.is_dir())[:2]],
        "imputation.py": ["--seeds", 1, "--epochs", 2, "--tables", "wine", "--out", out / "i.csv"],
        "joint.py": [runs, out / "joint.png"],
        "kernels.py": [next(p for p in runs.iterdir() if "sda" in p.name), out / "kernels.png"],
        "kills.py": ["--smallest", "--engine", "local", "--out", out / "kills.csv"],
        "labels.py": [runs, out / "labels.png"],
        "large_data.py": ["--rows", 500, "--folder", out],
        "noise.py": [runs, out / "noise.png"],
        "relatives.py": [runs, out / "relatives.png"],
        "searched.py": [runs],
        "table1.py": ["--out", out],
        "throughput.py": ["--smallest"],
        "trajectories.py": [*few, "--seeds", 2, "--out", out / "t.png"] if at_hand(None) else None,
        "wide.py": ["--seeds", 2, "--columns", 700, "--out", out / "wide.csv"],
    }
    return known[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_on_the_smallest_sizes(name, runs, tmp_path):
    words = words_of(name, runs, tmp_path)
    done = called(name, ["--help"] if words is None else words)
    if words is None:  # a person without the data is told so, not shown a traceback
        assert "Traceback" not in done.stderr or "SystemExit" in done.stderr, done.stderr
    else:
        assert done.returncode == 0, done.stderr
