"""`stack.layers`: layers of any kinds, named in a file or on the command line."""

import json

import pytest
import tiny_run
from commands import run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sda import Masking
from sda.common import trust
from sda.config import compose, schema
from sda.runs import model_file
from sda.runs.identity import digest

DENSE = ["stack.hidden=null", "stack.layers=[{_target_: sda.Layer, n_hidden: 9},"
         "{_target_: sda.Layer, n_hidden: 8}]"]  # fmt: skip
MAXOUT = ["stack.hidden=null", "stack.layers=[{_target_: my_parts.Maxout, n_hidden: 7},"
          "{_target_: sda.Layer, n_hidden: 6}]"]  # fmt: skip

CONVOLUTIONAL = ["stack.hidden=null", "stack.layers=[{_target_: sda.Convolutional, channels: 2,"
                 "kernel: 2}, {_target_: sda.Layer, n_hidden: 6}]"]  # fmt: skip


PICTURE = "clean_corrupted_reconstructed"


def plan(*words):
    return schema.build_run(compose.settings(list(words)))


@pytest.mark.parametrize("init", ["random", "saa", "dbn", "sda"])
def test_a_dense_layer_is_the_same_run_whichever_way_it_is_asked_for(init):
    short = plan(f"init={init}", "stack.hidden=[9,8]", "corruption.fraction=[0.1,0.2]")
    long = plan(f"init={init}", *DENSE, "corruption.fraction=[0.1,0.2]")
    assert long.described() == short.described()
    assert long.trials == (Masking(0.1), Masking(0.2))


