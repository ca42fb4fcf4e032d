"""A campaign tries what its cells say, chooses on validation, repeats, and goes on where it was."""

import dataclasses
import json
import logging
import re
import shutil
from pathlib import Path

import pytest
from tiny_campaign import CELL, SET, change, written

from sda.cli import campaign as campaign_command
from sda.config import schema
from sda.runs.folder import RunFolder
from sda.runs.identity import digest
from sda.sweeps import sweep
from sda.sweeps.campaign import campaign, choices, proposing
from sda.sweeps.campaign import run as campaign_run
from sda.sweeps.campaign import words as campaign_words
from sda.sweeps.campaign.cell import is_done
from sda.sweeps.campaign.search import read as read_search
from sda.sweeps.job import place


def test_it_ends_with_every_setting_tried_and_the_chosen_one_repeated(done, tmp_path):
    *networks, machine = campaign.cells(done, done.tiers[0])
    for cell in networks:
        assert len(cell.finished()) == 4
        assert [run.seed for run in cell.runs(2)] == [0, 1]
    (run,) = machine.runs(2)
    assert run.result["tried"] == 2
    before = written(tmp_path / "runs")
    assert len(before) == 2 * 4 + 2 + 1
    assert campaign_run.run(done) == (True, [])
    assert written(tmp_path / "runs") == before


def test_no_test_error_takes_part_in_the_choice(done):
    cell = campaign.cells(done, done.tiers[0])[0]
    chosen = cell.chosen()
    for job, result in cell.finished():
        change(job, test_error=0.0 if job != chosen else 1.0)
        assert result["valid_error"] >= RunFolder(place(chosen)).result["valid_error"]
    assert cell.chosen() == chosen
    other = next(job for job, _ in cell.finished() if job != chosen)
    change(other, valid_error=0.0)
    assert cell.chosen() == other


def test_ties_go_to_the_lower_validation_cross_entropy(done):
    cell = campaign.cells(done, done.tiers[0])[0]
    tried = [job for job, _ in cell.finished()]
    for k, job in enumerate(tried):
        change(job, valid_error=0.1, valid_loss=[3, 1, 2, 4][k])
    assert cell.chosen() == tried[1]


def test_without_hours_nothing_is_begun(tiny, tmp_path):
    assert campaign_run.run(tiny(0)) == (False, [])
    assert not written(tmp_path / "runs")


def test_a_run_that_cannot_be_done_is_told_at_the_end_and_the_others_go_on(done, capsys, tmp_path):
    first, *others = [job for job, _ in campaign.cells(done, done.tiers[0])[0].finished()]
    settings = RunFolder(place(first)).result["settings"]
    change(first, settings=settings | {"finetune.epochs": 99})
    shutil.rmtree(place(others[0]))
    enough, failed = campaign_run.run(done)
    assert enough
    assert [str(place(first)) in line for line in failed] == [True]
    assert "(finetune.epochs: 99 there, 2 now)" in failed[0]
    assert RunFolder(place(others[0])).result["status"] == "finished"
    capsys.readouterr()
    words = ["tiny", "campaign.hours=1", f"runs_folder={tmp_path / 'runs'}"]
    assert campaign_command.main(words) == 1
    assert capsys.readouterr().err.splitlines()[-1] == failed[0]


