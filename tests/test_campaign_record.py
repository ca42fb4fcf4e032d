"""A campaign's table outlives its folders; its choices can be repeated without a search."""

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats
from tiny_campaign import change, written

from experiments import table1
from sda import (
    campaign,
    campaign_command,
    campaign_gaps,
    campaign_record,
    campaign_table,
    campaign_words,
    choices,
    intervals,
)
from sda.campaign_gaps import Gap
from sda.jobs import place

ROOT = Path(__file__).parents[1]


@pytest.fixture
def table(done, tmp_path):
    """The table of the campaign that is over."""
    campaign_record.write(tmp_path / "table.csv", campaign_table.rows(done), campaign_table.COLUMNS)
    return tmp_path / "table.csv"


def _joined(plan, table):
    """The rows of what is left in the folders, with what the table says, by cell."""
    known = replace(plan, choices=choices.read(table))
    kept = campaign_record.read(table)
    rows = campaign_table.rows(known)
    joined = [campaign_record.joined(row, kept.get(choices.cell_of(row))) for row in rows]
    return {choices.cell_of(row): row for row in joined}


def _plain(row):
    return {part: str(value) for part, value in row.items() if part != "minutes"}


def test_a_table_read_again_is_the_same_and_stays_when_the_folders_are_gone(done, table, tmp_path):
    rows = {choices.cell_of(row): _plain(row) for row in campaign_table.rows(done)}
    assert {cell: _plain(row) for cell, row in _joined(done, table).items()} == rows
    shutil.rmtree(tmp_path / "runs")
    assert {cell: _plain(row) for cell, row in _joined(done, table).items()} == rows


def test_seeds_run_in_another_folder_are_added_to_those_of_the_table(done, table, tmp_path):
    whole = _plain(campaign_table.rows(done)[0])
    sda = campaign.cells(done, done.tiers[0])[0]
    first, second = sda.repeated(2)
    searched = [place(job) for jobs in sda.tried() for job in jobs]
    for path in (place(second), *searched):  # what the table has: one seed of the choice, of four
        if path != place(first):
            path.rename(tmp_path / path.name)
    alone = campaign_table.rows(done)[0]
    assert (alone["seeds"], alone["tried"]) == (1, 1)
    line = alone | {"tried": 4, "edge": whole["edge"]}
    campaign_record.write(table, [line], campaign_table.COLUMNS)
    (tmp_path / place(second).name).rename(place(second))
    shutil.rmtree(place(first))
    assert _plain(_joined(done, table)["digits_sda3"]) == whole


def test_fewer_runs_of_another_setting_do_not_replace_a_line(done, table, tmp_path):
    sda = campaign.cells(done, done.tiers[0])[0]
    for run in sda.runs(2):
        shutil.rmtree(run.path)  # of the choice; three others of the search are left
    kept = campaign_record.read(table)["digits_sda3"]
    assert _joined(done, table)["digits_sda3"] == kept
    for job, _ in sda.finished():
        change(job, valid_error=0.0)
    assert _joined(done, table)["digits_sda3"] == kept
    assert campaign_table.rows(done)[0]["setting"] != kept["setting"]


def test_runs_of_other_data_do_not_come_into_a_table(done, table):
    sda = campaign.cells(done, done.tiers[0])[0]
    for job in sda.repeated(2):
        change(job, data_hash="0123456789abcdef")
    with pytest.raises(ValueError, match=r"digits_sda3: the table is of other data \(.*01234567\)"):
        _joined(done, table)


@pytest.mark.slow
def test_choices_are_repeated_without_a_search_in_the_folders_that_it_would_use(
    done, tiny, table, tmp_path
):
    before = written(tmp_path / "runs")
    rows = campaign_table.rows(done)
    chosen = {
        place(job) for cell in campaign.cells(done, done.tiers[0]) for job in cell.repeated(2)
    }
    shutil.rmtree(tmp_path / "runs")
    words = ["campaign.hours=1", f"campaign.choices={table}", f"runs_folder={tmp_path / 'runs'}"]
    assert campaign_command.main(["tiny", *words]) == 0
    after = written(tmp_path / "runs")
    assert {path.parent for path in after} == chosen < {path.parent for path in before}
    kept = campaign_words.recorded(tmp_path / "runs" / "tiny")
    table.unlink()  # the campaign's folder knows them
    again = [_plain(row) for row in campaign_table.rows(kept)]
    aside = {"edge": ""}  # of what was tried elsewhere
    assert [row | aside for row in again] == [_plain(row) | aside for row in rows]
    plain = [word for word in words if not word.startswith("campaign.choices")]
    assert campaign_command.main(["tiny", *plain]) == 0  # the search that they took the place of
    assert set(written(tmp_path / "runs")) == set(before)
    assert [_plain(row) for row in campaign_table.rows(done)] == [_plain(row) for row in rows]
    assert not (tmp_path / "runs" / "tiny" / campaign_words.CHOICES).exists()


