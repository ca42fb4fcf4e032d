"""What `compare` says of run folders: groups, intervals, published figures, and what it refuses."""

import io
import json
import math
import re
import sys

import numpy as np
import pytest

from sda.analysis import curves, formats, naming
from sda.cli import compare

SETTINGS = {
    "data._target_": "sda.data.generated.rectangles.rect",
    "corruption._target_": "sda.nn.corruption.Masking",
    "corruption.fraction": 0.25,
    "stack.hidden": [200, 200],
    "pretrain.epochs": 3,
    "finetune.learning_rate": 0.3,
    "threads": 1,
    "jobs": "auto",
}
N = 1000
METRICS = [
    {"phase": "pretrain", "layer": 1, "epoch": 1, "loss": 9.0, "valid": 8.0, "valid_clean": 7.0},
    {"phase": "pretrain", "layer": 1, "epoch": 2, "loss": 8.0, "valid": 7.0, "valid_clean": 6.0},
    {"phase": "finetune", "epoch": 1, "loss": 1.0, "valid_error": 0.5, "valid_loss": 1.0},
    {"phase": "finetune", "epoch": 2, "loss": 0.5, "valid_error": 0.1, "valid_loss": 0.5},
]


def run_folder(path, init="sda", seed=0, wrong=30, *, settings=None, shift=0, **result):
    """A run of which ``wrong`` of 1000 test rows, from row ``shift`` on, are misclassified."""
    path.mkdir(parents=True)
    path.joinpath("config.yaml").write_text("init: sda\n")
    y = np.arange(N, dtype=np.int64) % 10
    predicted = y.copy()
    predicted[shift : shift + wrong] = (predicted[shift : shift + wrong] + 1) % 10
    np.savez(path / "test_predictions.npz", y=y, predicted=predicted)
    content = {
        "name": "rect",
        "data": "rect",
        "source": "regenerated",
        "data_hash": "abc123",
        "init": init,
        "seed": seed,
        "status": "finished",
        "message": None,
        "valid_error": wrong / N,
        "test_error": wrong / N,
        "n_test": N,
        "n_valid": 200,
        "best_epoch": 1,
        "epochs": 2,
        "best_is_last": False,
        "seconds": {"pretrain": 2.0, "finetune": 1.0},
        "published": None,
        "settings": SETTINGS | {"init": init, "seed": seed, "name": "rect"} | (settings or {}),
    }
    path.joinpath("result.json").write_text(json.dumps(content | result))
    rows = METRICS if init != "random" else METRICS[2:]
    path.joinpath("metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def three_arms(folder, seeds=3, **changes):
    for seed in range(seeds):
        for init, wrong in {"random": 90, "saa": 60, "sda": 30}.items():
            run_folder(folder / f"{init}-{seed}", init, seed, wrong + 2 * seed, **changes)


def arms(result):
    return {arm.label: len(arm.runs) for table in result.tables for arm in table.arms}


def pairs(result):
    return {
        (pair.first.label, pair.second.label): pair
        for table in result.tables
        for pair in table.pairs
    }


NAMED = {  # runs, each an init and its settings, and the arms that they are told as
    "by their init where nothing else differs": (
        [(init, {}) for init in ("sda", "saa", "random")], ["random", "saa", "sda"],
    ),
    "with machines between the autoencoders, which do not read the corruption": (
        [("sda", {}), ("dbn", {"corruption.fraction": 0.1}), ("saa", {}), ("random", {}),
         ("dbn", {"corruption.fraction": 0.2})],
        ["random", "saa", "dbn", "sda"],
    ),
    "namesakes by what only some of them have, and by nothing else": (
        [("random", {}), ("saa", {}), ("saa", {"pretrain.corruption._target_": "sda.Masking"})],
        ["random", "saa", "saa pretrain.corruption=Masking"],
    ),
    "by the setting that differs": (
        [("sda", {}), ("sda", {"corruption.fraction": 0.4})],
        ["sda corruption.fraction=0.25", "sda corruption.fraction=0.4"],
    ),
    "by a setting that differs between inits, which is never hidden": (
        [("random", {"finetune.learning_rate": 0.1}), ("sda", {})],
        ["random finetune.learning_rate=0.1", "sda finetune.learning_rate=0.3"],
    ),
    "without settings that an arm does not read": (
        [(init, {"corruption.fraction": k / 10}) for k, init in enumerate(2 * ["random", "saa"])],
        ["random", "saa"],
    ),
    "without what does not change the numbers": (
        [("sda", {}), ("sda", {"threads": 2, "jobs": 1, "name": "other"})], ["sda"],
    ),
    "a run of before there was a setting as one of its default": (
        [("sda", {}), ("sda", {"finetune.labelled": None})], ["sda"],
    ),
    "with numbers in order": (
        [("sda", {"corruption.fraction": k}) for k in (0.5, 0.05, 0.25, 1e-3)],
        [f"sda corruption.fraction={k}" for k in (0.001, 0.05, 0.25, 0.5)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("runs", "told"), NAMED.values(), ids=NAMED)
def test_arms_are_named(tmp_path, runs, told):
    for seed, (init, settings) in enumerate(runs):
        run_folder(tmp_path / str(seed), init, seed, settings=settings)
    found = arms(compare.compare([tmp_path]))
    assert list(found) == told
    assert sum(found.values()) == len(runs)


def test_machines_are_paired_with_autoencoders(tmp_path):
    for init in ("dbn", "sda"):
        run_folder(tmp_path / init, init)
    assert list(pairs(compare.compare([tmp_path]))) == [("dbn", "sda")]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            [{"corruption._target_": "sda.nn.corruption.Masking", "corruption.x": 1},
             {"corruption._target_": "sda.nn.corruption.Gaussian", "corruption.s": 2}],
            ["sda corruption=Masking", "sda corruption=Gaussian"],
        ),
        ([{"new": 1}, {}], ["sda new=1", "sda"]),
    ],
    ids=["a class of corruption is one word", "only one arm has the setting"],
)  # fmt: skip
def test_labels_are_short_and_distinct(settings, told):
    assert naming.labels([{"init": "sda"} | own for own in settings]) == told


