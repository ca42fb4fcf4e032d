"""A campaign of two networks and a machine on digits, for tests of campaigns and of tables."""

import json
import shutil

import pytest

from sda.config import catalogue
from sda.experiment.launch import train_jobs
from sda.runs import ledger
from sda.runs.folder import RunFolder
from sda.sweeps.campaign import campaign, cell, protocol, run
from sda.sweeps.executors.executor import Executor
from sda.sweeps.worker import Outcome

CAMPAIGN = """\
# @package campaign
hours: null
choices: null
words: [tensorboard=false]
tiers: [{data: [digits], arms: [sda1, random1, svm_rbf], runs: 4, seeds: 2}]
"""
SET = """\
# @package _global_
name: tiny/digits
published: {paper: a test, n_test: 500, test_error: {sda: 0.25, svm_rbf: 0.25}}
"""
ARM = """\
# @package _global_
init: INIT
stack: {hidden: [9]}
pretrain: {epochs: 1}
finetune: {epochs: 3}
search:
  settings: [corruption.fraction=0.1, stack.initialisation=papers corruption.fraction=0.4]
  rates: [0.5, 1.0]
  space: {corruption.fraction: {from: 0.1, to: 0.5}, stack.hidden: {among: [[9], [7], [5]]}}
"""


@pytest.fixture(scope="module")
def conf(tmp_path_factory):
    """A configuration folder with a campaign of three cells."""
    folder = tmp_path_factory.mktemp("campaign") / "conf"
    shutil.copytree(catalogue.folder(), folder)
    (folder / "campaign" / "tiny.yaml").write_text(CAMPAIGN)
    (folder / "experiment" / "tiny").mkdir()
    (folder / "experiment" / "tiny" / "digits.yaml").write_text(SET)
    for init in ("sda", "random"):
        (folder / "arm" / f"{init}1.yaml").write_text(ARM.replace("INIT", init))
    file = folder / "baseline" / "svm_rbf.yaml"
    head = file.read_text().partition("  grid:")[0]
    file.write_text(f"{head}  grid: {{C: [1, 10], gamma: [1]}}\n")
    return folder


@pytest.fixture
def tiny(conf, tmp_path, monkeypatch):
    """How to read it: hours, further words."""
    monkeypatch.setattr(catalogue, "folder", lambda: conf)
    monkeypatch.setattr(protocol, "FINALISTS", 2)
    caches = (cell._job, catalogue.published)
    for one in caches:
        one.cache_clear()
    yield lambda hours, *words: campaign.read(
        "tiny", [f"campaign.hours={hours}", f"runs_folder={tmp_path / 'runs'}", *words]
    )
    for one in caches:
        one.cache_clear()


class Here(Executor):
    """Trains in this process, which starts none; of runs that end well."""

    def __init__(self):
        self.over = []

    is_free = True

    @property
    def is_idle(self):
        return not self.over

    def submit(self, task, told):
        train_jobs(task)
        self.over += [Outcome(str(job.path), RunFolder(job.path).result, None) for job in told]

    def ended(self):
        over, self.over = self.over, []
        return over

    def stop(self):
        pass


@pytest.fixture
def done(tiny, conf, tmp_path, monkeypatch):
    """The campaign when it is over; computed once, copied for each test."""
    plan, kept = tiny(1), conf.parent / "runs"
    if not kept.exists():
        with monkeypatch.context() as patch:
            patch.setattr(run, "executor", lambda settings: Here())
            assert run.run(plan) == (True, [])
        shutil.copytree(tmp_path / "runs", kept)
    shutil.copytree(kept, tmp_path / "runs", dirs_exist_ok=True)
    return plan


def lines(plan):
    """What the ledger of a campaign has."""
    return ledger.lines(plan.runs_folder / "ledger")


def change(plan, wanted, **values):
    """Change the lines of a campaign's ledger that ``wanted`` says."""
    changed = [line | values if wanted(line) else line for line in lines(plan)]
    write(plan, changed)


def write(plan, new):
    """Write a campaign's ledger anew, of these lines."""
    folder = plan.runs_folder / "ledger"
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.jsonl"):
        file.unlink()
    (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in new))


def written(folder):
    """When each result was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("result.json")}
