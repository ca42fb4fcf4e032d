"""Files are whole or absent, and a damaged or hostile one is never believed."""

import os
import pickle
import resource
import signal

import pytest
import torch
from tiny_run import in_a_child

from sda import (
    Classifier,
    Gaussian,
    Layer,
    Masking,
    SaltAndPepper,
    StackedDenoisingAutoencoder,
)
from sda.nn.distributions import SquaredError
from sda.runs import checkpoint, model_file
from sda.runs.checkpoint import CheckpointError
from sda.runs.folder import RunFolder, RunFolderError


def payload(n):
    return {"epoch": n, "weights": torch.full((50,), float(n))}


class Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


DAMAGES = {
    "cut short": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "text": lambda _: b"hello\n" * 20,
    "random": lambda _: os.urandom(500),
    "one bit": lambda data: data[:-300] + bytes([data[-300] ^ 4]) + data[-299:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path, damage):
    for n in (1, 2):
        checkpoint.save(tmp_path, payload(n))
    last = tmp_path / "last.pt"
    last.write_bytes(DAMAGES[damage](last.read_bytes()))
    saved, warning = checkpoint.latest(tmp_path)
    assert saved["epoch"] == 1
    assert "last.pt" in warning
    assert "prev.pt" in warning


@pytest.mark.parametrize("damage", DAMAGES)
def test_without_a_good_checkpoint_there_is_no_silent_fresh_start(tmp_path, damage):
    checkpoint.save(tmp_path, payload(1))
    last = tmp_path / "last.pt"
    last.write_bytes(DAMAGES[damage](last.read_bytes()))
    with pytest.raises(CheckpointError, match="no usable checkpoint"):
        checkpoint.latest(tmp_path)


def test_a_folder_where_nothing_was_saved_is_a_fresh_start(tmp_path):
    assert checkpoint.latest(tmp_path) == (None, None)
    assert checkpoint.latest(tmp_path / "absent") == (None, None)


@pytest.mark.parametrize("step", range(8))
def test_a_kill_anywhere_in_a_save_leaves_a_good_checkpoint(tmp_path, step, monkeypatch):
    """Kill before the step-th file event of the second save."""
    folder = tmp_path / "checkpoint"
    checkpoint.save(folder, payload(1))

    def save():
        events = iter(range(100))

        def counted(call):
            def wrapped(*args, **names):
                if next(events) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*args, **names)

            return wrapped

        for name in ("replace", "fsync", "open", "close"):
            setattr(os, name, counted(getattr(os, name)))
        checkpoint.save(folder, payload(2))

    assert in_a_child(save) in (0, -signal.SIGKILL)
    RunFolder(tmp_path).open()
    saved, warning = checkpoint.latest(folder)
    assert saved["epoch"] in (1, 2)
    assert warning is None
    assert not list(folder.glob("*.tmp"))


def test_whoever_opens_a_run_folder_sweeps_what_killed_writers_left_and_nothing_else(tmp_path):
    left = [
        "result.json.99.tmp",
        "model.safetensors.99.tmp",
        "search.jsonl.99.tmp",
        "00000/codes/x.tsv.99.tmp",
    ]
    others = ["notes.tmp", "beside/result.json.99.tmp", "result.json"]
    for name in left + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    owner = RunFolder(tmp_path)
    owner.open()
    assert [name for name in left + others if (tmp_path / name).exists()] == others
    (tmp_path / left[0]).write_text("being written")
    with pytest.raises(RunFolderError, match="another process"):
        RunFolder(tmp_path).open()
    assert (tmp_path / left[0]).exists()
    owner.close()


def fails_on_a_full_disk(size, write):
    """Write in a child that may write files of so many bytes."""

    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        with pytest.raises(OSError, match="too large"):
            write()

    assert in_a_child(full) == 0


def test_a_full_disk_keeps_the_old_checkpoint_and_leaves_nothing_else(tmp_path):
    checkpoint.save(tmp_path, payload(1))
    before = sorted(path.name for path in tmp_path.iterdir())
    fails_on_a_full_disk(4096, lambda: checkpoint.save(tmp_path, {"weights": torch.rand(5000)}))
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert checkpoint.latest(tmp_path)[0]["epoch"] == 1


