"""Data larger than memory: mapped rows and codes on disk end in the same bits, in little memory."""

import json
import logging
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from sda import (
    Classifier,
    Finetuning,
    Gaussian,
    Layer,
    Masking,
    Pretraining,
    SquaredError,
    StackedDenoisingAutoencoder,
    finetune,
    join,
    pretrain,
)
from sda.__main__ import main
from sda.common.errors import DataError
from sda.common.rows import ROWS, extent, floats, in_blocks, shared
from sda.config import compose, schema
from sda.data.tables import arrays
from sda.experiment import baseline_rows
from sda.experiment.phases import State
from sda.runs.folder import RunFolder
from sda.training.codes import IN_MEMORY, Storage, StorageError
from sda.training.pretraining import encode, pretraining_epochs
from sda.training.reconstruction_error import Judge

SIZES = {"train": 5000, "valid": 4200, "test": 300}  # more than one block
CHOICES = {
    "label": "auto", "valid_fraction": 0.2, "test_fraction": 0.2, "scaling": "none",
    "n_classes": None, "image_shape": None, "seed": 0,
}  # fmt: skip


def levels(n, d=12, seed=0):
    rng = np.random.default_rng([seed, n])
    y = np.arange(n) % 3
    return np.clip(rng.integers(0, 120, (n, d)) + 60 * y[:, None], 0, 255).astype(np.uint8), y


def folder(path, kind=np.uint8, sizes=SIZES, d=12):
    path.mkdir(exist_ok=True)
    for part, n in sizes.items():
        x, y = levels(n, d)
        np.save(path / f"x_{part}.npy", x if kind == np.uint8 else x / np.float32(255))
        np.save(path / f"y_{part}.npy", y)
    return path


def table(path, **choices):
    return arrays(str(path), **{**CHOICES, **choices})


def refusal(path, **choices):
    with pytest.raises(DataError) as caught:
        table(path, **choices)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def on_disk(path):
    path.mkdir(exist_ok=True)
    return Storage(path, memory=0)


linux = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's /proc")


def nameless():
    """Files that this process has mapped and that have no name any more."""
    with open("/proc/self/maps") as maps:
        return {line.split(maxsplit=5)[4] for line in maps if line.rstrip().endswith("(deleted)")}


def is_mapped(array):
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


# Rows


def test_a_grey_level_is_its_255th_to_the_last_bit():
    expected = np.arange(256, dtype=np.float32) / np.float32(255)
    assert (floats(torch.arange(256, dtype=torch.uint8)).numpy() == expected).all()


@pytest.mark.parametrize("at", [0, 777, 12_344])
def test_the_extent_of_rows_tells_of_every_value_that_is_not_finite(at):
    for value in (torch.nan, torch.inf, -torch.inf):
        x = torch.rand(12_345)
        assert 0 <= extent(x)[0] <= extent(x)[1] < 1
        x[at] = value
        assert not np.isfinite(sum(extent(x)))


def test_blocks_are_all_rows_in_order():
    x = torch.arange(2 * ROWS + 1.0).unsqueeze(1)
    parts = list(in_blocks(x, x.device))
    assert [len(part) for part in parts] == [ROWS, ROWS, 1]
    assert torch.equal(torch.cat(parts), x)


# The folder


def test_a_folder_is_mapped_and_never_copied(tmp_path):
    for kind in (np.uint8, np.float32):
        data = table(folder(tmp_path / kind.__name__, kind))
        for part, rows in data.parts().items():
            assert is_mapped(rows.x), part
            assert rows.x.dtype == kind
            assert rows.y.dtype == np.int64
            assert not rows.x.flags.writeable
        assert data.n_classes == 3


def test_floats_of_a_folder_are_those_of_the_same_arrays_in_a_file(tmp_path):
    there = folder(tmp_path / "folder", np.float32)
    named = {file.stem: np.load(file) for file in there.glob("*.npy")}
    np.savez(tmp_path / "same.npz", **named)
    assert table(there).digest() == table(tmp_path / "same.npz").digest()


def test_grey_levels_in_a_file_that_is_read_are_those_of_a_folder(tmp_path):
    named = {f.stem: np.load(f) for f in folder(tmp_path / "folder").glob("*.npy")}
    np.savez(tmp_path / "same.npz", **named)
    assert table(tmp_path / "same.npz").digest() == table(tmp_path / "folder").digest()
    standard = table(tmp_path / "same.npz", scaling="standard").train.x
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-5)


