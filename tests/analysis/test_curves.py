"""Figures over a setting: who chooses what is shown, and what is said of the differences."""

import csv
import json
import re
import sys

import chosen
import labels
import noise
import pytest
from lib import curves, script
from lib.figure import runs_by

from sda.config import compose
from sda.experiment.job import Job
from sda.experiment.launch import train_jobs

SETTINGS = {"pretrain.epochs": 3, "finetune.learning_rate": 0.3, "corruption.fraction": 0.25}


def run_folder(folder, *, valid, test, seed=0, init="sda", data="basic", status="finished", **own):
    """A run with these errors, of 1000 test rows; ``own`` settings have "__" for dots."""
    settings = {key.replace("__", "."): value for key, value in own.items()}
    path = folder / f"{len(list(folder.iterdir()))}"
    path.mkdir()
    content = {
        "data": data, "source": "regenerated", "data_hash": "abcdef0123", "init": init,
        "seed": seed, "status": status, "n_test": 1000, "valid_error": valid, "test_error": test,
        "valid_loss": valid, "settings": SETTINGS | settings | {"seed": seed, "init": init},
    }  # fmt: skip
    path.joinpath("result.json").write_text(json.dumps(content))
    path.joinpath("config.yaml").write_text("init: sda\n")


def test_validation_error_chooses_among_what_was_tried_and_test_error_does_not(tmp_path):
    for seed in (0, 1):
        for rate, valid, test in ((0.1, 0.30, 0.01), (1.0, 0.20, 0.40)):
            own = {"finetune__learning_rate": rate, "finetune__labelled": 100}
            run_folder(tmp_path, valid=valid, test=test + seed / 100, seed=seed, **own)
    (point,) = curves.points(str(tmp_path), "finetune.labelled")
    assert point.chosen == "finetune.learning_rate=1.0"
    assert point.row("labels") == {
        "data set": "basic (regenerated, abcdef01)", "arm": "sda", "labels": "100",
        "chosen": "finetune.learning_rate=1.0", "valid error": "20.00", "test error": "40.50",
        "95 % interval, ±": "6.35", "seeds": "2", "test errors": "0:40.0000 1:41.0000",
    }  # fmt: skip


def test_a_candidate_that_lacks_a_seed_is_not_chosen_and_said_to_be_left_out(tmp_path, capsys):
    for seed in (0, 1):
        run_folder(tmp_path, valid=0.3, test=0.3, seed=seed, finetune__labelled=100)
    high = {"finetune__learning_rate": 9.0, "finetune__labelled": 100}
    run_folder(tmp_path, valid=0.1, test=0.1, **high)
    run_folder(tmp_path, valid=0.1, test=0.1, seed=1, status="diverged", **high)
    (point,) = curves.points(str(tmp_path), "finetune.labelled")
    assert (point.chosen, list(point.runs)) == ("finetune.learning_rate=0.3", [0, 1])
    said = capsys.readouterr().out
    assert "is diverged" in said
    assert "left out: sda finetune.learning_rate=9.0 has only seeds 0; another has 2 seeds" in said


def test_a_number_is_the_same_however_it_was_written_and_runs_that_disagree_are_refused(tmp_path):
    for seed, rate in ((0, 1.0), (1, 1)):
        own = {"finetune__learning_rate": rate, "finetune__labelled": 100}
        run_folder(tmp_path, valid=0.2, test=0.3, seed=seed, **own)
    (point,) = curves.points(str(tmp_path), "finetune.labelled")
    assert list(point.runs) == [0, 1]
    run_folder(tmp_path, valid=0.2, test=0.1, seed=1, **own)
    with pytest.raises(ValueError, match=r"/1 and .*/2 are one run with other errors"):
        curves.points(str(tmp_path), "finetune.labelled")


