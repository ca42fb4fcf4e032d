"""A campaign searches what its arms say, chooses on validation, repeats, goes on where it was."""

import copy
import dataclasses
import logging
import re
import shutil
import threading
import time
from pathlib import Path

import pytest
from tiny_campaign import SET, change, lines, write, written

from sda.cli import campaign as campaign_command
from sda.config import schema
from sda.runs.folder import RunFolder
from sda.runs.identity import digest
from sda.sweeps import sweep
from sda.sweeps.campaign import campaign, protocol, search
from sda.sweeps.campaign import run as campaign_run
from sda.sweeps.campaign.protocol import AGAIN, FRESH, SEARCHED
from sda.sweeps.campaign.search import read as read_search
from sda.sweeps.executors.executor import Local


def cells(plan):
    return campaign.cells(plan, plan.tiers[0])


def own(plan, cell):
    return cell.own(lines(plan))


def tier(plan, **changes):
    return dataclasses.replace(plan, tiers=(dataclasses.replace(plan.tiers[0], **changes),))


def test_it_ends_with_a_search_its_best_confirmed_and_the_choice_repeated(done, tmp_path):
    *networks, machine = cells(done)
    for cell in networks:
        found = own(done, cell)
        assert len(protocol.tried(found)) == 4
        assert all(len(one.lines) >= 3 for one in protocol.finalists(found))
        assert list(protocol.chosen(found).fresh) == [FRESH, FRESH + 1]
    (line,) = own(done, machine)
    assert line["tried"] == 2
    before = written(tmp_path / "runs")
    assert len(before) == 2 * (4 + 2 * 2 + 2) + 1
    assert campaign_run.run(done) == (True, [])
    assert written(tmp_path / "runs") == before


def test_only_fresh_seeds_of_what_was_chosen_read_the_test_rows(done):
    for line in lines(done):
        if "setting" in line and line["init"] in ("sda", "random"):  # a baseline is not searched
            assert (line["test_error"] is not None) == (int(line["seed"]) >= FRESH)


def test_the_choice_is_the_best_mean_validation_error_over_three_seeds(done):
    found = own(done, cells(done)[0])
    best = protocol.finalists(found)
    wanted = min(best, key=lambda one: sum(one.lines[s]["valid_error"] for s in (0, 1, 2)))
    assert protocol.chosen(found).one["setting"] == wanted.one["setting"]
    worst = best[-1].one["setting"]
    for k, line in enumerate(found):
        if line["setting"] == worst and line["seed"] in AGAIN:
            found[k] = line | {"valid_error": 0.0}
    assert protocol.chosen(found).one["setting"] == worst
    lacking = [line for line in found if (line["setting"], line["seed"]) != (worst, AGAIN[0])]
    assert protocol.chosen(lacking) is None


def test_ties_go_to_the_lower_validation_cross_entropy(done):
    found = own(done, cells(done)[0])
    best, other = (one.one["setting"] for one in protocol.finalists(found))
    for chosen, losses in ((best, {best: 1.0, other: 2.0}), (other, {best: 2.0, other: 1.0})):
        tied = [
            line | {"valid_error": 0.1, "valid_loss": losses.get(line["setting"], 9.0)}
            for line in found
        ]
        assert protocol.chosen(tied).one["setting"] == chosen


@pytest.mark.slow
def test_the_ledger_alone_says_what_is_done_and_what_is_lost_from_it_is_run_again(done, tmp_path):
    for folder in (tmp_path / "runs").iterdir():
        if folder.name != "ledger":
            shutil.rmtree(folder)
    assert campaign_run.run(done) == (True, [])
    assert not written(tmp_path / "runs")
    kept = [line for line in lines(done) if not (line["init"] == "sda" and line["seed"] == FRESH)]
    write(done, kept)
    assert campaign_run.run(done) == (True, [])
    assert len(written(tmp_path / "runs")) == 1
    assert len(lines(done)) == len(kept) + 1


