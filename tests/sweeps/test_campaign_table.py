"""What a campaign has come to: its table, the gaps between methods, its page."""

import re
import shutil

import numpy as np
import pytest
import torch
from tiny_campaign import change, table_rows

from sda.analysis import intervals
from sda.analysis.report import best_of_each_kind
from sda.cli import campaign as campaign_command
from sda.cli import compare, report
from sda.runs.folder import RunFolder
from sda.runs.results import Trained
from sda.sweeps.campaign import campaign
from sda.sweeps.campaign import gaps as campaign_gaps
from sda.sweeps.campaign import table as campaign_table
from sda.sweeps.campaign import words as campaign_words
from sda.sweeps.job import place


def _gaps(plan):
    rows = table_rows(plan)
    return campaign_gaps.lines(rows, campaign_gaps.of(campaign_table.last_cells(plan), rows))


def _full(rows):
    return campaign_table.markdown(rows, campaign_table.full)


def test_the_words_of_a_campaign_are_kept_for_its_table(tiny, tmp_path):
    words = ["campaign.hours=0", f"runs_folder={tmp_path / 'runs'}", "finetune.batch_size=7"]
    assert campaign_command.main(["tiny", *words]) == 3
    kept = campaign_words.recorded(tmp_path / "runs" / "tiny")
    own = campaign.read("tiny", words)
    folders = [
        [place(job) for cell, _ in campaign_table.last_cells(plan) for job in cell.tried(1)[0]]
        for plan in (kept, own)
    ]
    assert folders[0] == folders[1]
    assert "finetune.batch_size-7" in folders[0][0].name


def test_gaps_are_over_the_seeds_of_both_or_over_the_rows_of_one(done):
    sda, random, _ = campaign.cells(done, done.tiers[0])
    ours, other = sda.runs(2), random.runs(2)
    errors = [[run.test_error for run in runs] for runs in (other, ours)]
    assert campaign_gaps.difference(other, ours) == intervals.paired(*errors)
    gap = campaign_gaps.difference(other, ours[:1])
    wrong = [np.not_equal(*runs[0].predictions()) for runs in (other, ours)]
    assert gap.mean == pytest.approx(errors[0][0] - errors[1][0])
    apart = np.subtract(*wrong, dtype=float)
    assert gap.half_width == pytest.approx(1.96 * apart.std() / len(apart) ** 0.5, rel=0.02)
    head, line = _gaps(done)
    assert head[1:] == ["random, 3 layers − SdA-3", "SAA-3 − SdA-3", "DBN-3 − SdA-3", "in order"]
    assert line[0] == "digits"
    assert "over 2 seeds" in line[1]
    assert line[1].endswith("(+0.00)")
    assert line[2:4] == ["not run", "not run"]
    remade = Trained(other[1].path, {**other[1].result, "data_hash": "other"})
    with pytest.raises(ValueError, match="not of the same data"):
        campaign_gaps.difference([other[0], remade], ours)


def test_the_table_says_what_was_run_and_what_was_not(done, tmp_path):
    rows = table_rows(done)
    sda = next(row for row in rows if row["arm"] == "sda3")
    assert sda["seeds"] == 2
    assert sda["tried"] == 4
    assert sda["published"] == "25.00"
    chosen = campaign.cells(done, done.tiers[0])[0].chosen()
    result = RunFolder(place(chosen)).result
    assert sda["test_error_chosen"] == f"{100 * result['test_error']:.2f}"
    machine = next(row for row in rows if row["arm"] == "svm_rbf")
    assert (machine["tried"], machine["seeds"], machine["published"]) == (2, 1, "25.00")
    assert "not run" not in _full(rows)
    shutil.rmtree(tmp_path / "runs")
    assert _full(table_rows(done)).count("not run; paper 25.00") == 3