def test_the_interval_of_few_seeds_does_not_take_an_axis_below_zero(tmp_path):
    for seed, error in enumerate((0.01, 0.02, 0.2)):
        run_folder(tmp_path, valid=0.1, test=error, seed=seed)
    _, panels = noise.picture(curves.points(str(tmp_path), "corruption.fraction"))
    ((axis, _),) = panels.values()
    assert axis.get_ylim()[0] == 0


def test_a_run_that_uses_all_labels_has_no_place_on_the_axis(tmp_path):
    run_folder(tmp_path, valid=0.1, test=0.1)
    with pytest.raises(ValueError, match=r"finetune\.labelled=None, which is no number"):
        curves.points(str(tmp_path), "finetune.labelled")


def many_labels(folder):
    """At 100 labels sda is better by 10 and 12 points, at 300 by 2 and 0."""
    for data in ("basic", "rot"):
        for seed in (0, 1):
            for number, gap in ((100, 0.10 + seed / 50), (300, 0.02 - seed / 50)):
                for init, error in (("random", 0.3 + gap), ("sda", 0.3)):
                    own = {"init": init, "data": data, "finetune__labelled": number}
                    run_folder(folder, valid=error, test=error, seed=seed, **own)


def test_the_figure_of_labels_has_its_table_and_its_verdicts(tmp_path, capsys):
    folder = tmp_path / "runs"
    folder.mkdir()
    many_labels(folder)
    labels.main(str(folder), str(tmp_path / "labels.png"))
    said = [line for line in capsys.readouterr().out.splitlines() if "random - sda" in line]
    assert said[:2] == [
        "basic (regenerated, abcdef01), 100 labels: random - sda "
        "+11.00 ± 12.71 points over 2 seeds, includes 0",
        "basic (regenerated, abcdef01), 300 labels: random - sda "
        "+1.00 ± 12.71 points over 2 seeds, includes 0",
    ]
    assert len(said) == 4
    assert (tmp_path / "labels.png").read_bytes()[:4] == b"\x89PNG"
    rows = list(csv.DictReader((tmp_path / "labels.csv").read_text().splitlines()))
    assert [(row["arm"], row["labels"]) for row in rows[:4]] == [
        ("random", "100"), ("random", "300"), ("sda", "100"), ("sda", "300"),
    ]  # fmt: skip


def test_the_means_of_a_figure_lie_inside_its_axes_on_log_scales_too(tmp_path):
    many_labels(tmp_path)
    for picture in (labels.picture, noise.picture):
        _, panels = picture(curves.points(str(tmp_path), "finetune.labelled"))
        for axis, own in panels.values():
            low, high = axis.get_ylim()
            assert low >= 0
            assert low < min(100 * point.test_error.mean for point in own)
            assert max(100 * point.test_error.mean for point in own) < high < 100
            assert axis.get_yscale() == "linear" or low > 10


def test_fewer_than_three_seeds_are_drawn_run_by_run_without_an_interval(tmp_path):
    for labelled, seeds in ((100, 3), (300, 2), (1000, 1)):
        for seed in range(seeds):
            error = 0.3 + seed / 10
            run_folder(tmp_path, valid=0.3, test=error, seed=seed, finetune__labelled=labelled)
    _, panels = labels.picture(curves.points(str(tmp_path), "finetune.labelled"))
    ((axis, _),) = panels.values()
    (rings,) = [line for line in axis.lines if line.get_fillstyle() == "none"]
    assert sorted(rings.get_xdata()) == [300, 300, 1000]
    assert sorted(rings.get_ydata()) == pytest.approx([30, 30, 40])
    (bars,) = axis.containers[0].lines[2]
    lengths = [segment[1][1] - segment[0][1] for segment in bars.get_segments()]
    assert lengths == pytest.approx([2 * 24.84, 0, 0], abs=0.01)  # t of 2 degrees, sd of 0.1


def test_what_was_chosen_over_one_seed_has_no_spread(tmp_path):
    run_folder(tmp_path, valid=0.3, test=0.2)
    chosen.main(str(tmp_path), ["corruption.fraction"])
    (row,) = csv.DictReader((tmp_path / "chosen.csv").read_text().splitlines())
    assert (row["test error"], row["sd"], row["seeds"]) == ("20.00", "", "1")


