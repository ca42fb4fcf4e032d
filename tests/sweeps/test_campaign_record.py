"""A campaign's table outlives its folders: what comes together, what stays, how far apart."""

import re
import shutil
import sys
from dataclasses import replace

import pytest
from scipy import stats
from tiny_campaign import change, plain, table_rows

from experiments import table1
from sda.analysis import intervals
from sda.cli import campaign as campaign_command
from sda.runs.folder import RunFolder
from sda.sweeps.campaign import campaign, choices, searches
from sda.sweeps.campaign import gaps as campaign_gaps
from sda.sweeps.campaign import record as campaign_record
from sda.sweeps.campaign import table as campaign_table
from sda.sweeps.campaign.gaps import Gap
from sda.sweeps.campaign.search import settings_digest
from sda.sweeps.job import place


def _joined(plan, table):
    """The rows of what is left in the folders, with what the table says, by cell."""
    known = replace(plan, choices=choices.read(table))
    kept = campaign_record.read(table)
    rows = table_rows(known)
    joined = [_join(row, kept.get(choices.cell_of(row))) for row in rows]
    return {choices.cell_of(row): row for row in joined}


def test_a_table_read_again_is_the_same_and_stays_when_the_folders_are_gone(done, table, tmp_path):
    rows = {choices.cell_of(row): plain(row) for row in table_rows(done)}
    assert {cell: plain(row) for cell, row in _joined(done, table).items()} == rows
    shutil.rmtree(tmp_path / "runs")
    assert {cell: plain(row) for cell, row in _joined(done, table).items()} == rows


def test_seeds_run_in_another_folder_are_added_to_those_of_the_table(done, table, tmp_path):
    whole = plain(table_rows(done)[0])
    sda = campaign.cells(done, done.tiers[0])[0]
    first, second = sda.repeated(2)
    searched = [place(job) for jobs in sda.tried() for job in jobs]
    for path in (place(second), *searched):  # what the table has: one seed of the choice, of four
        if path != place(first):
            path.rename(tmp_path / path.name)
    alone = table_rows(done)[0]
    assert (alone["seeds"], alone["tried"]) == (1, 1)
    line = alone | {"tried": 4, "edge": whole["edge"]}
    campaign_record.write(table, [line], campaign_table.COLUMNS)
    (tmp_path / place(second).name).rename(place(second))
    shutil.rmtree(place(first))
    assert plain(_joined(done, table)["digits_sda3"]) == whole


def _join(row, kept, searched=None):
    return campaign_record.joined(row, kept, row["tried"] if searched is None else searched)


ROW = {
    "data_set": "basic", "arm": "saa3", "source": "a", "data_hash": "d", "settings_hash": "s",
    "test_rows": 1000, "published": "3.46", "minutes": "2.0", "tried": 9, "setting": "x=1",
    "edge": "", "seeds": 0, "seed_minutes": "",
}  # fmt: skip


def _row(tests, **changes):
    """A row with these test errors in percent, by seed; on validation each errs 1 % less."""
    row = ROW | changes
    return row | campaign_table.figures(
        row, {seed: ((error - 1) / 100, error / 100) for seed, error in tests.items()}
    )