def test_a_folder_says_in_one_line_which_files_are_missing(tmp_path):
    there = folder(tmp_path / "a")
    (there / "x_train.npy").unlink()
    (there / "y_valid.npy").unlink()
    assert refusal(there).endswith("missing: x_train.npy, y_valid.npy")


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("x_train", np.zeros((5000, 12)), "must be float32 or uint8, got float64"),
        ("x_train", np.zeros((5000, 12), ">f4"), "must be float32 or uint8, got >f4"),
        ("x_valid", np.asfortranarray(np.zeros((4200, 12), np.uint8)), "got Fortran order"),
        (
            "x_test",
            np.zeros((299, 12), np.uint8),
            "a, test: one label per row needed, got 299",
        ),
        ("x_test", np.zeros((300, 11), np.uint8), "all splits must have the same columns"),
        (
            "x_test",
            np.zeros((0, 12), np.uint8),
            "at least one of each, got uint8 of shape (0, 12)",
        ),
        (
            "x_test",
            np.zeros(300, np.uint8),
            "must be numbers (rows, columns), at least",
        ),
        ("x_train", np.full((5000, 12), np.inf, np.float32), "not a number or infinite, first in"),
        ("y_train", np.full(5000, -1), "training rows of at least 2 classes needed"),
    ],
)
def test_what_a_folder_may_not_hold_is_told_in_one_line(tmp_path, name, array, words):
    np.save(folder(tmp_path / "a") / f"{name}.npy", array)
    message = refusal(tmp_path / "a")
    assert words in message


def test_a_file_of_objects_is_never_unpickled(tmp_path):
    class Mine:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "pwned"),))

    np.save(folder(tmp_path / "a") / "x_train.npy", np.array([Mine()]), allow_pickle=True)
    assert "x_train.npy: not a .npy file that can be mapped" in refusal(tmp_path / "a")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_a_damaged_file_of_a_folder_is_told_in_one_line(tmp_path, content):
    file = folder(tmp_path / "a") / "x_train.npy"
    file.write_bytes(file.read_bytes()[:-1] if content is None else content)
    assert "x_train.npy: not a .npy file that can be mapped" in refusal(tmp_path / "a")


@pytest.mark.parametrize("scaling", ["unit", "standard"])
def test_a_folder_is_not_scaled_by_column_and_says_so(tmp_path, scaling):
    assert "needs data.scaling=none" in refusal(folder(tmp_path / "a"), scaling=scaling)


def test_a_folder_without_pictures_tells_of_constant_columns(tmp_path, caplog):
    there = folder(tmp_path / "a")
    x = np.load(there / "x_train.npy")
    x[:, 5] = 9
    np.save(there / "x_train.npy", x)
    with caplog.at_level(logging.WARNING):
        table(there)
    assert "1 of 12 features are constant" in caplog.text


# The same bits


def trained(train, valid, storage=IN_MEMORY):
    """Pretrain and fine-tune, all on the given rows; everything that was computed."""
    noisy = Layer(8, Gaussian(0.1), SquaredError())
    layers = [Layer(9, Masking(0.25)), noisy, Layer(7, Masking(0.25))]
    stack = StackedDenoisingAutoencoder.plan(12, layers, seed=0)
    settings = Pretraining(epochs=2, learning_rate=0.1, batch_size=30, patience=5)
    pretrained = pretrain(stack, train[0], settings, 0, valid[0], storage)
    network = Classifier(stack, 3, seed=0)
    epochs = finetune(network, train, valid, Finetuning(2, 0.5, 30), seed=0)
    figures = [epoch.row(0) for epoch in (*pretrained, *epochs)]
    return figures, [*network.parameters()], network.predict(valid[0])


def assert_same(one, other):
    assert one[0] == other[0]
    assert all(torch.equal(a, b) for a, b in zip(one[1], other[1], strict=True))
    assert torch.equal(one[2], other[2])


def in_memory():
    rows = [levels(SIZES[part]) for part in ("train", "valid")]
    return [
        (torch.from_numpy(x / np.float32(255)), torch.from_numpy(y).to(torch.int64))
        for x, y in rows
    ]


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_mapped_rows_end_in_the_bits_of_rows_in_memory(tmp_path, kind):
    data = table(folder(tmp_path / "a", kind))
    mapped = [tuple(map(shared, rows)) for rows in (data.train, data.valid)]
    assert_same(trained(*mapped), trained(*in_memory()))


def test_codes_on_disk_end_in_the_bits_of_codes_in_memory(tmp_path):
    rows = in_memory()
    assert_same(trained(*rows, on_disk(tmp_path)), trained(*rows))


