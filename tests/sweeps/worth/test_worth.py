"""Is pretraining worth it: a plan that fits into minutes, and runs that follow it."""

import dataclasses
import json
from pathlib import Path

import pytest
from sklearn.base import is_regressor

from sda.__main__ import main
from sda.cli import worth
from sda.config import compose
from sda.data.digits import digits
from sda.runs.identity import Init
from sda.sweeps.executors.executor import Local
from sda.sweeps.worth import plan, probe

ARMS = {"random": ["a", "b", "c", "d"], "sda": ["a pretrain.epochs=1", "b"], "knn": ["c"]}
TIMES = {
    "random layers": 0.0,
    "random": 1e-5,
    "sda layers": 0.1,
    "sda": 1e-5,
    "knn": 1e-6,
    "random_forest": 1e-6,
}


@pytest.fixture(scope="module")
def splits():
    return digits(seed=0)


def fitting(splits, minutes, arms=None):
    empty = plan.Plan(
        "digits", "runs", ["data=digits"], minutes, arms or ARMS, [100, None], 1000,
        10, 100, 30_000, 0.0, {},
    )  # fmt: skip
    return probe._fitting(empty, TIMES, splits, 0.1, 120 * minutes, 2)


@pytest.mark.parametrize(
    ("n", "classes", "numbers"),
    [
        (1000, 10, [100, 300, None]),
        (341, 2, [30, 100, None]),
        (10_000, 10, [100, 300, 1000, 3000, None]),
        (50, 3, [None]),
    ],
)
def test_numbers_of_labels_go_from_a_few_of_each_class_to_all(n, classes, numbers):
    assert probe.numbers(n, classes) == numbers


def test_more_minutes_give_more_seeds_and_epochs_and_what_is_expected_fits(splits):
    plans = [fitting(splits, minutes) for minutes in (0.5, 2, 10, 1000)]
    for made in plans:
        assert made.expected <= made.minutes
    sizes = [(made.seeds, made.pretraining, made.steps) for made in plans]
    assert sizes == sorted(sizes)
    assert sizes[-1] == probe.LEVELS[0][:3]
    assert len({*sizes}) > 2


def test_too_few_minutes_give_the_least_plan_that_says_how_long_it_takes(splits):
    made = fitting(splits, 0.001)
    assert (made.seeds, made.pretraining, made.steps) == probe.LEVELS[-1][:3]
    assert made.expected > made.minutes


def test_a_baseline_that_would_take_too_much_is_left_out_with_a_word(splits):
    made = fitting(splits, 10)
    slow = probe._without_slow(made, TIMES | {"knn": 1.0}, {}, splits, 60)
    assert "knn" not in slow.arms
    assert "too much" in slow.left_out["knn"]
    with pytest.raises(ValueError, match="probe of random failed: it died"):
        probe._without_slow(made, TIMES, {"random": "it died"}, splits, 60)


def test_a_plan_is_written_and_read_back(splits, tmp_path):
    made = dataclasses.replace(fitting(splits, 10), runs_folder=str(tmp_path))
    made.write()
    assert plan.read(made.name, made.runs_folder) == made
    (made.folder / plan.FILE).write_text("{}")
    with pytest.raises(ValueError, match="is no plan"):
        plan.read(made.name, made.runs_folder)


def test_settings_are_compared_without_test_rows_and_tested_with_fresh_seeds(splits, tmp_path):
    arms = {"sda": ["corruption.fraction=0.4"], "knn": ["baseline.grid.n_neighbors=[1]"]}
    made = dataclasses.replace(fitting(splits, 10, arms), runs_folder=str(tmp_path))
    searched = made.search()
    assert set(searched) == {(arm, n) for arm in arms for n in (100, None)}
    for (arm, labels), (job,) in searched.items():
        assert (job.plan.init, job.plan.seed, job.plan.test) == (arm, plan.SEARCHED, False)
        assert job.config["finetune"]["labelled"] == labels
    job = made.job("sda", arms["sda"][0], 100, made.fresh[0], test=True)
    assert job.plan.test
    assert job.plan.seed != plan.SEARCHED
    assert job.plan.layers[0].corruption.fraction == 0.4


def test_the_choice_is_the_lowest_validation_error_then_cross_entropy(splits, tmp_path):
    arms = {"sda": [f"corruption.fraction={k}" for k in (0.1, 0.2, 0.3, 0.4)]}
    made = dataclasses.replace(fitting(splits, 10, arms), runs_folder=str(tmp_path))
    jobs = made.search()["sda", None]
    outcomes = [(0.2, 0.1, "finished"), (0.1, 0.9, "finished"), (0.1, 0.3, "finished"),
                (0.0, 0.0, "diverged")]  # fmt: skip
    for job, (error, loss, status) in zip(jobs, outcomes, strict=True):
        job.path.mkdir(parents=True)
        said = {"valid_error": error, "valid_loss": loss, "status": status}
        (job.path / "result.json").write_text(json.dumps(said))
    assert probe.chosen(made.arms["sda"], jobs) == made.arms["sda"][2]
    assert probe.chosen(made.arms["sda"][3:], jobs[3:]) is None