def test_the_difference_is_paired_by_seed_and_positive_where_the_second_is_better(tmp_path):
    for seed, (random, sda) in enumerate([(90, 30), (95, 33), (92, 34)]):
        run_folder(tmp_path / f"r{seed}", "random", seed, random)
        run_folder(tmp_path / f"s{seed}", "sda", seed, sda)
    run_folder(tmp_path / "alone", "sda", 9, 500)  # no partner: not in the difference
    difference = pairs(compare.compare([tmp_path]))["random", "sda"].difference
    assert difference.n == 3
    assert difference.mean == pytest.approx((60 + 62 + 58) / 3 / N)
    assert difference.half_width == pytest.approx(4.3027 * 0.002 / math.sqrt(3), rel=1e-3)
    assert difference.excludes_zero


def test_arms_without_a_common_seed_are_not_paired(tmp_path):
    run_folder(tmp_path / "a", "random", 0)
    run_folder(tmp_path / "b", "sda", 1)
    assert pairs(compare.compare([tmp_path])) == {}


def test_one_pair_is_said_to_have_no_interval(tmp_path):
    run_folder(tmp_path / "a", "random", 0, 90)
    run_folder(tmp_path / "b", "sda", 0, 30)
    result = compare.compare([tmp_path])
    assert re.search(r"\+6.00 +- +- +none: one seed", formats.plain(result))
    assert not pairs(result)["random", "sda"].difference.excludes_zero


def test_the_table_states_sign_and_verdict(tmp_path):
    three_arms(tmp_path)
    shown = formats.plain(compare.compare([tmp_path]))
    assert "a - b, positive = b better" in shown
    line = next(line for line in shown.splitlines() if line.startswith("random - sda  "))
    assert re.match(r"random - sda +3 +\+6.00 ±1.4\d +- +\de-\d\d  sda better$", line)
    assert "Holm's correction over the 3 of this table" in shown


