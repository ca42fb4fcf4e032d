"""What a ledger has come to: its table, the gaps between arms, its page."""

import re
import shutil

import numpy as np
import pytest
import torch
from tiny_campaign import change, lines

from sda.analysis import intervals
from sda.analysis.report import best_of_each_kind
from sda.cli import compare, report
from sda.runs import ledger
from sda.sweeps.campaign import gaps, protocol, table
from sda.sweeps.campaign.gaps import Gap
from sda.sweeps.campaign.protocol import FRESH
from sda.sweeps.campaign.table import Row


def rows(plan):
    return table.rows(lines(plan), "tiny")


def row_of(plan, arm):
    return next(row for row in rows(plan) if row.arm == arm)


def _gaps(plan):
    folder = plan.runs_folder / "ledger"
    return gaps.block(rows(plan), gaps.of(rows(plan), lines(plan), folder))


@pytest.fixture
def paired(done):
    """The campaign with its arms named as those that the gaps compare."""
    arms = {"sda": "sda3", "random": "random3"}
    for init, arm in arms.items():
        change(done, lambda line, init=init: line["init"] == init, arm=arm)
    return done


def test_the_figure_is_the_mean_over_fresh_seeds_alone(done):
    row = row_of(done, "sda1")
    own = [one for one in lines(done) if protocol.place_of(one) == ("tiny/digits", "sda1")]
    chosen = protocol.chosen(own)
    errors = [chosen.lines[seed]["test_error"] for seed in (FRESH, FRESH + 1)]
    assert row.mean == pytest.approx(sum(errors) / 2)
    assert (row.seeds, row.tried, row.n_test) == (2, 4, 500)
    change(done, lambda line: line["seed"] in (0, 1, 2), test_error=0.0, n_test=500)
    assert row_of(done, "sda1") == row


def test_the_table_says_what_was_run_and_what_was_not(done):
    machine = row_of(done, "svm_rbf")
    assert (machine.tried, machine.seeds) == (2, 1)
    assert machine.edge in ("lowest C", "highest C")
    assert "not run" not in table.as_printed(rows(done), table.full).piped()
    change(done, lambda line: line["init"] == "sda" and line["seed"] >= FRESH, test_error=None)
    assert [row.arm for row in rows(done)] == ["svm_rbf", "random1"]


def test_a_setting_is_told_by_what_differs_and_the_edges_of_what_was_tried(done):
    for row in (row_of(done, "sda1"), row_of(done, "random1")):
        own = [one for one in lines(done) if protocol.arm_of(one) == row.arm]
        settings = protocol.chosen(own).one["settings"]
        rate = settings["finetune.learning_rate"]
        words = row.setting.split()
        assert f"finetune.learning_rate={rate}" in words
        assert f"stack.initialisation={settings['stack.initialisation']}" in words
        assert not any("epochs" in one for one in words)
        edge = "lowest" if rate == 0.5 else "highest"
        assert f"{edge} finetune.learning_rate" in row.edge
        assert ("corruption" in row.setting) == (row.arm == "sda1")


def test_the_validation_error_that_was_searched_is_told_beside_the_mean_over_fresh_seeds(done):
    shown = table.details([row_of(done, "sda1")])
    told = dict(zip(shown.heads, shown.rows[0], strict=True))
    own = [one for one in lines(done) if protocol.arm_of(one) == "sda1"]
    chosen = protocol.chosen(own)
    assert told["validation error of seed 0"] == table.percent(chosen.lines[0]["valid_error"])
    errors = [line["valid_error"] for line in chosen.fresh.values()]
    assert told["its mean over seeds"] == table.percent(sum(errors) / 2)


def test_gaps_are_over_the_seeds_and_rows_of_both(paired):
    ours, other = (next(r for r in rows(paired) if r.arm == arm) for arm in ("sda3", "random3"))
    folder = paired.runs_folder / "ledger"
    gap = gaps.difference(other, ours, folder)
    assert gap.points == pytest.approx(100 * (other.mean - ours.mean))
    wrong = [
        [np.not_equal(*ledger.predictions(folder, row.lines[seed]["predictions"]))
         for seed in row.lines]
        for row in (other, ours)
    ]  # fmt: skip
    crossed = intervals.crossed(np.subtract(*wrong, dtype=float))
    assert gap == (100 * crossed.mean, 100 * crossed.half_width, "2 seeds and rows")
    shown = _gaps(paired)
    (line,) = shown.rows
    assert shown.heads[1:] == [
        "random, 3 layers − SdA-3",
        "SAA-3 − SdA-3",
        "DBN-3 − SdA-3",
        "in order",
    ]
    assert line[0] == "digits"
    assert "over 2 seeds and rows" in line[1]
    assert line[2:4] == ["not run", "not run"]


def test_predictions_that_are_gone_are_told_in_place_of_a_gap(paired):
    shutil.rmtree(paired.runs_folder / "ledger" / "predictions")
    (line,) = _gaps(paired).rows
    assert "the predictions" in line[1]


def _row(arm="sda3", data_set="basic", **values):
    known = {
        "source": "a", "data_hash": "d", "n_test": 50000, "seeds": 5, "mean": 0.03, "sd": 0.001,
        "valid": 0.03, "tried": 9, "setting": "x=1",
    }  # fmt: skip
    return Row(data_set, arm, **known | values)


def test_equal_means_are_told_to_be_equal():
    same = [_row(), _row("random3")]
    assert gaps.block(same, gaps.of(same, [], None)).rows[0][-1] == "SdA-3 = random, 3 layers"


