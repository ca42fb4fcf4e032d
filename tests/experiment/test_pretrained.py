"""Runs share pretrained layers through a store, to the bits of runs that trained them alone."""

import json
import multiprocessing
import time

import pytest

from sda.common.signals import Interrupted
from sda.config import schema
from sda.experiment import experiment, judging, pretrained
from sda.experiment.job import Job, outcome
from sda.experiment.launch import train_jobs
from sda.experiment.phases import State
from sda.experiment.recorder import Recorder
from sda.runs import environment
from sda.runs.layer_store import LayerStore
from sda.sweeps import sweep
from sda.sweeps.executors.executor import Local
from sda.training import pretraining

QUICK = [
    "stack.hidden=[9,8]", "pretrain.epochs=2", "finetune.epochs=3", "tensorboard=false", "init=sda",
    "data.seed=1",
]  # fmt: skip
LATER = ["finetune.learning_rate=1.0", "finetune.labelled=300"]


def job(folder, *words):
    return Job.of([*QUICK, *words, f"runs_folder={folder}"])


def trained(folder, *words):
    asked = job(folder, *words)
    train_jobs([asked])
    return asked.path


def bits(path):
    names = ("metrics.jsonl", "model.safetensors", "pretrained.safetensors")
    return [(path / name).read_bytes() for name in names]


def layers(folder):
    return sorted((folder / "layers").glob("*.safetensors"))


@pytest.fixture
def depths(monkeypatch):
    """Which layers were trained, one after the other."""
    seen = []
    original = pretraining.pretrain_layer

    def watched(layer, codes, plans, seeds, depth, *rest):
        seen.append(depth)
        return original(layer, codes, plans, seeds, depth, *rest)

    monkeypatch.setattr(pretraining, "pretrain_layer", watched)
    return seen


def test_a_run_that_differs_in_fine_tuning_takes_its_layers_to_the_bits_of_one_alone(
    tmp_path, depths
):
    alone = trained(tmp_path / "alone", *LATER)
    first = trained(tmp_path / "both")
    assert depths == [0, 1, 0, 1]
    later = trained(tmp_path / "both", *LATER)
    assert depths == [0, 1, 0, 1]  # nothing was pretrained
    assert bits(later) == bits(alone) != bits(first)
    assert json.loads((later / "result.json").read_text())["seconds"]["pretrain"] > 0


def test_a_deeper_run_shares_the_layers_below(tmp_path, depths):
    trained(tmp_path / "both", "stack.hidden=[9]")
    deep = trained(tmp_path / "both")
    assert depths == [0, 1]
    assert bits(deep) == bits(trained(tmp_path / "alone"))


def test_settings_of_an_upper_layer_leave_the_lower_one_shared(tmp_path, depths):
    trained(tmp_path)
    trained(tmp_path, "pretrain.learning_rate=[0.1,0.05]")
    assert depths == [0, 1, 1]


@pytest.mark.parametrize(
    "word",
    [
        "seed=1",
        "corruption.fraction=0.4",
        "pretrain.learning_rate=0.05",
        "init=saa",
        "data.seed=2",
        "stack.initialisation=papers",
    ],
)
def test_pretraining_that_differs_is_done(tmp_path, depths, word):
    trained(tmp_path)
    trained(tmp_path, word, *LATER)
    assert depths == [0, 1, 0, 1]


def test_layers_of_another_processor_or_of_other_code_are_not_taken(tmp_path, depths, monkeypatch):
    trained(tmp_path)
    monkeypatch.setattr(environment, "_processor", lambda: "another")
    trained(tmp_path, *LATER)
    monkeypatch.setattr(environment, "revision", lambda: "0" * 12)
    trained(tmp_path, "finetune.learning_rate=0.3")
    assert depths == [0, 1] * 3


def test_the_revision_of_code_heeds_no_comment_and_no_docstring():
    one, other, third = (
        environment._code(environment.ast.parse(text))
        for text in ("def f():\n    'a'\n    return 1", "def f():  # b\n    return 1",
                     "def f():\n    return 2")
    )  # fmt: skip
    assert one == other != third


def test_a_damaged_layer_is_trained_again_to_the_same_bits(tmp_path, depths):
    first = bits(trained(tmp_path))
    for path in layers(tmp_path):
        path.write_bytes(path.read_bytes()[:-9])
    again = trained(tmp_path, "overwrite=true")
    assert depths == [0, 1, 0, 1]
    assert bits(again) == first


def test_a_run_stopped_after_it_took_its_layers_resumes_to_the_same_bits(tmp_path, monkeypatch):
    whole = bits(trained(tmp_path / "alone", *LATER))
    trained(tmp_path)

    def stopped(*_, **__):
        raise Interrupted(2, "now")

    with monkeypatch.context() as patch:
        patch.setattr(experiment, "_finetune", stopped)
        with pytest.raises(Interrupted):
            trained(tmp_path, *LATER)
    assert bits(trained(tmp_path, *LATER)) == whole


