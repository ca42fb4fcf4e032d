"""Every file under conf/ composes and builds; every group is what its folder holds."""

import csv
import dataclasses
import itertools
import re

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from sda import (
    BlockMasking,
    Boltzmann,
    Compose,
    Emphasis,
    Gaussian,
    Masking,
    Mixed,
    Scheduled,
    Swap,
)
from sda.config import catalogue, compose, schema
from sda.runs.identity import Init

FILES = sorted(catalogue.folder().rglob("*.yaml"))
APART = ("campaign",)  # of another command: test_campaign.py
INSIDE = [path.relative_to(catalogue.folder()).with_suffix("") for path in FILES]
EVERY = [
    (path.parts[0], "/".join(path.parts[1:]))
    for path in INSIDE
    if len(path.parts) > 1 and path.parts[0] not in APART
]
CHOICES = [
    pytest.param(group, choice, marks=pytest.mark.slow if group == "experiment" else ())
    for group, choice in EVERY
]
SETS = [path.stem for path in FILES if path.parent.name == "table1"]
ARMS = [path.stem for path in FILES if path.parent.name == "arm"]


def build(*words):
    return schema.build(compose.settings(words))


def chosen(*words):
    """The settings with some files chosen, which are read once for all tests."""
    return compose.settings(words)


def test_there_are_files():
    assert len(FILES) > 15
    groups = {"data", "corruption", "reconstruction", "stack", "pretrain", "finetune", "experiment"}
    assert {group for group, _ in EVERY} == groups | {"arm", "baseline", "executor"}
    table = [path for path in FILES if path.parent.name in ("table1", "arm")]
    assert len(table) <= 25
    assert sum(len(path.read_text().splitlines()) for path in table) <= 350


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_composes_and_builds(group, choice):
    run = schema.build(chosen(f"{group}={choice}"))
    if group == "baseline" or (group == "arm" and choice.startswith("svm")):
        assert run.init == choice
        assert len(run.tried) > 1
        return
    assert run.layers
    arm = re.sub(r"\d", "", choice) if group == "arm" else "sda"
    assert run.init is Init(arm)
    if group == "arm":
        assert len(run.layers) == int(choice[-1])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_says_in_its_first_lines_what_it_is(path):
    first = path.read_text().splitlines()[:2]
    assert any(line.startswith("# ") and len(line) > 20 for line in first) or (
        path.parent.name in ("pretrain", "finetune")
    )


EXPERIMENTS = [choice for group, choice in EVERY if group == "experiment"]


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_has_its_own_name_and_published_figures_in_range(experiment):
    run = schema.build_run(chosen(f"experiment={experiment}"))
    assert run.name == experiment
    for error in (run.published or {}).get("test_error", {}).values():
        assert 0 < error < 1


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_means_the_same_data_wherever_it_is_run(experiment):
    data = chosen(f"experiment={experiment}")["data"]
    assert data.get("source", "pinned") != "auto"


def _printed(data_set, arm):
    """The paper's test error in percent, as its table has it; None: it has none."""
    columns = {"saa3": ("saa_3", "sae_3"), "sda3": ("sda_3", "sdae_3"), "dbn3": ("dbn_3",)}
    columns |= {"dbn1": ("dbn_1",), "svm_rbf": ("svm_rbf",), "svm_poly": ("svm_poly",)}
    for table in ("icml2008", "jmlr2010"):
        with (catalogue.folder() / "experiment" / "table1" / f"{table}.csv").open() as file:
            for line in csv.DictReader(file):
                if line["data_set"] == data_set:
                    found = [line.get(f"{column}_error") for column in columns.get(arm, ())]
                    return next(filter(None, found), None)
    return None