def test_lines_of_other_data_are_of_no_cell(done):
    change(done, lambda line: True, data_hash="other")
    assert [own(done, cell) for cell in cells(done)] == [[], [], []]


def test_a_run_that_learned_nothing_is_replaced_by_a_proposal(done):
    sda, *_ = cells(done)
    found = own(done, sda)
    assert sda.to_search(found, 4) == []
    (setting, *_) = protocol.tried(found)
    for values in ({"status": "diverged"}, {"chance_error": 0.1}):
        some = [line | (values if line["setting"] == setting else {}) for line in found]
        (job,) = sda.to_search(some, 4)
        assert digest(schema.build_run(job.config).described()) not in protocol.tried(found)
        assert setting not in [one.one["setting"] for one in protocol.finalists(some)]


def test_a_search_of_which_nothing_learns_comes_to_an_end(done):
    sda, *_ = cells(done)
    found = [line | {"status": "diverged"} for line in own(done, sda)]
    assert sda.to_search(found, 2) == []
    assert len(sda.to_search(found, 3)) == 1


def test_a_proposal_is_told_validation_errors_and_is_the_same_when_asked_again(done, monkeypatch):
    sda, *_ = cells(done)
    found = [line for line in own(done, sda) if line["seed"] == SEARCHED]
    first = sda.to_search(found, 5)
    assert first == sda.to_search([line | {"test_error": 0.3} for line in found[::-1]], 5)
    told = []
    monkeypatch.setattr(search, "propose", lambda space, tried: told.append(tried))
    errors = sorted(line["valid_error"] for line in found)
    sda.to_search(found, 5)
    assert sorted(error for _, error in told[0]) == errors
    assert {settings["corruption.fraction"] for settings, _ in told[0]} == {0.1, 0.4}


def test_without_hours_nothing_is_begun(tiny, tmp_path):
    assert campaign_run.run(tiny(0)) == (False, [])
    assert not written(tmp_path / "runs")


