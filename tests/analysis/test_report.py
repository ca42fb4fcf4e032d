"""The page of finished runs: what it says first, what it shows, and that it needs nothing."""

import html.parser
import json
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml

from sda.analysis import confusions, learned, page, verdict
from sda.analysis.intervals import Estimate
from sda.analysis.tables import Block
from sda.cli import compare, report
from sda.common import plain_yaml
from sda.config import compose, schema
from sda.data.digits import digits
from sda.experiment.job import Job
from sda.experiment.launch import train_jobs
from sda.runs.results import Trained
from tests.analysis.test_comparison import run_folder, three_arms

WORDS = ["stack.hidden=[6]", "pretrain.epochs=1", "finetune.epochs=2", "tensorboard=false"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two arms on digits, two seeds each, as the command line trains them."""
    folder = tmp_path_factory.mktemp("trained")
    for init in ("random", "sda"):
        for seed in range(2):
            words = [f"init={init}", f"seed={seed}", *WORDS, f"runs_folder={folder}"]
            settings = compose.settings(words)
            train_jobs([Job(settings, words)])
    return folder / "digits"


class Reader(html.parser.HTMLParser):
    """Refuses tags that are not closed, and notes what a page asks for from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        self.sources += [value for key, value in attrs if key in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(content):
    reader = Reader()
    reader.feed(content)
    assert reader.open == []
    return reader


def test_the_page_of_a_sweep_has_all_that_a_colleague_asks_for_and_needs_nothing(trained, capsys):
    assert report.main([str(trained)]) == 0
    content = (trained / "report.html").read_text("utf-8")
    reader = read(content)
    assert all(source.startswith("data:image/png;base64,") for source in reader.sources)
    assert len(reader.sources) == 4  # curves, the filters of both, the reconstructions of one
    assert "url(" not in content
    assert "@import" not in content
    text = " ".join("".join(reader.text).split())
    order = ["errs on", "valid %", "Differences", "Curves", "First-layer filters",
             "Reconstructions", "Errors by class", "How to repeat it", "Versions"]  # fmt: skip
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "prefers-color-scheme: dark" in content


def test_the_commands_of_a_page_ask_for_the_runs_of_its_table(trained):
    (table,) = compare.compare([trained]).tables
    (command,) = report.commands(table)
    words = shlex.split(command)[shlex.split(command).index("-m", 2) + 1 :]
    assert {"init=random,sda", "seed=0,1", "stack.hidden=[6]"} <= set(words)
    one = [word for word in words if not word.startswith(("init", "seed"))]
    asked = compose.settings([*one, "init=sda", "seed=1"])
    run = table.arms[1].runs[1]
    again = schema.build_run(asked | {"name": run.result["name"]})
    assert again.described() == run.result["plan"]


def test_a_configuration_that_no_words_ask_for_has_no_command(trained, tmp_path):
    (table,) = compare.compare([trained]).tables
    first = table.arms[0].runs[0]
    run = replace(first, path=tmp_path)
    assert report.words_of(first)
    assert report.words_of(run) is None
    shutil.copy(first.path / "result.json", tmp_path)
    config = plain_yaml.read((first.path / "config.yaml").read_text())
    tuned = {"finetune": config["finetune"] | {"patience": 7}}
    for changed in ({"stack": config["stack"] | {"unheard": 1}}, {"data": None}, tuned):
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | changed))
        assert report.words_of(run) is None


def test_data_that_are_not_at_hand_cost_the_reconstructions_alone(trained, monkeypatch):
    def gone(plain):
        raise ValueError("no such file")

    monkeypatch.setattr(schema, "load_data", gone)
    content = report.page(trained)
    assert "Reconstructions" not in content
    assert "First-layer filters" in content


def test_filters_are_what_training_changed_of_the_units_that_it_changed_most(trained):
    (table,) = compare.compare([trained]).tables
    random, sda = table.arms
    assert learned._stack(random.runs[0])[1] == "after fine-tuning"
    stack, stage = learned._stack(sda.runs[0])
    assert stage == "after pretraining"
    settings = compose.settings([*WORDS, "init=sda"])
    initial = schema.build_run(settings).stack(64)[0].filters().detach().numpy()
    np.testing.assert_array_equal(learned._initial(stack, sda.runs[0]), initial)
    assert "less the initial weights" in learned.filters(sda, None).caption


def test_all_arms_are_shown_with_the_same_noise(trained):
    (table,) = compare.compare([trained]).tables
    assert learned.noise(table.arms[:1]) is None
    assert learned.noise(table.arms).fraction == 0.25
    assert learned.reconstructions(table.arms[0], digits(seed=0), None) is None