def test_the_verdict_names_whichever_arm_is_better(tmp_path):
    for seed in range(3):
        run_folder(tmp_path / f"a{seed}", "random", seed, 20)
        run_folder(tmp_path / f"b{seed}", "sda", seed, 50)
    shown = formats.plain(compare.compare([tmp_path]))
    assert re.search(r"-3.00 ±1.06 .* random better", shown)
    for seed in range(3):
        run_folder(tmp_path / f"c{seed}", "sda", seed, 10, settings={"corruption.fraction": 0.4})
    shown = formats.plain(compare.compare([tmp_path]))
    assert re.search(r"-3.00 ±1.06 .* a better", shown)
    assert re.search(r"\+1.00 ±0.62 .* b better", shown)


def test_an_interval_that_holds_0_decides_nothing(tmp_path):
    for seed, sda in enumerate([30, 70, 55]):
        run_folder(tmp_path / f"a{seed}", "random", seed, 50)
        run_folder(tmp_path / f"b{seed}", "sda", seed, sda)
    assert "no difference found" in formats.plain(compare.compare([tmp_path]))


def test_few_rows_that_differ_by_one_in_every_seed_decide_nothing(tmp_path):
    for seed in range(3):
        for name, init, wrong in (("a", "random", 3), ("b", "sda", 4)):
            path = run_folder(tmp_path / f"{name}{seed}", init, seed, 0)
            y = np.arange(18) % 2
            predicted = np.where(np.arange(18) < wrong, 1 - y, y)
            np.savez(path / "test_predictions.npz", y=y, predicted=predicted)
            result = json.loads((path / "result.json").read_text())
            result |= {"test_error": wrong / 18, "n_test": 18}
            (path / "result.json").write_text(json.dumps(result))
    pair = pairs(compare.compare([tmp_path]))["random", "sda"]
    assert math.isinf(pair.difference.half_width)  # seeds that agree say nothing
    assert pair.estimate.half_width > 1 / 18
    assert pair.better is None
    assert "no difference found" in formats.plain(compare.compare([tmp_path]))


def test_arms_that_make_the_same_mistakes_are_level_where_the_rows_suffice(tmp_path):
    for seed in range(3):
        run_folder(tmp_path / f"a{seed}", "random", seed, 50)
        run_folder(tmp_path / f"b{seed}", "sda", seed, 50)
    result = compare.compare([tmp_path])
    assert pairs(result)["random", "sda"].estimate.half_width == 3 / N
    assert re.search(r"\+0.00 ±0.30 .* level$", formats.plain(result), re.M)
    assert "no difference found" in formats.plain(result, margin=0.002)


def test_of_several_claims_each_must_be_the_surer(tmp_path):
    for seed in range(3):
        run_folder(tmp_path / f"a{seed}", "random", seed, 20)
        run_folder(tmp_path / f"b{seed}", "sda", seed, 26)
    alone = pairs(compare.compare([tmp_path]))["random", "sda"]
    assert alone.better is not None
    for k in range(3):
        for seed in range(3):
            changes = {"corruption.fraction": 0.4 + k / 10}
            run_folder(tmp_path / f"c{k}{seed}", "sda", seed, 20, settings=changes)
    found = compare.compare([tmp_path]).tables[0].pairs
    assert len(found) == 10
    assert alone.p == alone.estimate.p
    assert min(pair.p for pair in found) == pytest.approx(min(10 * alone.p, 1))


def test_mcnemar_counts_the_rows_where_the_runs_of_a_seed_differ(tmp_path):
    run_folder(tmp_path / "a", "random", 0, 8)
    run_folder(tmp_path / "b", "sda", 0, 2, shift=7)  # rows 7, 8: one shared
    p = pairs(compare.compare([tmp_path]))["random", "sda"].mcnemar[0, 0]
    assert p == pytest.approx(2 * (1 + 8) / 2**8)  # 7 against 1


@pytest.mark.parametrize("damage", ["missing", "cut", "short"])
def test_without_predictions_a_run_is_compared_but_not_by_mcnemar(tmp_path, damage):
    three_arms(tmp_path, seeds=2)
    file = tmp_path / "sda-1" / "test_predictions.npz"
    match damage:
        case "missing":
            file.unlink()
        case "cut":
            file.write_bytes(file.read_bytes()[:500])
        case "short":
            np.savez(file, y=np.zeros(3, int), predicted=np.zeros(3, int))
    result = compare.compare([tmp_path])
    pair = pairs(result)["random", "sda"]
    assert pair.difference.n == 2
    assert pair.mcnemar[0, 0] is not None
    assert pair.mcnemar[0, 1] is None
    assert "none: no predictions" in formats.plain(result)
    assert "missing or damaged" in formats.plain(result)