def test_a_gap_of_rows_without_predictions_is_welchs():
    one, other = _row("saa3", mean=0.034, sd=0.002, seeds=4), _row(mean=0.022, sd=0.002, seeds=3)
    gap = gaps.difference(one, other, None)
    wanted = intervals.unpaired((3.4, 0.2, 4), (2.2, 0.2, 3))
    assert gap.points == pytest.approx(wanted.mean)
    assert gap.half_width == pytest.approx(wanted.half_width)
    assert str(gap) == f"**{gap.points:+.2f} ± {gap.half_width:.2f} over seeds, unpaired**"
    with pytest.raises(ValueError, match="one seed"):
        gaps.difference(_row("saa3", seeds=1), other, None)
    with pytest.raises(ValueError, match="not of the same data"):
        gaps.difference(_row("saa3", data_hash="e"), other, None)


def test_spreads_that_rounding_has_made_nothing_do_not_make_a_gap_certain():
    gap = gaps.difference(_row("saa3", sd=0.0, seeds=2), _row(mean=0.0299, sd=0.0, seeds=2), None)
    assert gap.half_width > 0.01
    assert "**" not in str(gap)
    assert "**" not in str(Gap(1.0, 0.2, "rows"))


def test_a_mean_above_the_papers_interval_is_said_not_to_be_reached():
    most = 0.028 + intervals.binomial(0.028, 50000)
    assert _row(mean=most - 1e-6).reached
    assert _row(mean=most + 1e-6).reached is False
    assert "paper 2.80, not reached" in table.full(_row(mean=most + 1e-6))
    assert table.brief(_row(mean=0.0317, seeds=1)) == "**3.17**\\*† (2.80)"
    assert table.brief(_row("svm_rbf", mean=0.0317, seeds=1)) == "**3.17** (3.03)"
    assert _row(data_set="bg-rand", mean=0.5).reached is None
    assert _row("random3").published is None


def test_the_committed_ledger_prints_what_was_published_before_there_was_one():
    from lib.script import RESULTS

    found = ledger.lines(RESULTS / "ledger")
    old = [line for line in found if line.get("converted")]
    shown = {(row.data_set, row.arm): table.full(row) for row in table.rows(old)}
    assert len(shown) == 72 + 3
    assert shown["basic", "sda3"] == ("**2.91** (sd 0.16, 5 seeds); chosen 2.78 ± 0.14; paper 2.80")
    assert shown["rect", "saa3"] == (
        "**2.74** (sd 0.20, 5 seeds); chosen 2.82 ± 0.15; paper 2.41, not reached"
    )
    assert shown["mnist", "svm_rbf"] == "**1.57** ± 0.24; paper 1.40"
    assert shown["bg-rand", "dbn3"] == "**17.08** ± 0.33 (1 seed); paper 6.73"
    told = gaps.block(table.rows(old), gaps.of(table.rows(old), old, RESULTS / "ledger"))
    lines = {line[0]: line[1:] for line in told.rows}
    assert lines["rect"] == [
        "**+6.52 ± 1.87 over 5 seeds**", "**+1.11 ± 0.34 over 5 seeds** (+0.42)",
        "+0.45 ± 0.16 over rows, unpaired (+0.61)",
        "SdA-3 < DBN-3 < SAA-3 < random, 3 layers",
    ]  # fmt: skip
    assert sum("search" in line for line in old) == 187 + 1 + 24


def test_a_converted_row_stands_until_as_many_seeds_are_there(done):
    native = lines(done)
    row = row_of(done, "sda1")
    before = {
        "data_set": "digits", "arm": "sda1", "source": "s", "data_hash": "", "n_test": 500,
        "seeds": 3, "mean": 0.5, "sd": None, "valid": 0.5, "tried": 1, "setting": "", "tests": {},
    }  # fmt: skip
    converted = {"converted": True, "name": "tiny/digits", "arm": "sda1", "row": before}
    assert 0.5 in [one.mean for one in table.rows([*native, converted], "tiny")]
    converted["row"] = before | {"seeds": 2}
    for together in ([converted, *native], [*native, converted]):
        assert row in table.rows(together, "tiny")


def test_the_report_of_a_campaign_is_one_page_with_everything_in_it(done, tmp_path, capsys):
    folder = tmp_path / "runs" / "tiny"
    assert report.main([str(folder), "--out", str(tmp_path / "new" / "folder" / "page.html")]) == 0
    page = (tmp_path / "new" / "folder" / "page.html").read_text()
    assert not re.search(r"(src|href)=.(?!data:)|@import|url\(", page)
    row = row_of(done, "sda1")
    assert f"<b>{table.percent(row.mean)}</b> (sd" in page
    assert "paper" in page
    assert page.count("data:image/png;base64,") == 4  # curves, filters of two arms, reconstructions
    assert f"torch {torch.__version__}" in page
    assert "**" not in page
    assert "time: of one run" in page


def test_a_report_shows_what_was_repeated_not_a_luckier_single_run(done, tmp_path):
    (comparison,) = compare.compare([tmp_path / "runs" / "tiny"]).tables
    shown = [arm for arm in best_of_each_kind(comparison) if arm.runs[0].init == "sda"]
    own = [one for one in lines(done) if protocol.arm_of(one) == "sda1"]
    chosen = protocol.chosen(own)
    assert [run.seed for arm in shown for run in arm.runs] == sorted(chosen.fresh)


def test_a_report_of_nothing_is_refused(tmp_path, capsys):
    assert report.main([str(tmp_path)]) == 2
    assert "no run in" in capsys.readouterr().err
