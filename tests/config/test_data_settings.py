"""Every data set's YAML names a function and gives every parameter that it has, and no other."""

import importlib
import inspect
from pathlib import Path

import pytest
import yaml

from sda.cli.data import SETS

FILES = sorted((Path(__file__).parents[2] / "conf" / "data").glob("*.yaml"))


def test_every_set_that_the_commands_know_has_a_file_and_the_other_way_round():
    assert {file.stem for file in FILES} == {*SETS, "arrays", "table", "bits", "curve"}


@pytest.mark.parametrize(
    "file",
    [f for f in FILES if f.stem != "table"],
    ids=lambda file: file.stem,  # which is arrays
)
def test_a_file_gives_exactly_the_parameters_of_its_function(file):
    text = file.read_text(encoding="utf-8")
    given = yaml.safe_load(text)
    given = given.get("data", given)  # one that sets more than the data has them below
    module, _, name = given.pop("_target_").rpartition(".")
    function = getattr(importlib.import_module(module), name)
    assert list(given) == list(inspect.signature(function).parameters)
    assert name == file.stem.replace("-", "_")
    assert text.startswith("# ")