def test_seeds_of_the_same_data_and_settings_come_together():
    kept = _row({0: 3.0, 1: 3.2}, minutes="5.0", tried=36, edge="highest rate")
    row = _join(_row({1: 3.4, 2: 3.6}, minutes="2.0", seed_minutes="1:1.0 2:3.0", tried=3), kept)
    assert row["test_errors"] == "0:3.0000 1:3.4000 2:3.6000"  # what was run last counts
    assert row["valid_error_mean"] == "2.33"
    assert (row["test_error_mean"], row["test_error_chosen"]) == ("3.33", "3.00")
    assert (row["tried"], row["edge"], row["minutes"]) == (36, "highest rate", "3.0")
    assert row["seed_minutes"] == "0:5.0 1:1.0 2:3.0"
    again = _join(_row({2: 3.6}, minutes="3.0", seed_minutes="2:3.0"), row)
    assert again == row  # the same run once more
    known = kept | {"seed_minutes": "0:6.0 1:4.0"}
    one = _row({2: 3.6}, minutes="2.0", seed_minutes="2:2.0")
    two = _row({2: 3.6, 3: 3.6}, minutes="11.0", seed_minutes="2:2.0 3:20.0")
    told = _join(two, _join(one, known))
    assert (told["minutes"], _join(two, told)["minutes"]) == ("8.0", "8.0")
    more = _join(_row({0: 3.1}, tried=40, edge="lowest rate"), kept)
    assert (more["seeds"], more["tried"], more["edge"]) == (2, 40, "lowest rate")


@pytest.mark.parametrize(
    "other", [{"settings_hash": "t"}, {"data_hash": "e"}, {"settings_hash": ""}, {"data_hash": ""}]
)
def test_seeds_of_other_or_unknown_data_or_settings_are_not_mixed(other):
    kept = _row({0: 3.0, 1: 3.2}, **other)
    assert _join(_row({2: 9.0}), kept) is kept
    row = _row({2: 9.0, 3: 9.0})
    assert _join(row, kept)["test_errors"] == row["test_errors"]


def test_a_line_stays_that_rests_on_more():
    kept = _row({0: 3.0, 1: 3.2}, tried=36, settings_hash="t")
    assert _join(_row({0: 1.0, 1: 1.0}, tried=35), kept) is kept
    assert _join(_row({0: 1.0, 1: 1.0}, tried=36), kept)["seeds"] == 2
    # What is the choice of 36 runs of other settings, or other data, is here that of one.
    assert _join(_row({0: 1.0, 1: 1.0}, tried=36), kept, 1) is kept
    assert _join(_row({0: 1.0, 1: 1.0}, tried=36), kept | {"settings_hash": ""}, 1)["seeds"] == 2
    assert _join(_row({0: 1.0}, tried=99), kept) is kept
    assert _join(dict(ROW), kept) is kept
    machine = _row({0: 3.0}, arm="svm_rbf", tried=60, settings_hash="t")
    assert _join(_row({0: 2.0}, arm="svm_rbf", tried=2), machine) is machine
    unknown = kept | {"test_errors": "", "valid_errors": "", "settings_hash": "s"}
    assert _join(_row({5: 1.0}, tried=99), unknown) is unknown
    assert _join(_row({5: 1.0}), None)["test_errors"] == "5:1.0000"


def test_a_line_that_stays_is_compared_with_what_is_published_today():
    kept = _row({0: 3.0})
    assert kept["reached"] == "yes"
    row = _join(ROW | {"published": "1.00"}, kept)
    assert row == kept | {"published": "1.00", "reached": "no"}


def test_a_run_of_other_settings_of_the_call_is_another_setting(done, table):
    whole = _joined(done, table)["digits_sda3"]
    sda = campaign.cells(done, done.tiers[0])[0]
    result = RunFolder(place(sda.repeated(1)[0])).result
    said = result["settings"]
    assert whole["settings_hash"] == settings_digest(said)
    aside = said | {"seed": 7, "threads": 4, "data_folder": "x", "published.test_error.sda": 0.1}
    assert settings_digest(aside) == settings_digest(said)
    assert settings_digest(said | {"finetune.epochs": 99}) != settings_digest(said)
    assert settings_digest({"a": [1, True]}) == settings_digest({"a": [1.0, True]})
    assert settings_digest({"a": 1}) != settings_digest({"a": True})


