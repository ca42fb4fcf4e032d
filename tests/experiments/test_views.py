"""The figures of samples and of the paper's views, on runs of seconds."""

from pathlib import Path

import pytest
from tiny_script import QUICK, called

from sda.config import compose
from sda.experiment.job import Job
from sda.experiment.launch import train_jobs

CLEAN = "{_target_: sda.Masking, fraction: 0.0}"
BITS = ["data=bits", "data.n_train=40", "data.n_valid=20", "data.n_test=20"]
CURVE = ["data=curve", "data.n_train=60", "data.n_valid=30", "data.n_test=20"]
NOISE = ["corruption=gaussian", "reconstruction=squared_error"]
STOCHASTIC = f"{{_target_: sda.Stochastic, n_hidden: 3, corruption: {CLEAN}, tied: false}}"
PATCHES = ["data.side=4", "data.n_train=60", "data.n_valid=20", "data.n_test=20"]
SLOWLY = "pretrain.learning_rate=0.0001"  # its cost has no bound while few epochs have passed


def layers(condition, *nodes):
    return [
        "stack.hidden=null",
        f"stack.layers=[{','.join(nodes)}]",
        f"+vars.condition={condition}",
    ]


RUNS = {  # of each script: words of each run
    "compatibility.py": [
        [*BITS, "stack.hidden=null", f"stack.layers=[{STOCHASTIC}]", f"pretrain.epochs={n}"]
        for n in (0, 2)
    ],
    "decoders.py": [
        [*CURVE, "experiment=decoders", "stack.hidden=null", f"vars.decoder={decoder}"]
        for decoder in ("fixed", "mixture")
    ],
    "identity.py": [[f"init={init}", "reconstruction=squared_error"] for init in ("saa", "sda")],
    "information.py": [["data=digits", f"corruption.fraction={f}"] for f in (0.0, 0.25)],
    "manifold.py": [[*CURVE, *NOISE, f"corruption.std={std}"] for std in (0.1, 0.2)],
    "restoration.py": [
        ["experiment=restoration", "stack.hidden=null", *PATCHES, f"vars.task={task}"]
        for task in ("no_colour", "noisy_code_4")
    ],
    "stack_samples.py": [[f"init={init}", "stack.hidden=[9,8]"] for init in ("sda", "dbn")],
    "tokens.py": [
        ["experiment=tokens", "stack.hidden=null", "data.step=20", f"vars.noise={noise}"]
        for noise in ("masking", "deletion")
    ],
    "training.py": [
        ["experiment=training", "finetune.epochs=3", f"vars.way={way}"]
        for way in ("averaged", "adam")
    ],
    "units.py": [
        layers("bernoulli", STOCHASTIC),
        [*layers("variational", f"{{_target_: sda.Variational, n_hidden: 3, corruption: {CLEAN}}}"),
         SLOWLY],
    ],
    "vae.py": [
        [*layers("vae", f"{{_target_: sda.Variational, n_hidden: {n}, corruption: {CLEAN}}}"),
         f"+vars.code={n}", SLOWLY]
        for n in (2, 3)
    ],
    "walkback.py": [
        layers("denoising", "{_target_: sda.GSN, n_hidden: 5, walkback: 1}"),
        layers("two_levels", "{_target_: sda.GSN, n_hidden: 5, walkback: 2, above: [4]}"),
    ],
}  # fmt: skip
OTHER_DATA = {
    "information.py": [[*BITS, f"corruption.fraction={f}"] for f in (0.0, 0.25)],
    "manifold.py": [["data=digits", *NOISE, f"corruption.std={std}"] for std in (0.1, 0.2)],
}
WORDS = {"walkback.py": ["--samples", 300]}
CASES = [(name, k) for k, runs in enumerate((RUNS, OTHER_DATA)) for name in runs]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "k"), CASES)
def test_a_figure_is_drawn_with_its_table(name, k, tmp_path):
    for words in (RUNS, OTHER_DATA)[k][name]:
        every = [*QUICK, *words, f"runs_folder={tmp_path}", "name=runs"]
        train_jobs([Job(compose.settings(every), every)])
    picture = tmp_path / "figure.png"
    done = called(name, [tmp_path / "runs", picture, *WORDS.get(name, [])])
    assert done.returncode == 0, done.stderr
    assert picture.stat().st_size > 1000
    table = Path(picture.with_suffix(".csv")).read_text().splitlines()
    assert len(table) > len((RUNS, OTHER_DATA)[k][name])
    assert "nan" not in done.stdout