def test_cells_whose_data_are_not_here_are_named_first_and_left_out(
    tiny, conf, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("SDA_CACHE", str(tmp_path / "cache"))  # no test has read the originals
    caplog.set_level(logging.INFO, "sda")
    without = SET.replace("tiny/digits", "tiny/rect").replace(
        "stack: small}", "stack: small}, {override /data: rect}"
    )
    without += "data: {source: original}\n"
    (conf / "experiment" / "tiny" / "rect.yaml").write_text(without)
    (conf / "experiment" / "tiny" / "rect_sda3.yaml").write_text(
        CELL.replace("INIT", "sda").replace("tiny/digits", "tiny/rect")
    )
    plan = tiny(1)
    tier = campaign.Tier(("rect_sda3", "digits_sda3"), settings=1, seeds=1)
    enough, failed = campaign_run.run(dataclasses.replace(plan, tiers=(tier,)))
    assert enough
    (line,) = failed
    assert line.startswith("rect is left out: no original data: rectangles.zip")
    assert caplog.messages[1] == line
    assert len(written(tmp_path / "runs")) == 2


def test_a_campaign_says_how_much_of_all_tiers_is_to_go(done, tiny, conf, tmp_path):
    plan = tiny(1)
    (tier,) = plan.tiers

    def told(**changes):
        tiers = campaign_run.checked(
            dataclasses.replace(plan, tiers=(dataclasses.replace(tier, **changes),))
        )
        return campaign_run.to_go([*tiers, *tiers])

    assert told().startswith("0 runs, some 0.0 hours")
    assert told(seeds=5).startswith("6 runs")  # three more of two networks
    assert told(settings=4).startswith("8 runs")  # two proposals with two rates for each
    sda = campaign.cells(plan, tier)[0]
    place(sda.repeated(2)[1]).joinpath("result.json").unlink()
    assert told().startswith("1 runs, some 0.2 hours")
    for job, _ in sda.ended():
        change(job, status="diverged")
    assert told().startswith("0 runs")  # nothing to repeat
    known = choices.Choice(("corruption.fraction=0.1",), 0.5, 9)
    plan = dataclasses.replace(plan, choices={"digits_sda3": known})
    shutil.rmtree(tmp_path / "runs")
    assert told(seeds=3).startswith("10 runs, some 1.5 hours")  # of the other 4 + 2, a machine
    plan = dataclasses.replace(plan, choices=None)
    assert told().startswith("11 runs, some 1.7 hours")  # 4 + 1 of each network, a machine


@pytest.mark.slow
def test_runs_are_found_whatever_the_name_of_their_folder(tiny, conf, tmp_path):
    folder = conf / "experiment" / "tiny"
    own = CELL.replace("INIT", "random") + "name: tiny/my digits\n"
    (folder / "digits_named.yaml").write_text(own)
    words = ["campaign.hours=1", f"runs_folder={tmp_path / 'runs'}"]
    tiers = "campaign.tiers=[{cells: [digits_named], settings: 1, seeds: 2}]"
    assert campaign_command.main(["tiny", *words, tiers]) == 0
    (cell,) = campaign.cells(tiny(1), campaign.Tier(("digits_named",), 1, 2))
    assert len(cell.ended()) == 2
    assert len(cell.runs(2)) == 2
    (folder / "digits_named.yaml").unlink()


def test_a_campaign_goes_on_with_as_many_processes_as_its_words_say(done, monkeypatch):
    *_, machine = campaign.cells(done, done.tiers[0])
    shutil.rmtree(place(machine.tried()[0][0]))
    asked = []
    monkeypatch.setattr(
        campaign_run.sweep, "run_all", lambda jobs, **how: asked.append(how["at_once"]) or []
    )
    words = [word for word in done.words if word.startswith("runs_folder")]
    campaign_run.run(campaign.read("tiny", ["campaign.hours=1", "jobs=3", *words]))
    assert asked == [3]


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("seed=3", "which it sets itself in every run"),
        ("++init=random", "which it sets itself in every run"),
        ("finetune.learning_rate=0.7", "which it sets itself in every run"),
        ("experiment=demo", "which it sets itself in every run"),
        ("name=mine", "which it sets itself in every run"),
        ("overwrite=true", "since it goes on: remove a folder to have its run again"),
        ("corruption.fraction=0.3", "which the search of digits_sda3 sets"),
        ("stack.hidden=[8]", "which the search of digits_sda3 sets"),
    ],
)
def test_a_word_that_overrides_what_a_campaign_sets_itself_is_refused(tiny, tmp_path, word, why):
    key = word.lstrip("+").partition("=")[0]
    with pytest.raises(ValueError, match=re.escape(f"must not set {key}, {why}: got {word!r}")):
        campaign_command.main(
            ["tiny", "campaign.hours=1", word, f"runs_folder={tmp_path / 'runs'}"]
        )
    assert not (tmp_path / "runs").exists()


