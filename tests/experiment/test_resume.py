"""A run that is killed, wherever, ends in the same bits as one that is not."""

import itertools
import json
import os
import shutil
import signal

import pytest
import torch
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tiny_run import at_event, in_a_child, kill, killed, outcome, plan, save_every, splits, train

from sda.experiment import experiment, launch, longer
from sda.experiment import judging as outcome_module
from sda.experiment.job import Job
from sda.nn.optimisers import Descent
from sda.runs import checkpoint, model_file
from sda.runs.checkpoint import CheckpointError
from sda.runs.folder import RunFolder, RunFolderError
from sda.training import pretraining

EVENTS = range(1, 12)  # 2 layers of epochs 0, 1, 2; the end of pretraining; 3 epochs; the end


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folders = {}
    for init in ("sda", "random", "dbn"):
        path = tmp_path_factory.mktemp("straight") / init
        train(path, f"init={init}")
        folders[init] = outcome(path)
    return folders


@pytest.mark.parametrize("every", [0.0, 1e9], ids=["saved each epoch", "saved at phase ends"])
@pytest.mark.parametrize("event", ["before the save", "after the save"])
@pytest.mark.parametrize(
    "number", [n if n % 3 == 0 else pytest.param(n, marks=pytest.mark.slow) for n in EVENTS]
)
def test_killed_between_any_two_epochs(tmp_path, uninterrupted, number, event, every, monkeypatch):
    save_every(every, monkeypatch)
    killed(tmp_path / "run", number, event=event)
    train(tmp_path / "run", "init=sda", resume=True)
    assert outcome(tmp_path / "run") == uninterrupted["sda"]


def test_a_finished_run_goes_on_to_the_bits_of_so_many_epochs_at_once(tmp_path, monkeypatch):
    few, many = ["init=sda", "finetune.epochs=2"], ["init=sda", "finetune.epochs=6"]
    more = tmp_path / "more"
    train(tmp_path / "few", *few)
    train(tmp_path / "many", *many)
    before, now = (
        Job(plan(*words)[1], [], path) for words, path in ((few, tmp_path / "few"), (many, more))
    )
    longer.check(before, now)
    longer.begin(before, now)
    with monkeypatch.context() as patched:
        patched.setattr(experiment, "_pretrain", None)  # what is there is not trained again
        train(more, *many, resume=True)
    assert outcome(more) == outcome(tmp_path / "many")
    assert RunFolder(before.path).result["epochs"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("finetune.epochs=3", "it can have more, got 3"),
        ("pretrain.epochs=5", r"pretrain.epochs=\[2,5\]"),
        ("init=random pretrain.epochs=5", "pretrained no layer"),
    ],
)
def test_a_finished_run_can_have_nothing_but_more(tmp_path, words, said):
    arm = [word for word in words.split() if word.startswith("init")] or ["init=sda"]
    before, now = (Job(plan(*some)[1], [], tmp_path) for some in (arm, [*arm, *words.split()]))
    with pytest.raises(ValueError, match=said):
        longer.check(before, now)


@pytest.mark.parametrize(
    "step", ["pretrained.safetensors", "savez", "model.safetensors", "update_result"]
)
def test_killed_while_writing_the_report(tmp_path, uninterrupted, step, monkeypatch):
    def killed():
        if step == "savez":
            outcome_module.np.savez = lambda *_, **__: kill()
        elif step.endswith(".safetensors"):
            save = model_file.save
            model_file.save = lambda network, path, *more: (
                kill() if path.name == step else save(network, path, *more)
            )
        else:
            original = RunFolder.update_result

            def update(self, **changes):
                if changes.get("status") == "finished":
                    kill()
                original(self, **changes)

            RunFolder.update_result = update
        train(tmp_path / "run", "init=sda")

    assert in_a_child(killed) == -signal.SIGKILL
    train(tmp_path / "run", "init=sda", resume=True)
    assert outcome(tmp_path / "run") == uninterrupted["sda"]


def test_a_resumed_run_does_not_train_finished_layers_again(tmp_path, monkeypatch):
    killed(tmp_path / "run", 4)  # epoch 0 of layer 2: layer 1 is done and saved
    depths = []
    original = pretraining.pretrain_layer

    def watched(layer, codes, plans, seeds, depth, *rest):
        depths.append(depth)
        return original(layer, codes, plans, seeds, depth, *rest)

    monkeypatch.setattr(pretraining, "pretrain_layer", watched)
    train(tmp_path / "run", "init=sda", resume=True)
    assert depths == [1]


def test_the_random_arm_resumes_too_and_is_never_pretrained(tmp_path, uninterrupted):
    killed(tmp_path / "run", 2, "init=random")
    train(tmp_path / "run", "init=random", resume=True)
    assert outcome(tmp_path / "run") == uninterrupted["random"]
    assert b'"pretrain"' not in outcome(tmp_path / "run")[1]