def test_what_a_baseline_chose_of_its_grid_is_what_is_tested(splits, tmp_path):
    arms = {"random_forest": ["baseline.grid.max_features=[sqrt,0.3]"]}
    made = dataclasses.replace(fitting(splits, 10, arms), runs_folder=str(tmp_path))
    (job,) = made.search()["random_forest", None]
    job.path.mkdir(parents=True)
    said = {"valid_error": 0.1, "status": "finished",
            "chosen": {"max_features": "sqrt", "min_samples_leaf": 2}}  # fmt: skip
    (job.path / "result.json").write_text(json.dumps(said))
    setting = probe.chosen(made.arms["random_forest"], [job])
    tested = made.job("random_forest", setting, None, 1, test=True)
    assert tested.plan.tried == [{"max_features": "sqrt", "min_samples_leaf": 2}]


@pytest.fixture
def answered(tmp_path, monkeypatch):
    """Call ``worth``; return its message, empty if it did what was asked."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        with pytest.raises(SystemExit) as end:
            main(["worth", *words])
        return end.value.code or ""

    return call


def test_a_second_call_follows_the_plan_and_other_words_are_refused(
    splits, answered, monkeypatch, capsys
):
    made = fitting(splits, 10)
    made.write()
    followed = []
    monkeypatch.setattr(probe, "run", lambda known: followed.append(known) or [])
    assert "no run" in answered("digits") or "no folder" in answered("digits")
    assert followed == [made, made]
    assert "the plan in runs/worth/digits is followed" in capsys.readouterr().out
    assert "name=OTHER beside it" in answered("digits", "stack.hidden=[3]")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "worth needs data"),
        (["digitz"], "there is no data set and no file digitz"),
        (["digits", "minutes=0"], "minutes must be a number above 0, got 0"),
        (["digits", "stack.hiden=[3]"], "did you mean stack.hidden?"),
    ],
)
def test_a_mistake_is_told_before_any_work(answered, words, message, tmp_path):
    assert message in answered(*words)
    assert not (tmp_path / "runs").exists()


def test_probes_train_where_all_machines_see_them_and_what_was_started_is_closed(
    splits, tmp_path, monkeypatch
):
    made = dataclasses.replace(fitting(splits, 10), runs_folder=str(tmp_path / "runs"), arms={
        "random": [""], "sda": [""]})  # fmt: skip
    seen = []

    class Noted(Local):
        def close(self):
            seen.append("closed")

    def executor(config):
        seen.append(Path(config["runs_folder"]).parent)
        return Noted(2)

    monkeypatch.setattr(probe.choice, "executor", executor)
    monkeypatch.setattr(probe.sweep, "run_all", lambda *_, **__: [])
    probe._timed(made, splits)
    assert seen == [tmp_path / "runs", "closed"]
    assert not list((tmp_path / "runs").iterdir())
    probe.run(made)
    assert seen[2:] == [tmp_path, "closed"]


@pytest.mark.slow
def test_the_question_is_answered_with_a_page(answered, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(probe, "LEVELS", ((2, 1, 200, 1),))
    monkeypatch.setattr(probe, "SECONDS", 20.0)
    words = ["digits", "minutes=3", "stack.hidden=[20]", "jobs=2"]
    assert answered(*words) == ""
    said = capsys.readouterr().out
    page = (tmp_path / "runs" / "worth" / "digits" / "worth.html").read_text()
    page = page.replace("\xa0", " ")  # no line begins with a per cent sign
    verdict = " ".join(said.split("\n\n")[-2].split())
    assert verdict.startswith(("Yes, ", "No: "))
    assert verdict in page
    assert "knn" in page
    made = plan.read("digits", "runs")
    assert made.words == ["data=digits", "stack.hidden=[20]", "jobs=2"]


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_every_arm_has_four_settings_and_baselines_are_for_the_kind_of_label(kind):
    tried = compose.settings(["experiment=worth"])["vars"][kind]
    assert {*list(tried)[:3]} == {"random", "saa", "sda"}
    for arm, settings in tried.items():
        if arm in list(Init):
            assert len({*settings}) == len(settings) == 4
            continue
        for setting in settings:
            made = plan.job(["data=digits", f"baseline={arm}", *setting.split()]).plan
            assert is_regressor(made.estimator) == (kind == "numbers")
            assert 1 < len(made.tried) <= 4


def test_a_persons_table_is_read_by_the_kinds_of_its_columns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine.csv", "mine.npz"):
        (tmp_path / name).touch()
    assert worth._with_data(["mine.csv", "data.label=y"]) == [
        "data=table", 'data.path="mine.csv"', "data.label=y",
    ]  # fmt: skip
    assert worth._with_data(["mine.npz"])[0] == "data=arrays"
