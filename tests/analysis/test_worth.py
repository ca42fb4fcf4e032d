"""The verdict on pretraining: it can say yes, no, and that something else is better."""

import numpy as np
import pytest

from sda.analysis import intervals, worth
from sda.runs.results import Trained

ROWS, CLASSES = 2000, 3


@pytest.fixture
def runs(tmp_path):
    """Runs of arms at numbers of labels, that err on given shares of the test rows."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, ROWS)
    hard = rng.permutation(ROWS)  # the same rows are hard for every run

    def make(errors, valid=None, seeds=3):
        found = []
        for (arm, labelled), error in errors.items():
            for seed in range(1, seeds + 1):
                share = error + rng.normal(0, 0.002)
                predicted = y.copy()
                wrong = hard[: int(share * ROWS)]
                wrong = np.where(
                    rng.random(len(wrong)) < 0.1, rng.integers(0, ROWS, len(wrong)), wrong
                )
                predicted[wrong] = (predicted[wrong] + 1) % CLASSES
                path = tmp_path / f"{arm}-{labelled}-{seed}-{len(found)}"
                path.mkdir()
                np.savez(path / "test_predictions.npz", y=y, predicted=predicted)
                test_error = float(np.mean(predicted != y))
                found.append(Trained(path, {
                    "init": arm, "seed": seed, "n_test": ROWS, "test_error": test_error,
                    "valid_error": (valid or {}).get(arm, test_error),
                    "settings": {"finetune.labelled": labelled}, "data_hash": "x",
                }))  # fmt: skip
        return found

    return make


def judged(runs):
    return worth.points(runs, 1000)


def test_it_says_yes_where_pretraining_helps_and_where_it_does_not(runs):
    found = judged(runs({
        ("random", 100): 0.30, ("sda", 100): 0.22, ("random", None): 0.1, ("sda", None): 0.1,
        ("knn", 100): 0.40, ("knn", None): 0.2,
    }))  # fmt: skip
    said = worth.verdict(found)
    assert said.startswith("Yes, with 100: most with 100, where SdA errs ")
    assert "with all 1000 labels no difference was found" in said
    assert "the best baseline (knn) is worse than the better of the two" in said
    low, high = (float(part) for part in said.split("interval ")[1].split(")")[0].split(" to "))
    assert low < 8 < high
    assert high - low < 4


def test_it_says_no_where_nothing_was_found(runs):
    found = judged(runs({
        ("random", 100): 0.3, ("sda", 100): 0.3, ("random", None): 0.1, ("sda", None): 0.1,
    }))  # fmt: skip
    assert worth.verdict(found).startswith(
        "No: at no number of labels was SdA found better than random weights; with 100 and with "
        "all 1000 labels no difference was found (with all 1000 labels it errs "
    )


def test_it_says_where_pretraining_is_worse_and_a_baseline_better_than_both(runs):
    found = judged(runs({
        ("random", None): 0.1, ("sda", None): 0.2, ("knn", None): 0.04, ("svm_rbf", None): 0.3,
    }))  # fmt: skip
    said = worth.verdict(found)
    assert said.startswith("No: ")
    assert "with all 1000 labels it errs" in said
    assert said.endswith("With all 1000 labels, knn is better than both.")


def test_baseline_and_network_are_chosen_by_validation_errors_not_by_test_errors(runs):
    valid = {"knn": 0.3, "svm_rbf": 0.2, "random": 0.5, "sda": 0.4}
    errors = {("random", None): 0.1, ("sda", None): 0.2, ("knn", None): 0.1, ("svm_rbf", None): 0.3}
    (point,) = judged(runs(errors, valid))
    assert (point.baseline.first.label, point.baseline.second.label) == ("sda", "svm_rbf")


def test_p_is_corrected_over_all_claims_of_all_numbers_of_labels(runs):
    found = judged(runs({
        (arm, labelled): error
        for labelled in (30, 100, None)
        for arm, error in (("random", 0.2), ("sda", 0.195), ("knn", 0.2))
    }))  # fmt: skip
    pairs = [pair for one in found for pair in (one.worth, one.baseline)]
    assert [pair.p for pair in pairs] == intervals.holm([pair.estimate.p for pair in pairs])
    assert len(worth.differences(found).rows) == 6


def test_a_number_of_labels_at_which_the_two_have_no_seed_in_common_is_not_judged(runs):
    """So it is when a command was stopped between the fresh seeds of one and of the other."""
    own = runs({(arm, n): 0.2 for n in (30, None) for arm in ("random", "sda", "knn")})
    apart = [run for run in own if run.labelled is None or (run.seed > 1) is (run.init == "sda")]
    assert [point.rows for point in judged(apart)] == [1000]


def test_the_table_has_the_mean_of_the_seeds_and_a_crossed_interval(runs):
    own = runs({("random", None): 0.1, ("sda", None): 0.2})
    (row,) = worth.errors(judged(own)).rows
    parts = [run.predictions() for run in own if run.init == "sda"]
    wrong = np.stack([y != predicted for y, predicted in parts]).astype(float)
    estimate = intervals.crossed(wrong)
    assert row[2] == f"{100 * wrong.mean():.2f} ±{100 * estimate.half_width:.2f}"
    assert row[1].startswith("**")


def test_the_curve_is_drawn_also_where_an_arm_is_missing_or_never_errs(runs):
    own = runs({
        ("random", 30): 0.3, ("sda", 30): 0.2, ("random", None): 0.1, ("sda", None): 0.0,
        ("knn", None): 0.1,
    })  # fmt: skip
    assert worth.curve(judged(own))[:4] == b"\x89PNG"