@pytest.mark.slow
def test_the_choices_of_another_ledger_are_repeated_without_a_search(done, tiny, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(tmp_path / "runs" / "ledger", elsewhere)
    shutil.rmtree(tmp_path / "runs")
    plan = tiny(1, f"campaign.choices={elsewhere}")
    assert campaign_run.run(plan) == (True, [])
    *networks, machine = cells(plan)
    for cell in networks:
        assert sorted(line["seed"] for line in own(plan, cell)) == [FRESH, FRESH + 1]
        (setting,) = protocol.settings(own(plan, cell))
        assert setting == protocol.chosen(cell.own(ledger_lines(elsewhere))).one["setting"]
    assert len(own(plan, machine)) == 1
    with pytest.raises(ValueError, match=r"campaign.choices must be a folder with a ledger"):
        tiny(1, f"campaign.choices={tmp_path}")


def ledger_lines(folder):
    from sda.runs import ledger

    return ledger.lines(folder)


def test_the_words_of_a_line_make_its_run_again(done):
    for cell in cells(done)[:2]:
        for line in own(done, cell):
            job = cell.job(cell.values(line), 77, test=True)
            assert digest(schema.build_run(job.config).described()) == line["setting"]


def test_a_setting_that_is_null_in_the_arm_is_told_as_a_node_of_its_own(done):
    sda, *_ = cells(done)
    (line, *_) = own(done, sda)
    noise = {"_target_": "sda.Masking", "fraction": 0.1}
    noisy = {f"finetune.corruption.{key}": value for key, value in noise.items()}
    values = sda.values(line | {"settings": line["settings"] | noisy})
    assert "finetune.corruption={_target_:sda.Masking,fraction:0.1}" in values
    sda.job(values, 3, test=True)


@pytest.mark.slow
def test_a_run_that_cannot_be_done_is_told_at_the_end_and_the_others_go_on(done, capsys, tmp_path):
    sda, *_ = cells(done)
    first, second = (sda.job(words, 0, test=False) for words in sda.search.listed[:2])
    gone = [digest(schema.build_run(job.config).described()) for job in (first, second)]
    write(done, [one for one in lines(done) if one.get("setting") not in gone or one["seed"]])
    folder = RunFolder(first.path)
    folder.update_result(settings=folder.result["settings"] | {"finetune.epochs": 99})
    shutil.rmtree(second.path)
    enough, failed = campaign_run.run(done)
    assert enough
    assert [str(first.path) in line for line in failed] == [True]
    assert "(finetune.epochs: 99 there, 3 now)" in failed[0]
    assert RunFolder(second.path).result["status"] == "finished"
    capsys.readouterr()
    words = ["tiny", "campaign.hours=1", f"runs_folder={tmp_path / 'runs'}"]
    assert campaign_command.main(words) == 1
    assert capsys.readouterr().err.splitlines()[-1] == failed[0]


@pytest.mark.slow
def test_cells_whose_data_are_not_here_are_named_first_and_left_out(
    tiny, conf, tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.INFO, "sda")
    monkeypatch.setenv("SDA_CACHE", str(tmp_path / "cache"))  # no test has read the originals
    without = SET.replace("tiny/digits", "tiny/rect") + "data: {source: original}\n"
    without = without.replace("name:", "defaults: [{override /data: rect}]\nname:")
    (conf / "experiment" / "tiny" / "rect.yaml").write_text(without)
    plan = tier(tiny(1), data=("rect", "digits"), arms=("sda1",), runs=1, seeds=1)
    enough, failed = campaign_run.run(plan)
    assert enough
    (line,) = failed
    assert line.startswith("rect is left out: no original data: rectangles.zip")
    assert caplog.messages[1] == line
    assert len(written(tmp_path / "runs")) == 1 + 2 + 1


def test_a_campaign_says_how_much_of_all_tiers_is_to_go(done, tiny):
    def told(plan, **changes):
        tiers = campaign_run.checked(tier(plan, **changes))
        return campaign_run.to_go(plan, [*tiers, *tiers])

    assert told(done).startswith("0 runs, 0.0 core-hours")
    assert told(done, seeds=5).startswith("6 runs")  # three more of two networks
    assert told(done, runs=5).startswith("2 runs")
    write(done, [])
    assert told(done).startswith("21 runs")  # 4 + 2 x 2 + 2 of each network, a machine
    assert told(done).endswith("unknown for 21")


@pytest.mark.slow
def test_a_campaign_goes_on_with_as_many_processes_as_its_words_say(tiny, monkeypatch):
    asked = []
    monkeypatch.setattr(
        campaign_run.sweep, "run_all", lambda jobs, on, **how: asked.append(on._slots) or []
    )
    campaign_run.run(tiny(1, "jobs=3"))
    campaign_run.run(tiny(1, "executor.jobs=4"))
    assert asked == [3, 4]


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("seed=3", "which it sets itself in every run"),
        ("++init=random", "which it sets itself in every run"),
        ("finetune.learning_rate=0.7", "which it sets itself in every run"),
        ("experiment=demo", "which it sets itself in every run"),
        ("arm=sda1", "which it sets itself in every run"),
        ("name=mine", "which it sets itself in every run"),
        ("test=true", "which it sets itself in every run"),
        ("overwrite=true", "since it goes on with what the ledger has"),
        ("corruption.fraction=0.3", "which the search of digits sda1 sets"),
        ("stack.hidden=[8]", "which the search of digits sda1 sets"),
    ],
)
def test_a_word_that_overrides_what_a_campaign_sets_itself_is_refused(tiny, tmp_path, word, why):
    key = word.lstrip("+").partition("=")[0]
    with pytest.raises(ValueError, match=re.escape(f"must not set {key}, {why}: got {word!r}")):
        campaign_command.main(
            ["tiny", "campaign.hours=1", word, f"runs_folder={tmp_path / 'runs'}"]
        )
    assert not (tmp_path / "runs").exists()