@pytest.mark.parametrize("number", [2, 5, 8])
def test_restricted_boltzmann_machines_resume_too(tmp_path, uninterrupted, number):
    killed(tmp_path / "run", number, "init=dbn")
    train(tmp_path / "run", "init=dbn", resume=True)
    assert outcome(tmp_path / "run") == uninterrupted["dbn"]
    assert outcome(tmp_path / "run")[0]["step"] == "contrastive divergence"


@pytest.mark.parametrize("number", [2, 9])
def test_optimisers_averages_and_dropout_resume_too(tmp_path, number, monkeypatch):
    save_every(0.0, monkeypatch)
    words = [
        "pretrain.momentum=0", "pretrain.optimiser=nadam", "pretrain.learning_rate=0.01",
        "pretrain.schedule=inverse_time", "finetune.optimiser=rmsprop", "finetune.schedule=cosine",
        "finetune.learning_rate=0.01", "finetune.averaging=0.9", "finetune.dropout=0.2",
    ]  # fmt: skip
    train(tmp_path / "whole" / "run", *words)
    killed(tmp_path / "killed" / "run", number, *words)
    train(tmp_path / "killed" / "run", *words, resume=True)
    assert outcome(tmp_path / "killed" / "run") == outcome(tmp_path / "whole" / "run")


