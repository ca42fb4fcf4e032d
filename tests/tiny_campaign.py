"""A campaign of two networks and a machine on digits, for tests of campaigns and of tables."""

import json
import shutil

import pytest

from sda.config import catalogue, compose
from sda.sweeps.campaign import campaign, record, run
from sda.sweeps.campaign import table as campaign_table
from sda.sweeps.campaign.cell import job_of
from sda.sweeps.job import place

TIER = "tiers: [{cells: [digits_sda3, digits_random3, digits_svm_rbf], settings: 2, seeds: 2}]"


SET = """\
# @package _global_
defaults: [{override /stack: small}]
name: tiny/digits
stack: {hidden: [9]}
pretrain: {epochs: 1}
finetune: {epochs: 2}
search:
  settings: [corruption.fraction=0.1, stack.initialisation=papers corruption.fraction=0.4]
  rates: [0.5, 1.0]
  space: {corruption.fraction: {from: 0.1, to: 0.5}, stack.hidden: {among: [[9], [7], [5]]}}
"""


CELL = """\
# @package _global_
defaults: [tiny/digits, _self_]
init: INIT
minutes: 10
published: {paper: a test, n_test: 500, test_error: {INIT: 0.25}}
"""


MACHINE = """\
# @package _global_
defaults: [{override /kernel: rbf}]
name: tiny/digits
kernel: {C: [1, 10], gamma: [1]}
published: {paper: a test, n_test: 500, test_error: {svm_rbf: 0.25}}
"""


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    """A configuration folder with a campaign of two cells."""
    folder = tmp_path_factory.mktemp("campaign") / "conf"
    shutil.copytree(catalogue.folder(), folder)
    (folder / "campaign" / "tiny.yaml").write_text(
        f"# @package campaign\nhours: null\nchoices: null\nwords: [tensorboard=false]\n{TIER}\n"
    )
    (folder / "experiment" / "tiny").mkdir()
    (folder / "experiment" / "tiny" / "digits.yaml").write_text(SET)
    for init in ("sda", "random"):
        path = folder / "experiment" / "tiny" / f"digits_{init}3.yaml"
        path.write_text(CELL.replace("INIT", init))
    (folder / "experiment" / "tiny" / "digits_svm_rbf.yaml").write_text(MACHINE)
    return folder


@pytest.fixture
def tiny(conf, tmp_path, monkeypatch):
    """How to read it."""
    monkeypatch.setattr(catalogue, "folder", lambda: conf)
    job_of.cache_clear()
    compose._composed.cache_clear()
    yield lambda hours: campaign.read(
        "tiny", [f"campaign.hours={hours}", f"runs_folder={tmp_path / 'runs'}"]
    )
    job_of.cache_clear()
    compose._composed.cache_clear()


@pytest.fixture
def done(tiny, conf, tmp_path):
    """The campaign when it is over; computed once, copied for each test."""
    plan, kept = tiny(1), conf.parent / "runs"
    if not kept.exists():
        assert run.run(plan) == (True, [])
        shutil.copytree(tmp_path / "runs", kept)
    shutil.copytree(kept, tmp_path / "runs", dirs_exist_ok=True)
    return plan


@pytest.fixture
def table(done, tmp_path):
    """The table of the campaign that is over."""
    record.write(tmp_path / "table.csv", table_rows(done), campaign_table.COLUMNS)
    return tmp_path / "table.csv"


def table_rows(plan):
    """The rows of a campaign's table."""
    return campaign_table.rows(campaign_table.last_cells(plan))


def plain(row):
    """A row of a table as text, without how long its runs took."""
    return {part: str(value) for part, value in row.items() if not part.endswith("minutes")}


def written(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")}


def change(job, **values):
    path = place(job) / "result.json"
    if "test_error" in values:  # of which they would tell otherwise
        path.with_name("test_predictions.npz").unlink(missing_ok=True)
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
