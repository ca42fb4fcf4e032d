"""`sample`: pictures and arrays of what a run draws, the same for a seed, and clear refusals."""

import numpy as np
import pytest
from commands import run as run_command
from PIL import Image
from tiny_run import plan, train

from sda.config import schema

WORDS = ["init=sda", "finetune.epochs=1", "reconstruction=cross_entropy"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two layers on bits."""
    folder = tmp_path_factory.mktemp("sample") / "run"
    words = ["data=bits", "data.n_train=60", "data.n_valid=30", "data.n_test=30", *WORDS]
    data = schema.load_data(plan(*words)[1])
    train(folder, *words, data=data)
    return folder


def sample(*words):
    return run_command("sample", *words)


def test_chains_are_drawn_into_a_picture_and_an_array(run, tmp_path):
    words = ["chains=3", "steps=8", "every=2"]
    assert sample(run, *words, f"out={tmp_path}") == (0, "")
    with np.load(tmp_path / "samples.npz") as found:
        start, drawn = found["start"], found["drawn"]
    assert (start.shape, drawn.shape) == ((3, 4), (3, 4, 4))
    assert set(np.unique(start)) <= {0.0, 1.0}
    assert ((drawn >= 0) & (drawn <= 1)).all()
    with Image.open(tmp_path / "samples.png") as picture:  # 2 x 2 each, the start and four samples
        assert picture.size == (5 * 3 + 1, 3 * 3 + 1)


@pytest.mark.parametrize(
    "words",
    [
        ["layer=2", "steps=20"],
        ["procedure=top", "draws=4", "mixing=2"],
        ["start=noise", "steps=20"],
    ],
    ids=str,
)
def test_a_seed_names_what_is_drawn(run, tmp_path, words):
    drawn = []
    for seed in (1, 1, 2):
        assert sample(run, "chains=3", *words, f"seed={seed}", f"out={tmp_path}") == (
            0,
            "",
        )
        with np.load(tmp_path / "samples.npz") as found:
            drawn.append(found["drawn"])
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[1], drawn[2])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["layer=3"], "layer must be at most 2, got 3"),
        (["procedure=prior"], "has no distribution of codes to draw from"),
        (["chains=31"], "chains must be at most 30, the validation rows"),
        (["step=3"], "there is no setting 'step'; did you mean steps?"),
        (["procedure=gibbs"], "procedure must be one of chain, top, prior, got 'gibbs'"),
        (["every=0"], "every must be a whole number of at least 1, got 0"),
        (["every=201"], "every must be a whole number of at most 200, got 201"),
        (["steps=5", "every=6"], "every must be a whole number of at most 5, got 6"),
        (["draws=3"], "draws is for procedure=top or prior, not for chain"),
        (["procedure=top", "layer=2"], "layer is for procedure=chain, not for top"),
        (["procedure=prior", "mixing=1"], "mixing is for procedure=top, not for prior"),
        (["steps=[1"], "the value of steps=[1 cannot be read"),
        (["more"], "sample takes one folder and key=value, got 'more'"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_a_line(run, words, said):
    assert said in sample(run, *words)[1]


def test_a_folder_without_a_run_is_refused(tmp_path):
    assert "holds no run" in sample(tmp_path)[1]