@pytest.mark.parametrize(
    ("step", "error"),
    [(21, MemoryError()), (37, torch.OutOfMemoryError())],
    ids=["in epoch 2 of layer 2", "in epoch 2 of fine-tuning"],
)
def test_a_run_out_of_memory_within_an_epoch_resumes_to_the_same_bits(
    tmp_path, uninterrupted, step, error, monkeypatch
):
    steps, move = itertools.count(1), Descent.move_bias

    def failing(*given):
        if next(steps) == step:
            raise error
        move(*given)

    save_every(0.0, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(Descent, "move_bias", failing)
        with pytest.raises(type(error)):
            train(tmp_path / "run", "init=sda")
    train(tmp_path / "run", "init=sda", resume=True)
    assert outcome(tmp_path / "run") == uninterrupted["sda"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_saves_after_the_epoch_and_says_how_to_go_on(
    tmp_path, uninterrupted, number, code
):
    def stopped():
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where nohup runs the tests
        at_event("before the save", 5, lambda: os.kill(os.getpid(), number))
        train(tmp_path / "run", "init=sda")

    assert in_a_child(stopped) == code
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "interrupted"
    assert f"resume {tmp_path / 'run'}" in result["message"]
    train(tmp_path / "run", "init=sda", resume=True)
    assert outcome(tmp_path / "run") == uninterrupted["sda"]


def test_a_run_that_nohup_started_goes_on_when_its_terminal_is_closed(tmp_path, uninterrupted):
    def left_alone():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        at_event("before the save", 5, lambda: os.kill(os.getpid(), signal.SIGHUP))
        train(tmp_path / "run", "init=sda")

    assert in_a_child(left_alone) == 0
    assert outcome(tmp_path / "run") == uninterrupted["sda"]


def test_a_run_whose_checkpoints_are_gone_says_what_that_costs(tmp_path, uninterrupted, caplog):
    killed(tmp_path / "run", 9)
    shutil.rmtree(tmp_path / "run" / "checkpoint")
    train(tmp_path / "run", "init=sda", resume=True)
    assert "no checkpoint is left; epochs to train again: 8" in caplog.messages
    assert outcome(tmp_path / "run") == uninterrupted["sda"]


def test_a_full_disk_is_told_with_the_file_and_how_to_go_on(tmp_path, monkeypatch, uninterrupted):
    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write", full)
        with pytest.raises(OSError, match=r"No space.*next.pt'; go on with: .* resume .*run"):
            train(tmp_path / "run", "init=sda")
    assert RunFolder(tmp_path / "run").result["status"] == "interrupted"
    train(tmp_path / "run", "init=sda", resume=True)
    assert outcome(tmp_path / "run") == uninterrupted["sda"]


def test_a_second_signal_leaves_at_once_with_an_older_good_checkpoint(tmp_path, uninterrupted):
    def twice():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    def stopped():
        at_event("before the save", 6, twice)
        train(tmp_path / "run", "init=sda")

    assert in_a_child(stopped) == 130
    train(tmp_path / "run", "init=sda", resume=True)
    assert outcome(tmp_path / "run") == uninterrupted["sda"]


def test_a_run_with_other_settings_or_other_data_is_refused_with_what_differs(tmp_path):
    killed(tmp_path / "run", 4)
    with pytest.raises(RunFolderError, match=r"corruption.fraction: 0.25 there, 0.5 now") as no:
        train(tmp_path / "run", "init=sda", "corruption.fraction=0.5", resume=True)
    assert "\n" not in str(no.value)
    path = tmp_path / "run" / "result.json"
    path.write_text(path.read_text().replace('"data_hash": "', '"data_hash": "00'))
    with pytest.raises(RunFolderError, match="the data: their SHA-256 differs"):
        train(tmp_path / "run", "init=sda", resume=True)


@pytest.mark.parametrize("key", ["threads", "processor"])
def test_a_run_that_goes_on_elsewhere_says_that_bits_may_differ(tmp_path, key, monkeypatch, caplog):
    monkeypatch.setattr(experiment, "run", lambda *_: None)
    run, folder = Job(plan("init=sda")[1], [], tmp_path / "run"), RunFolder(tmp_path / "run")
    launch.train_together([run], splits())
    here = folder.result["environment"]
    folder.update_result(environment=here | {key: "other"})
    launch.train_together([run], splits())
    told = [f"resumed elsewhere ({key} other -> {here[key]}): bits may differ"]
    assert caplog.messages == told
    launch.train_together([run], splits())
    assert caplog.messages == told  # and not again


@pytest.mark.parametrize(
    ("seed", "data", "said"),
    [(5, "toy", "seed: 0 there, 5 now"), (0, "other", "the data: their SHA-256 differs")],
)
def test_a_checkpoint_knows_whose_it_is_when_the_result_is_gone(tmp_path, seed, data, said):
    killed(tmp_path / "run", 4)
    (tmp_path / "run" / "result.json").unlink()
    run = Job(plan("init=sda", f"seed={seed}")[1], [], tmp_path / "run")
    with pytest.raises(CheckpointError, match=rf"the checkpoint here is another run's \({said}\)"):
        launch.train_together([run], splits(data))


def test_damaged_checkpoints_are_no_fresh_start(tmp_path):
    killed(tmp_path / "run", 9)
    for path in (tmp_path / "run" / "checkpoint").glob("*.pt"):
        path.write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="no usable checkpoint"):
        train(tmp_path / "run", "init=sda", resume=True)


def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_says_what_that_costs(
    tmp_path, uninterrupted, caplog, monkeypatch
):
    save_every(0.0, monkeypatch)
    killed(tmp_path / "run", 9)
    last = tmp_path / "run" / "checkpoint" / "last.pt"
    last.write_bytes(last.read_bytes()[:-7])
    train(tmp_path / "run", "init=sda", resume=True)
    said = [entry.getMessage() for entry in caplog.records if entry.levelname == "WARNING"]
    (told,) = [message for message in said if "last.pt is" in message]
    assert told.endswith("prev.pt; epochs to train again: 1")
    assert outcome(tmp_path / "run") == uninterrupted["sda"]


def test_a_finished_or_unfinished_run_is_not_trained_over_unasked(tmp_path):
    train(tmp_path / "run", "init=random")
    before = (tmp_path / "run" / "metrics.jsonl").stat().st_mtime_ns
    with pytest.raises(RunFolderError, match="already has a finished run; overwrite=true"):
        train(tmp_path / "run", "init=random")
    train(tmp_path / "run", "init=random", resume=True)
    assert (tmp_path / "run" / "metrics.jsonl").stat().st_mtime_ns == before
    (tmp_path / "run" / "mine.txt").write_text("keep")
    train(tmp_path / "run", "init=random", overwrite=True)
    assert (tmp_path / "run" / "metrics.jsonl").stat().st_mtime_ns != before
    assert (tmp_path / "run" / "mine.txt").read_text() == "keep"


def test_two_processes_cannot_train_in_one_folder_and_a_dead_ones_lock_does_not_block(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.open()
    with pytest.raises(RunFolderError, match="another process is training"):
        train(tmp_path / "run")
    folder.close()
    in_a_child(lambda: (folder.open(), kill()))
    train(tmp_path / "run", "init=random")


def test_a_lock_dies_with_its_process_though_a_process_forked_from_it_lives_on(tmp_path):
    folder, (end, begin) = RunFolder(tmp_path / "run"), os.pipe()

    def action():
        folder.open()
        if os.fork() == 0:
            os.close(begin)
            os.read(end, 1)  # until the test is over
            os._exit(0)
        kill()

    in_a_child(action)
    train(tmp_path / "run", "init=random")
    os.close(begin)
    os.close(end)


def test_tensorboard_does_not_change_a_bit(tmp_path, uninterrupted):
    train(tmp_path / "shown", "init=sda", "tensorboard=true")
    shown = outcome(tmp_path / "shown")
    assert shown[1:] == uninterrupted["sda"][1:]


@pytest.mark.parametrize("number", [2, 5, 9])
def test_tensorboard_has_every_epoch_of_a_killed_run_once(tmp_path, number, monkeypatch):
    save_every(1e9, monkeypatch)
    path = tmp_path / "run"
    killed(path, number, "init=sda", "tensorboard=true")
    train(path, "init=sda", "tensorboard=true", resume=True)
    shown = [
        (value.tag, event.step)
        for file in path.glob("events.out.*")
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
        if value.tag.endswith("/loss")
    ]
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    names = [f"layer{row['layer']}" if "layer" in row else "fine-tuning" for row in rows]
    wanted = [(f"{name}/loss", row["epoch"]) for name, row in zip(names, rows, strict=True)]
    recorded = [place for place, row in zip(wanted, rows, strict=True) if row["loss"] is not None]
    assert sorted(shown) == sorted(recorded)
    assert not [child for child in path.iterdir() if child.name.startswith(("layer", "finetune"))]