def test_a_word_that_no_cell_knows_is_refused_and_one_that_some_know_goes_to_them(tiny, tmp_path):
    for wrong in ("finetune.epohcs=3", "finetune.epochs=many", "nonsense=1", "jobs=0"):
        with pytest.raises(Exception, match=wrong.partition("=")[0].rpartition(".")[2]):
            campaign_run.run(tiny(0, wrong))
        assert not (tmp_path / "runs").exists()
    sda, random, machine = cells(tiny(0, "finetune.batch_size=7", "search_rows=99"))
    assert all("finetune.batch_size=7" in cell.words for cell in (sda, random))
    assert "search_rows=99" in machine.words


@pytest.mark.slow
def test_a_run_that_another_process_trains_is_waited_for_while_the_others_go_on(done, caplog):
    caplog.set_level(logging.INFO, "sda")
    sda, *_ = cells(done)
    held, free = (sda.job(words, 0, test=False) for words in sda.search.listed[:2])
    gone = [digest(schema.build_run(job.config).described()) for job in (held, free)]
    write(done, [one for one in lines(done) if one.get("setting") not in gone or one["seed"]])
    for job in (held, free):  # they share their pretraining
        shutil.rmtree(job.path)
    other = RunFolder(held.path)
    other.open()

    def release():
        while RunFolder(free.path).result.get("status") != "finished":
            time.sleep(0.05)
        other.close()

    threading.Thread(target=release, daemon=True).start()
    assert campaign_run.run(done) == (True, [])
    assert "another process is training it; waiting for it" in caplog.text
    assert RunFolder(held.path).result["status"] == "finished"


@pytest.mark.slow
def test_a_campaign_of_many_short_calls_ends_as_one_of_a_single_call(done, tiny, tmp_path):
    def ends():
        aside = ("seconds", "environment")
        return {
            line["identity"]: {k: v for k, v in line.items() if k not in aside}
            for line in lines(done)
        }

    whole = ends()
    shutil.rmtree(tmp_path / "runs")
    calls = 0
    while not campaign_run.run(tiny((0.8 + 0.1 * calls) / 3600))[0]:  # for slow machines too
        calls += 1
        assert calls < 60
    assert calls > 0
    assert ends() == whole


@pytest.fixture
def plain(tiny, kept=[]):  # noqa: B006  (composed once)
    """The configuration of the first cell, and a search is to be put in."""
    if not kept:
        kept.append(cells(tiny(1))[0].config)
    return copy.deepcopy(kept[0])


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
def test_a_search_that_is_none_is_refused_in_one_line(plain, search, said):
    with pytest.raises(ValueError, match=said) as refusal:
        read_search(plain | {"search": search})
    assert "\n" not in str(refusal.value)


def test_settings_that_differ_in_what_an_arm_has_not_are_one(plain):
    listed = [
        "corruption.fraction=0.1 stack.hidden=[7]",
        "stack.hidden=[7] corruption.fraction=0.4",
    ]
    plain |= {"search": {"settings": listed, "rates": [1]}}
    assert len(read_search(plain).settings) == 2
    assert read_search(plain | {"init": "saa"}).settings == (tuple(listed[0].split()),)


def test_a_search_does_not_set_what_its_arm_reads_in_another_place(plain):
    plain |= {"search": {"settings": ["corruption.fraction=0.4"], "rates": [1]}}
    noisy = plain | {"pretrain": plain["pretrain"] | {"corruption": {"fraction": 0.4}}}
    assert read_search(noisy | {"init": "sda"}).settings == (("corruption.fraction=0.4",),)
    with pytest.raises(ValueError, match=r"must not set corruption.fraction beside pretrain.corr"):
        read_search(noisy | {"init": "saa"})