def test_a_refused_call_leaves_the_words_of_the_runs_that_are_there(tiny, tmp_path):
    folder = f"runs_folder={tmp_path / 'runs'}"
    assert campaign_command.main(["tiny", "campaign.hours=0", "finetune.batch_size=7", folder]) == 3
    for wrong in ("finetune.epochs=many", "jobs=0", "seed=3"):
        with pytest.raises(ValueError):
            campaign_command.main(["tiny", "campaign.hours=0", wrong, folder])
    assert campaign_words.recorded(tmp_path / "runs" / "tiny").said[0] == "finetune.batch_size=7"


def test_a_run_that_another_process_trains_is_left_to_it_and_has_not_failed(done, caplog):
    caplog.set_level(logging.INFO, "sda")
    held, free, *_ = [job for job, _ in campaign.cells(done, done.tiers[0])[0].finished()]
    for job in (held, free):  # they share their pretraining
        shutil.rmtree(place(job))
    other = RunFolder(place(held))
    other.open()
    assert campaign_run.run(done) == (False, [])
    other.close()
    assert RunFolder(place(free)).result["status"] == "finished"
    assert "left to other processes: 1; the same command goes on" in caplog.messages
    assert campaign_run.run(done) == (True, [])


@pytest.mark.slow
def test_a_campaign_of_many_short_calls_ends_as_one_of_a_single_call(done, tiny, tmp_path):
    def ends():
        names = ("metrics.jsonl", "search.jsonl")
        files = [file for name in names for file in (tmp_path / "runs").rglob(name)]
        errors = {
            path.parent.name: [
                json.loads(path.read_text())[key] for key in ("valid_error", "test_error")
            ]
            for path in written(tmp_path / "runs")
        }
        return errors, {file.parent.name: lines(file) for file in files}

    def lines(file):
        return [{k: v for k, v in json.loads(line).items() if k != "seconds"}
                for line in file.read_text().splitlines()]  # fmt: skip

    whole = ends()
    shutil.rmtree(tmp_path / "runs")
    calls = 0
    while not campaign_run.run(tiny((0.8 + 0.1 * calls) / 3600))[0]:  # for slow machines too
        calls += 1
        assert calls < 60
    assert calls > 0
    assert ends() == whole


def more(plan, settings):
    tier = dataclasses.replace(plan.tiers[0], settings=settings)
    return dataclasses.replace(plan, tiers=(tier,))


@pytest.mark.slow
def test_beyond_the_list_optuna_proposes_as_many_settings_for_every_arm(done, tmp_path):
    sda, random, _ = campaign.cells(done, done.tiers[0])
    assert campaign_run.run(more(done, 4)) == (True, [])
    assert [len(cell.finished()) for cell in (sda, random)] == [8, 8]
    names = [[word.partition("=")[0] for word in cell.settings()[3]] for cell in (sda, random)]
    assert names == [["corruption.fraction", "stack.hidden"], ["stack.hidden"]]
    assert len({str(setting) for setting in random.settings()[2:]}) == 2
    before = written(tmp_path / "runs")
    assert campaign_run.run(more(done, 4)) == (True, [])
    assert written(tmp_path / "runs") == before


def test_a_proposal_waits_until_all_settings_before_it_have_ended(done):
    sda, *_ = campaign.cells(done, done.tiers[0])
    shutil.rmtree(place(sda.tried(2)[1][1]))
    sda.propose()
    assert len(sda.settings()) == 2


def test_damaged_proposals_are_told_in_one_line(done, tmp_path):
    sda, *_ = campaign.cells(done, done.tiers[0])
    sda.propose()
    (file,) = (tmp_path / "runs" / "tiny" / "proposals").iterdir()
    for damage in (file.read_text()[:20], "[1]"):
        file.write_text(damage)
        with pytest.raises(ValueError, match=r"digits_sda3.json is damaged; delete it"):
            sda.settings()