def test_the_validation_error_that_chose_is_told_beside_its_mean_over_seeds(done):
    rows = table_rows(done)
    heads, first, *_ = campaign_table.details(rows)
    told = dict(zip(heads, first, strict=True))
    sda = campaign.cells(done, done.tiers[0])[0]
    errors = {run.seed: run.valid_error for run in sda.runs(2)}
    chose = min(result["valid_error"] for _, result in sda.finished())
    assert errors[0] == chose
    assert told["validation error of seed 0"] == f"{100 * chose:.2f}"
    assert told["its mean over seeds"] == f"{50 * sum(errors.values()):.2f}"
    gone = campaign_table.details([rows[0] | {"valid_errors": ""}])[1]
    assert gone[heads.index("validation error of seed 0")] == ""


def test_equal_means_are_told_to_be_equal(done):
    rows = [row | {"test_error_mean": "1.25"} for row in table_rows(done)]
    assert campaign_gaps.lines(rows, {})[1][-1] == "SdA-3 = random, 3 layers"


def test_the_table_names_edges_of_the_rates_and_no_setting_without_effect(done, tmp_path):
    sda, *_ = campaign.cells(done, done.tiers[0])
    for job, _ in sda.finished():
        change(job, valid_error=0.1, valid_loss=job.config["finetune"]["learning_rate"])
    rows = {row["arm"]: row for row in table_rows(done)}
    assert rows["sda3"]["setting"] == "corruption.fraction=0.1 finetune.learning_rate=0.5"
    assert rows["sda3"]["edge"] == "lowest finetune.learning_rate"
    assert "corruption" not in rows["random3"]["setting"]
    found = {rows["random3"]["setting"].partition("rate=")[2]: rows["random3"]["edge"].split()[0]}
    assert found in ({"0.5": "lowest"}, {"1": "highest"})
    setting, edge = rows["svm_rbf"]["setting"], rows["svm_rbf"]["edge"]
    assert (setting.split()[0], edge) in (("C=1", "lowest C"), ("C=10", "highest C"))
    edges = [campaign_table._edge("C", 0.5, tried) for tried in ([0.1, 0.5, 1.0], [0.5])]
    assert edges == ["", ""]


def test_a_rate_that_has_not_been_tried_yet_is_no_rate_below_the_chosen_one(done):
    sda, *_ = campaign.cells(done, done.tiers[0])
    for job, _ in sda.finished():
        change(job, valid_error=0.1, valid_loss=-job.config["finetune"]["learning_rate"])
        if job.config["finetune"]["learning_rate"] == 0.5:
            shutil.rmtree(place(job))
    (row,) = (row for row in table_rows(done) if row["arm"] == "sda3")
    assert row["setting"].endswith("finetune.learning_rate=1")
    assert row["edge"] == ""  # of one rate there is none


def test_the_brief_table_marks_single_runs_and_what_is_not_reached():
    row = {
        "arm": "sda3",
        "seeds": 1,
        "test_error_mean": "3.17",
        "published": "2.80",
        "reached": "no",
    }
    assert campaign_table.brief(row) == "**3.17**\\*† (2.80)"
    assert campaign_table.brief(row | {"arm": "svm_rbf"}) == "**3.17**† (2.80)"
    assert campaign_table.brief(row | {"seeds": 5, "reached": "yes"}) == "**3.17** (2.80)"


def test_a_gap_over_rows_is_never_bold_it_leaves_out_how_seeds_differ(done):
    random = campaign.cells(done, done.tiers[0])[1]
    for job in random.repeated(2)[1:]:
        shutil.rmtree(place(job))
    for job in random.repeated(1):
        file = place(job) / "test_predictions.npz"
        y = np.load(file)["y"]
        change(job, test_error=1.0)
        np.savez(file, y=y, predicted=(y + 1) % 10)
    *_, line = _gaps(done)
    assert re.match(r"\+\d+\.\d\d ± \d\.\d\d over rows", line[1])


def test_a_table_wants_a_folder_and_whole_words_and_does_without_the_device_they_name(
    done, tmp_path
):
    with pytest.raises(ValueError, match=r"there is no folder .*nosuch/tiny"):
        campaign_words.recorded(tmp_path / "nosuch" / "tiny")
    file = tmp_path / "runs" / "tiny" / campaign_words.FILE
    for damaged in ("{bad", '{"a": 1}', "[1]"):
        file.write_text(damaged)
        with pytest.raises(ValueError, match=r"campaign.json is damaged"):
            campaign_words.recorded(file.parent)
    file.write_text('["device=cuda", "jobs=3", "finetune.batch_size=7"]')
    assert "finetune.batch_size=7" in campaign_words.recorded(file.parent).words
    assert not {"device=cuda", "jobs=3"} & set(campaign_words.recorded(file.parent).words)