@pytest.mark.parametrize("runs", [1, 3])
def test_codes_on_disk_are_those_in_memory_also_of_many_runs(tmp_path, runs):
    plan = [Layer(5, Masking(0.25)), Layer(4, Masking(0.25))]
    singles = [StackedDenoisingAutoencoder.plan(12, plan, seed) for seed in range(runs)]
    below, above = singles[0] if runs == 1 else join(singles)
    x = torch.from_numpy(levels(9000)[0])
    there, here = encode(below, x, on_disk(tmp_path)), encode(below, x)
    assert torch.equal(there, here)
    last = slice(2 * ROWS, None)
    assert torch.equal(there[..., last, :], below.encode(floats(x[last])))
    assert torch.equal(encode(above, there, on_disk(tmp_path)), encode(above, here))


def test_a_judge_measures_the_same_from_rows_on_disk_as_from_rows_in_memory(tmp_path):
    plan = [Layer(6, Masking(0.25), SquaredError())]
    layer = join([StackedDenoisingAutoencoder.plan(12, plan, seed) for seed in (0, 1)])[0]
    x = in_memory()[1][0]
    there, here = (
        Judge(layer, x, 0, [0, 1], layer.corruptions, storage)
        for storage in (on_disk(tmp_path), IN_MEMORY)
    )
    assert torch.equal(torch.stack(there.errors()), torch.stack(here.errors()))
    for name, value in here.baselines(x).items():
        assert torch.equal(there.baselines(x)[name], value)


def test_what_needs_no_training_is_measured_over_all_blocks():
    layer = StackedDenoisingAutoencoder.plan(12, [Layer(6, Masking(0.5), SquaredError())], 0)[0]
    (x, _), (valid, _) = in_memory()
    found = Judge(layer, valid, 0, [0], layer.corruptions).baselines(x)
    mean = 0.5 * (x.double().mean(0) - valid).square().sum(1).mean()
    assert float(found["mean"]) == pytest.approx(float(mean), rel=1e-5)
    assert float(found["input"]) == pytest.approx(
        float(0.5 * 0.5 * valid.double().square().sum(1).mean()), rel=0.05
    )


@torch.no_grad()
def test_a_classifier_is_judged_by_all_blocks():
    stack = StackedDenoisingAutoencoder.plan(12, [Layer(6, Masking(0.5))], 0)
    network, x = Classifier(stack, 3, seed=0), torch.rand(2 * ROWS + 1, 12)
    y = network(x).argmax(-1)
    y[ROWS:] = (y[ROWS:] + 1) % 3
    error, loss = map(float, network.evaluate(x, y))
    assert error == (ROWS + 1) / len(x)
    assert loss == pytest.approx(float(network.cost(x, y)), rel=1e-5)


@torch.no_grad()
def test_a_layer_is_judged_by_all_blocks():
    layer = StackedDenoisingAutoencoder.plan(12, [Layer(6, Masking(0.0), SquaredError())], 0)[0]
    x = torch.rand(2 * ROWS + 1, 12)
    x[ROWS:] = 0
    errors = Judge(layer, x, 0, [0], layer.corruptions).errors()
    cost = float((layer.reconstruct(x) - x).square().sum(1).mean() / 2)
    assert [*map(float, errors)] == pytest.approx([cost, cost], rel=1e-5)


def test_a_support_vector_machine_sees_grey_levels_as_networks_do(tmp_path):
    data = table(folder(tmp_path / "a"))
    words = ["baseline=svm_rbf", f"data.path={tmp_path / 'a'}", "data=arrays", "data.scaling=none"]
    plan = schema.build(compose.settings(words))
    assert torch.equal(torch.from_numpy(baseline_rows._seen(plan, data.valid.x)), in_memory()[1][0])


# On disk, but not for long


@linux
def test_files_have_no_name_and_go_with_their_tensor(tmp_path):
    before = nameless()
    kept = on_disk(tmp_path).keep((torch.ones(4, 3) * k for k in range(5)), 20)
    assert kept[:, 0].tolist() == [float(k) for k in range(5) for _ in range(4)]
    assert len(nameless() - before) == 1
    assert not list(tmp_path.iterdir())
    del kept
    assert nameless() == before


@linux
def test_what_fits_stays_in_memory(tmp_path):
    before = nameless()
    fitting, larger = Storage(tmp_path, memory=48), Storage(tmp_path, memory=47)
    kept = fitting.keep([torch.ones(4, 3)], 4)
    assert nameless() == before
    kept = larger.keep([torch.ones(4, 3)], 4)
    assert len(nameless() - before) == 1
    assert kept.sum() == 12