def test_a_proposal_is_told_best_validation_errors_and_no_test_error(done, monkeypatch):
    sda, *_ = campaign.cells(done, done.tiers[0])
    told = []
    monkeypatch.setattr(proposing, "propose", lambda space, tried: told.append(tried))
    for job, _ in sda.finished():
        change(job, test_error=1.0)
    change(sda.tried()[0][0], valid_error=0.2)
    change(sda.tried()[0][1], valid_error=0.1)
    change(sda.tried()[1][0], status="diverged")
    change(sda.tried()[1][1], status="diverged")
    sda.propose()
    assert [error for _, error in told[0]] == [0.1, 1.0]
    assert [plain["corruption"]["fraction"] for plain, _ in told[0]] == [0.1, 0.4]


def test_what_was_proposed_and_run_stays_when_the_list_grows(done, conf):
    sda, *_ = campaign.cells(done, done.tiers[0])
    assert campaign_run.run(more(done, 3)) == (True, [])
    proposal = sda.settings()[2]
    longer = (*sda.search.settings, ("corruption.fraction=0.3",))
    grown = dataclasses.replace(sda, search=dataclasses.replace(sda.search, settings=longer))
    assert grown.settings()[2:] == [["corruption.fraction=0.3"], proposal]
    assert len(grown.finished()) == len(sda.finished()) == 6


@pytest.mark.parametrize(
    ("search", "said"),
    [
        (None, "search must have settings .* and rates .*, got None"),
        ({"settings": []}, "search must have settings .* and rates"),
        ({"settings": [], "rates": [0]}, "a rate of search.rates must be .* above 0, got 0"),
        (
            {"settings": [], "rates": [1], "spaces": 1},
            "a part of search must be one of settings, rates, space, got 'spaces'",
        ),
        ({"settings": "a=1", "rates": [1]}, "search must have settings .* and rates"),
        ({"settings": [], "rates": 0.5}, "search must have settings .* and rates"),
        ({"settings": [], "rates": []}, "search.rates must be different numbers, at least one"),
        ({"settings": [], "rates": [1, 1.0]}, "search.rates must be different numbers"),
        ({"settings": ["init=random"], "rates": [1]}, "must not set init, which the campaign sets"),
        ({"settings": ["overwrite=true"], "rates": [1]}, "must not set overwrite, which"),
        ({"settings": [], "rates": [1], "space": ["a"]}, "must name settings and their values"),
        ({"settings": [], "rates": [1], "space": {"seed": 1}}, "must not have seed, which"),
    ],
)
def test_a_search_that_is_none_is_refused_in_one_line(done, search, said):
    plain = campaign.cells(done, done.tiers[0])[0].config
    with pytest.raises(ValueError, match=said) as refusal:
        read_search(plain | {"search": search})
    assert "\n" not in str(refusal.value)


def test_settings_that_differ_in_what_an_arm_has_not_are_one(done):
    plain = campaign.cells(done, done.tiers[0])[0].config
    lines = ["corruption.fraction=0.1 stack.hidden=[7]", "stack.hidden=[7] corruption.fraction=0.4"]
    plain |= {"search": {"settings": lines, "rates": [1]}}
    assert len(read_search(plain).settings) == 2
    assert read_search(plain | {"init": "saa"}).settings == (tuple(lines[0].split()),)


def test_a_search_does_not_set_what_its_arm_reads_in_another_place(done):
    plain = campaign.cells(done, done.tiers[0])[0].config
    plain |= {"search": {"settings": ["corruption.fraction=0.4"], "rates": [1]}}
    noisy = plain | {"pretrain": plain["pretrain"] | {"corruption": {"fraction": 0.4}}}
    assert read_search(noisy | {"init": "sda"}).settings == (("corruption.fraction=0.4",),)
    with pytest.raises(ValueError, match=r"must not set corruption.fraction beside pretrain.corr"):
        read_search(noisy | {"init": "saa"})


def test_a_damaged_result_is_refused_and_chooses_nothing(done):
    cell = campaign.cells(done, done.tiers[0])[0]
    job = cell.repeated(2)[1]
    result = RunFolder(place(job)).result
    change(job, test_error=1 - result["test_error"])
    assert len(cell.runs(2)) == 2  # no predictions, nothing to contradict
    change(cell.chosen(), valid_error=None)
    with pytest.raises(ValueError, match=r"no usable valid_error .*: remove its folder to have it"):
        cell.chosen()