def test_a_campaign_is_found_in_a_folder_of_any_name(done, tmp_path):
    odd = tmp_path / "it's a, b\\c = [d]"
    shutil.copytree(tmp_path / "runs" / "tiny", odd / "tiny")
    plan = campaign_words.recorded(odd / "tiny")
    sda, *_ = campaign.cells(plan, plan.tiers[0])
    assert place(sda.chosen()).is_relative_to(odd)


def test_runs_count_also_where_the_data_lie_in_another_folder(done):
    sda, *_ = campaign.cells(done, done.tiers[0])
    for job, result in sda.finished():
        change(job, settings=result["settings"] | {"data.folder": "elsewhere", "data_folder": "e"})
    assert len(sda.finished()) == 4


def test_a_mean_above_the_papers_interval_is_said_not_to_be_reached(done, monkeypatch):
    monkeypatch.setattr(campaign_table, "ABSOLUTE", ("digits",))
    row = table_rows(done)[0]
    most = 0.25 + intervals.binomial(0.25, row["test_rows"])
    for mean, verdict in ((most - 1e-6, "yes"), (most + 1e-6, "no")):
        assert campaign_table.reached(row, mean) == verdict
    assert _full([row | {"reached": "no"}]).count("paper 25.00, not reached") == 1
    assert "not reached" not in _full([row | {"reached": "yes"}])
    monkeypatch.setattr(campaign_table, "ABSOLUTE", ("others",))
    assert table_rows(done)[0]["reached"] == ""


def test_the_report_of_a_campaign_is_one_page_with_everything_in_it(done, tmp_path, capsys):
    folder = tmp_path / "runs" / "tiny"
    assert report.main([str(folder), "--out", str(tmp_path / "new" / "folder" / "page.html")]) == 0
    page = (tmp_path / "new" / "folder" / "page.html").read_text()
    assert not re.search(r"(src|href)=.(?!data:)|@import|url\(", page)
    (cell, *_) = campaign.cells(done, done.tiers[0])
    result = RunFolder(place(cell.chosen())).result
    assert f"chosen {100 * result['test_error']:.2f}" in page
    assert "paper 25.00" in page
    assert page.count("data:image/png;base64,") == 3  # curves, and filters of two arms
    assert f"torch {torch.__version__}" in page


def test_a_report_keeps_the_bold_of_the_means_and_parts_its_notes(done, tmp_path):
    page = report.page(tmp_path / "runs" / "tiny")
    assert re.search(r"<b>\d+\.\d\d</b>", page)
    assert "**" not in page
    assert "time: of one run; published: " in page
    assert "both arms have, with its paired" in page  # one note over two lines of a terminal


def test_a_report_shows_what_was_repeated_not_a_luckier_single_run(done, tmp_path):
    sda = campaign.cells(done, done.tiers[0])[0]
    repeated = {place(job) for job in sda.repeated(2)}
    other = next(job for job, _ in sda.finished() if place(job) not in repeated)
    change(other, valid_error=0.0)
    (table,) = compare.compare([tmp_path / "runs" / "tiny"]).tables
    shown = [run.path for arm in best_of_each_kind(table) for run in arm.runs]
    assert repeated <= set(shown)
    assert place(other) not in shown


def test_a_report_says_what_is_not_in_its_tables_and_is_safe_to_open(done, tmp_path):
    folder = tmp_path / "runs" / "tiny"
    (cell, *_) = campaign.cells(done, done.tiers[0])
    change(cell.chosen(), status="diverged", message="<script>alert(1)</script>")
    page = report.page(folder)
    assert "Not in the tables" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page


def test_a_report_of_nothing_is_refused(tmp_path, capsys):
    assert report.main([str(tmp_path)]) == 2
    assert "no run in" in capsys.readouterr().err
