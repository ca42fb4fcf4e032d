"""What TensorBoard itself answers a browser about 3, 15 and 60 runs in one folder."""

import json
import time
import urllib.parse
import urllib.request
import warnings

import pytest
import tiny_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sda.runs.logbook import Logbook

ARMS = ("random", "saa", "sda")
EPOCHS = 4


def write_runs(folder, runs):
    """As many runs as a sweep of three arms writes, without their training."""
    for k in range(runs):
        init, seed = ARMS[k % 3], k // 3
        where = folder / f"init-{init}_seed-{seed}"
        where.mkdir(parents=True)
        settings = {"init": init, "seed": seed, "stack.hidden": [9, 8]}
        if init == "sda":  # numbers, lists and null, each in some of the runs
            settings["corruption.fraction"] = [0.1, 0.2] if seed % 2 else 0.4
        settings["finetune.labelled"] = 100 if seed % 2 else None
        book = Logbook(where)
        book.settings(settings, ("valid_error", "test_error"))
        for epoch in range(1, EPOCHS + 1):
            if init != "random":
                for layer in (1, 2):
                    book.scalars(epoch, {f"layer{layer}/valid": 9.0 / epoch})
            book.scalars(epoch, {"fine-tuning/valid_error": 1.0 / epoch, "fine-tuning/loss": 1.0})
        if k % 5 == 4:  # killed, and gone on with from its last checkpoint
            size, shown = book.size(), book.events()
            book.scalars(EPOCHS + 1, {"fine-tuning/valid_error": 0.5})
            book.close()
            book = Logbook(where, size, events=shown)
            book.settings(settings, ("valid_error", "test_error"))
        book.scalars(EPOCHS + 1, {"fine-tuning/valid_error": 0.5})
        book.outcome({"valid_error": k / 100, "test_error": (runs - k) / 100})
        book.close()


READERS = [(3, "false"), *(
    pytest.param((runs, fast), marks=pytest.mark.slow)
    for runs in (15, 60) for fast in ("false", "true")
)]  # fmt: skip


@pytest.fixture(scope="module", params=READERS, ids=str)
def served(request, tmp_path_factory):
    """The number of runs and the address of a server of them, with either of its two readers."""
    runs, fast = request.param
    folder = tmp_path_factory.mktemp("runs")
    write_runs(folder, runs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what TensorBoard brings along
        from tensorboard import default, program

        server = program.TensorBoard(plugins=default.get_plugins())
        server.configure(argv=["", "--logdir", str(folder), "--port", "0", "--load_fast", fast])
        address = server.launch()
    for _ in range(300):
        if len(ask(address, "runs")) == runs and len(points(address)) == runs:
            return runs, address
        time.sleep(0.1)
    raise AssertionError("the server has not read the runs")


def ask(address, path, body=None, **query):
    """What the server answers, GET or with a body POST."""
    where = f"{address}data/{path}?{urllib.parse.urlencode(query)}"
    content = None if body is None else json.dumps(body).encode()
    kind = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(where, content, kind), timeout=30) as answer:
        return json.loads(answer.read())


def points(address):
    """Of each run the steps of its validation errors, where all have been read."""
    tag = "fine-tuning/valid_error"
    tags = ask(address, "plugin/scalars/tags")
    own = [run for run in tags if tag in tags[run]]
    found = {run: ask(address, "plugin/scalars/scalars", run=run, tag=tag) for run in own}
    return {run: [step for _, step, _ in one] for run, one in found.items() if len(one) > EPOCHS}


def test_tensorboard_shows_every_run_once_on_shared_axes(served):
    runs, address = served
    assert len(ask(address, "runs")) == runs  # one entry a run
    tags = ask(address, "plugin/scalars/tags")
    of_sda = {tag for run, own in tags.items() if "init-sda" in run for tag in own}
    assert {"fine-tuning/valid_error", "layer1/valid", "layer2/valid"} <= of_sda
    assert len({tag for own in tags.values() for tag in own}) < 10  # arms share their tags
    found = points(address)
    assert len(found) == runs
    assert all(steps == list(range(1, EPOCHS + 2)) for steps in found.values())  # none twice


def test_its_page_of_custom_scalars_has_a_chart_for_what_decides_and_one_a_layer(served):
    runs, address = served
    layout = ask(address, "plugin/custom_scalars/layout")
    titles = {
        one["title"]: [chart["title"] for chart in one["chart"]] for one in layout["category"]
    }
    assert list(titles) == ["Fine-tuning", "Reconstruction"]
    assert titles["Fine-tuning"][0] == "validation error"
    assert titles["Reconstruction"][0] == "layer 1: corrupted validation rows"
    assert len(titles["Reconstruction"]) == 4  # two layers, not twice for every run
    tag = layout["category"][0]["chart"][0]["multiline"]["tag"][0]
    lines = [
        ask(address, "plugin/custom_scalars/scalars", tag=tag, run=run)
        for run in ask(address, "runs")
    ]
    assert sum(len(line["tag_to_events"]) for line in lines) == runs


def test_its_table_of_settings_is_complete_and_every_column_sorts(served):
    runs, address = served
    found = ask(address, "plugin/hparams/experiment", {"experimentName": ""})
    columns = {one["name"] for one in found["hparamInfos"]}
    assert {"init", "seed", "corruption.fraction.layer1", "corruption.fraction.layer2"} <= columns
    for name in columns:
        asked = {"experimentName": "", "startIndex": 0, "sliceSize": 100}
        asked |= {"allowedStatuses": ["STATUS_SUCCESS"]}
        asked |= {"colParams": [{"hparam": name, "order": "ORDER_DESC"}]}
        assert ask(address, "plugin/hparams/session_groups", asked)["totalSize"] == runs


def test_the_groups_of_curves_come_before_those_with_a_card_for_each_run(tmp_path):
    folder = tmp_path / "runs" / "one"
    tiny_run.train(folder, "tensorboard=true")
    tags = EventAccumulator(str(folder)).Reload().Tags()
    curves = {tag.split("/")[0] for tag in tags["scalars"]}
    others = {tag.split("/")[0] for kind in ("images", "histograms") for tag in tags[kind]}
    assert curves
    assert others == {"values", "pictures"}
    outcome = {"valid_error", "test_error"}  # of the table of settings: a point each
    assert max(curves - outcome) < min(others)