def test_pickled_predictions_are_not_executed(tmp_path):
    path = run_folder(tmp_path / "a")
    marker = tmp_path / "marker"

    class Evil:
        def __reduce__(self):
            return (marker.touch, ())

    evil = np.array([Evil()], dtype=object)
    np.savez(path / "test_predictions.npz", y=evil, predicted=evil)
    compare.compare([tmp_path])
    assert not marker.exists()


def test_a_result_that_its_predictions_contradict_is_not_in_the_table(tmp_path):
    run_folder(tmp_path / "a", "random")
    run_folder(tmp_path / "b", "sda", wrong=30, test_error=0.01)
    result = compare.compare([tmp_path])
    assert arms(result) == {"random": 1}
    assert [(u.status, u.message) for u in result.unfinished] == [
        ("contradictory", "its predictions err on 3.00%, result.json says 1.00%")
    ]


def test_runs_on_other_rows_are_never_in_one_table(tmp_path):
    run_folder(tmp_path / "a", "random", data_hash="aaa")
    run_folder(tmp_path / "b", "sda", data_hash="bbb")
    result = compare.compare([tmp_path])
    assert [[arm.label for arm in table.arms] for table in result.tables] == [["random"], ["sda"]]
    assert pairs(result) == {}


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        ("running", None, "running, or killed"),
        ("interrupted", None, "interrupted"),
        ("diverged", "layer 1, epoch 3: loss nan at\nrate 1e6", "layer 1, epoch 3: loss nan at"),
        ("failed", "no space left on device", "no space left on device"),
    ],
)
def test_runs_that_did_not_finish_are_listed_with_their_status(tmp_path, status, message, told):
    run_folder(tmp_path / "good")
    run_folder(tmp_path / "bad", seed=1, status=status, message=message, test_error=None)
    result = compare.compare([tmp_path])
    assert arms(result) == {"sda": 1}
    shown = formats.plain(result)
    assert str(tmp_path / "bad") in shown  # whole, to be copied
    shown_words = " ".join(shown.replace(str(tmp_path / "bad"), "").split())
    assert told in shown_words
    assert told in formats.markdown(result)


@pytest.mark.parametrize(
    "content",
    [None, "", '{"status": "fini', "[]", "{}", '{"status": "finished"}', "\x00\x01"],
)
def test_an_unreadable_result_is_listed_not_dropped(tmp_path, content):
    run_folder(tmp_path / "good")
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "config.yaml").write_text("init: sda\n")
    if content is not None:
        (bad / "result.json").write_text(content)
    result = compare.compare([tmp_path])
    assert [(u.path, u.status) for u in result.unfinished] == [(bad, "unreadable")]


@pytest.mark.parametrize(
    "change",
    [
        {"test_error": float("nan")},
        {"test_error": "3 %"},
        {"valid_error": -0.1},
        {"valid_error": 3.1},
        {"n_test": 0},
        {"seed": None},
    ],
)
def test_impossible_figures_are_listed_as_unreadable(tmp_path, change):
    run_folder(tmp_path / "bad", **change)
    result = compare.compare([tmp_path])
    assert result.tables == []
    assert next(iter(change)) in result.unfinished[0].message or change == {"n_test": 0}


def test_equal_runs_of_one_arm_and_seed_count_once(tmp_path):
    three_arms(tmp_path, seeds=2)
    run_folder(tmp_path / "again", "random", 0, 90, settings={"corruption.fraction": 0.9})
    result = compare.compare([tmp_path])
    assert arms(result) == {"random": 2, "saa": 2, "sda": 2}
    assert pairs(result)["random", "sda"].difference.n == 2
    same = result.repeated[0]
    assert (same.arm, same.seed, len(same.folders), same.agree) == ("random", 0, 2, True)
    assert "equal, counted once" in formats.plain(result)