def test_a_choice_holds_while_less_has_been_tried_here(done, table):
    known = choices.read(table)
    other = replace(known["digits_sda3"], words=("corruption.fraction=0.3",), rate=0.7)
    for tried, holds in ((5, True), (4, False)):
        plan = replace(done, choices={"digits_sda3": replace(other, tried=tried)})
        job = campaign.cells(plan, plan.tiers[0])[0].chosen()
        assert ("corruption.fraction=0.3" in job.overrides) == holds


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, r"table.csv cannot be read: .*No such file"),
        ("a,b\n1,2\n", r"table.csv must be a campaign's table, with columns data_set, arm,"),
        (
            "data_set,arm,seeds,tried,setting\ndigits,sda3,1,4,corruption.fraction=0.1\n",
            r"digits_sda3: setting must have finetune.learning_rate=.*got 'corruption.fraction=0",
        ),
        (
            "data_set,arm,seeds,tried,setting\ndigits,sda3,1,many,finetune.learning_rate=1\n",
            r"and tried a number; got .*'many'",
        ),
        (
            "data_set,arm,seeds,tried,setting\ndigits,sda3,1,9,finetune.learning_rate=-1\n",
            r"digits_sda3: finetune.learning_rate must be .*-1",
        ),
        (
            "data_set,arm,seeds,tried,setting\ndigits,sda3,1,9,nosuch=3 finetune.learning_rate=1\n",
            r"nosuch",
        ),
    ],
)
def test_a_table_that_has_no_choices_is_told_before_any_work(tiny, tmp_path, content, why):
    file = tmp_path / "table.csv"
    if content is not None:
        file.write_text(content)
    words = ["campaign.hours=1", f"campaign.choices={file}", f"runs_folder={tmp_path / 'runs'}"]
    with pytest.raises(Exception, match=why):
        campaign_command.main(["tiny", *words])
    assert not (tmp_path / "runs").exists()


def test_damaged_choices_beside_the_runs_are_told(done, tmp_path):
    folder = tmp_path / "runs" / "tiny"
    for damaged in ("{bad", "[1]", '{"digits_sda3": {"words": []}}'):
        (folder / campaign_words.CHOICES).write_text(damaged)
        with pytest.raises(ValueError, match=r"choices.json is damaged"):
            campaign_words.recorded(folder)


def test_a_gap_stays_where_both_lines_do_and_else_is_of_the_seeds_that_are_known(
    done, table, tmp_path
):
    whole = campaign_gaps.of(done, campaign_table.rows(done))
    shutil.rmtree(tmp_path / "runs")
    same = _joined(done, table)
    joined = list(same.values())
    stays = {"digits_random3": Gap(1.0, 2.0, "rows")}
    assert campaign_gaps.of(done, joined, same, stays) == stays
    further = {cell: row | {"seeds": 2, "test_errors": "0:1 1:2"} for cell, row in same.items()}
    assert (
        campaign_gaps.of(done, list(further.values()), same, stays) == stays
    )  # of the chosen runs
    other = {cell: row | {"test_error_chosen": "9.99"} for cell, row in same.items()}
    assert campaign_gaps.of(done, joined, other, stays) != stays
    seeds = {"digits_random3": Gap(1.0, 2.0, "2 seeds")}
    assert campaign_gaps.of(done, joined, same, seeds) == seeds
    told = campaign_gaps.of(done, joined, {}, stays)["digits_random3"]
    assert told.over == whole["digits_random3"].over == "2 seeds"
    assert told.points == pytest.approx(whole["digits_random3"].points, abs=1e-3)
    assert told.half_width == pytest.approx(whole["digits_random3"].half_width, abs=2e-3)