@pytest.mark.slow
def test_a_run_that_fails_and_then_ends_well_has_not_failed(tiny, monkeypatch):
    original, calls = sweep.run_all, []

    def dies_at_first(jobs, *others, **named):
        calls.append(jobs)
        ended = original(jobs, *others, **named)
        return ended if len(calls) > 1 else [o._replace(fault="it died") for o in ended]

    monkeypatch.setattr(sweep, "run_all", dies_at_first)
    plan = tier(tiny(1), arms=("svm_rbf",))
    assert campaign_run.run(plan)[1]
    assert campaign_run.run(plan) == (True, [])


@pytest.mark.slow
def test_a_search_of_which_a_run_diverged_has_not_failed(tiny):
    plan = tiny(1)
    (random,) = cells(tier(plan, arms=("random1",)))
    far = random.job(("finetune.learning_rate=1e30",), 0, test=False)
    (outcome,) = sweep.run_all([far], Local(2))
    assert outcome.result["status"] == "diverged"
    plan = tier(plan, arms=("random1",), runs=2, seeds=1)
    assert campaign_run.run(plan) == (True, [])
    statuses = [line["status"] for line in lines(plan) if line["seed"] == 0]
    assert sorted(statuses) == ["diverged", "finished", "finished"]


def test_a_wrong_setting_is_told_before_any_work_starts(tiny, conf, tmp_path):
    arm = (
        (conf / "arm" / "sda1.yaml")
        .read_text()
        .replace("corruption.fraction=0.4", "corruption.fraction=1.4")
    )
    (conf / "arm" / "wrong1.yaml").write_text(arm)
    plan = tiny(1)
    tiers = (plan.tiers[0], dataclasses.replace(plan.tiers[0], arms=("wrong1",)))
    with pytest.raises(ValueError, match=r"fraction .*\[0, 1\].* got 1\.4"):
        campaign_run.run(dataclasses.replace(plan, tiers=tiers))
    assert not written(tmp_path / "runs")


@pytest.mark.slow
def test_every_arm_of_a_data_set_has_the_same_runs_and_seeds_and_each_setting_is_another():
    plan = campaign.read("table1", ["campaign.hours=1"])
    asked: dict[str, set[tuple[str, int, int]]] = {}
    for one in plan.tiers:
        for cell in campaign.cells(plan, one):
            if cell.search is None:  # a baseline searches within its one run
                continue
            depth = "1" if cell.arm.endswith("1") else "3"
            asked.setdefault(f"{cell.data} {depth}", set()).add((one.runs, one.seeds))
            jobs = [cell.job(words, 0, test=False) for words in cell.search.listed]
            keys = {digest(schema.build_run(job.config).described()) for job in jobs}
            assert len(keys) == len(jobs), cell
            assert len({job.path for job in jobs}) == len(jobs), cell
            assert cell.search.space, cell
    assert len(asked) == 18
    assert {len(counts) for counts in asked.values()} == {1}


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
        (
            "campaign.tiers=[3]",
            "campaign.tiers.0 must be settings of its own, key: value; got 3",
        ),
        (
            "campaign.tiers=[{data: [a], arms: [b], runs: 1}]",
            "the setting campaign.tiers.0.seeds is missing: a run needs it",
        ),
        (
            "campaign.tiers=[{data: basic, arms: [sda3], runs: 1, seeds: 1}]",
            "campaign.tiers.0.data must be a list, got 'basic'",
        ),
    ],
)
def test_tiers_of_another_shape_are_refused_in_one_line(word, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        campaign.read("table1", ["campaign.hours=1", word])


def test_a_word_that_only_the_data_of_its_cells_know_leaves_its_folder_alone():
    plan = campaign.read("table1", ["campaign.hours=1", "data.photographs=pictures", "jobs=3"])
    assert campaign_run.folder_of(plan) == Path("runs/table1")
    assert all(cell.config["jobs"] == 3 for cell in cells(plan))
