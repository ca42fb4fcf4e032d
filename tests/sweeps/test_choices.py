"""The choices of an earlier search are repeated without a search, and read strictly."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_campaign import plain, table_rows, written

from sda.cli import campaign as campaign_command
from sda.sweeps.campaign import campaign, choices
from sda.sweeps.campaign import words as campaign_words
from sda.sweeps.job import place

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_choices_are_repeated_without_a_search_in_the_folders_that_it_would_use(
    done, tiny, table, tmp_path
):
    before = written(tmp_path / "runs")
    rows = table_rows(done)
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
    assert [plain(row) for row in table_rows(kept)] == [plain(row) for row in rows]
    words.remove(f"campaign.choices={table}")
    assert campaign_command.main(["tiny", *words]) == 0  # the same command without: it goes on
    assert set(written(tmp_path / "runs")) == set(after)
    words.append("campaign.choices=null")
    assert campaign_command.main(["tiny", *words]) == 0  # the search that they took the place of
    assert set(written(tmp_path / "runs")) == set(before)
    assert [plain(row) for row in table_rows(done)] == [plain(row) for row in rows]
    assert not (tmp_path / "runs" / "tiny" / campaign_words.CHOICES).exists()


def test_a_choice_holds_while_less_has_been_tried_here(done, table):
    known = choices.read(table)
    other = replace(known["digits_sda3"], words=("corruption.fraction=0.3",), rate=0.7)
    for tried, holds in ((5, True), (4, False)):
        plan = replace(done, choices={"digits_sda3": replace(other, tried=tried)})
        job = campaign.cells(plan, plan.tiers[0])[0].chosen()
        assert ("corruption.fraction=0.3" in job.overrides) == holds


HEAD = "data_set,arm,seeds,tried,setting\n"


GOOD = "digits,sda3,1,9,corruption.fraction=0.1 finetune.learning_rate=1\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, r"table.csv cannot be read: No such file"),
        ("a,b\n1,2\n", r"table.csv must be a campaign's table, with columns data_set, arm,"),
        ("", r"table.csv must be a campaign's table"),
        (HEAD, r"table.csv has no choice for a cell of the campaign"),
        (f"{HEAD}digits,sda3,5\n", r"line 2: must have a field for each of its columns"),
        (f"{HEAD}{GOOD}{GOOD}", r"line 3: digits_sda3 is there twice"),
        (f"{HEAD}digits,sda3,1,4,corruption.fraction=0.1\n", r"must have finetune.learning_rate="),
        (f"{HEAD}{GOOD}".replace("9", "many"), r"and tried a number; got .*'many'"),
        (f"{HEAD}{GOOD}".replace("9", "0"), r"digits_sda3: tried must be .*got 0"),
        (f"{HEAD}{GOOD}".replace("rate=1", "rate=-1"), r"digits_sda3: finetune.learn.*-1"),
        (f"{HEAD}{GOOD}".replace("sda3", "saa3"), r"has no choice for a cell of the campaign"),
        (f"{HEAD}{GOOD}".replace("fraction=0.1", "fractoin=3"), r"digits_sda3 is no .*fractoin"),
        (f"{HEAD}{GOOD}".replace("fraction=0.1", "fraction=7"), r"digits_sda3 is no good: .*got 7"),
        (f"{HEAD}{GOOD}".replace("rate=1", "rate=1 overwrite=true"), r"must not set overwrite"),
        (f"{HEAD}{GOOD}".replace("rate=1", "rate=1 init=random"), r"must not set init"),
        (f"{HEAD}{GOOD}".replace("rate=1", "rate=1 runs_folder=x"), r"must not set runs_folder"),
    ],
)
def test_a_table_that_has_no_choices_is_told_in_a_line_before_any_work(
    tiny, tmp_path, content, why
):
    file = tmp_path / "table.csv"
    if content is not None:
        file.write_text(content)
    words = ["campaign.hours=1", f"campaign.choices={file}", f"runs_folder={tmp_path / 'runs'}"]
    with pytest.raises(ValueError, match=why) as told:
        campaign_command.main(["tiny", *words])
    assert "\n" not in str(told.value)
    assert not (tmp_path / "runs").exists()


def test_a_choice_is_repeated_in_the_words_that_name_the_folders_of_its_search(done):
    _, random, _ = campaign.cells(done, done.tiers[0])
    listed = ["stack.initialisation=papers", "corruption.fraction=0.4"]
    choice = choices.Choice(("stack.initialisation=papers",), 0.5, 9)
    assert choice.named(random.settings(), "random") == listed  # random reads no fraction
    assert choice.named([["stack.hidden=[7]"]], "random") == ["stack.initialisation=papers"]


def test_words_of_a_call_must_not_override_a_choice(tiny, tmp_path):
    file = tmp_path / "table.csv"
    file.write_text(HEAD + GOOD.replace("corruption.fraction=0.1", "finetune.momentum=0.5"))
    words = [f"campaign.choices={file}", f"runs_folder={tmp_path / 'runs'}"]
    with pytest.raises(ValueError, match=r"must not set finetune.momentum, which digits_sda3 cho"):
        campaign_command.main(["tiny", "campaign.hours=1", *words, "finetune.momentum=0.9"])


def test_damaged_choices_beside_the_runs_are_told(done, tmp_path):
    folder = tmp_path / "runs" / "tiny"
    good = '{"digits_sda3": {"words": [], "rate": 1, "tried": 2}}'
    (folder / campaign_words.CHOICES).write_text(good)
    assert set(campaign_words.recorded(folder).choices) == {"digits_sda3"}
    for damaged in (
        "{bad", "[1]", '{"digits_sda3": {"words": []}}', good.replace("[]", '"abc"'),
        good.replace("1", "NaN"), good.replace("2", "3.7"),
    ):  # fmt: skip
        (folder / campaign_words.CHOICES).write_text(damaged)
        with pytest.raises(ValueError, match=r"choices.json is damaged"):
            campaign_words.recorded(folder)


@pytest.mark.slow
def test_every_choice_of_the_table_beside_the_scripts_can_be_run():
    file = ROOT / "experiments" / "results" / "table1.csv"
    plan = campaign.read("table1", ["campaign.hours=1", f"campaign.choices='{file}'"])
    cells = {cell.name: cell for tier in plan.tiers for cell in campaign.cells(plan, tier)}
    assert set(plan.choices) == {name for name, cell in cells.items() if not cell.is_machine}
    for name, choice in plan.choices.items():
        words = cells[name].chosen().overrides
        assert set(choice.words) <= set(words)
        assert f"finetune.learning_rate={choice.rate:g}" in words
        assert cells[name].chosen().settings
        assert re.fullmatch(r"runs/table1/[\w-]+/init-\S+", str(place(cells[name].chosen())))