def test_a_gap_of_lines_without_their_seeds_is_welchs():
    row = {"arm": "x", "valid_errors": "", "test_errors": "", "ci95": "0.30"}
    one, other = [3.1, 3.4, 3.3, 3.9], [2.0, 2.4, 2.1]
    rows = []
    for values in (one, other):
        mean, sd = intervals.spread(values)
        figures = {"seeds": len(values), "test_error_mean": mean, "test_error_sd": sd}
        rows.append(row | figures | {"test_error_chosen": f"{values[0]}"})
    gap = campaign_gaps._of_rows(*rows)
    known = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert gap.points == pytest.approx((known.low + known.high) / 2)
    assert gap.half_width == pytest.approx((known.high - known.low) / 2)
    assert str(gap) == f"**+{gap.points:.2f} ± {gap.half_width:.2f} over seeds, unpaired**"
    alone = campaign_gaps._of_rows(rows[0] | {"seeds": 1}, rows[1])
    assert (alone.points, alone.over) == (pytest.approx(1.1), "rows, unpaired")
    assert alone.half_width == pytest.approx(0.3 * 2**0.5)
    assert "**" not in str(alone)


def test_gaps_are_read_as_they_were_written(tmp_path):
    rows = [{"data_set": "bg-img", "arm": arm} for arm in ("random3", "saa3", "dbn3")]
    gaps = {"bg_img_random3": Gap(1.25, 0.5, "3 seeds"), "bg_img_saa3": "not of the same data"}
    campaign_gaps.write(tmp_path / "gaps.csv", gaps, rows)
    assert campaign_gaps.read(tmp_path / "gaps.csv") == {"bg_img_random3": gaps["bg_img_random3"]}
    assert campaign_gaps.read(tmp_path / "nosuch.csv") == {}
    for damaged in ("a,b\n1,2\n", "data_set,arm,points,half_width,over\na,b,much,1,rows\n"):
        (tmp_path / "gaps.csv").write_text(damaged)
        with pytest.raises(ValueError, match=r"gaps.csv must have the columns data_set, arm, "):
            campaign_gaps.read(tmp_path / "gaps.csv")


@pytest.mark.slow
def test_every_choice_of_the_table_beside_the_scripts_can_be_run():
    file = ROOT / "experiments" / "table1.csv"
    plan = campaign.read("table1", ["campaign.hours=1", f"campaign.choices='{file}'"])
    cells = {cell.name: cell for tier in plan.tiers for cell in campaign.cells(plan, tier)}
    assert set(plan.choices) == {name for name, cell in cells.items() if not cell.is_machine}
    for name, choice in plan.choices.items():
        words = cells[name].chosen().overrides
        assert set(choice.words) <= set(words)
        assert f"finetune.learning_rate={choice.rate:g}" in words
        assert cells[name].chosen().settings
        assert re.fullmatch(r"runs/table1/[\w-]+/init-\S+", str(place(cells[name].chosen())))


def test_the_script_keeps_what_the_folders_lack_unless_told_to_begin_afresh(
    done, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    out.mkdir()
    words = ["--runs", f"{tmp_path / 'runs'}", "--campaign", "tiny", "--out", f"{out}"]

    def told(*more):
        monkeypatch.setattr(sys, "argv", ["table1.py", *words, *more])
        table1.main()
        return {path.name: path.read_text() for path in out.iterdir()}

    first = told()
    assert set(first) == {"table1.csv", "table1_gaps.csv", "table1.md"}
    second = campaign.cells(done, done.tiers[0])[0].repeated(2)[1]
    shutil.rmtree(place(second))
    kept = told()
    assert kept == first
    gap = {name: re.search(r"\S+ ± \S+ over [^(]*\S", text["table1.md"]) for name, text in (
        ("kept", kept), ("afresh", told("--afresh")),
    )}  # fmt: skip
    assert "2 seeds" in gap["kept"][0]
    assert "over rows" in gap["afresh"][0]
    shutil.rmtree(tmp_path / "runs" / "tiny" / "digits")
    with pytest.raises(SystemExit, match=r"error: no cell of tiny has a finished run in"):
        told()