def test_runs_of_one_arm_and_seed_that_disagree_are_refused(tmp_path):
    three_arms(tmp_path, seeds=2)
    run_folder(tmp_path / "again", "sda", 0, 30, shift=1)  # the same error on other rows
    result = compare.compare([tmp_path])
    assert arms(result) == {"random": 2, "saa": 2, "sda": 1}
    assert pairs(result)["random", "sda"].difference.n == 1
    shown = formats.plain(result)
    assert shown.count("not equal, none used") == 2
    assert "rect: sda, seed 0" in shown


def test_runs_that_disagree_on_validation_alone_are_refused_too(tmp_path):
    run_folder(tmp_path / "a", wrong=30)
    run_folder(tmp_path / "b", wrong=30, valid_error=0.5)
    result = compare.compare([tmp_path])
    assert result.tables == []
    assert [same.agree for same in result.repeated] == [False]


def test_a_folder_given_twice_counts_once(tmp_path):
    three_arms(tmp_path, seeds=1)
    (tmp_path / "link").symlink_to(tmp_path / "sda-0")
    result = compare.compare([tmp_path, tmp_path / "sda-0", tmp_path / "link"])
    assert arms(result) == {"random": 1, "saa": 1, "sda": 1}
    assert result.repeated == []


def test_hidden_folders_hold_no_runs(tmp_path):
    run_folder(tmp_path / "a")
    (tmp_path / "a" / ".hydra").mkdir()
    (tmp_path / "a" / ".hydra" / "config.yaml").write_text("init: sda\n")
    assert compare.compare([tmp_path]).unfinished == []


PUBLISHED = {"paper": "Some (2008), Table 1", "n_test": 50_000, "test_error": {"sda": 0.0199}}


@pytest.mark.parametrize(("wrong", "told"), [(20, "+0.01 inside"), (30, "+1.01 outside")])
def test_published_figures_stand_beside_ours_with_the_deviation(tmp_path, wrong, told):
    run_folder(tmp_path / "a", "random", wrong=90, published=PUBLISHED)
    run_folder(tmp_path / "b", "sda", wrong=wrong, published=PUBLISHED)
    shown = formats.plain(compare.compare([tmp_path]))
    assert f"1.99 ±0.12  {told}" in shown
    assert "Some (2008), Table 1" in shown
    assert formats.markdown(compare.compare([tmp_path])).count(told) == 1


def test_a_best_epoch_that_is_the_last_is_marked(tmp_path):
    run_folder(tmp_path / "a", seed=0)
    run_folder(tmp_path / "b", seed=1, best_is_last=True)
    lines = formats.plain(compare.compare([tmp_path])).splitlines()
    assert any(line.endswith("3.00 ±1.06   3.00 ±1.06*") for line in lines)
    assert any("more epochs may help" in line for line in lines)


def test_few_wrong_rows_are_shown_with_wilsons_interval(tmp_path):
    run_folder(tmp_path / "a", wrong=0)
    shown = formats.plain(compare.compare([tmp_path]))
    assert "0.00 [0.00, 0.38]" in shown
    assert "Wilson" in shown


@pytest.mark.parametrize("wrong", [0, 300])  # Wilson's intervals are wider on the page
def test_the_terminal_table_fits_a_hundred_columns(tmp_path, wrong):
    for k in range(12):
        for seed in range(6):
            changes = {"pretrain.learning_rate": k / 10, "finetune.learning_rate": k % 3 / 10}
            told = {"settings": changes, "published": PUBLISHED, "best_is_last": k == 3}
            run_folder(tmp_path / f"{k}-{seed}", "sda", seed, wrong + k, **told)
    result = compare.compare([tmp_path])
    shown = formats.plain(result)
    paths = [line for line in shown.splitlines() if str(tmp_path) in line]
    assert max(len(line) for line in shown.splitlines() if line not in paths) <= 100
    assert "51 more pairs" in shown
    assert sum("± 95 %" in line for line in shown.splitlines()) == 1
    verdicts = ("better", "found", "level")
    assert len([line for line in shown.splitlines() if line.rstrip().endswith(verdicts)]) == 15
    rows = [row for row in formats.markdown(result).splitlines() if re.search(r"(r|d|l) \|$", row)]
    rows = [row for row in rows if re.search(r"(better|found|level) \|$", row)]
    assert len(rows) == len(pairs(result))