def test_several_uses_of_noise_are_set_against_denoising_at_the_same_fraction(tmp_path, capsys):
    folder = tmp_path / "runs"
    folder.mkdir()
    noisy = {"pretrain__corruption___target_": "sda.nn.corruption.Masking"}
    for fraction, gap in ((0, 0.0), (0.25, 0.1)):
        for init, error, own in (("sda", 0.2, {}), ("saa", 0.2 + gap, noisy)):
            words = {"init": init, "corruption__fraction": fraction, **own}
            run_folder(folder, valid=error, test=error, **words)
    noise.main(str(folder), str(tmp_path / "noise.png"))
    said = [line.split(", ", 2)[2] for line in capsys.readouterr().out.splitlines()[5:]]
    assert said == [
        "saa, noisy rows in pretraining, 0 - 0.25 -10.00 points over one seed, no interval",
        "sda, 0 - 0.25 +0.00 points over one seed, no interval",
        "0: saa, noisy rows in pretraining - sda +0.00 points over one seed, no interval",
        "0.25: saa, noisy rows in pretraining - sda +10.00 points over one seed, no interval",
    ]


def test_of_every_size_and_arm_validation_chooses_among_the_rates_that_were_tried(tmp_path, capsys):
    errors = {  # validation and test error by rate
        ("[9]", "sda"): {0.1: (0.2, 0.30), 1.0: (0.3, 0.10)},
        ("[9]", "random"): {0.1: (0.4, 0.40), 1.0: (0.5, 0.20)},
        ("[9, 9]", "sda"): {0.1: (0.2, 0.25), 1.0: (0.1, 0.26)},
    }
    for (hidden, init), rates in errors.items():
        for rate, (valid, test) in rates.items():
            for seed in (0, 1):
                own = {"stack__hidden": json.loads(hidden), "finetune__learning_rate": rate}
                error = test + seed / (40 if init == "sda" else 50)
                run_folder(tmp_path, init=init, seed=seed, valid=valid, test=error, **own)
    chosen.main(str(tmp_path), ["stack.hidden"])
    rows = list(csv.DictReader((tmp_path / "chosen.csv").read_text().splitlines()))
    assert [(row["settings"], row["arm"], row["test error"], row["sd"]) for row in rows] == [
        ("stack.hidden=[9]", "random", "41.00", "1.41"),
        ("stack.hidden=[9]", "sda", "31.25", "1.77"),
        ("stack.hidden=[9,9]", "sda", "27.25", "1.77"),
    ]
    assert rows[2]["chosen"] == "finetune.learning_rate=1.0"
    (said,) = [line for line in capsys.readouterr().out.splitlines() if "random - sda" in line]
    assert said.endswith(
        "[9]: random - sda +9.75 ± 3.18 points over 2 seeds, excludes 0: sda better"
    )
    with pytest.raises(ValueError, match=r"has no setting stack\.hiden"):
        chosen.main(str(tmp_path), ["stack.hiden"])


def test_the_figure_of_noise_compares_every_fraction_with_none(tmp_path, capsys):
    folder = tmp_path / "runs"
    folder.mkdir()
    for seed in range(3):
        for fraction, error in ((0, 0.30), (0.25, 0.20), (0.7, 0.35)):
            wrong = error + seed / 1000 * (1 + fraction)
            run_folder(folder, valid=error, test=wrong, seed=seed, corruption__fraction=fraction)
    noise.main(str(folder), str(tmp_path / "noise.png"))
    said = capsys.readouterr().out
    assert re.search(r"0 - 0.25 \+9.97 ± 0.06 points over 3 seeds, excludes 0: 0.25 better", said)
    assert re.search(r"0 - 0.7 -5.07 ± 0.17 points over 3 seeds, excludes 0: 0 better", said)
    assert (tmp_path / "noise.png").stat().st_size > 5000