def test_the_matrix_counts_the_rows_of_every_run_by_class(tmp_path):
    for seed in range(2):
        run_folder(
            tmp_path / str(seed), "sda", seed, wrong=30, classes=[f"c{k}" for k in range(10)]
        )
    (arm,) = compare.compare([tmp_path]).tables[0].arms
    counts = confusions.matrix(arm)
    assert counts.sum() == 2000
    assert counts[0, 1] == 6  # the first 30 rows are taken for the next class: three of each
    assert confusions.shares(counts)[0, 1] == pytest.approx(0.03)
    errors, matrices = confusions.parts([arm])
    assert errors.rows[0] == ["c0", "3.00"]
    assert [grid.names[0] for grid in matrices.parts] == ["c0"]
    (tmp_path / "1" / "test_predictions.npz").unlink()
    (arm,) = compare.compare([tmp_path]).tables[0].arms
    assert confusions.parts([arm]) == []


def test_the_verdict_comes_in_sentences_with_every_interval(tmp_path):
    three_arms(tmp_path)
    (table,) = compare.compare([tmp_path]).tables
    (words,) = verdict.verdict(table)
    assert words.startswith("sda errs on 3.20 % of the test rows (3 seeds), 6.00 points less than ")
    assert "random (95 % interval 4.5" in words
    assert " and 3.00 points less than saa (95 % interval " in words
    pair = table.pairs[0]
    unsure = replace(pair, p=0.4, estimate=Estimate(-0.01, 0.02, 50.0, 1000, 0.003))
    assert verdict.sentence(unsure).startswith(
        "no difference was found between random and saa (random errs 1.00 points less than saa, "
    )
    level = replace(pair, p=1.0, estimate=Estimate(0.0, 0.0, 1.0, 1000, 0.003))
    assert verdict.sentence(level) == (
        "random and saa are level, surely less than 0.5 points apart"
    )
    # Cuts with unequal numbers of seeds: what is claimed goes by the estimate that p is of.
    turned = replace(pair, p=0.01, estimate=Estimate(-0.01, 0.002, 9.0, 1000))
    assert pair.difference.mean > 0
    assert turned.better is turned.first
    assert verdict.sentence(turned).startswith("random errs 1.00 points less than saa (95 % ")
    single = replace(pair, p=None, estimate=None, difference=Estimate(0.1, 0.0, 1.0, 1))
    assert "no verdict" in verdict.sentence(single)


def test_each_number_of_labels_has_a_verdict_of_its_own(tmp_path):
    for labels, better in ((50, "sda"), (None, "random")):
        for seed in range(2):
            for init in ("random", "sda"):
                own = {"finetune.labelled": labels}
                wrong = 20 if init == better else 60
                run_folder(tmp_path / f"{init}{labels}{seed}", init, seed, wrong, settings=own)
    few, all_of_them = verdict.verdict(compare.compare([tmp_path]).tables[0])
    assert few.startswith("With 50 labels: sda 50 labels errs on 2.00 %")
    assert all_of_them.startswith("With all labels: random all labels errs on 2.00 %")


def test_what_records_say_is_never_markup(tmp_path):
    three_arms(tmp_path, seeds=2, settings={"stack.activation": "<script>alert(1)</script>"})
    run_folder(tmp_path / "bad", status="failed", message="<b>")
    content = report.page(tmp_path)
    assert "<script" not in content
    assert "&lt;script&gt;" in content
    assert "&lt;b&gt;" in content


def test_a_page_is_made_of_parts_that_others_use_too():
    block = Block(["n", "error"], [["100", "**3.1**"]], "rl", ["one", "two"])
    parts = [
        page.Text("SdA errs on 3 % less.", leads=True), block, page.Code(["./run"]),
        page.Folded("more", [page.Row([page.Figure(b"png", "a < b")])]),
        page.Grid(["a", "b"], np.eye(2), "shares"),
    ]  # fmt: skip
    content = page.page("worth it?", [page.Section("Verdict", parts), page.Section("", [], 3)])
    reader = read(content)
    assert "<b>3.1</b>" in content
    assert "one; two" in content
    assert "a &lt; b" in content
    assert "--share: 1.000" in content
    assert reader.sources == ["data:image/png;base64,cG5n"]
    assert json.dumps(reader.text)


def test_of_numbers_the_verdict_tells_how_much_of_the_variance_is_explained(tmp_path, monkeypatch):
    three_arms(tmp_path)
    (table,) = compare.compare([tmp_path]).tables
    monkeypatch.setattr(Trained, "is_numeric", True)
    (words,) = verdict.verdict(table)
    assert words.startswith("sda explains 96.80 % of the variance of the test rows (3 seeds), ")
    assert "6.00 points more than random" in words