def test_a_layer_says_what_differs_from_the_settings_of_all_layers():
    own = plan(*DENSE, "+stack.layers.1.activation=tanh", "stack.layers.1.n_hidden=5",
               "reconstruction=squared_error")  # fmt: skip
    lower, upper = own.layers
    assert (lower.activation, lower.n_hidden) == ("sigmoid", 9)
    assert (upper.activation, upper.n_hidden) == ("tanh", 5)
    assert lower.reconstruction == upper.reconstruction


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ("[]", "stack.hidden must list the units of each layer, got None"),
        ("3", "stack.layers must be a list or null, got 3"),
        ("[3]", "stack.layers must be settings of its own, key: value or null, got 3"),
        ("[{n_hidden: 3}]", "stack.layers.0._target_ must name something in sda"),
        ("[{_target_: sda.Masking, fraction: 0.1}]", "must name a layer plan class"),
        ("[{_target_: sda.Layer}]", "the setting stack.layers.0.n_hidden is missing"),
        ("[{_target_: sda.Layer, n_hidden: 0}]", "n_hidden must be a whole number of at least 1"),
        ("[{_target_: sda.Layer, n_hiden: 4}]", "did you mean stack.layers.0.n_hidden?"),
        ("[{_target_: sda.Penalised, n_hidden: 4, penalty: 2}]",
         "stack.layers.0.penalty must be a part, {_target_: sda.NAME, ...}, got 2"),
        ("[{_target_: sda.GSN, n_hidden: 4, above: 9}]", "above must be a list, got 9"),
        ("[{_target_: sda.Convolutional, channels: 2, shape: [1, 2]}]",
         "stack.layers.0.shape must be a list of more values or null, got [1, 2]"),
        ("[{_target_: my_parts.Maxout, n_hidden: 4}]", "that the command line trusts"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_layer_is_one_line(layers, told):
    with pytest.raises(ValueError) as error:
        plan("stack.hidden=null", f"stack.layers={layers}")
    assert told in str(error.value)


def test_an_emphasis_that_a_kind_does_not_read_is_refused():
    kinds = (
        "stack.layers=[{_target_: sda.Layer, n_hidden: 3},{_target_: sda.Variational, n_hidden: 2}]"
    )
    own = plan("stack.hidden=null", kinds, "stack.emphasis.intact=[0.5,1.0]")
    assert own.layers[0].emphasis.intact == 0.5
    with pytest.raises(ValueError, match=r"a Variational \(layer 2\) weighs all components alike"):
        plan("stack.hidden=null", kinds, "stack.emphasis.intact=0.5")


def test_layers_are_listed_in_one_place():
    with pytest.raises(ValueError, match="set the other one to null"):
        plan(DENSE[1])


def test_the_arms_of_a_kind_of_ones_own(mine):
    trust.trust(["my_parts"])
    by_arm = {init: plan(f"init={init}", *MAXOUT) for init in ("random", "saa", "sda")}
    assert by_arm["sda"].trained_layers()[0].corruption == Masking(0.25)
    assert by_arm["saa"].trained_layers()[0].corruption == Masking(0.0)
    assert by_arm["saa"].trials[0] == Masking(0.25)
    assert not by_arm["random"].is_pretrained
    louder = plan("init=random", *MAXOUT, "corruption.fraction=0.4")
    assert digest(louder.described()) == digest(by_arm["random"].described())
    with pytest.raises(ValueError, match=r"init=dbn needs .* \(sda.Layer\), got Maxout"):
        plan("init=dbn", *MAXOUT)


def test_a_kind_of_ones_own_trains_from_the_command_line_with_all_that_a_run_has(mine, caplog):
    words = [*MAXOUT, "parts=[my_parts]", "data._target_=my_parts.dice", "+data.rows=40",
             "pretrain.epochs=2", "finetune.epochs=1", "name=mine"]  # fmt: skip
    assert run(*words) == (0, "")
    (folder,) = (mine / "runs" / "mine").iterdir()
    assert json.loads((folder / "result.json").read_text())["step"] == "autograd and closed form"
    stack = model_file.load(folder / "model.safetensors").stack
    assert type(stack[0]).__name__ == "MaxoutLayer"
    assert stack[0].plan().corruption == Masking(0.25)
    events = EventAccumulator(str(folder)).Reload()
    assert "pictures/layer1/clean_corrupted_reconstructed" in events.Tags()["images"]
    assert run(*words, "finetune.learning_rate=0.2") == (0, "")
    assert "layer 1: pretrained already, taken from earlier runs" in caplog.text
    assert run("resume", str(folder), "parts=[my_parts]") == (0, "")


@pytest.mark.parametrize("layers", [MAXOUT, CONVOLUTIONAL], ids=["Maxout", "Convolutional"])
def test_a_kind_is_resumed_to_the_same_bits(mine, layers, monkeypatch):
    trust.trust(["my_parts"])
    tiny_run.save_every(0.0, monkeypatch)
    tiny_run.train(mine / "straight" / "run", *layers)
    for number in (2, 5, 8):  # in its own layer, in the layer above, in fine-tuning
        tiny_run.killed(mine / str(number) / "run", number, *layers)
        tiny_run.train(mine / str(number) / "run", *layers, resume=True)
        straight = tiny_run.outcome(mine / "straight" / "run")
        assert tiny_run.outcome(mine / str(number) / "run") == straight


def test_convolutional_layers_are_shown_with_kernels_and_reconstructions(mine):
    words = ["stack=convolutional", "stack.layers.0.channels=4", "stack.layers.1.channels=5",
             "stack.layers.2.n_hidden=9", "pretrain.epochs=1", "pretrain.learning_rate=0.002",
             "finetune.epochs=1", "data=digits", "corruption.fraction=0.3"]  # fmt: skip
    assert run(*words) == (0, "")
    (folder,) = (mine / "runs" / "digits").glob("init*")
    stack = model_file.load(folder / "model.safetensors").stack
    assert [one.n_hidden for one in stack] == [4 * 4 * 4, 5 * 2 * 2, 9]
    assert [one.corruptions[0] for one in stack] == 3 * [Masking(0.3)]
    events = EventAccumulator(str(folder)).Reload()
    seen = {f"pictures/layer{k}/{tag}" for k in (1, 2, 3) for tag in ("filters", PICTURE)}
    assert seen | {"pictures/fine-tuning/layer3/filters"} <= {*events.Tags()["images"]}
    (kernels, *_) = events.Images("pictures/layer1/filters")
    assert (kernels.width, kernels.height) == (4 * (4 + 1) + 1, 4 + 2)