def test_more_seeds_than_fit_go_on_in_another_block(tmp_path):
    three_arms(tmp_path, seeds=7)
    shown = formats.plain(compare.compare([tmp_path]))
    assert max(map(len, shown.splitlines())) <= 100
    heads = [line for line in shown.splitlines() if line.startswith("each run's test %")]
    assert [word for line in heads for word in line.split() if word.isdigit()] == list("0123456")
    assert len(heads) == 2


def test_the_json_has_every_figure_and_no_nan(tmp_path):
    three_arms(tmp_path, seeds=1, published=PUBLISHED)
    run_folder(tmp_path / "bad", seed=4, status="diverged", message="loss nan")
    compare.write(compare.compare([tmp_path]), tmp_path / "out")

    def refuse(word):
        raise AssertionError(word)

    text = (tmp_path / "out" / "comparison.json").read_text()
    content = json.loads(text, parse_constant=refuse)
    table = content["tables"][0]
    sda = table["arms"][2]
    assert (sda["arm"], sda["test_error_mean"], sda["test_error_sd"]) == ("sda", 0.03, None)
    assert sda["runs"][0]["ci95"] == pytest.approx([0.0194, 0.0406], abs=1e-4)
    assert sda["published"]["deviation"] == pytest.approx(0.0101)
    assert sda["published"]["inside"] is False
    assert table["pairs"][1]["mean"] == pytest.approx(0.06)
    assert table["pairs"][1]["ci95"] is None
    assert content["unfinished"][0]["message"] == "loss nan"


def test_curves_show_every_run_of_every_arm_and_pass_over_a_torn_line(tmp_path):
    three_arms(tmp_path, seeds=2)
    with (tmp_path / "sda-0" / "metrics.jsonl").open("a") as file:
        file.write('{"phase": "finetune", "epo')
    finetuning, layer = curves.panels(compare.compare([tmp_path]).tables)
    assert {arm: len(runs) for arm, runs in finetuning.solid.items()} == {
        "random": 2,
        "saa": 2,
        "sda": 2,
    }
    assert finetuning.solid["sda"][0] == ([1, 2], [50, 10])  # in percent
    assert layer.solid == {arm: [([1, 2], [8, 7])] * 2 for arm in ("saa", "sda")}
    assert layer.fine == {arm: [([1, 2], [7, 6])] * 2 for arm in ("saa", "sda")}


def test_values_that_are_not_finite_do_not_enter_the_curves(tmp_path):
    path = run_folder(tmp_path / "a")
    rows = [{"phase": "finetune", "epoch": 1, "valid_error": math.nan}, {"phase": "finetune"}]
    rows += [{"phase": "finetune", "epoch": 3, "valid_error": 0.25}, {"phase": "other"}, []]
    lines = ["{torn", *map(json.dumps, rows)]
    (path / "metrics.jsonl").write_text("\n".join(lines))
    (panel,) = curves.panels(compare.compare([tmp_path]).tables)
    assert panel.solid == {"sda": [([3], [25])]}