def test_a_gap_stays_where_both_lines_do_and_else_is_of_the_seeds_that_are_known(
    done, table, tmp_path
):
    whole = campaign_gaps.of(campaign_table.last_cells(done), table_rows(done))
    shutil.rmtree(tmp_path / "runs")
    same = _joined(done, table)
    joined = list(same.values())
    stays = {"digits_random3": Gap(1.0, 2.0, "rows")}
    assert campaign_gaps.of(campaign_table.last_cells(done), joined, same, stays) == stays
    told = campaign_gaps.of(campaign_table.last_cells(done), joined, {}, stays)["digits_random3"]
    assert told.over == whole["digits_random3"].over == "2 seeds"
    assert told.points == pytest.approx(whole["digits_random3"].points, abs=1e-3)
    assert told.half_width == pytest.approx(whole["digits_random3"].half_width, abs=2e-3)


ROWS = Gap(1.0, 0.2, "rows")


def test_a_gap_is_over_the_seeds_of_both_lines_that_are_known():
    one, other = _row({0: 3.0, 1: 3.3, 2: 3.9}), _row({0: 2.0, 1: 2.4, 4: 9.0})
    paired = intervals.paired([3.0, 3.3], [2.0, 2.4])
    gap = campaign_gaps._of_rows(one, other, ROWS, (one | {"test_error_mean": "3.50"}, other))
    assert gap == Gap(pytest.approx(paired.mean), pytest.approx(paired.half_width), "2 seeds")
    for changes in ({}, {"published": "1.00", "reached": "no", "tried": 99}):
        assert campaign_gaps._of_rows(one, other, ROWS, (one | changes, other)) is ROWS


def test_a_gap_of_lines_without_common_seeds_is_welchs():
    first, second = [3.1, 3.4, 3.3, 3.9], [2.0, 2.4, 2.1]
    one, other = _row(dict(enumerate(first))), _row(dict(enumerate(second)))
    unknown = {"valid_errors": "", "test_errors": ""}
    gap = campaign_gaps._of_rows(one | unknown, other, ROWS, (one, other))
    known = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert gap.points == pytest.approx((known.low + known.high) / 2, abs=0.01)
    assert gap.half_width == pytest.approx((known.high - known.low) / 2, rel=0.02)
    assert str(gap) == f"**{gap.points:+.2f} ± {gap.half_width:.2f} over seeds, unpaired**"


def test_spreads_that_rounding_has_made_nothing_do_not_make_a_gap_certain():
    one, other = _row({0: 3.0, 1: 3.0}), _row({5: 2.99, 6: 2.99})
    gap = campaign_gaps._of_rows(one, other)
    assert gap.half_width > 0.01
    assert "**" not in str(gap)


def test_a_gap_over_rows_holds_while_a_line_has_one_seed_and_the_chosen_runs_are_the_same():
    one, other = _row({0: 3.0}), _row({0: 2.0})
    more = _row({0: 2.0, 1: 2.5})
    assert campaign_gaps._of_rows(one, more, ROWS, (one, other)) is ROWS
    seeds = ROWS._replace(over="3 seeds")
    assert campaign_gaps._of_rows(one, more, seeds, (one, other)).over == "rows, unpaired"
    for before in ((_row({0: 3.1}), other), (one | {"setting": "x=2"}, other), (None, other)):
        gap = campaign_gaps._of_rows(one, more, ROWS, before)
        assert (gap.points, gap.over) == (pytest.approx(1.0), "rows, unpaired")
        parts = [intervals.binomial(error, 1000) * 100 for error in (0.03, 0.02)]
        assert gap.half_width == pytest.approx((parts[0] ** 2 + parts[1] ** 2) ** 0.5, abs=0.01)
        assert "**" not in str(gap)


@pytest.mark.parametrize("other", [{"data_hash": "e"}, {"data_hash": "", "source": "b"}])
def test_there_is_no_gap_between_lines_of_other_data(other):
    with pytest.raises(ValueError, match="not of the same data"):
        campaign_gaps._of_rows(_row({0: 3.0, 1: 3.1}), _row({0: 2.0, 1: 2.1}, **other))