def test_a_model_that_cannot_be_saved_leaves_the_one_that_was_there(tmp_path):
    path = tmp_path / "model.safetensors"
    model_file.save(network(), path)
    before = path.read_bytes()
    fails_on_a_full_disk(1000, lambda: model_file.save(network(), path))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_pickle_in_a_checkpoint_is_refused_and_not_run(tmp_path):
    marker, path = tmp_path / "marker", tmp_path / "model.safetensors"
    checkpoint.write(path, {"weights": torch.zeros(2), "bomb": Bomb(marker)})
    with pytest.raises(CheckpointError, match="not plain tensors"):
        checkpoint.read(path)
    path.write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(CheckpointError, match="not a file of this program"):
        model_file.load(path)
    assert not marker.exists()


def test_a_good_checkpoint_that_memory_does_not_hold_is_not_called_bad(tmp_path, monkeypatch):
    def no_memory(*_, **__):
        raise MemoryError

    checkpoint.save(tmp_path, payload(1))
    monkeypatch.setattr(checkpoint.torch, "load", no_memory)
    with pytest.raises(MemoryError):
        checkpoint.latest(tmp_path)


def test_a_file_of_a_newer_format_is_refused_with_its_version(tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint.write(path, payload(1))
    path.write_bytes(path.read_bytes().replace(b"sda-file 1", b"sda-file 9", 1))
    with pytest.raises(CheckpointError, match="format 9; this program reads up to 1"):
        checkpoint.read(path)


def network():
    layers = [
        Layer(5, Gaussian(0.1), SquaredError(), "tanh", tied=False),
        Layer(4, SaltAndPepper(0.2), SquaredError()),
        Layer(3, Masking(0.25)),
    ]
    return StackedDenoisingAutoencoder.plan(6, layers, seed=1)


def test_a_saved_network_comes_back_with_plan_weights_and_answers(tmp_path):
    x = torch.rand(9, 6)
    for original in (network(), Classifier(network(), 4, seed=2)):
        model_file.save(original, tmp_path / "model.safetensors")
        loaded = model_file.load(tmp_path / "model.safetensors")
        assert type(loaded) is type(original)
        assert str(loaded) == str(original)
        assert torch.equal(loaded(x), original(x))


def test_a_network_with_nan_weights_is_refused(tmp_path):
    broken = network()
    with torch.no_grad():
        broken[1].weight[0, 0] = torch.nan
    model_file.save(broken, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"NaN or infinite weights in layers\.1\.weight"):
        model_file.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("plan", [{}, {"kind": "Classifier", "n_visible": 10**9, "layers": [7]}])
def test_a_file_that_is_no_network_is_refused_in_one_line(tmp_path, plan):
    path = tmp_path / "model.safetensors"
    model_file.write(path, {"plan": plan}, network().state_dict())
    with pytest.raises(CheckpointError, match="holds no network") as refusal:
        model_file.load(path)
    assert len(str(refusal.value)) < 1000


@pytest.mark.parametrize("harm", ["weights", "header", "cut", "deep", "newer"])
def test_a_model_that_is_not_as_it_was_saved_is_refused_in_one_line(tmp_path, harm):
    path = tmp_path / "model.safetensors"
    model_file.save(network(), path)
    content = path.read_bytes()
    changed = {
        "weights": lambda: content[:-3] + bytes([content[-3] ^ 4]) + content[-2:],
        "header": lambda: content.replace(b"tanh", b"relu"),
        "cut": lambda: content[: len(content) // 2],
        "deep": lambda: (200_000).to_bytes(8, "little") + b"[" * 200_000,
        "newer": lambda: content.replace(b'\\"format\\": 1', b'\\"format\\": 9'),
    }[harm]()
    assert changed != content
    path.write_bytes(changed)
    with pytest.raises(CheckpointError) as refusal:
        model_file.load(path)
    assert "\n" not in str(refusal.value)
    assert ("format 9" in str(refusal.value)) == (harm == "newer")


def test_a_model_of_the_first_version_is_refused_by_name_by_its_file_and_by_its_folder(tmp_path):
    torch.save({"weights": torch.zeros(2)}, tmp_path / "model.pt")
    for asked in ("model.pt", "model.safetensors"):
        with pytest.raises(CheckpointError, match=r"model\.pt is a model of sda 0\.1"):
            model_file.read(tmp_path / asked)
