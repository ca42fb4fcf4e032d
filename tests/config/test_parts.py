"""What a configuration may name, whoever wrote it; nothing else is called."""

import ast
import importlib
import inspect
import pkgutil

import pytest
import yaml

import sda
from sda.common import trust
from sda.config import catalogue, parts
from sda.nn.autoencoder import Layer
from sda.nn.corruption import Corruption, Emphasis, Masking
from sda.nn.distributions import CrossEntropy, Distribution, SquaredError
from sda.nn.layer_kind import LayerPlan


def everything():
    """All that can be named in the package: module, name, object."""
    for found in pkgutil.walk_packages(sda.__path__, "sda."):
        if found.name != "sda.__main__":
            module = importlib.import_module(found.name)
            yield from ((found.name, name, value) for name, value in vars(module).items())
    yield from (("sda", name, getattr(sda, name)) for name in sda.__all__)
    yield ("sda.__main__", "main", importlib.import_module("sda.cli.main").main)


EVERYTHING = [f"{module}.{name}" for module, name, value in everything() if callable(value)]


def accepted(kind):
    found = []
    for target in EVERYTHING:
        try:
            parts.part("here", {"_target_": target, "no such": 1}, kind)
        except ValueError as error:
            if "there is no setting 'here.no such'" in str(error):
                found.append(target.rpartition(".")[2])
    return set(found)


def ours(kind):
    """The names of all classes of a kind that come with the package."""
    found = {k for k in kind.__subclasses__() if k.__module__.startswith("sda.")}
    return {k.__name__ for k in found}.union(*map(ours, found))


def test_of_all_that_is_in_the_package_only_the_kind_that_a_place_needs_is_accepted():
    assert len(EVERYTHING) > 500
    assert accepted(Corruption) == ours(Corruption) > {"Masking", "Gaussian"}
    assert accepted(Distribution) == ours(Distribution) > {"Categorical", "CrossEntropy"}
    assert accepted(LayerPlan) == ours(LayerPlan) >= {"Layer", "Boltzmann"}


def test_of_all_that_is_in_the_package_only_the_data_sets_are_accepted_as_data():
    files = (catalogue.folder() / "data").glob("*.yaml")
    texts = [yaml.safe_load(file.read_text()) for file in files]
    nodes = [text.get("data", text) for text in texts]  # a table's is that of arrays
    sets = {node["_target_"].rpartition(".")[2] for node in nodes if "_target_" in node}
    found = set()
    for target in EVERYTHING:
        try:
            parts.data_function("data", {"_target_": target, "no such": 1})
        except ValueError as error:
            if "there is no setting 'data.no such'" in str(error):
                found.add(target.rpartition(".")[2])
    assert found == sets


@pytest.mark.parametrize(
    "target",
    [
        "os.system", "builtins.exec", "sda.__main__.main", "sda.cli.main.main", "sda", "", None, 3,
        "sda.runs.folder.os.system", "sda.data.tables.Path", "sda..nn", ".sda.Masking",
        "sda.nn.corruption.Corruption", "my_parts.Halving", ["sda.Masking"],
    ],
)  # fmt: skip
def test_what_else_is_named_is_refused_before_it_is_called(target):
    with pytest.raises(ValueError, match=r"^corruption._target_ (must name|names nothing)"):
        parts.part("corruption", {"_target_": target}, Corruption)


def test_the_command_line_trusts_a_module_with_the_same_kinds_and_no_others(mine):
    assert trust.taken(["seed=3", "parts=[my_parts]"]) == ["seed=3"]
    halving = parts.part("corruption", {"_target_": "my_parts.Halving", "share": 0.5}, Corruption)
    assert halving.share == 0.5
    function, values = parts.data_function("data", {"_target_": "my_parts.dice", "rows": 4})
    assert len(function(**values).train.y) == 4
    for name in ("noise", "Corruption", "np", "torch.load"):
        with pytest.raises(ValueError, match="_target_ must name"):
            parts.part("corruption", {"_target_": f"my_parts.{name}"}, Corruption)
        with pytest.raises(ValueError, match="_target_ must name"):
            parts.data_function("data", {"_target_": f"my_parts.{name}"})
    with pytest.raises(ValueError, match="must be a number, got 'x'"):
        parts.part("corruption", {"_target_": "my_parts.Halving", "share": "x"}, Corruption)


def test_a_part_has_parts_of_its_own_and_what_it_does_not_say_is_common_to_all():
    common = {"corruption": Masking(0.5), "reconstruction": CrossEntropy(), "unknown": 3}
    node = {"_target_": "sda.Layer", "n_hidden": 5, "emphasis": {"corrupted": 1.0, "intact": 0.5}}
    assert parts.part("stack.layers.0", node, LayerPlan, common) == Layer(
        5, Masking(0.5), CrossEntropy(), emphasis=Emphasis(1.0, 0.5)
    )
    own = {"corruption": {"_target_": "sda.Masking", "fraction": 0.1},
           "reconstruction": {"_target_": "sda.SquaredError"}}  # fmt: skip
    plan = parts.part("stack.layers.0", node | own, LayerPlan, common)
    assert (plan.corruption, plan.reconstruction) == (Masking(0.1), SquaredError())
    for inner in ({"_target_": "os.system"}, {"_target_": "sda.Layer"}, {"_target_": "sda.load"}):
        with pytest.raises(ValueError, match=r"^stack.layers.0.corruption._target_ must name"):
            parts.part("stack.layers.0", node | {"corruption": inner}, LayerPlan, common)


@pytest.mark.parametrize("name", ["nowhere", "", "a b", "..", "my_parts.Halving"])
def test_a_module_that_is_not_here_is_refused(mine, name):
    before = trust.trusted()
    if name:
        with pytest.raises(ValueError, match="must name a module that is here"):
            trust.taken([f"parts={name}"])
    assert trust.trusted() == before


def test_a_public_name_is_imported_when_it_is_asked_for_from_where_its_types_say():
    (typed,) = [node for node in ast.parse(inspect.getsource(sda)).body if isinstance(node, ast.If)]
    named = {alias.name: node.module for node in typed.body for alias in node.names}
    assert sorted(named) == sorted(sda.__all__)
    for name, module in named.items():
        assert getattr(sda, name) is getattr(importlib.import_module(module), name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        sda.nothing  # noqa: B018