LINE = _row({0: 3.0, 1: 3.2})


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"seeds": "many"}, "invalid literal"),
        ({"seeds": "-1"}, "seeds must be"),
        ({"test_error_mean": "nan"}, "test_error_mean must be"),
        ({"test_error_mean": "300"}, "test_error_mean must be"),
        ({"test_error_sd": ""}, "test_error_sd must be there for more than one seed"),
        ({"test_errors": "0:14.8 0:99"}, "once for each seed, got '0:99'"),
        (
            {"test_errors": "0:1 2:3"},
            r"valid_errors are of seeds \[0, 1\], test_errors of \[0, 2\]",
        ),
        ({"test_errors": "0:1 1:300"}, "test_errors of seed 1 must be"),
        ({"seeds": "3"}, "3 seeds, but the errors of 2"),
    ],
)
def test_a_damaged_line_of_a_table_is_told_with_its_cell(tmp_path, changes, why):
    columns = campaign_table.COLUMNS
    campaign_record.write(tmp_path / "table.csv", [LINE], columns)
    assert campaign_record.read(tmp_path / "table.csv") == {"basic_saa3": LINE}
    campaign_record.write(tmp_path / "table.csv", [LINE | changes], columns)
    with pytest.raises(ValueError, match=rf"table.csv, basic_saa3: .*{why}"):
        campaign_record.read(tmp_path / "table.csv")


def test_gaps_are_read_as_they_were_written(tmp_path):
    rows = [{"data_set": "bg-img", "arm": arm} for arm in ("random3", "saa3", "dbn3")]
    gaps = {"bg_img_random3": Gap(1.25, 0.5, "3 seeds"), "bg_img_saa3": "not of the same data"}
    campaign_gaps.write(tmp_path / "gaps.csv", gaps, rows)
    assert campaign_gaps.read(tmp_path / "gaps.csv") == {"bg_img_random3": gaps["bg_img_random3"]}
    assert campaign_gaps.read(tmp_path / "nosuch.csv") == {}
    heads = "data_set,arm,points,half_width,over\n"
    for damaged, why in (
        ("a,b\n1,2\n", " must be a campaign's table, with columns data_set, arm, "),
        (f"{heads}a,b,much,1,rows\n", ", line 2: could not convert"),
        (f"{heads}a,b,1,1\n", ", line 2: must have a field for each"),
        (f"{heads}a,b,1,1,rows\na,b,2,1,rows\n", ", line 3: a_b is there twice"),
    ):
        (tmp_path / "gaps.csv").write_text(damaged)
        with pytest.raises(ValueError, match=f"gaps.csv{why}"):
            campaign_gaps.read(tmp_path / "gaps.csv")


def test_every_run_of_a_search_is_listed_without_test_errors_and_stays_listed(done, tmp_path):
    cells = campaign.cells(done, done.tiers[0])
    sda, random, _ = cells
    change(sda.finished()[0][0], status="diverged")
    lines = searches.of(cells)
    assert [line["arm"] for line in lines] == ["sda3"] * 4 + ["random3"] * 4
    assert [line["status"] for line in lines] == ["diverged"] + ["finished"] * 7
    errors = {line["setting"]: line["valid_error"] for line in lines if line["arm"] == "random3"}
    told = {rate: result["valid_error"] for rate, result in _by_setting(random).items()}
    assert {setting: float(error) for setting, error in errors.items()} == pytest.approx(
        {setting: 100 * error for setting, error in told.items()}, abs=0.005
    )
    assert not any("test" in column for column in searches.COLUMNS)
    file = tmp_path / "searches.csv"
    campaign_record.write(file, lines, searches.COLUMNS)
    shutil.rmtree(place(random.finished()[1][0]))
    change(sda.finished()[0][0], valid_error=0.5)
    again = searches.joined(searches.of(cells), searches.read(file), ())
    assert again == [lines[0], lines[1] | {"valid_error": "50.00"}, *lines[2:]]
    stay = {"digits_sda3"}  # its row, of the run as it was
    assert searches.joined(searches.of(cells), lines, stay) == lines
    turned = [*lines[4:], *lines[3:0:-1]]  # lines keep their places, a new one comes last
    assert searches.joined(searches.of(cells), turned, stay) == turned + lines[:1]
    assert searches.read(tmp_path / "nosuch.csv") == []


