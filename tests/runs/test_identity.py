"""A run is known by its plan as built for its arm: what it does not read is no part of it."""

from dataclasses import dataclass

import pytest

from sda import CrossEntropy, Gaussian, Layer, Masking
from sda.config import compose, schema
from sda.runs.identity import described, differences, digest

DIGESTS = {
    ("init=random",): "ebb7402828b42900",
    ("init=saa",): "20bcc6acdb7fb52e",
    ("init=dbn",): "8993a0d5f1b8678f",
    ("init=sda",): "85f8257a8d065fe8",
    ("init=sda", "corruption=gaussian"): "b9bae61fd46f6142",
    (
        "init=sda",
        "corruption=salt_and_pepper",
        "stack.emphasis.intact=0.5",
    ): "1f0e5ba60e070008",
    ("init=sda", "pretrain.epochs=[2,3,4]", "stack.hidden=[30,20,10]"): "e9ce49504bdaa95f",
    ("init=sda", "reconstruction=squared_error", "stack.activation=tanh"): "08af71001314c5de",
    ("experiment=vincent2008_basic", "init=sda"): "59c146270ef8bd32",
    (
        "init=random",
        "finetune.labelled=100",
        "finetune.corruption=${corruption}",
    ): "1affe62f6959def3",
}


def setting(*words):
    plain = compose.settings(list(words))
    return digest(schema.build_run(plain).described())


@pytest.mark.parametrize(("words", "known"), DIGESTS.items(), ids=lambda words: str(words)[:40])
def test_digests_that_stand_in_ledgers_never_change(words, known):
    assert setting(*words) == known


@pytest.mark.parametrize("init", ["random", "saa", "dbn"])
def test_what_an_arm_does_not_read_is_no_part_of_it(init):
    alike = [setting(f"init={init}", f"corruption.fraction={f}") for f in (0.1, 0.4)]
    assert alike[0] == alike[1]
    assert setting("init=random", "pretrain.epochs=3") == setting("init=random")
    assert setting("init=sda", "corruption.fraction=0.1") != setting("init=sda")


def test_seed_data_and_wishes_of_the_machine_are_no_part_of_a_setting():
    asked = ["seed=7", "data=rect", "threads=2", "tensorboard=false", "test=false", "jobs=3"]
    assert setting("init=sda", *asked) == setting("init=sda")
    assert setting("init=sda", "precision=fp32") != setting("init=sda")


def test_a_description_leaves_out_defaults_and_module_paths():
    layer = Layer(5, Masking(0.25), CrossEntropy(), tied=False, initialisation="papers")
    assert described(layer) == {
        "kind": "Layer", "n_hidden": 5, "tied": False,
        "corruption": {"kind": "Masking", "fraction": 0.25},
    }  # fmt: skip
    # The default was the papers' scale once: that is what old digests leave out.
    assert described(Layer(5, Masking(0.25)))["initialisation"] == "tutorial"
    assert described(Gaussian(0.5)) == {"kind": "Gaussian", "std": 0.5}


def test_a_new_setting_at_its_default_changes_no_digest():
    def plan(**fields):
        made = type("Plan", (), {"__annotations__": dict.fromkeys(["a", *fields], int), **fields})
        return dataclass(frozen=True)(made)(1)

    assert digest(described(plan())) == digest(described(plan(younger=3)))


def test_numbers_are_known_by_their_value():
    assert digest({"a": [1, True]}) == digest({"a": [1.0, True]})
    assert digest({"a": 1}) != digest({"a": True})
    assert digest({"seed": 2**53}) != digest({"seed": 2**53 + 1})  # one float, two seeds
    digest({"seed": 10**400})


def test_a_part_of_ones_own_is_not_taken_for_one_of_ours_with_its_name():
    mine = dataclass(frozen=True)(type("Masking", (), {"__module__": "my_parts"}))
    assert described(mine()) == {"kind": "my_parts.Masking"}
    assert described(Masking(0.25))["kind"] == "Masking"


def test_a_part_that_is_no_dataclass_is_refused_in_one_line():
    with pytest.raises(ValueError, match=r"a part of a plan must be a frozen dataclass, got <"):
        described([object()])


def test_differences_name_what_changes_numbers_of_the_arm_and_nothing_else():
    before = {"init": "saa", "finetune.epochs": 4, "corruption.fraction": 0.1, "threads": 1}
    now = before | {"finetune.epochs": 5, "corruption.fraction": 0.4, "threads": 2}
    assert differences(before, now) == ["finetune.epochs: 4 there, 5 now"]