def test_a_run_stopped_within_a_layer_that_another_has_finished_since_takes_it(
    tmp_path, depths, monkeypatch
):
    original, count = Recorder.after_epoch, iter(range(100))

    def stopped(self, due):
        original(self, True)
        if next(count) == 1:  # epochs 0 and 1 of the first layer are written down
            raise Interrupted(2, "now")

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "after_epoch", stopped)
        with pytest.raises(Interrupted):
            trained(tmp_path, *LATER)
    trained(tmp_path)
    assert depths == [0, 0, 1]
    assert bits(trained(tmp_path, *LATER)) == bits(trained(tmp_path / "alone", *LATER))


def test_runs_without_pretraining_have_no_layers(tmp_path):
    trained(tmp_path, "init=random")
    assert layers(tmp_path) == []


def test_what_diverged_is_not_kept(tmp_path):
    train_jobs([job(tmp_path, "pretrain.learning_rate=[0.1,1e30]")])
    assert len(layers(tmp_path)) == 1


def test_a_batch_shares_its_layers_with_the_same_batch_alone(tmp_path, depths):
    train_jobs([job(tmp_path, f"seed={seed}") for seed in (0, 1)])
    train_jobs([job(tmp_path, f"seed={seed}", *LATER) for seed in (0, 1)])
    assert depths == [0, 1]
    train_jobs([job(tmp_path, f"seed={seed}", "finetune.epochs=2") for seed in (1, 2)])
    assert depths == [0, 1, 0, 1]


def test_a_store_that_cannot_be_written_stops_no_run(tmp_path):
    (tmp_path / "layers").write_text("no folder")
    trained(tmp_path)


@pytest.mark.slow
def test_two_sweeps_at_once_share_their_layers(tmp_path):
    """One waits while the other trains a layer: together they train each once."""
    rates = [[job(tmp_path, f"finetune.learning_rate={rate}", "pretrain.epochs=40")]
             for rate in (0.5, 1.0)]  # fmt: skip
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=sweep.run_all, args=(jobs, Local(1))) for jobs in rates]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert len(layers(tmp_path)) == 2
    times = [(jobs[0].path / "times.jsonl").read_text().splitlines()[:41] for jobs in rates]
    assert times[0] == times[1]  # one measured them, the other took them


def test_who_waits_takes_over_from_one_that_stops_and_can_be_interrupted(tmp_path):
    store, waited = LayerStore(tmp_path / "layers"), []
    held = store.hold(["a"], lambda: None)

    def stop():
        waited.append(time.monotonic())
        if len(waited) == 2:
            raise Interrupted(2, "now")

    with pytest.raises(Interrupted):
        LayerStore(tmp_path / "layers").hold(["a"], stop)
    held.close()
    LayerStore(tmp_path / "layers").hold(["a"], stop).close()


def test_a_run_of_a_search_reads_no_test_rows_and_is_tested_when_asked(tmp_path, monkeypatch):
    tested = []
    original = judging.tested_on
    monkeypatch.setattr(judging, "tested_on", lambda *a: tested.append(1) or original(*a))
    path = trained(tmp_path, "test=false")
    result = json.loads((path / "result.json").read_text())
    assert (tested, result["test_error"], result["status"]) == ([], None, "finished")
    assert not (path / "test_predictions.npz").exists()
    assert trained(tmp_path) == path
    again = json.loads((path / "result.json").read_text())
    other = trained(tmp_path / "alone")
    assert again["test_error"] == json.loads((other / "result.json").read_text())["test_error"]
    assert again["identity"] == result["identity"]
    assert outcome(path)["valid_error"] == result["valid_error"]


def test_a_layer_that_was_put_under_another_key_is_not_taken(tmp_path, depths):
    trained(tmp_path, "seed=1")
    others = layers(tmp_path)
    alone = bits(trained(tmp_path / "alone"))
    keys = [path.name for path in layers(tmp_path / "alone")]
    for other in others:  # of the first layer, and of the second, which does not even fit
        gift = tmp_path / f"gift of {other.stem}"
        (gift / "layers").mkdir(parents=True)
        for name in keys:
            (gift / "layers" / name).write_bytes(other.read_bytes())
        depths.clear()
        assert bits(trained(gift)) == alone
        assert depths == [0, 1]


def test_what_products_are_computed_in_is_part_of_a_layers_key(tmp_path, monkeypatch):
    def keys():
        plan = experiment_state(job(tmp_path))
        return pretrained.keys(plan)

    before = keys()
    monkeypatch.setattr(type(experiment_state(job(tmp_path)).plans[0]), "precisions", ["bf16"] * 3)
    assert keys()[0][0] != before[0][0]


@pytest.mark.parametrize("name", ["MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "DNNL_DEFAULT_FPMATH_MODE"])
def test_what_libraries_round_by_is_part_of_a_layers_key(tmp_path, monkeypatch, name):
    before = pretrained.keys(experiment_state(job(tmp_path)))
    monkeypatch.setenv(name, "COMPATIBLE")
    assert pretrained.keys(experiment_state(job(tmp_path))) != before


def experiment_state(asked):
    return State([schema.build_run(asked.config)], schema.load_data(asked.config))