@linux
def test_no_more_than_two_layers_codes_exist_at_once(tmp_path, monkeypatch):
    before, seen = nameless(), []
    keep = Storage.keep

    def spied(self, blocks, n):
        kept = keep(self, blocks, n)
        seen.append((n, len(nameless() - before)))
        return kept

    monkeypatch.setattr(Storage, "keep", spied)
    stack = StackedDenoisingAutoencoder.plan(12, [Layer(4, Masking(0.25))] * 4, 0)
    x = in_memory()[0][0]
    for _ in pretraining_epochs(
        stack, x, [[Pretraining(1, 0.1, 100)] * 4], [0], storage=on_disk(tmp_path)
    ):
        assert len(nameless() - before) <= 1  # while a layer trains: what it trains on
    assert [most for _, most in seen] == [1, 2, 2]
    seen.clear()
    for epoch in pretraining_epochs(
        stack, x, [[Pretraining(1, 0.1, 100)] * 4], [0], x[:500], storage=on_disk(tmp_path)
    ):
        # And those of the validation rows, clean and corrupted; layer 1 has its inputs from us.
        assert len(nameless() - before) == (1 if epoch.depth == 0 else 3)
    assert max(most for _, most in seen) <= 4
    assert nameless() == before


def in_a_child(action):
    pid = os.fork()
    if pid == 0:
        try:
            action()
        finally:
            os._exit(77)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def full_at(size):
    """Files may not grow beyond so many bytes: a full disk that nobody else notices."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    def fill():
        full_at(1000)
        with pytest.raises(StorageError) as caught:
            on_disk(tmp_path).keep([torch.ones(100, 3)] * 2, 200)
        message = str(caught.value)
        assert "\n" not in message
        assert f"2.4e-06 GB of codes do not fit in {tmp_path}" in message
        assert not list(tmp_path.iterdir())
        os._exit(0)

    assert in_a_child(fill) == 0


# Whole runs

WORDS = [
    "data=arrays", "data.scaling=none", "stack.hidden=[9,8,7]", "pretrain.epochs=1",
    "pretrain.batch_size=50", "finetune.epochs=1", "tensorboard=false", "name=large",
]  # fmt: skip


def command(tmp_path, *words):
    """Run a command in this process; its exit status."""
    with pytest.raises(SystemExit) as ended:
        main([*WORDS, f"data.path={tmp_path / 'data'}", f"runs_folder={tmp_path / 'runs'}", *words])
    return ended.value.code


def run_folder(tmp_path):
    (path,) = {file.parent for file in (tmp_path / "runs").rglob("lock")}
    return path


def outcome(path):
    metrics = (path / "metrics.jsonl").read_text()
    predictions = np.load(path / "test_predictions.npz")["predicted"]
    result = RunFolder(path).result
    assert result["status"] == "finished"
    return metrics, predictions.tobytes(), result["data_hash"]


def test_a_run_on_a_folder_with_codes_on_disk_equals_one_in_memory(tmp_path):
    folder(tmp_path / "data")
    here, there = tmp_path / "here", tmp_path / "there"
    assert command(tmp_path, f"runs_folder={here}") == 0
    assert command(tmp_path, f"runs_folder={there}", "codes_memory=0") == 0
    (one,), (other,) = ([f.parent for f in top.rglob("lock")] for top in (here, there))
    assert one.name == other.name  # where codes lie is no setting of the experiment
    assert outcome(one) == outcome(other)


@pytest.mark.slow
def test_a_run_whose_disk_is_full_says_so_and_goes_on_when_there_is_room(tmp_path):
    folder(tmp_path / "data", sizes={"train": 9000, "valid": 300, "test": 300})
    assert command(tmp_path, f"runs_folder={tmp_path / 'whole'}") == 0
    (whole,) = (file.parent for file in (tmp_path / "whole").rglob("lock"))

    def without_room():
        full_at(100_000)  # codes of the training rows are 324 kB, everything else is smaller
        code = command(tmp_path, "codes_memory=0")
        os._exit(0 if "GB of codes do not fit" in str(code) and "\n" not in str(code) else 1)

    assert in_a_child(without_room) == 0
    path = run_folder(tmp_path)
    result = RunFolder(path).result
    assert result["status"] == "interrupted"
    assert "GB of codes do not fit" in result["message"]
    epochs = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    with pytest.raises(SystemExit) as ended:
        main(["resume", str(path), "codes_memory=0"])
    assert ended.value.code == 0
    assert outcome(path) == outcome(whole)
    kept = (path / "metrics.jsonl").read_text().splitlines()[: len(epochs)]
    assert [json.loads(line) for line in kept] == epochs  # layer 1 was not trained again
    times = [json.loads(line) for line in (path / "times.jsonl").read_text().splitlines()]
    assert sum(row.get("layer") == 1 and row["epoch"] == 1 for row in times) == 1


@pytest.mark.slow
def test_a_run_killed_with_codes_on_disk_leaves_none_and_resumes_in_the_same_bits(tmp_path):
    folder(tmp_path / "data")
    assert command(tmp_path, f"runs_folder={tmp_path / 'whole'}") == 0
    (whole,) = (file.parent for file in (tmp_path / "whole").rglob("lock"))

    def killed():
        keep, calls = Storage.keep, []

        def fatal(self, blocks, n):
            kept = keep(self, blocks, n)
            calls.append(n)
            if len(calls) == 5:  # the second layer's codes are there
                os.kill(os.getpid(), signal.SIGKILL)
            return kept

        Storage.keep = fatal
        command(tmp_path, "codes_memory=0")

    assert in_a_child(killed) == -signal.SIGKILL
    path = run_folder(tmp_path)
    known = {"lock", "attempt", "config.yaml", "result.json", "metrics.jsonl",
             "times.jsonl", "checkpoint"}  # fmt: skip
    assert {file.name for file in path.iterdir()} <= known
    with pytest.raises(SystemExit) as ended:
        main(["resume", str(path), "codes_memory=0"])
    assert ended.value.code == 0
    assert outcome(path) == outcome(whole)
    kept = {"model.safetensors", "pretrained.safetensors", "test_predictions.npz"}
    assert {file.name for file in path.iterdir()} <= known | kept


def test_a_run_killed_after_its_last_layer_computes_no_codes_again(tmp_path, monkeypatch):
    folder(tmp_path / "data")

    def killed():
        State.stack_up = lambda self: os.kill(os.getpid(), signal.SIGKILL)
        command(tmp_path)

    assert in_a_child(killed) == -signal.SIGKILL
    monkeypatch.setattr(Storage, "keep", lambda *_: pytest.fail("codes were computed"))
    with pytest.raises(SystemExit) as ended:
        main(["resume", str(run_folder(tmp_path))])
    assert ended.value.code == 0


@pytest.mark.parametrize("words", ["codes_memory=-1", "codes_memory=much", "codes_memory=true"])
def test_a_wrong_limit_is_refused_before_anything_starts(tmp_path, words):
    folder(tmp_path / "data")
    assert "codes_memory must be a number" in str(command(tmp_path, words))
    assert not (tmp_path / "runs").exists()


# Memory

PROGRAM = """
    import sys, threading, time
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    from sda import *
    from sda.common import rows as blocks
    from sda.data.tables import arrays
    from sda.training.codes import Storage

    def anonymous():
        status = Path("/proc/self/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) / 1e3  # MB

    def watch():
        while True:
            seen.append(anonymous())
            time.sleep(0.01)

    start, seen = anonymous(), []
    threading.Thread(target=watch, daemon=True).start()
    data = arrays(sys.argv[1], scaling="none")
    data.digest()
    train, valid = (tuple(map(blocks.shared, rows)) for rows in (data.train, data.valid))
    stack = StackedDenoisingAutoencoder.plan(784, [Layer(h, Masking(0.25)) for h in (300, 9)], 0)
    pretrain(stack, train[0], Pretraining(1, 0.1, 500), 0, valid[0], Storage(Path(sys.argv[2]), 0))
    network = Classifier(stack, 3, seed=0)
    finetune(network, train, valid, Finetuning(1, 0.1, 500), 0)
    network.predict(blocks.shared(data.test.x))
    print(max(seen) - start)
"""


@linux
@pytest.mark.slow
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_training_on_mapped_rows_takes_little_memory_of_its_own(tmp_path, kind):
    n = 80_000 if kind == np.uint8 else 40_000
    sizes = {"train": n, "valid": 20_000, "test": 20_000}
    there = folder(tmp_path / "data", kind, sizes, d=784)  # 63 or 125 MB; codes are 96 or 48 MB
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), there, tmp_path],
        cwd=Path(__file__).parents[2], capture_output=True, text=True,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "100000"},  # what is freed is given back
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # MB; 75 and 55 are blocks of 13 to 26 MB. A copy of the rows, or codes in memory, come on top.
    assert float(done.stdout) < (110 if kind == np.uint8 else 85)