def test_a_result_that_its_predictions_contradict_is_in_no_table(done):
    cell = campaign.cells(done, done.tiers[0])[0]
    file = place(cell.repeated(2)[1]) / "result.json"
    file.write_text(file.read_text().replace('"test_error": 0.', '"test_error": 0.9'))
    with pytest.raises(ValueError, match=r"is contradictory, its predictions err on .*: remove"):
        cell.runs(2)


def test_a_cell_that_is_listed_twice_is_run_once(tiny):
    tier = campaign.Tier(("digits_svm_rbf", "digits_svm_rbf"), 1, 1)
    assert campaign_run.run(dataclasses.replace(tiny(1), tiers=(tier,))) == (True, [])


def test_a_run_that_fails_and_then_ends_well_has_not_failed(tiny, monkeypatch):
    original, calls = sweep.run_all, []

    def fails_at_first(jobs, **others):
        calls.append(jobs)
        ended = original(jobs, **others)
        if len(calls) > 1:
            return ended
        shutil.rmtree(place(jobs[0]))
        return [outcome._replace(fault="it died") for outcome in ended]

    monkeypatch.setattr(sweep, "run_all", fails_at_first)
    tiers = (campaign.Tier(("digits_svm_rbf",), 1, 1),) * 2
    assert campaign_run.run(dataclasses.replace(tiny(1), tiers=tiers)) == (True, [])
    assert len(calls) == 2


def test_a_search_of_which_a_run_diverged_has_not_failed(tiny, conf):
    far = CELL.replace("INIT", "random") + "search: {rates: [0.5, 1.0e+30]}\n"
    (conf / "experiment" / "tiny" / "digits_random1.yaml").write_text(far)
    tier = campaign.Tier(("digits_random1",), 1, 1)
    plan = dataclasses.replace(tiny(1), tiers=(tier,))
    assert campaign_run.run(plan) == (True, [])
    (cell,) = campaign.cells(plan, tier)
    assert [result["status"] for _, result in cell.ended()] == ["finished", "diverged"]


def test_a_wrong_setting_is_told_before_any_work_starts(tiny, conf, tmp_path):
    wrong = SET.replace("tiny/digits", "tiny/wrong").replace("=0.4]", "=1.4]")
    (conf / "experiment" / "tiny" / "wrong.yaml").write_text(wrong)
    (conf / "experiment" / "tiny" / "wrong_sda3.yaml").write_text(
        CELL.replace("INIT", "sda").replace("tiny/digits", "tiny/wrong")
    )
    tiers = (campaign.Tier(("digits_sda3",), 1, 1), campaign.Tier(("wrong_sda3",), 2, 1))
    with pytest.raises(ValueError, match=r"fraction .*\[0, 1\].* got 1\.4"):
        campaign_run.run(dataclasses.replace(tiny(1), tiers=tiers))
    assert not written(tmp_path / "runs")


def test_diverged_runs_are_neither_chosen_nor_repeated(done):
    cell = campaign.cells(done, done.tiers[0])[0]
    chosen = cell.chosen()
    change(chosen, status="diverged", valid_error=0.0)
    assert cell.chosen() != chosen
    assert is_done(chosen)


def _trained(job):
    """What a run of its arm trains; corruption that only measures is no part of it."""
    plan = schema.build_run(job.config)
    pretrained = plan.pretraining if plan.is_pretrained else ()
    return repr((plan.trained_layers(), pretrained, plan.finetuning))