def test_layers_are_in_order_beyond_the_ninth(tmp_path):
    path = run_folder(tmp_path / "a")
    rows = [{"phase": "pretrain", "layer": 11 - k, "epoch": 1, "valid": 1.0} for k in range(11)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    titles = [panel.title for panel in curves.panels(compare.compare([tmp_path]).tables)]
    assert titles == [f"layer {k}: validation reconstruction" for k in range(1, 12)]


def test_the_command_prints_the_table_and_writes_three_files(tmp_path, capsys):
    three_arms(tmp_path)
    assert compare.main([str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "rect (regenerated, abc123), 1000 test rows" in printed
    assert str(tmp_path / "comparison.png") in printed
    assert (tmp_path / "comparison.md").read_text("utf-8").startswith("# Comparison")
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert compare.main([str(tmp_path)]) == 0  # its own files are no runs
    assert capsys.readouterr().out == printed


def test_the_command_writes_where_it_is_told(tmp_path):
    run_folder(tmp_path / "a")
    assert compare.main([str(tmp_path), "--out", str(tmp_path / "x" / "y")]) == 0
    assert not (tmp_path / "comparison.md").exists()
    assert (tmp_path / "x" / "y" / "comparison.md").exists()


def test_without_a_single_record_there_is_a_table_but_no_picture(tmp_path):
    (run_folder(tmp_path / "a") / "metrics.jsonl").unlink()
    assert compare.main([str(tmp_path)]) == 0
    assert not (tmp_path / "comparison.png").exists()


def test_only_unfinished_runs_are_still_a_list(tmp_path, capsys):
    run_folder(tmp_path / "a", status="interrupted")
    assert compare.main([str(tmp_path)]) == 0
    assert "interrupted" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_nothing_to_compare_is_one_line_and_exit_code_2(tmp_path, capsys, name):
    (tmp_path / "empty").mkdir()
    assert compare.main([str(tmp_path / name)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert str(tmp_path / name) in printed.err
    assert not (tmp_path / name / "comparison.md").exists()


def test_a_terminal_without_the_sign_gets_plus_minus(tmp_path, monkeypatch):
    run_folder(tmp_path / "a")
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert compare.main([str(tmp_path)]) == 0
    terminal.flush()
    assert b"3.00 +-1.06" in terminal.buffer.getvalue()


def test_labels_and_inputs_that_set_arms_apart_are_told_in_words():
    told = naming.labels(
        [
            {"init": "sda", "finetune.labelled": None, "pretrain.patience": None},
            {"init": "sda", "finetune.labelled": 100, "pretrain.patience": None},
            {"init": "sda", "finetune.labelled": 100, "pretrain.patience": 5},
        ]
    )
    assert told == [
        "sda all labels without pretrain.patience",
        "sda 100 labels without pretrain.patience",
        "sda 100 labels pretrain.patience=5",
    ]
    told = naming.labels([{"init": "svm_linear", "layer": layer} for layer in (0, 2)])
    assert told == ["svm_linear on the input", "svm_linear on codes of layer 2"]
    own = [{"init": "sda"}, {"init": "knn", "layer": 1, "codes.pretrain.epochs": 15}]
    assert naming.labels(own) == ["sda", "knn on codes of layer 1"]
    assert naming.shared(own, {"pretrain.epochs": 15}, naming.labels(own)) == []


def test_what_all_runs_share_is_said_once_above_the_table_and_defaults_not_at_all(tmp_path):
    changed = {"pretrain.epochs": 7, "finetune.patience": 5, "pretrain.patience": None}
    for k, init in enumerate(["random", "saa", "sda", "sda"]):
        own = {"corruption.fraction": 0.4} if k == 3 else {}
        run_folder(tmp_path / str(k), init, settings=changed | own)
    (table,) = compare.compare([tmp_path]).tables
    # Of these, random reads all but one.
    assert table.shared == ["finetune.patience=5", "pretrain.epochs=7", "stack.hidden=[200,200]"]
    assert [arm.label for arm in table.arms] == [
        "random", "saa", "sda corruption.fraction=0.25", "sda corruption.fraction=0.4",
    ]  # fmt: skip
    shown = formats.plain(compare.compare([tmp_path]))
    assert shown.count("pretrain.epochs=7") == 1
    assert (
        "all with finetune.patience=5, pretrain.epochs=7, stack.hidden=[200,200]"
        in shown.splitlines()
    )
    assert "null" not in shown


def test_arms_of_other_numbers_of_labels_are_never_set_against_each_other(tmp_path):
    for seed in range(2):
        for k, labels in enumerate([None, 1000, 50]):
            for init, wrong in (("sda", 20), ("random", 40)):
                told = {"finetune.labelled": labels}
                where = tmp_path / f"{init}{labels}{seed}"
                run_folder(where, init, seed, wrong + 9 * k, settings=told)
    result = compare.compare([tmp_path])
    order = [f"{init} {n} labels" for n in (50, 1000, "all") for init in ("random", "sda")]
    assert list(arms(result)) == order
    assert list(pairs(result)) == list(zip(order[::2], order[1::2], strict=True))
    assert "only arms with the same number of labels" in formats.plain(result)


def test_a_part_for_each_layer_is_told_as_python_would_make_it():
    layers = [{"_target_": "sda.Masking", "fraction": 0.1}, {"_target_": "sda.Gaussian", "std": 1}]
    told = naming.shared([{"init": "sda", "corruption.layers": layers}], {}, ["sda"])
    assert told == ["corruption=[Masking(fraction=0.1), Gaussian(std=1)]"]


def cut_run(folder, init, number, wrong, count=4, way="folds", seed=0):
    """A run of one cut of 4000 rows, of which its 1000 test rows are those of the cut."""
    cut = {"way": way, "number": number, "total": count, "rows": "f0f0f0f0f0"}
    told = {"data_hash": f"cut{number}", "cut": cut, "n_train": 2800}
    run_folder(folder / f"{init}-{number}-{seed}", init, seed, wrong, shift=7 * number, **told)


def test_the_cuts_of_small_data_are_one_table_with_the_corrected_interval(tmp_path):
    wrong = {"random": [90, 80, 70, 95], "sda": [60, 62, 58, 80]}
    for init, each in wrong.items():
        for number, count in enumerate(each):
            cut_run(tmp_path, init, number, count)
    (table,) = compare.compare([tmp_path]).tables
    assert (table.data_hash, table.cuts) == ("f0f0f0f0f0", "4 folds")
    assert [len(arm.runs) for arm in table.arms] == [4, 4]
    apart = np.subtract(wrong["random"], wrong["sda"]) / N
    half = 3.1824 * math.sqrt((1 / 4 + 1000 / 3000) * apart.var(ddof=1))  # t, 3 degrees of freedom
    assert table.pairs[0].estimate.half_width == pytest.approx(half, rel=1e-4)
    shown = formats.plain(compare.compare([tmp_path]))
    assert "rect (regenerated, f0f0f0f0), 4000 rows in 4 folds" in shown
    assert re.search(rf"random - sda +4 +\+1\.88 ±{100 * half:.2f} +0\.\d+ +no difference", shown)
    assert "Nadeau and Bengio" in shown
    assert "McNemar" not in shown
    content = json.loads(formats.as_json(compare.compare([tmp_path])))
    assert content["tables"][0]["cuts"] == "4 folds"


def test_the_seeds_of_a_cut_count_as_one_and_cuts_of_other_ways_stand_apart(tmp_path):
    for number in range(3):
        for seed in range(2):
            cut_run(tmp_path, "sda", number, 30 + 10 * seed + number, seed=seed)
            cut_run(tmp_path, "random", number, 50 + 10 * seed, seed=seed)
        cut_run(tmp_path / "repeats", "sda", number, 30, way="repeats")
    folds, repeats = compare.compare([tmp_path]).tables
    assert (folds.cuts, repeats.cuts) == ("4 folds", "4 repeats")
    shown = formats.plain(compare.compare([tmp_path]))
    assert re.search(r"^sda +3 +3\.60 +0\.10 +3\.60 +0\.10", shown, re.M)  # over cuts, not runs
    assert re.search(r"^sda +3\.50 +3\.60 +3\.70$", shown, re.M)


def test_a_cut_that_is_none_is_listed_as_unreadable(tmp_path):
    run_folder(tmp_path / "bad", cut={"way": "folds", "number": "two"})
    assert "no usable cut" in compare.compare([tmp_path]).unfinished[0].message


def test_of_many_arms_each_is_set_against_the_one_with_the_lowest_validation_error(tmp_path):
    for k in range(13):
        for seed in range(2):
            told = {"settings": {"corruption.fraction": k / 20}, "valid_error": abs(k - 4) / 100}
            run_folder(tmp_path / f"{k}-{seed}", "sda", seed, 30 + k, **told)
    found = pairs(compare.compare([tmp_path]))
    assert len(found) == 12
    assert {b for _, b in found} == {"sda corruption.fraction=0.2"}
    assert "each is set against that with the lowest validation error" in formats.plain(
        compare.compare([tmp_path])
    )