@pytest.mark.slow
def test_the_runs_of_the_experiment_are_what_the_figure_of_labels_reads(tmp_path):
    quick = [
        "stack.hidden=[5]", "pretrain.epochs=1", "pretrain.precision=fp32", "data=digits",
        "~data.source", f"runs_folder={tmp_path}", "vars.budget.n100.epochs=2",
        "vars.budget.n300.epochs=1",
    ]  # fmt: skip
    for init in ("random", "sda"):
        for number in (100, 300):
            words = ["experiment=labels", f"init={init}", f"finetune.labelled={number}", *quick]
            train_jobs([Job(compose.settings(words), words)])
    found = curves.points(str(tmp_path / "labels"), "finetune.labelled")
    assert [(p.arm, p.value) for p in found] == [
        ("random", 100), ("random", 300), ("sda", 100), ("sda", 300),
    ]  # fmt: skip
    epochs = [point.runs[0].result["epochs"] for point in found]
    assert epochs == [2, 1, 2, 1]


@pytest.mark.slow
def test_the_figure_of_noisy_inputs_draws_every_use_of_the_noise(tmp_path):
    quick = [
        "stack.hidden=[5]", "pretrain.epochs=1", "pretrain.precision=fp32", "finetune.epochs=1",
        "data=digits", "~data.source", f"runs_folder={tmp_path}",
    ]  # fmt: skip
    sweep = compose.swept(["experiment=noisy_inputs"])
    for use in sweep["vars.use"].split(","):
        words = ["experiment=noisy_inputs", f"vars.use={use}", *quick]
        train_jobs([Job(compose.settings(words), words)])
    words = ["experiment=noisy_inputs", "init=baseline", "baseline=svm_rbf", *quick]
    words += ["vars.use=in_finetuning"]
    words += ["baseline.grid.C=[1]", "baseline.grid.gamma=[1]"]
    train_jobs([Job(compose.settings(words), words)])
    found = curves.points(str(tmp_path / "noisy_inputs"), "corruption.fraction")
    assert [(point.arm, point.value) for point in found] == [
        ("random, noisy rows in fine-tuning", 0.25),
        ("saa, noisy rows in pretraining", 0.25),
        ("saa, noisy rows in pretraining and fine-tuning", 0.25),
        ("sda", 0.25),
        ("svm_rbf, noisy rows in training", 0.25),
    ]


@pytest.mark.parametrize(
    ("experiment", "setting"),
    [("labels", "finetune.labelled"), ("noise", "corruption.fraction")],
)
def test_the_sweep_of_a_figure_goes_over_its_setting_and_five_seeds(experiment, setting):
    params = compose.swept([f"experiment={experiment}"])
    assert len(params[setting].split(",")) >= 5
    assert params["seed"] == "range(5)"


def test_a_script_says_in_one_line_what_it_cannot_draw(tmp_path, monkeypatch):
    def said():
        with pytest.raises(SystemExit) as ended:
            script.run(labels.main, labels.__doc__, "labels.png")
        return str(ended.value)

    monkeypatch.setattr(sys, "argv", ["labels.py", str(tmp_path / "nosuch"), "out.png"])
    assert said() == f"error: there is no folder {tmp_path / 'nosuch'}"
    monkeypatch.setattr(sys, "argv", ["labels.py", str(tmp_path), "out.png"])
    run_folder(tmp_path, valid=0.3, test=0.3, status="interrupted")
    assert said() == f"error: no run in {tmp_path} is finished"
    run_folder(tmp_path, valid=0.3, test=0.3)
    assert "has finetune.labelled=None, which is no number" in said()


def test_filters_of_another_experiment_are_refused_by_name_of_what_they_lack(tmp_path):
    run_folder(tmp_path, valid=0.3, test=0.3)
    with pytest.raises(ValueError, match=r"is a run of another experiment: it has no condition"):
        runs_by("condition", str(tmp_path))