@pytest.mark.slow
def test_in_the_end_the_arms_of_a_data_set_try_equally_many_runs_with_equally_many_seeds():
    plan = campaign.read("table1", ["campaign.hours=1"])
    most: dict[str, dict[str, tuple[int, int]]] = {}
    last: dict[str, int] = {}
    listed: dict[str, int] = {}
    rates: dict[str, set[tuple[float, ...]]] = {}
    for tier in plan.tiers:
        for cell in campaign.cells(plan, tier):
            if cell.is_machine:
                continue  # a machine's kernel says what is tried, in seconds each
            arms = most.setdefault(cell.data_set, {})
            different = {_trained(jobs[0]) for jobs in cell.tried()}
            assert len(different) == len(cell.search.settings), cell.name
            settings = tier.settings if cell.search.space else min(tier.settings, len(different))
            tried = settings * len(cell.search.rates)
            arms[cell.arm] = max(arms.get(cell.arm, (0, 0)), (tried, tier.seeds))
            last[cell.name] = max(last.get(cell.name, 0), tier.settings)
            listed[cell.name] = len(cell.search.settings)
            rates.setdefault(cell.data_set, set()).add(cell.search.rates)
    assert [len(arms) for arms in most.values()] == [6] * 9
    assert {name for name in last if listed[name] > last[name]} == set()  # no setting is for show
    assert [len(one) for one in rates.values()] == [1] * 9  # all of them at the same rates
    for data_set, arms in most.items():
        runs = {"basic": 44, "rect": 27, "convex": 27}
        assert set(arms.values()) == {(runs.get(data_set, 18), 5)}, data_set


@pytest.mark.slow
def test_every_setting_of_a_cell_computes_something_else():
    plan = campaign.read("table1", ["campaign.hours=1"])
    cells = {c.name: c for tier in plan.tiers for c in campaign.cells(plan, tier)}
    for name in ("basic_saa3", "rect_random3", "mnist_sda3"):
        jobs = [job for tried in cells[name].tried(99) for job in tried]
        keys = {digest(schema.build_run(job.config).described()) for job in jobs}
        assert len(keys) == len(jobs), name


@pytest.mark.slow
def test_no_two_runs_of_a_campaign_have_one_folder():
    plan = campaign.read("table1", ["campaign.hours=1"])
    cells = {c.name: c for tier in plan.tiers for c in campaign.cells(plan, tier)}.values()
    rows = [cell for cell in cells if cell.data_set in ("basic", "mnist")]
    folders = [place(job) for cell in rows for jobs in cell.tried(99) for job in jobs]
    assert len(set(folders)) == len(folders)


def test_a_campaign_without_hours_or_name_is_refused():
    with pytest.raises(ValueError, match=r"needs its hours: campaign.hours=2"):
        campaign.read("table1", [])
    with pytest.raises(ValueError, match=r"needs a name: table1"):
        campaign_command.main([])
    with pytest.raises(ValueError, match="hours must be a number of at least 0, got -1"):
        campaign.read("table1", ["campaign.hours=-1"])
    with pytest.raises(ValueError, match=r"needs a name: table1"):
        campaign_command.main(["campaign.hours=1"])


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("campaign.tiers=3", "campaign.tiers must be a list, got 3"),
        ("campaign.words=3", "campaign.words must be a list, got 3"),
        (
            "campaign.huors=3",
            "what a call sets of a campaign must be one of campaign.hours, campaign.choices, "
            "campaign.tiers, campaign.words, got 'campaign.huors'",
        ),
        ("campaign.tiers=[3]", "a tier must have cells, settings and seeds, got 3"),
        (
            "campaign.tiers=[{cells: [a], settings: 1}]",
            "a tier must have cells, settings and seeds, got {'cells': ['a'], 'settings': 1}",
        ),
        (
            "campaign.tiers=[{cells: basic_sda3, settings: 1, seeds: 1}]",
            "cells of a tier must be a list, got 'basic_sda3'",
        ),
    ],
)
def test_tiers_of_another_shape_are_refused_in_one_line(word, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        campaign.read("table1", ["campaign.hours=1", word])


def test_a_word_that_only_the_data_of_its_cells_know_leaves_its_folder_alone():
    plan = campaign.read("table1", ["campaign.hours=1", "data.photographs=pictures", "jobs=3"])
    assert campaign_run.folder_of(plan) == Path("runs/table1")
    assert campaign_run._settings(plan)["jobs"] == 3


def test_words_go_to_those_that_have_a_use_for_them():
    words = ("search_rows=9", "pretrain.epochs=1", "threads=1", "nonsense=1")
    assert campaign.words_for("svm", words) == ("search_rows=9", "threads=1", "nonsense=1")
    assert campaign.words_for("config", words) == ("pretrain.epochs=1", "threads=1", "nonsense=1")