@pytest.mark.parametrize(
    "data_set",
    [pytest.param(one, marks=[] if one == "rect" else pytest.mark.slow) for one in SETS],
)
def test_a_cell_has_the_papers_figure_of_its_set_and_arm_or_none(data_set):
    experiment = f"experiment=table1/{data_set}"
    for arm in ARMS:
        plain = chosen(experiment, f"arm={arm}")
        plan = schema.build(plain)
        error = (plain["published"] or {}).get("test_error", {}).get(plan.init)
        told = None if error is None else f"{100 * error:.2f}"
        assert told == _printed(data_set, arm), arm
        assert plan.name == f"table1/{data_set}"
        assert plain["data"]["_target_"].endswith(data_set.replace("-", "_"))


SWEPT = [choice for choice in EXPERIMENTS if "/" not in choice]


@pytest.mark.slow
@pytest.mark.parametrize("experiment", SWEPT)
def test_every_value_that_an_experiment_sweeps_over_builds(experiment):
    params = compose.swept([f"experiment={experiment}"])
    for key, values in params.items():
        (parsed,) = OverridesParser.create().parse_overrides([f"{key}={values}"])
        for value in parsed.sweep_string_iterator() if parsed.is_sweep_override() else [values]:
            run = build(f"experiment={experiment}", f"{key}={value}")
            assert run.finetuning.learning_rate > 0


def test_figure_12_puts_one_noise_to_four_uses():
    noise = Masking(0.4)
    uses = {
        "undone": ("sda", None, None),
        "in_pretraining": ("saa", noise, None),
        "in_both": ("saa", noise, noise),
        "in_finetuning": ("random", None, noise),
    }
    for use, (init, pretraining, finetuning) in uses.items():
        run = build("experiment=noisy_inputs", f"vars.use={use}", "corruption.fraction=0.4")
        assert (run.init, run.finetuning.corruption) == (init, finetuning)
        assert [plan.corruption for plan in run.pretraining] == [pretraining] * 3
        undone = noise if use == "undone" else Masking(0.0)
        assert [layer.corruption for layer in run.trained_layers()] == [undone] * 3


def test_a_random_arm_is_never_pretrained_whatever_the_configuration_says():
    for experiment in ("demo", "vincent2008_basic"):
        run = build(f"experiment={experiment}", "init=random", "pretrain.epochs=500")
        assert not run.is_pretrained


def test_the_arms_differ_in_nothing_but_what_pretraining_does():
    arms = {
        init: build(f"init={init}", "stack.emphasis.intact=0.5")
        for init in Init
        if init is not Init.baseline
    }
    planned = arms["sda"].layers
    assert arms["sda"].trained_layers() == planned
    clean = {"corruption": Masking(0.0), "emphasis": Emphasis()}
    for init in ("random", "saa"):
        wanted = tuple(dataclasses.replace(layer, **clean) for layer in planned)
        assert arms[init].trained_layers() == wanted
    assert arms["dbn"].trained_layers() == tuple(
        Boltzmann(layer.n_hidden, initialisation=layer.initialisation) for layer in planned
    )
    weights = [list(run.stack(6).parameters()) for run in arms.values()]
    for first, second in itertools.combinations(weights, 2):
        assert all((a == b).all() for a, b in zip(first, second, strict=True))


def test_a_list_gives_each_layer_its_own_value():
    run = build(
        "corruption.fraction=[0.1,0.2,0.3]", "pretrain.epochs=[1,2,3]",
        "stack.emphasis.intact=[1,0.5,0]",
    )  # fmt: skip
    assert [layer.corruption.fraction for layer in run.layers] == [0.1, 0.2, 0.3]
    assert [plan.epochs for plan in run.pretraining] == [1, 2, 3]
    assert [layer.emphasis.intact for layer in run.layers] == [1, 0.5, 0]


def test_a_type_may_differ_by_layer():
    run = build("corruption=by_layer", "reconstruction=real_valued_input")
    kinds = [type(layer.corruption).__name__ for layer in run.layers]
    assert kinds == ["Gaussian", "Masking", "Masking"]
    kinds = [type(layer.reconstruction).__name__ for layer in run.layers]
    assert kinds == ["SquaredError", "CrossEntropy", "CrossEntropy"]