def _by_setting(cell):
    return {campaign_table.setting(cell, job): result for job, result in cell.finished()}


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What the script writes of the folders that are there."""
    out = tmp_path / "out"
    out.mkdir()
    words = ["--runs", f"{tmp_path / 'runs'}", "--campaign", "tiny", "--out", f"{out}"]

    def write(*more):
        monkeypatch.setattr(sys, "argv", ["table1.py", *words, *more])
        table1.main()
        return {path.name: path.read_text() for path in out.iterdir()}

    return write


def test_the_script_keeps_gaps_and_searches_whose_seeds_nobody_knows_any_more(
    done, told, conf, tmp_path
):
    first = told()
    shutil.rmtree(tmp_path / "runs" / "tiny" / "digits")
    forgotten = re.sub(r"\b0:[\d.]+( 1:[\d.]+)?", "", first["table1.csv"])
    assert forgotten != first["table1.csv"]
    (tmp_path / "out" / "table1.csv").write_text(forgotten.replace("25.00", "20.00"))
    kept = told()  # what is published is another figure now
    assert "20.00" not in kept["table1.csv"]
    for name in ("table1_gaps.csv", "table1_searches.csv"):
        assert kept[name] == first[name]
    (tmp_path / "out" / "table1_searches.csv").unlink()
    once = told()
    assert told() == once


@pytest.mark.slow
def test_a_trial_of_other_settings_does_not_take_the_place_of_what_was_searched(
    done, told, tmp_path
):
    first = told()
    shutil.rmtree(tmp_path / "runs")
    words = [f"runs_folder={tmp_path / 'runs'}", f"campaign.choices={tmp_path}/out/table1.csv"]
    assert campaign_command.main(["tiny", "campaign.hours=1", *words, "finetune.epochs=1"]) == 0
    assert told() == first | {"table1_searches.csv": told()["table1_searches.csv"]}


def test_the_script_keeps_what_the_folders_lack_unless_told_to_begin_afresh(
    done, told, tmp_path, capsys
):
    out = tmp_path / "out"
    first = told()
    assert set(first) == {"table1.csv", "table1_gaps.csv", "table1_searches.csv", "table1.md"}
    second = campaign.cells(done, done.tiers[0])[0].repeated(2)[1]
    shutil.rmtree(place(second))
    kept = told()
    assert kept == first
    assert capsys.readouterr().err.endswith("new in the table: nothing\n")
    lines = first["table1.csv"].splitlines(keepends=True)
    (out / "table1.csv").write_text("".join([*lines, lines[1].replace("digits", "others")]))
    assert ",".join(["others", "sda3"]) in told()["table1.csv"]  # of a cell that was given up
    (out / "table1.csv").write_text(first["table1.csv"])
    gap = {name: re.search(r"\S+ ± \S+ over [^(]*\S", text["table1.md"]) for name, text in (
        ("kept", kept), ("afresh", told("--afresh")),
    )}  # fmt: skip
    assert "2 seeds" in gap["kept"][0]
    assert "over rows" in gap["afresh"][0]
    told()
    shutil.rmtree(tmp_path / "runs" / "tiny" / "digits")
    before = told()
    assert "not run" not in before["table1.csv"]
    with pytest.raises(SystemExit, match="error: no cell of tiny has a finished run in"):
        told("--afresh")
    (out / "table1.csv").write_text(before["table1.csv"].replace("embedded,", "embedded,x,"))
    with pytest.raises(SystemExit, match="must have a field for each of its columns"):
        told()
    assert (out / "table1.md").read_text() == before["table1.md"]