@pytest.mark.parametrize(
    "words",
    [
        ["seed=3", "stack.hidden=[20,10]", "finetune.patience=null", "name=c"],
        ["pretrain.learning_rate=1e-3", "stack.emphasis={corrupted: 2.0}", "init=saa"],
        ["corruption=gaussian", "corruption.std=0.5", "data=arrays", "data.path='a=b.csv'"],
        ["data_folder=elsewhere", "precision=fp32", "seed=4"],
        ["+own=1", "hydra.sweeper.params=null", "finetune.corruption=${corruption}"],
        ["finetune.corruption=${corruption}", "corruption.fraction=0.9"],
        ["experiment=labels", "finetune.labelled=100", "init=saa", "vars.budget.n100.epochs=3"],
        [
            "experiment=noisy_inputs",
            "vars.use=in_both",
            "corruption.fraction=0.9",
            "finetune.learning_rate=0.2",
        ],
        ["experiment=units", "vars.condition=none", "vars.clean.fraction=0.5", "seed=2"],
        [],
    ],
)
def test_what_is_kept_of_files_gives_what_hydra_gives(words):
    if not any(word.startswith("experiment=") for word in words):
        words = ["experiment=table1/rect", "arm=dbn1", *words]
    alone = compose.compose(words)
    for _ in range(2):
        assert compose.settings(words) == compose.resolved(alone)


@pytest.mark.parametrize("word", ["pretrain.rate=1", "seed=1,2", "pretrain=3", "seed.a=1"])
def test_a_word_that_hydra_refuses_is_refused_with_its_message(word):
    with pytest.raises((*compose.FAULTS, ValueError)) as alone:
        compose.compose([word])
    with pytest.raises((*compose.FAULTS, ValueError)) as kept:
        compose.settings([word])
    assert str(kept.value) == str(alone.value)


def test_noise_for_pictures_leaves_the_layers_above_theirs():
    run = build("corruption=blocks", "corruption.width=3", "corruption.above.fraction=0.4")
    kinds = [layer.corruption for layer in run.layers]
    assert kinds == [BlockMasking(4, 3), Masking(0.4), Masking(0.4)]
    assert build("corruption=blocks", "stack.hidden=[9]").layers[0].corruption == BlockMasking()
    noisy = build("corruption=blocks", "finetune.corruption=${corruption}")
    assert noisy.finetuning.corruption == BlockMasking()


def test_a_list_that_a_part_has_itself_is_no_list_of_layers():
    both = Compose((Gaussian(0.1), Masking(0.25)))
    for hidden in ("[9,8]", "[9,8,7]"):
        run = build("corruption=compose", f"stack.hidden={hidden}")
        assert {layer.corruption for layer in run.layers} == {both}
    schedule = Scheduled(Masking(0.7), Masking(0.1), 15)
    assert build("corruption=scheduled").layers[2].corruption == schedule


def test_a_table_has_defaults_of_its_own_that_words_change():
    run = build("data=table", "data.path=x.csv")
    assert [layer.corruption for layer in run.layers] == [Swap(0.2)] * 3
    assert [layer.reconstruction for layer in run.layers] == [Mixed()] * 3
    assert build("data=table", "corruption=masking").layers[0].corruption == Masking(0.25)
    assert chosen("data=table")["pretrain"]["learning_rate"] == 0.02  # at 0.1 200 units diverge
    assert chosen("data=table", "pretrain.learning_rate=1")["pretrain"]["learning_rate"] == 1
    alike = [chosen(f"data={kind}")["data"] for kind in ("table", "arrays")]
    assert alike[0] == alike[1] | {"scaling": "standard"}


@pytest.mark.parametrize("data", ["arrays", "table"])
def test_kinds_of_columns_are_set_as_the_page_says(data):
    words = [f"data={data}", "data.path=mine.csv", "data.kinds={zip: categorical, note: ignored}"]
    made = compose.settings(words)
    assert made["data"]["kinds"] == {"zip": "categorical", "note": "ignored"}
